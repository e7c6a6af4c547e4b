"""GraphQL over Server-Sent Events, by the letter of its protocol, and a stream's life: as long as a socket's, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import orjson
import pytest
import pytest_asyncio

from api.connections.limits import SocketLimits
from api.gate import LiveSocket
from domain.errors import RateLimited
from domain.identity import Caller
from tests.stream_client import EVENTS, raw_request, request
from tests.toy_server import FakeGate, Toy, caller, toy_server
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

HANG = "subscription { hang }"
QUICK = SocketLimits(send=0.3, mutation_grace=0.2, admission=0.3)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def toy() -> AsyncIterator[Toy]:
    """A server as production has it."""
    async with toy_server(allowed=("https://talk.example",)) as toy:
        yield toy


async def at_rest(toy: Toy) -> None:
    """Wait until nothing is left of any stream."""
    await until(lambda: not len(toy.live) and not toy.state.open_streams and not toy.counts.open.total())
    await until(lambda: len(toy.sockets.closed_sockets) == len(toy.sockets.opened_sockets))


# --- the protocol -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["POST", "GET"])
async def test_a_subscription_is_events_and_then_complete_to_the_byte(toy: Toy, by: str) -> None:
    """A client that splits at two LF, one that reads EventSource's rules and one that wants `data` all read the same."""
    async with request(
        toy.port, "subscription($to: Int!) { count(to: $to) { number } }", by=by, variables={"to": 2}
    ) as answer:
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert await answer.rest() == (
            b":\n\n:\n\n"
            b'event: next\ndata: {"data":{"count":{"number":0}}}\n\n'
            b'event: next\ndata: {"data":{"count":{"number":1}}}\n\n'
            b"event: complete\ndata:\n\n"
        )
        assert answer.finished is True
    await at_rest(toy)
    assert toy.state.delivered[-2:] == [0, 1]
    assert toy.counts.delivered["sse"] >= 2


async def test_the_connection_serves_on_after_a_stream_that_completed(toy: Toy) -> None:
    """A client keeps its connections: what follows must not be lost or mixed up."""
    async with request(toy.port, "subscription { count(to: 1) { number } }") as answer:
        await answer.rest()
        answer.writer.write(b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(20):
            assert b'{"data":{"hello":"world"}}' in await answer.reader.readuntil(b"}}")


@pytest.mark.parametrize("query", ["{ hello }", 'mutation { hello: note(name: "world") }'])
async def test_queries_and_mutations_are_one_event(toy: Toy, query: str) -> None:
    """graphql-sse sends everything this way."""
    async with request(toy.port, query) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert await answer.event() == ("next", {"data": {"hello": "world"}})
        assert await answer.event() == ("complete", None)
        assert await answer.rest() == b""


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription { hang", "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription($n: Int!) { hang(first: $n) }", "BAD_USER_INPUT"),
        ("subscription { refuses }", "FORBIDDEN"),
    ],
)
async def test_what_cannot_run_is_told_in_the_stream(toy: Toy, query: str, code: str) -> None:
    """The protocol: an EventSource learns nothing from a status, so that validation errors are events."""
    async with request(toy.port, query) as answer:
        assert answer.status == 200
        kind, result = await answer.event()
        assert (kind, result["errors"][0]["extensions"]["code"], "data" in result) == ("next", code, False)
        assert await answer.event() == ("complete", None)


async def test_a_stream_that_breaks_says_so(toy: Toy) -> None:
    """The client learns why, and that nothing more will come."""
    async with request(toy.port, 'subscription { breaks(kind: "missing") }') as answer:
        assert await answer.event() == ("next", {"data": {"breaks": 1}})
        assert (await answer.event())[1]["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        assert await answer.event() == ("complete", None)


@pytest.mark.parametrize(
    ("by", "query", "token", "status"),
    [
        ("POST", HANG, "forged:x", 401),
        ("POST", HANG, "expired", 401),
        ("POST", HANG, "down", 500),
        ("GET", 'mutation { note(name: "x") }', None, 405),
        ("PUT", HANG, None, 405),
        ("POST", None, None, 400),
    ],
)
async def test_what_is_wrong_with_the_request_is_a_status_in_json(
    toy: Toy, by: str, query: str | None, token: str | None, status: int
) -> None:
    """graphql-sse tries again with fresh headers after a bad status, which is what an expired token needs."""
    async with request(toy.port, query, token=token, by=by) as answer:
        await answer.rest()
        assert (answer.status, answer.headers["content-type"]) == (status, "application/json; charset=utf-8")
        assert orjson.loads(answer.body)["errors"][0]["extensions"]["code"]
    assert "x" not in toy.state.started


URQL = (
    "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed"
)


@pytest.mark.parametrize(
    ("accept", "query", "chosen"),
    [
        (URQL, "{ hello }", "application/graphql-response+json; charset=utf-8"),
        ("text/event-stream, multipart/mixed", "subscription { count(to: 1) { number } }", f"{EVENTS}; charset=utf-8"),
        (
            "text/event-stream;q=0.2, application/json",
            "subscription { count(to: 1) { number } }",
            f"{EVENTS}; charset=utf-8",
        ),
        ("text/event-stream, application/json;q=0.5", "{ hello }", f"{EVENTS}; charset=utf-8"),
        ("text/event-stream;q=0.9, application/json;q=0.5", "{ nothing }", f"{EVENTS}; charset=utf-8"),
        ("TEXT/Event-Stream", "{ hello }", f"{EVENTS}; charset=utf-8"),
    ],
)
async def test_events_are_chosen_when_the_client_likes_them_best(
    toy: Toy, accept: str, query: str, chosen: str
) -> None:
    """Stock Strawberry breaks urql here: it takes a mention of events for a wish."""
    async with request(toy.port, query, accept) as answer:
        assert (answer.status, answer.headers["content-type"]) == (200, chosen)


@pytest.mark.parametrize("accept", [None, "*/*", "text/*", "application/json", "text/event-stream;q=0, */*"])
async def test_nobody_gets_a_stream_who_did_not_name_one(toy: Toy, accept: str | None) -> None:
    """A client that waits for the end of the answer would wait for ever."""
    async with request(toy.port, HANG, accept) as answer:
        await answer.rest()
        assert answer.headers["content-type"].startswith("application/json") or answer.status == 406
        assert orjson.loads(answer.body)["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_the_cursor_comes_in_the_header_of_event_source(toy: Toy) -> None:
    """A client that repeats its first request when it comes back would be told everything again."""
    async with request(toy.port, "subscription { resumed }", headers={"last-event-id": "abc"}) as answer:
        assert await answer.event() == ("next", {"data": {"resumed": "abc"}})
    async with request(toy.port, HANG, headers={"last-event-id": "x" * 5_000}) as answer:
        assert answer.status == 400


# --- origins ----------------------------------------------------------------------------------------------------------------


async def test_pages_of_foreign_origins_open_no_streams(toy: Toy) -> None:
    """As with sockets: a page that its visitor happens to look at could hold as many open as it likes."""
    async with request(toy.port, HANG, headers={"origin": "https://talk.example"}) as answer:
        assert answer.headers["access-control-allow-origin"] == "https://talk.example"
        assert await answer.event() == ("next", {"data": {"hang": 0}})
    async with request(toy.port, HANG, headers={"origin": "https://evil.example"}) as answer:
        assert (answer.status, "access-control-allow-origin" in answer.headers) == (403, False)
    async with request(toy.port, "{ hello }", headers={"origin": "https://evil.example"}) as answer:
        assert "access-control-allow-origin" not in answer.headers
    await at_rest(toy)


# --- a stream's life --------------------------------------------------------------------------------------------------------


async def test_a_stream_attaches_its_user_and_is_gone_with_its_client(toy: Toy) -> None:
    """Somebody whose network blocks WebSockets is as much there as anybody."""
    async with request(toy.port, HANG, token="ok:ada") as answer:
        assert await answer.event() == ("next", {"data": {"hang": 0}})
        stream = toy.sockets.opened_sockets[-1]
        assert stream.caller is not None
        assert stream.caller.user_id == caller("ada").user_id
        assert (len(toy.live), toy.live.operations, toy.counts.open["sse"]) == (1, 1, 1)
        assert stream not in toy.sockets.closed_sockets
    await at_rest(toy)
    assert stream in toy.sockets.closed_sockets


@pytest.mark.parametrize("token", ["ok:broken", "ok:stuck"])
async def test_a_user_who_cannot_be_attached_is_told_to_try_again(token: str) -> None:
    """Told as a status, because nothing has begun; and what was begun is taken back."""
    async with toy_server(QUICK) as toy:
        toy.sockets.broken.add(caller("broken").user_id)
        toy.sockets.stuck.add(caller("stuck").user_id)
        async with request(toy.port, HANG, token=token) as answer:
            await answer.rest()
            assert answer.status == (503 if token == "ok:stuck" else 500)
        await at_rest(toy)


async def test_a_token_that_expires_cuts_the_stream(toy: Toy) -> None:
    """Clients come back with a fresh token when a stream is cut, and take an announced end for the end."""
    async with request(toy.port, HANG, token="short:ada") as answer:
        text = await answer.rest()
        assert (b"complete" in text, answer.finished) == (False, False)
    await at_rest(toy)


@pytest.mark.parametrize("code", [4403, 1012, 1013])
async def test_what_has_to_come_back_is_cut_and_loses_nothing_that_was_written(toy: Toy, code: int) -> None:
    """A restart, and a change of what the session may do."""
    async with request(toy.port, HANG, token="ok:ada") as answer:
        assert await answer.event() == ("next", {"data": {"hang": 0}})
        toy.sockets.opened_sockets[-1].close(code, "come back")
        assert (await answer.rest(), answer.finished) == (b"", False)
    await at_rest(toy)


@pytest.mark.parametrize(("code", "told"), [(4401, "UNAUTHENTICATED"), (4429, "CONFLICT")])
async def test_what_must_not_come_back_is_told_and_completed(toy: Toy, code: int, told: str) -> None:
    """A session that ended. Without an announced end the client would try again and again."""
    async with request(toy.port, HANG, token="ok:ada") as answer:
        assert await answer.event() == ("next", {"data": {"hang": 0}})
        stream = toy.sockets.opened_sockets[-1]
        stream.close(code, "Sign in again.")
        stream.close(1012, "too late")
        kind, result = await answer.event()
        assert (kind, result["errors"]) == ("next", [{"message": "Sign in again.", "extensions": {"code": told}}])
        assert await answer.event() == ("complete", None)
        assert (await answer.rest(), answer.finished) == (b"", True)
    await at_rest(toy)


async def test_a_revoked_session_gets_nothing_from_a_stream_that_just_opened(toy: Toy) -> None:
    """What was revoked between the look at the token and the first event."""
    user_id = caller("mallory").user_id
    toy.sockets.revoked.add(user_id)
    async with request(toy.port, "subscription { count(to: 5) { number } }", token="ok:mallory") as answer:
        kind, result = await answer.event()
        assert (kind, result["errors"][0]["extensions"]["code"]) == ("next", "UNAUTHENTICATED")
        assert await answer.event() == ("complete", None)
    await at_rest(toy)


async def test_the_sixth_of_a_users_sockets_and_streams_ends_the_oldest(toy: Toy) -> None:
    """Streams and sockets are one number: a client that can have either must not have twice as many."""
    async with AsyncExitStack() as stack:
        socket = await stack.enter_async_context(toy.client("ok:eve"))
        streams = [await stack.enter_async_context(request(toy.port, HANG, token="ok:eve")) for _ in range(5)]
        assert (await socket.closed())[0] == 4429
        await stack.enter_async_context(toy.client("ok:eve"))
        assert await streams[0].event() == ("next", {"data": {"hang": 0}})
        assert (await streams[0].event())[1]["errors"][0]["extensions"]["code"] == "CONFLICT"
        assert await streams[0].event() == ("complete", None)
        await until(lambda: len(toy.live) == 5)
    await at_rest(toy)


async def test_streams_of_strangers_are_counted_by_network() -> None:
    """A stranger with a script must not take every file descriptor, whichever way."""
    async with toy_server(SocketLimits(strangers=1)) as toy:
        async with request(toy.port, HANG) as first:
            await first.event()
            async with request(toy.port, HANG) as second:
                assert (second.status, second.headers["retry-after"]) == (503, "1")
            async with request(toy.port, HANG, token="ok:ada") as signed_in:
                assert signed_in.status == 503  # as a handshake is: before anybody looks at who it is
        await at_rest(toy)
        assert toy.live.refusals["strangers_of_network"] == 2


async def test_shutdown_cuts_all_streams_and_opens_no_more() -> None:
    """A rolling restart waits for nobody who could stay for hours."""
    async with toy_server() as toy, request(toy.port, HANG, token="ok:ada") as answer, request(toy.port, HANG) as other:
        assert await answer.event() == ("next", {"data": {"hang": 0}})
        assert await other.event() == ("next", {"data": {"hang": 0}})
        async with asyncio.timeout(20):
            await toy.live.close_all(over=0.05)
        assert (await answer.rest(), answer.finished) == (b"", False)
        assert (await other.rest(), other.finished) == (b"", False)
        async with request(toy.port, HANG) as late:
            assert (late.status, late.headers["retry-after"]) == (503, "1")


async def test_a_client_that_stops_reading_is_dropped_and_costs_little() -> None:
    """One that reads nothing would else hold what is said in its rooms for as long as it likes."""
    async with toy_server(QUICK) as toy:
        flood = "subscription { count(to: 10000000, filler: 1000) { number filler } }"
        async with request(toy.port, flood, token="ok:ada", receive_buffer=4096, limit=1024) as answer:
            assert answer.status == 200
            await until(lambda: toy.live.aborted_slow == 1)
            await at_rest(toy)
            assert len(toy.state.delivered) < 2_000
        await until(lambda: not toy.server.server_state.connections)


async def test_a_client_that_is_told_nothing_and_takes_nothing_is_dropped() -> None:
    """A phone that went out of range says nothing; only a heartbeat that nobody takes shows that it has gone."""
    async with toy_server(heartbeat=0.3) as toy:
        large = "subscription { large(filler: 300000) }"
        async with request(toy.port, large, receive_buffer=4096, limit=1024) as answer:
            assert answer.status == 200
            await until(lambda: toy.live.aborted_silent == 1)
            await at_rest(toy)


async def test_a_client_that_reads_hears_a_heartbeat_and_stays() -> None:
    """Proxies cut what is silent, and a client that reads slowly is no dead one."""
    async with toy_server(heartbeat=0.05) as toy, request(toy.port, HANG) as answer:
        assert await answer.event() == ("next", {"data": {"hang": 0}})
        for _ in range(10):
            assert await answer.to(b"\n\n") == b":\n\n"
        assert (toy.live.aborted_silent, len(toy.live)) == (0, 1)


async def test_a_client_that_talks_into_its_stream_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """Uvicorn would answer 400 in the middle of the stream, fail at that, and log a traceback for whoever likes to read one."""
    async with toy_server() as toy:
        target = "/graphql?query=subscription%7Bhang%7D"
        headers = {"accept": EVENTS, "connection": "close"}
        async with raw_request(toy.port, "GET", target, headers) as answer:
            assert await answer.event() == ("next", {"data": {"hang": 0}})
            answer.writer.write(b"what is this?\r\n\r\n")
            await answer.rest()
            assert answer.finished is False
        await at_rest(toy)
    assert [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"] == []


BEHIND = b"GET /graphql?query=%7Bhello%7D HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(("method", "behind"), [("POST", BEHIND), ("GET", b"5\r\nhello\r\n")])
async def test_nothing_is_kept_of_what_is_said_behind_a_stream(toy: Toy, method: str, behind: bytes) -> None:
    """Nobody reads it while the stream lasts. A quarter of a megabyte for each would be cheap to fill us with, and of a client
    whose words we leave in the kernel we do not hear that it left.
    """
    target, body = "/graphql?query=subscription%7Bhang%7D", orjson.dumps({"query": HANG})
    length = {"content-length": str(len(body))} if method == "POST" else {}
    headers = {"accept": EVENTS, "content-type": "application/json", **length}
    async with raw_request(toy.port, method, target, headers, body + b"\r\n") as answer:
        assert await answer.event() == ("next", {"data": {"hang": 0}})
        answer.writer.write(b"\r\n" + behind)
        await answer.rest()
        assert answer.finished is False
    await at_rest(toy)


@pytest.mark.parametrize("framed", ["content-length: %d", "transfer-encoding: chunked"])
async def test_nothing_is_kept_of_what_came_with_the_request(toy: Toy, framed: str) -> None:
    """It is all the same in which packet it came."""
    behind = BEHIND if "%" in framed else b"5\r\nhello\r\n"
    framed = framed % 0 if "%" in framed else framed
    reader, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    head = f"GET /graphql?query=subscription%7Bhang%7D HTTP/1.1\r\nhost: x\r\naccept: {EVENTS}\r\n{framed}\r\n\r\n"
    writer.write(head.encode() + behind)
    async with asyncio.timeout(20):
        with suppress(ConnectionError):
            while await reader.read(1024):
                pass
    writer.close()
    await at_rest(toy)


async def test_a_client_that_left_before_its_stream_began_leaves_none(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is reloaded leaves while its token is looked at: a stream on which nothing happens would never learn of it, and
    its user would be there for ever.
    """
    entered, release, told = asyncio.Event(), asyncio.Event(), toy.counts.started["sse"]
    admit = FakeGate.admit

    async def slowly(self: FakeGate, authorization: str | None) -> Caller | None:
        entered.set()
        await release.wait()
        return await admit(self, authorization)

    async def subscribe(*_: object) -> AsyncIterator[object]:
        async def silence() -> AsyncIterator[object]:
            await asyncio.Event().wait()
            yield None

        return silence()

    monkeypatch.setattr(FakeGate, "admit", slowly)
    monkeypatch.setattr(toy.engine, "subscribe", subscribe)
    _, writer = await asyncio.open_connection("127.0.0.1", toy.port)
    writer.write(
        b"GET /graphql?query=subscription%7Bhang%7D HTTP/1.1\r\nHost: x\r\n"
        b"Accept: text/event-stream\r\nAuthorization: Bearer ok:ada\r\n\r\n"
    )
    await entered.wait()
    writer.transport.abort()
    await until(lambda: not toy.server.server_state.connections)
    release.set()
    await until(lambda: not toy.server.server_state.tasks)
    assert (len(toy.live), toy.counts.started["sse"]) == (0, told)


async def test_a_user_who_opens_streams_without_end_is_told_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A status, after which clients try again: an event would be the end of the subscription."""

    async def opened(caller: Caller, socket: LiveSocket) -> None:
        raise RateLimited(2.5)

    async with toy_server() as toy:
        monkeypatch.setattr(toy.sockets, "opened", opened)
        async with request(toy.port, HANG, token="ok:ada") as answer:
            await answer.rest()
            assert (answer.status, answer.headers["retry-after"]) == (429, "3")
            assert orjson.loads(answer.body)["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 2.5}
        await until(lambda: not len(toy.live) and len(toy.sockets.closed_sockets) == 1)


async def test_a_source_that_will_not_end_does_not_hold_the_stream() -> None:
    """What a stream shows ends with it, also where it resists at first."""
    async with toy_server(QUICK) as toy:
        toy.state.slow_unwind = asyncio.Event()
        async with request(toy.port, "subscription { stubborn(first: 1) }") as answer:
            assert await answer.event() == ("next", {"data": {"stubborn": 1}})
        await at_rest(toy)


async def test_a_hundred_streams_that_drop_at_once_leave_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A proxy that restarts drops everybody: no task, no connection and no traceback may be left."""
    async with toy_server() as toy:
        async with AsyncExitStack() as stack:
            answers = [await stack.enter_async_context(request(toy.port, HANG)) for _ in range(100)]
            for answer in answers:
                await answer.event()
            assert toy.counts.open["sse"] == 100
        await at_rest(toy)
        await until(lambda: not toy.server.server_state.tasks and not toy.server.server_state.connections)
    assert [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"] == []
