"""Sockets: who may open one, what runs on it, in which order, and that nothing is left when it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from api.connections.limits import SocketLimits
from schema.execution.documents import Documents
from tests.toy_server import Toy, caller, toy_server
from tests.waiting import until


@pytest.fixture(autouse=True)
def no_tracebacks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that a client does may end in a traceback of the server."""
    yield
    assert [r for r in caplog.get_records("call") if r.levelno >= logging.ERROR or r.exc_info] == []


async def all_gone(toy: Toy) -> None:
    """No socket, no open generator, no task of ours: nothing is left of those who went."""
    await until(lambda: len(toy.live) == 0)
    assert toy.state.open_streams == 0
    names = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]  # type: ignore[union-attr]  # a coroutine of ours
    assert not [name for name in names if name.startswith(("Operations", "GraphQLSocket"))]
    assert len(toy.sockets.opened_sockets) == len(set(toy.sockets.closed_sockets)) == len(toy.sockets.closed_sockets)


# --- beginning ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offered", [None, ["graphql-ws"], ["graphql-ws", "soap"]])
async def test_only_graphql_transport_ws_is_spoken(offered: list[str] | None) -> None:
    """A client of the legacy protocol must fail with a code that says why, instead of waiting for messages."""
    async with toy_server() as toy, toy.client(init=False, subprotocols=offered) as client:
        assert await client.closed() == (4406, "Subprotocol not acceptable")


async def test_our_protocol_is_chosen_among_others() -> None:
    """Some clients offer both: they can be served."""
    async with toy_server() as toy, toy.client(subprotocols=["graphql-ws", "graphql-transport-ws"]) as client:
        assert client.connection.subprotocol == "graphql-transport-ws"


@pytest.mark.parametrize("payload", [None, {}, {"authorization": None, "after": None, "extra": [1]}])
async def test_an_anonymous_socket_is_allowed(payload: object) -> None:
    """The counter on the front page needs no account; `payload: null` is legal and some clients send it."""
    async with toy_server() as toy, toy.client(payload=payload) as client:
        await client.subscribe("1", "{ userId after }")
        assert await client.receive() == {
            "id": "1",
            "type": "next",
            "payload": {"data": {"userId": None, "after": None}},
        }
        assert await client.receive() == {"id": "1", "type": "complete"}
        assert toy.sockets.opened_sockets == []


async def test_a_socket_knows_its_user_and_its_cursor() -> None:
    """Authority and resumption both hang on the first frame."""
    async with toy_server() as toy:
        async with toy.client(payload={"authorization": "Bearer ok:ada", "after": "c7"}) as client:
            await client.subscribe("1", "{ userId after }")
            data = {"userId": str(caller("ada").user_id), "after": "c7"}
            assert (await client.receive())["payload"] == {"data": data}
            (socket,) = toy.sockets.opened_sockets
            assert socket.caller is not None
            assert socket.caller.user_id == caller("ada").user_id
        await all_gone(toy)


@pytest.mark.parametrize(
    ("authorization", "code"),
    [("Bearer forged:x", 4401), ("", 4401), ("ok:ada", 4401), ("Bearer expired", 4403), ("Bearer down", 1013)],
)
async def test_a_bad_token_closes_with_the_code_that_clients_act_on(authorization: str, code: int) -> None:
    """4403 and 1013 are retried with fresh parameters, 4401 is not: a wrong code logs people out, or loops for ever."""
    if authorization == "ok:ada":
        authorization = "no such thing"
    async with toy_server() as toy:
        async with toy.client(init=False) as client:
            await client.send(type="connection_init", payload={"authorization": authorization})
            closed, reason = await client.closed()
            assert closed == code
            assert reason
        await all_gone(toy)


async def test_presence_that_fails_lets_the_client_come_back() -> None:
    """The database restarts: a fatal code would leave the user outside until they reload the page."""
    async with toy_server() as toy:
        toy.sockets.broken.add(caller("ada").user_id)
        async with toy.client(init=False) as client:
            await client.send(type="connection_init", payload={"authorization": "Bearer ok:ada"})
            assert await client.closed() == (1013, "The service is not available: try again.")
        await all_gone(toy)
        assert len(toy.sockets.closed_sockets) == 1


async def test_presence_that_hangs_does_not_hang_the_client() -> None:
    """A database that does not answer must end in a retry, a revocation meanwhile in a close, and each in one detach."""
    async with toy_server(SocketLimits(admission=0.2)) as toy:
        toy.sockets.stuck.add(caller("ada").user_id)

        async def hang(*, revoked: bool) -> int | None:
            before = len(toy.sockets.opened_sockets)
            async with toy.client(init=False) as client:
                await client.send(type="connection_init", payload={"authorization": "Bearer ok:ada"})
                await until(lambda: len(toy.sockets.opened_sockets) > before)
                if revoked:
                    toy.sockets.opened_sockets[-1].close(4401, "The session was revoked.")
                code, _ = await client.closed()
            await all_gone(toy)
            return code

        assert await hang(revoked=False) == 1013
        assert await hang(revoked=True) == 4401
        assert len(toy.sockets.closed_sockets) == 2


async def test_initialisation_has_a_deadline_and_happens_once() -> None:
    """Connections that say nothing would pile up; a second identity on a socket would be a hole."""
    async with toy_server(SocketLimits(init=0.1)) as toy:
        async with toy.client(init=False) as client:
            assert await client.closed() == (4408, "Connection initialisation timeout")
        async with toy.client("ok:ada") as client:
            await client.send(type="connection_init", payload={})
            assert await client.closed() == (4429, "Too many initialisation requests")
        async with toy.client(init=False) as client:
            await client.subscribe("1", "{ hello }")
            assert await client.closed() == (4401, "Unauthorized")
        await all_gone(toy)


async def test_pages_of_foreign_origins_are_refused_in_the_handshake() -> None:
    """A page that somebody is lured to must not talk to us in their browser."""
    async with toy_server(allowed=("https://talk.example",)) as toy:
        for origin in ("https://evil.example", "null", "http://localhost:3000", "https://talk.example.evil.example"):
            with pytest.raises(InvalidStatus) as refusal:
                await connect(
                    toy.url.replace("http", "ws"),
                    origin=Origin(origin),
                    subprotocols=[Subprotocol("graphql-transport-ws")],
                )
            assert refusal.value.response.status_code == 403
        assert toy.live.refused_origins == 4
        for origin in (f"http://127.0.0.1:{toy.port}", "https://talk.example"):
            async with toy.client(origin=origin):
                pass
    async with toy_server(development=True) as toy, toy.client(origin="http://localhost:3000"):
        pass


# --- operations -----------------------------------------------------------------------------------------------------------


async def test_a_failing_operation_ends_alone() -> None:
    """One wrong document in a page must not tear down the call that runs beside it."""
    async with toy_server() as toy, toy.client("ok:ada") as client:
        await client.subscribe("live", "subscription { hang(first: 7) }")
        assert (await client.receive())["payload"] == {"data": {"hang": 7}}
        for id, query, code in (
            ("1", "{ hello", "GRAPHQL_PARSE_FAILED"),
            ("2", "{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
            ("3", "query($n: Int!) { double(number: $n) }", "BAD_USER_INPUT"),
            ("4", "subscription { refuses }", "FORBIDDEN"),
            ("5", "subscription($n: Int!) { count(to: $n) { number } }", "BAD_USER_INPUT"),
        ):
            await client.subscribe(id, query)
            message = await client.receive()
            assert (message["id"], message["type"]) == (id, "error")
            assert message["payload"][0]["extensions"]["code"] == code
        await client.subscribe("6", '{ fail(kind: "limited") }')
        message = await client.receive()
        assert message["type"] == "next"
        assert message["payload"]["errors"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 2.5}
        assert (await client.receive())["type"] == "complete"
        assert toy.live.operations == 1


@pytest.mark.parametrize(("kind", "code"), [("forbidden", "FORBIDDEN"), ("bug", "INTERNAL_SERVER_ERROR")])
async def test_a_stream_that_breaks_says_so(kind: str, code: str) -> None:
    """A member who was kicked must see that the stream ended, and why; a stream that just stops looks like silence."""
    async with toy_server() as toy, toy.client("ok:ada") as client:
        await client.subscribe("1", "subscription($k: String!) { breaks(kind: $k) }", variables={"k": kind})
        assert (await client.receive())["type"] == "next"
        message = await client.receive()
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", code)
        assert "secret" not in str(message)


async def test_events_arrive_in_order_then_complete_and_tell_their_source() -> None:
    """The matcher must know that a match was really written to a socket, not only produced."""
    async with toy_server() as toy, toy.client("ok:ada") as client:
        await client.subscribe("1", "subscription { count(to: 3) { number } }")
        messages = [await client.receive() for _ in range(4)]
        assert [m["payload"]["data"]["count"]["number"] for m in messages[:3]] == [0, 1, 2]
        assert messages[3] == {"id": "1", "type": "complete"}
        assert toy.state.delivered == [0, 1, 2]


async def test_an_id_in_use_closes_the_socket() -> None:
    """The protocol demands it: answers could not be told apart."""
    async with toy_server() as toy:
        async with toy.client("ok:ada") as client:
            await client.subscribe("x", "subscription { hang }")
            await client.subscribe("x", "{ hello }")
            assert await client.closed() == (4409, "Subscriber for x already exists")
        await all_gone(toy)


@pytest.mark.parametrize("field", ["hang", "stubborn"])
async def test_an_id_may_be_used_again_while_its_old_operation_unwinds(field: str) -> None:
    """A page that changes rooms does just that: the old stream's end must not end the new one."""
    async with toy_server() as toy:
        toy.state.slow_unwind = asyncio.Event()
        async with toy.client("ok:ada") as client:
            for first in range(3):
                await client.subscribe("x", f"subscription {{ {field}(first: {first}) }}")
                assert (await client.receive())["payload"] == {"data": {field: first}}
                if first < 2:
                    await client.send(id="x", type="complete")
            assert toy.state.open_streams == 3
            toy.state.slow_unwind.set()
            await until(lambda: toy.state.open_streams == 1)
            await client.send(type="ping")
            assert await client.receive() == {"type": "pong"}, "nothing of the old operations may arrive"
            assert toy.live.operations == 1
            await client.send(id="x", type="complete")
            await client.send(id="unknown", type="complete")
            await until(lambda: toy.state.open_streams == 0)
        await all_gone(toy)


async def test_too_many_operations_are_refused_one_by_one() -> None:
    """One page with a bug must not use up the server, nor lose the operations it has."""
    async with toy_server() as toy, toy.client("ok:ada") as client:
        for i in range(16):
            await client.subscribe(str(i), "subscription { hang }")
            assert (await client.receive())["type"] == "next"
        await client.subscribe("17", "{ hello }")
        message = await client.receive()
        assert (message["id"], message["type"]) == ("17", "error")
        assert message["payload"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 1.0}
        await client.send(id="3", type="complete")
        await client.subscribe("17", "{ hello }")
        assert (await client.receive())["type"] == "next"


async def test_mutations_keep_the_order_of_their_frames() -> None:
    """A candidate that overtakes its offer breaks the call; a slow mutation must still not stop pings and queries."""
    async with toy_server() as toy, toy.client("ok:ada") as client:
        await client.subscribe("m0", 'mutation { note(name: "hold") }')
        for i in range(1, 40):
            await client.subscribe(f"m{i}", "mutation($n: String!) { note(name: $n) }", variables={"n": str(i)})
        await client.send(id="m5", type="complete")
        await client.send(type="ping", payload={"a": 1})
        assert await client.receive() == {"type": "pong", "payload": {"a": 1}}
        await client.subscribe("q", "{ hello }")
        assert (await client.receive())["payload"] == {"data": {"hello": "world"}}
        assert (await client.receive())["type"] == "complete"
        assert toy.state.started == ["hold"]
        toy.state.hold.set()
        answers = [await client.receive() for _ in range(78)]
        order = ["hold", *(str(i) for i in range(1, 40) if i != 5)]
        assert toy.state.started == order
        assert [a["payload"]["data"]["note"] for a in answers[::2]] == order


async def test_mutations_that_wait_are_bounded() -> None:
    """What waits is memory that one client holds."""
    async with toy_server(SocketLimits(mutations=2)) as toy, toy.client("ok:ada") as client:
        await client.subscribe("m0", 'mutation { note(name: "hold") }')
        await until(lambda: toy.state.started)
        for i in range(1, 4):
            await client.subscribe(f"m{i}", 'mutation { note(name: "x") }')
        message = await client.receive()
        assert (message["id"], message["payload"][0]["extensions"]["code"]) == ("m3", "RATE_LIMITED")
        assert toy.live.refusals["mutations_of_socket"] == 1
        toy.state.hold.set()


async def test_mutations_that_wait_are_bounded_in_bytes() -> None:
    """Few and large are as much memory as many and small; one of any size may wait, or it could never happen."""
    async with toy_server(SocketLimits(mutation_bytes=500)) as toy, toy.client("ok:ada") as client:
        await client.subscribe("m0", 'mutation { note(name: "hold") }')
        await until(lambda: toy.state.started)
        for i in range(1, 3):
            await client.subscribe(f"m{i}", 'mutation { note(name: "x") } #' + "x" * 500)
        message = await client.receive()
        assert (message["id"], message["payload"][0]["extensions"]["code"]) == ("m2", "RATE_LIMITED")
        assert toy.live.refusals["mutation_bytes_of_socket"] == 1
        toy.state.hold.set()


# --- time and ends --------------------------------------------------------------------------------------------------------


async def test_the_server_pings_and_drops_who_does_not_answer() -> None:
    """A phone without network must become AWAY in time, and a quiet but living one must not."""
    async with toy_server(SocketLimits(ping=0.1)) as toy:
        async with toy.client("ok:ada") as quiet:
            for _ in range(3):
                assert await quiet.receive() == {"type": "ping"}
                await quiet.send(type="pong")
            assert (await quiet.closed())[0] == 1006
        await all_gone(toy)
        assert toy.live.aborted_silent == 1


async def test_a_token_that_expires_closes_with_4403() -> None:
    """The client comes back by itself with a fresh token; a session that was ended does not live on in a socket."""
    async with toy_server() as toy:
        async with toy.client("short:ada") as client:
            await client.subscribe("1", "subscription { hang }")
            assert (await client.closed())[0] == 4403
        await all_gone(toy)


async def test_a_token_expires_in_its_time_however_often_the_server_pings() -> None:
    """Pings and the end of the token share a timer: one must not put off the other."""
    async with toy_server(SocketLimits(ping=0.04)) as toy:

        async def expired() -> bool:
            async with toy.client("short:ada") as client:
                with suppress(ConnectionClosed):
                    while True:
                        assert await client.receive() == {"type": "ping"}
                        await client.send(type="pong")
                return (await client.closed())[0] == 4403  # 1006 if this machine was too busy to answer in time

        await until(expired)
        await all_gone(toy)


async def test_a_socket_can_be_closed_from_outside_at_any_time_and_again() -> None:
    """Revocation, suspension and shutdown race with each other and with the client."""
    async with toy_server() as toy:
        async with toy.client("ok:ada") as client:
            await client.subscribe("1", "subscription { hang }")
            await client.subscribe("2", 'mutation { note(name: "hold") }')
            await until(lambda: toy.state.started)
            (socket,) = toy.sockets.opened_sockets
            socket.close(4401, "é" * 100)
            socket.close(1012, "later")
            code, reason = await client.closed()
            assert (code, reason) == (4401, "é" * 61), "123 bytes, and no half character"
            toy.state.hold.set()
        await all_gone(toy)
        socket.close(1012, "long after")
        assert toy.state.finished == ["hold"], "a mutation that runs when its socket goes is let finish"


async def test_a_mutation_that_never_ends_does_not_hold_a_dead_socket() -> None:
    """Its user must still become AWAY."""
    async with toy_server(SocketLimits(mutation_grace=0.1)) as toy:
        async with toy.client("ok:ada") as client:
            await client.subscribe("2", 'mutation { note(name: "hold") }')
            await until(lambda: toy.state.started)
        await all_gone(toy)
        assert toy.state.finished == []


async def test_the_sixth_socket_of_a_user_closes_the_oldest() -> None:
    """Who reloads a page five times leaves five sockets that may be dead: they must get in. Nobody else is touched."""
    async with toy_server() as toy, AsyncExitStack() as stack:
        other = await stack.enter_async_context(toy.client("ok:bob"))
        mine = [await stack.enter_async_context(toy.client("ok:ada")) for _ in range(6)]
        assert (await mine[0].closed())[0] == 4429
        await until(lambda: len(toy.live) == 6)
        for client in (other, *mine[1:]):
            await client.subscribe("1", "{ hello }")
            assert (await client.receive())["type"] == "next"


async def test_dropping_a_socket_with_many_subscriptions_leaves_nothing() -> None:
    """Stock Strawberry logs 86 tracebacks for 100 subscriptions; each would be an alarm at night."""
    async with toy_server(SocketLimits(operations=100)) as toy, toy.client("ok:ada") as client:
        for i in range(100):
            await client.subscribe(str(i), "subscription { hang }")
        for _ in range(100):
            assert (await client.receive())["type"] == "next"
        await until(lambda: toy.state.open_streams == 100)
        client.connection.transport.abort()
        await all_gone(toy)


async def test_a_fault_of_ours_closes_with_1011_and_a_correlation_id_in_the_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client must not take it for a broken network, and come back for ever to a server that fails the same way each time."""
    async with toy_server() as toy:
        async with toy.client("ok:ada") as client:
            monkeypatch.setattr(Documents, "prepare", lambda *_: 1 / 0)
            with capture_logs() as logs:
                await client.subscribe("1", "{ hello }")
                assert await client.closed() == (1011, "Internal server error")
            assert [entry["correlation_id"] for entry in logs if "correlation_id" in entry]
        await all_gone(toy)
        assert toy.live.closed[1011] == 1


async def test_shutdown_closes_all_with_1012_and_takes_no_more() -> None:
    """A restart is one reconnection, spread in time, and not an error on anybody's screen."""
    async with toy_server() as toy, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(toy.client(f"ok:u{i}")) for i in range(10)]
        began = asyncio.get_running_loop().time()
        closing = asyncio.create_task(toy.live.close_all(over=0.2))
        assert {(await client.closed())[0] for client in clients} == {1012}
        await closing
        assert asyncio.get_running_loop().time() - began > 0.1
        assert toy.live.closed[1012] == 10
        with pytest.raises(InvalidStatus) as refusal:
            await connect(toy.url.replace("http", "ws"), subprotocols=[Subprotocol("graphql-transport-ws")])
        assert refusal.value.response.status_code == 503
        await all_gone(toy)


@pytest.mark.parametrize(
    "operation", ['mutation { note(name: "late") }', "{ userId }", "subscription { count(to: 1) { number } }"]
)
async def test_a_revoked_session_gets_nothing_done_on_a_socket_that_is_still_open(operation: str) -> None:
    """Signing out ends what the session may do at that moment, not when somebody next looks through all sockets."""
    async with toy_server() as toy, toy.client("ok:ada") as client:
        toy.sockets.revoked.add(caller("ada").user_id)
        await client.subscribe("1", operation)
        code, _ = await client.closed()
        assert code == 4401
        assert toy.state.started == []
        assert toy.live.delivered == 0


async def test_sockets_on_which_nobody_signs_in_are_counted_by_network() -> None:
    """One stranger with a script would take every file descriptor; who is signed in counts by user instead."""
    async with toy_server(SocketLimits(strangers=2)) as toy, AsyncExitStack() as held:
        for name in ("ada", "bob", "cy"):
            await held.enter_async_context(toy.client(f"ok:{name}"))
        async with toy.client(), toy.client(init=False):
            with pytest.raises(InvalidStatus) as refused:
                await held.enter_async_context(toy.client("ok:dan"))
            assert refused.value.response.status_code == 503
            assert toy.live.refusals["strangers_of_network"] == 1
        await until(lambda: len(toy.live) == 3)
        await held.enter_async_context(toy.client("ok:dan"))
        await held.enter_async_context(toy.client())
