"""Subscriptions as parts of one response: Apollo's protocol, and the plain form that urql reads. Their life is that of any stream:
see `test_sse`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest
import pytest_asyncio

from tests.stream_client import PARTS, PAYLOADS, request
from tests.toy_server import Toy, toy_server
from tests.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = "subscription { count(to: 2) { number } }"
HANG = "subscription { hang }"
APOLLO = (
    "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/graphql-response+json,application/json;q=0.9"
)
"""What Apollo Client 4 sends."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def toy() -> AsyncIterator[Toy]:
    """A server as production has it."""
    async with toy_server() as toy:
        yield toy


@pytest.mark.parametrize("accept", [APOLLO, PAYLOADS, "Multipart/Mixed; SubscriptionSpec=1.0"])
async def test_apollo_reads_payloads_and_the_end_to_the_byte(toy: Toy, accept: str) -> None:
    """Apollo takes a body without the last boundary for a broken connection; gql takes no other spelling of the header."""
    async with request(toy.port, COUNT, accept) as answer:
        assert answer.status == 200
        assert answer.headers["content-type"] == "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"
        assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == ("no-store", "no")
        part = b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s\r\n--graphql"
        first, second = b'{"payload":{"data":{"count":{"number":0}}}}', b'{"payload":{"data":{"count":{"number":1}}}}'
        assert await answer.rest() == b"".join(
            (
                b"\r\n--graphql",
                part % (2, b"{}"),
                part % (len(first), first),
                part % (len(second), second),
                b"--\r\n",
            )
        )
        assert answer.finished is True
    assert toy.counts.started["multipart"]


async def test_what_asks_for_no_specification_reads_results_as_they_are(toy: Toy) -> None:
    """So does urql, where somebody took events out of its Accept: any part that is JSON is a result to it."""
    async with request(toy.port, COUNT, PARTS) as answer:
        assert answer.headers["content-type"] == "multipart/mixed;boundary=graphql"
        assert await answer.part() == {"data": {"count": {"number": 0}}}
        assert await answer.part() == {"data": {"count": {"number": 1}}}
        assert (await answer.rest(), answer.finished) == (b"--\r\n", True)


@pytest.mark.parametrize("accept", [PAYLOADS, PARTS])
async def test_heartbeats_are_no_results(accept: str) -> None:
    """Apollo skips an empty object. urql would show its user the same event again and again, or fail at the first."""
    async with toy_server(heartbeat=0.03) as toy, request(toy.port, HANG, accept) as answer:
        beats = 0
        mark = b"\r\n{}" if accept == PAYLOADS else b"X-Heartbeat"
        while beats < 5:
            assert await answer.more()
            beats = answer.body.count(mark)
        parts = [part.partition(b"\r\n\r\n")[2] for part in answer.body.split(b"\r\n--graphql")]
        results = [orjson.loads(part) for part in parts if part]
        assert [result for result in results if result] == [
            {"payload": {"data": {"hang": 0}}} if accept == PAYLOADS else {"data": {"hang": 0}}
        ]
        assert {} not in results or accept == PAYLOADS


@pytest.mark.parametrize("accept", [APOLLO, PAYLOADS])
async def test_a_query_of_apollo_is_json(toy: Toy, accept: str) -> None:
    """Apollo names streams for subscriptions alone, but who does it for all wants JSON for what is answered once."""
    async with request(toy.port, "{ hello }", accept) as answer:
        await answer.rest()
        assert "json" in answer.headers["content-type"]
        assert orjson.loads(answer.body) == {"data": {"hello": "world"}}


async def test_a_client_that_takes_only_parts_gets_queries_as_a_part(toy: Toy) -> None:
    """There is an answer to everything that can be asked."""
    async with request(toy.port, "{ hello }", "multipart/mixed;subscriptionSpec=1.0") as answer:
        assert await answer.part() == {"payload": {"data": {"hello": "world"}}}
        assert (await answer.rest(), answer.finished) == (b"--\r\n", True)


@pytest.mark.parametrize(
    ("query", "code"),
    [("subscription { nothing }", "GRAPHQL_VALIDATION_FAILED"), ("subscription { hang", "GRAPHQL_PARSE_FAILED")],
)
async def test_what_cannot_run_is_a_status_to_apollo_and_a_part_to_who_takes_nothing_else(
    toy: Toy, query: str, code: str
) -> None:
    """Apollo reads the errors of a bad status in the modern type of JSON, and shows them as what they are."""
    async with request(toy.port, query, APOLLO) as answer:
        await answer.rest()
        assert answer.status == 400
        assert answer.headers["content-type"] == "application/graphql-response+json; charset=utf-8"
        assert orjson.loads(answer.body)["errors"][0]["extensions"]["code"] == code
    async with request(toy.port, query, "multipart/mixed;subscriptionSpec=1.0") as answer:
        assert (await answer.part())["payload"]["errors"][0]["extensions"]["code"] == code


async def test_an_end_for_good_is_a_payload_and_any_other_a_cut(toy: Toy) -> None:
    """Apollo's RetryLink comes back after a cut and leaves errors of GraphQL alone."""
    async with request(toy.port, HANG, APOLLO, token="ok:ada") as answer:
        while await answer.part() != {"payload": {"data": {"hang": 0}}}:
            pass
        toy.sockets.opened_sockets[-1].close(4401, "Sign in again.")
        assert (await answer.part())["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert (await answer.rest(), answer.finished) == (b"--\r\n", True)
    async with request(toy.port, HANG, APOLLO, token="ok:ada") as answer:
        while await answer.part() != {"payload": {"data": {"hang": 0}}}:
            pass
        toy.sockets.opened_sockets[-1].close(4403, "Refresh.")
        assert not (await answer.rest()).endswith(b"--\r\n")
        assert answer.finished is False
    await until(lambda: not len(toy.live) and not toy.counts.open.total())


@pytest.mark.parametrize("accept", [APOLLO, PARTS])
async def test_a_token_that_expires_cuts_the_parts(toy: Toy, accept: str) -> None:
    """The client comes back with a fresh one; were the last boundary sent, it would take its subscription for completed."""
    async with request(toy.port, HANG, accept, token="short:ada") as answer:
        told = await answer.rest()
        assert b'{"data":{"hang":0}}' in told
        assert b"errors" not in told
        assert not told.endswith(b"--\r\n")
        assert answer.finished is False
    await until(lambda: not len(toy.live) and not toy.counts.open.total())
