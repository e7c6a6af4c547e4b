"""Sockets and streams whose session may do something else from now on: what their streams still tell comes before their end."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from api.connections.limits import SocketLimits
from tests.stream_client import EVENTS, PAYLOADS, request
from tests.toy_server import Client, Toy, caller, toy_server
from tests.waiting import Stopwatch, until

FAREWELL = "subscription { farewell }"
PATIENT = SocketLimits(told=60)
ADA = caller("ada").user_id


async def rest(client: Client) -> tuple[list[Any], int | None]:
    """All that still comes, and the code with which the socket closes."""
    told: list[Any] = []
    with suppress(ConnectionClosed):
        while True:
            told.append(await client.receive())
    return told, client.connection.close_code


def next_of(number: int) -> dict[str, Any]:
    """What a stream tells."""
    return {"id": "1", "type": "next", "payload": {"data": {"farewell": number}}}


def rescope(toy: Toy) -> None:
    """Ada is suspended: somebody looks through the sockets."""
    toy.sockets.rescoped.add(ADA)
    toy.sockets.opened_sockets[-1].close_after_streams(4403, "rescoped")


async def test_a_socket_closes_behind_what_its_streams_still_tell() -> None:
    """And they do not complete: who subscribed comes back with a new token, and is not told that it is over for good. Meanwhile
    nothing else is done on it.
    """
    async with toy_server(PATIENT) as toy, toy.client("ok:ada") as client:
        await client.subscribe("1", FAREWELL)
        assert await client.receive() == next_of(0)
        rescope(toy)
        await client.subscribe("2", 'mutation { note(name: "late") }')
        await client.subscribe("3", "{ hello }")
        await client.send(type="ping")
        assert await client.receive() == {"type": "pong"}
        toy.state.hold.set()
        assert await rest(client) == ([next_of(1), next_of(2)], 4403)
        assert toy.state.started == []
        await until(lambda: not len(toy.live))


async def test_a_stream_that_sees_it_first_does_not_complete_either() -> None:
    """Its own look at the session may come before anybody looked at the socket."""
    async with toy_server(PATIENT) as toy, toy.client("ok:ada") as client:
        await client.subscribe("1", FAREWELL)
        assert await client.receive() == next_of(0)
        toy.sockets.rescoped.add(ADA)
        toy.state.hold.set()
        assert await rest(client) == ([next_of(1), next_of(2)], 4403)


@pytest.mark.parametrize("stream", [None, "subscription { stats }"])
async def test_a_socket_without_anything_to_tell_closes_at_once(stream: str | None) -> None:
    """What everybody may have tells nothing about its reader, and would not end."""
    async with toy_server(PATIENT) as toy, toy.client("ok:ada") as client:
        if stream is not None:
            await client.subscribe("1", stream)
            await client.receive()
        with Stopwatch() as watch:
            rescope(toy)
            assert await rest(client) == ([], 4403)
            assert watch.seconds < 30


async def test_a_stream_that_does_not_end_holds_nothing_up() -> None:
    """A client that takes nothing must not keep its socket by that."""
    async with toy_server(SocketLimits(told=0.05)) as toy, toy.client("ok:ada") as client:
        await client.subscribe("1", "subscription { hang }")
        await client.receive()
        rescope(toy)
        assert await rest(client) == ([], 4403)
        await until(lambda: toy.state.open_streams == 0)


async def test_what_ends_it_at_once_does_not_wait() -> None:
    """Somebody signs out, or the server stops, while streams still tell."""
    async with toy_server(PATIENT) as toy, toy.client("ok:ada") as client:
        await client.subscribe("1", FAREWELL)
        await client.receive()
        rescope(toy)
        toy.sockets.opened_sockets[-1].close(4401, "signed out")
        assert await rest(client) == ([], 4401)
        await until(lambda: not len(toy.live))


@pytest.mark.parametrize("accept", [EVENTS, PAYLOADS])
@pytest.mark.parametrize("seen_by", ["the server", "the stream"])
async def test_a_stream_over_http_is_cut_behind_what_it_still_tells(accept: str, seen_by: str) -> None:
    """That is how its client learns to come back with a new token: an end that is announced would be for good."""
    async with toy_server(PATIENT) as toy, request(toy.port, FAREWELL, accept, token="ok:ada") as answer:
        await answer.to(b'"farewell":0')
        if seen_by == "the server":
            rescope(toy)
        toy.sockets.rescoped.add(ADA)
        toy.state.hold.set()
        body = await answer.rest()
        assert body.index(b'"farewell":1') < body.index(b'"farewell":2')
        assert b"complete" not in body
        assert b"--graphql--" not in body
        assert answer.finished is False
        await until(lambda: not len(toy.live))


async def test_a_stream_over_http_that_does_not_end_is_cut_in_time() -> None:
    """As a socket is closed."""
    limits = SocketLimits(told=0.05)
    async with toy_server(limits) as toy, request(toy.port, "subscription { hang }", token="ok:ada") as answer:
        await answer.to(b'"hang":0')
        rescope(toy)
        await answer.rest()
        assert answer.finished is False
