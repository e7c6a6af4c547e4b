"""`graphql-transport-ws` by its text, sentence by sentence: what is sent, and all that comes back.

The protocol: https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md. What malformed frames of every kind do is in
`test_hostile_frames`; what tokens and origins do in `test_graphql_ws`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from api.connections.limits import SocketLimits
from tests.toy_server import Client, toy_server
from tests.waiting import until

Frame = dict[str, Any]
INIT: Frame = {"type": "connection_init"}
ACK: Frame = {"type": "connection_ack"}
LAST: Frame = {"type": "ping", "payload": {"last": True}}
"""Answered when all that was sent before was taken in."""


@pytest.fixture(autouse=True)
def no_tracebacks(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that a client does may end in a traceback of the server."""
    yield
    assert [r for r in caplog.get_records("call") if r.levelno >= logging.ERROR or r.exc_info] == []


def subscribe(id: str, query: str, **payload: object) -> Frame:
    """One operation."""
    return {"id": id, "type": "subscribe", "payload": {"query": query, **payload}}


def nexts(id: str, **data: object) -> Frame:
    """One result."""
    return {"id": id, "type": "next", "payload": {"data": data}}


def done(id: str) -> Frame:
    """The end of an operation, told by either side."""
    return {"id": id, "type": "complete"}


HELLO, WORLD = subscribe("1", "{ hello }"), nexts("1", hello="world")
NOTED = nexts("1", note="a")

ANSWERED: dict[str, tuple[list[Frame], list[Frame]]] = {
    "a payload of connection_init may be missing": ([INIT], [ACK]),
    "or null": ([INIT | {"payload": None}], [ACK]),
    "or an object of anything": ([INIT | {"payload": {"x": [1]}}], [ACK]),
    "a query is one next and one complete": ([INIT, HELLO], [ACK, WORLD, done("1")]),
    "and so is a mutation": ([INIT, subscribe("1", 'mutation { note(name: "a") }')], [ACK, NOTED, done("1")]),
    "a subscription is its events and one complete": (
        [INIT, subscribe("1", "subscription { count(to: 2) { number } }")],
        [ACK, nexts("1", count={"number": 0}), nexts("1", count={"number": 1}), done("1")],
    ),
    "optional fields of a subscribe may be null": (
        [INIT, subscribe("1", "{ hello }", variables=None, operationName=None, extensions=None)],
        [ACK, WORLD, done("1")],
    ),
    "or empty, and what is not known is left alone": (
        [INIT, subscribe("1", "{ hello }", variables={}, extensions={"x": 1}) | {"y": 2}],
        [ACK, WORLD, done("1")],
    ),
    "an ID is free again once its operation is over": (
        [INIT, HELLO, HELLO],
        [ACK, WORLD, done("1"), WORLD, done("1")],
    ),
    "an ID is any text that is not empty": (
        [INIT, subscribe('"\\\u2028\x7fö', "{ hello }")],
        [ACK, nexts('"\\\u2028\x7fö', hello="world"), done('"\\\u2028\x7fö')],
    ),
    "a complete that crosses ours is no fault": ([INIT, HELLO, done("1")], [ACK, WORLD, done("1")]),
    "nor is one that comes twice, or for what never was": ([INIT, done("1"), done("1"), done("other")], [ACK]),
    "nor one before the acknowledgement": ([done("1"), INIT], [ACK]),
    "an operation that the client completed is over in silence, and its ID free": (
        [INIT, subscribe("1", "{ wait }"), done("1"), HELLO],
        [ACK, WORLD, done("1")],
    ),
    "a ping may come before connection_init": ([{"type": "ping"}, INIT], [{"type": "pong"}, ACK]),
    "its pong carries the payload": (
        [INIT, {"type": "ping", "payload": {"a": [None, {"b": "ö"}]}}],
        [ACK, {"type": "pong", "payload": {"a": [None, {"b": "ö"}]}}],
    ),
    "of which there may be none": ([INIT, {"type": "ping", "payload": None}], [ACK, {"type": "pong"}]),
    "a pong is answered by nothing, asked for or not": (
        [{"type": "pong"}, INIT, {"type": "pong", "payload": None}, {"type": "pong", "payload": {"a": 1}}],
        [ACK],
    ),
}


@pytest.mark.parametrize("sentence", list(ANSWERED))
async def test_what_the_protocol_answers(sentence: str) -> None:
    """Every client is written against these sentences, and stumbles where a server has its own."""
    sent, expected = ANSWERED[sentence]
    async with toy_server() as toy, toy.client(init=False) as client:
        assert await answers(client, sent) == expected


CLOSED: dict[str, tuple[list[Frame], int, str]] = {
    "an operation before connection_init": ([HELLO], 4401, "Unauthorized"),
    "an ID that is in use by a stream": (
        [INIT, *[subscribe("1", "subscription { hang }")] * 2],
        4409,
        "Subscriber for 1 already exists",
    ),
    "or by a query that waits": ([INIT, *[subscribe("1", "{ wait }")] * 2], 4409, "Subscriber for 1 already exists"),
    "or by a mutation": (
        [INIT, *[subscribe("1", 'mutation { note(name: "hold") }')] * 2],
        4409,
        "Subscriber for 1 already exists",
    ),
    "a second connection_init": ([INIT, INIT], 4429, "Too many initialisation requests"),
    "also one in the midst of operations": (
        [INIT, subscribe("1", "subscription { hang }"), INIT],
        4429,
        "Too many initialisation requests",
    ),
    "a message that only a server sends": (
        [INIT, {"type": "next", "id": "1", "payload": {}}],
        4400,
        "The type of the frame is not one that a client may send.",
    ),
    "a message of the legacy protocol": (
        [{"type": "start", "id": "1", "payload": {"query": "{ hello }"}}],
        4400,
        "The type of the frame is not one that a client may send.",
    ),
    "a payload of ping that is no object": (
        [INIT, {"type": "ping", "payload": 1}],
        4400,
        "The payload of ping must be an object.",
    ),
}


@pytest.mark.parametrize("fault", list(CLOSED))
async def test_what_the_protocol_closes_for(fault: str) -> None:
    """Clients read the code to know whether to come back, and developers the reason."""
    sent, code, reason = CLOSED[fault]
    async with toy_server() as toy:
        async with toy.client(init=False) as client:
            for frame in sent:
                await client.send(**frame)
            assert await client.closed() == (code, reason)
        toy.state.hold.set()
        await until(lambda: len(toy.live) == 0 and toy.state.open_streams == 0)


@pytest.mark.parametrize(
    ("query", "payload", "code"),
    [
        ("{", {}, "GRAPHQL_PARSE_FAILED"),
        ("", {}, "GRAPHQL_PARSE_FAILED"),
        ("{ nothing }", {}, "GRAPHQL_VALIDATION_FAILED"),
        ("query A { hello } query B { hello }", {}, "BAD_USER_INPUT"),
        ("query A { hello }", {"operationName": "C"}, "BAD_USER_INPUT"),
        ("query($n: Int!) { double(number: $n) }", {"variables": {"n": "x"}}, "BAD_USER_INPUT"),
        ("subscription { refuses }", {}, "FORBIDDEN"),
    ],
)
async def test_what_never_ran_is_one_error_and_no_complete(query: str, payload: Frame, code: str) -> None:
    """`Error` ends an operation by itself. Stock Strawberry closes the whole socket for a missing brace."""
    async with toy_server() as toy, toy.client(init=False) as client:
        answered = await answers(client, [INIT, subscribe("1", query, **payload), HELLO])
        assert answered[0] == ACK
        error, rest = answered[1], answered[2:]
        if error["type"] == "next":  # A subscription's refusal comes a moment later than what did not wait.
            error, rest = answered[3], answered[1:3]
        assert (error["id"], error["type"]) == ("1", "error")
        assert [entry["extensions"]["code"] for entry in error["payload"]] == [code]
        assert rest == [WORLD, done("1")]


async def test_an_error_of_a_field_is_a_next_and_a_complete() -> None:
    """What ran has a result, however poor: `error` would say that it did not run."""
    async with toy_server() as toy, toy.client(init=False) as client:
        _, result, end = await answers(client, [INIT, subscribe("1", '{ hello fail(kind: "missing") }')])
        assert (result["type"], result["payload"]["data"]) == ("next", {"hello": "world", "fail": None})
        assert result["payload"]["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        assert end == done("1")


async def test_who_never_initialises_is_closed_in_time() -> None:
    """Pings do not prolong it: 4408 is for whoever holds a socket and asks for nothing."""
    async with toy_server(SocketLimits(init=0.2)) as toy, toy.client(init=False) as client:
        await client.send(type="ping")
        assert await client.closed() == (4408, "Connection initialisation timeout")


async def test_the_server_pings_and_any_frame_is_a_sign_of_life() -> None:
    """A pong that nobody asked for is a heartbeat in one direction, and as good as an answer."""
    async with toy_server(SocketLimits(ping=0.3)) as toy, toy.client() as client:
        for _ in range(4):
            assert await client.receive() == {"type": "ping"}
            await client.send(type="pong", payload={"beat": 1})
        assert len(toy.live) == 1


async def test_operations_in_one_burst_are_answered_each() -> None:
    """Frames that come in one packet are as many messages: none is lost, and mutations keep their order."""
    async with toy_server() as toy, toy.client(init=False) as client:
        burst = [subscribe(str(n), f'mutation {{ note(name: "{n}") }}') for n in range(40)]
        answered = await answers(client, [INIT, *burst])
        assert [frame["id"] for frame in answered if frame["type"] == "next"] == [str(n) for n in range(40)]
        assert toy.state.finished == [str(n) for n in range(40)]


async def test_a_mutation_that_waits_keeps_nobody_from_being_read() -> None:
    """While one hangs, pings, queries and a change of mind get through."""
    async with toy_server() as toy, toy.client(init=False) as client:
        held = subscribe("held", 'mutation { note(name: "hold") }')
        behind = subscribe("behind", 'mutation { note(name: "behind") }')
        assert await answers(client, [INIT, held, behind, HELLO]) == [ACK, WORLD, done("1")]
        assert await answers(client, [done("behind")]) == []
        toy.state.hold.set()
        assert [await client.receive() for _ in range(2)] == [nexts("held", note="hold"), done("held")]
        assert await answers(client, []) == []
        assert toy.state.started == ["hold"]


async def answers(client: Client, sent: list[Frame]) -> list[Frame]:
    """What comes back for frames that are sent in one go, up to the answer to a last ping, and what streams had then."""
    transport = client.connection.transport
    assert transport is not None
    for frame in sent:
        client.connection.protocol.send_text(orjson.dumps(frame))
    transport.write(b"".join(client.connection.protocol.data_to_send()))
    expected_streams = sum("subscription" in str(frame.get("payload")) for frame in sent)
    answered: list[Frame] = []
    if expected_streams:
        # They run beside the frames: what ends is waited for.
        while not answered or answered[-1]["type"] not in {"complete", "error"}:
            answered.append(await client.receive())
    await client.send(**LAST)
    while (frame := await client.receive()) != {"type": "pong", "payload": {"last": True}}:
        answered.append(frame)
    return answered
