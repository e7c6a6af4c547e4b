"""No frames, and no bytes where frames should be, break a socket's server: not its other sockets, its log or its memory."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz import examples, texts
from tests.fuzz.conftest import Victim
from tests.fuzz.wires import HANDSHAKE, Client, Frame

ANSWERS = {"connection_ack", "next", "error", "complete", "ping", "pong"}
OURS = {None, 1000, 1001, 1002, 1005, 1007, 1009, 1012, 4400, 4401, 4403, 4408, 4409, 4429}
"""Close codes that tell a client what it did. 1011 would say that it was our fault, and 1006 is no code but a missing one."""
INIT = b'{"type":"connection_init"}'


def text(message: object) -> Frame:
    """A message, as it should be framed."""
    return Frame(payload=message if isinstance(message, bytes) else json.dumps(message).encode())


def looked_at(victim: Victim, sent: bytes, *, init: bool = True) -> tuple[list[Any], int | None]:
    """Sends, and looks at the server and at every answer. Returns those, and the code of the close if there was one."""
    with Client(victim.server.port) as client:
        client.send((text(INIT).wire() if init else b"") + sent)
        client.settle()
        victim.is_well()
        client.hang_up()
    heard, code = client.heard()
    answers = [orjson.loads(answer) for answer in heard]
    for message in answers:
        assert message["type"] in ANSWERS, message
        if message["type"] == "error":
            assert all(
                error["extensions"]["code"] and "correlationId" not in error["extensions"]
                for error in message["payload"]
            )
    assert code in OURS
    victim.logged_nothing()
    return answers, code


# --- messages ---------------------------------------------------------------------------------------------------------------

IDS: st.SearchStrategy[Any] = st.sampled_from(
    ("1", "2", "3", "", "\x00", "é", "\ud800", "x" * 128, "x" * 129, "x" * 100_000)
) | (
    st.integers()
    | st.floats(allow_nan=False)
    | st.none()
    | st.booleans()
    | st.lists(st.integers(), max_size=1)
    | st.just({})
)
QUERIES = st.sampled_from(
    (
        *texts.VALID,
        "{ __typename }",
        "subscription { stats { online } }",
        "subscription { events { cursor } }",
        'mutation { refreshSession(input: {refreshToken: "x"}) { __typename } }',
        "query A { __typename } query B { stats { online } }",
        "{",
    )
)
PAYLOADS = st.fixed_dictionaries(
    {"query": QUERIES | texts.mutated() | texts.json},
    optional={
        "variables": texts.values | texts.json,
        "operationName": st.sampled_from(("A", "Q", "", None, 1)),
        "extensions": texts.json
        | st.fixed_dictionaries(
            {
                "persistedQuery": texts.json
                | st.fixed_dictionaries({"version": texts.json | st.just(1), "sha256Hash": texts.json})
            }
        ),
    },
)
MESSAGES: st.SearchStrategy[Any] = st.one_of(
    st.fixed_dictionaries({"type": st.just("subscribe"), "id": IDS, "payload": PAYLOADS}),
    st.fixed_dictionaries({"type": st.just("subscribe"), "id": st.sampled_from(("1", "2")), "payload": PAYLOADS}),
    st.fixed_dictionaries({"type": st.just("complete")}, optional={"id": IDS, "payload": texts.json}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(("ping", "pong"))},
        optional={"payload": texts.json | st.builds(texts.nested, st.integers(1, 1_500))},
    ),
    st.fixed_dictionaries(
        {"type": st.just("connection_init")},
        optional={
            "payload": texts.json
            | st.fixed_dictionaries(
                {}, optional={"authorization": texts.json | st.just("Bearer x"), "after": texts.json}
            )
        },
    ),
    st.fixed_dictionaries(
        {"type": texts.json | st.sampled_from(("next", "error", "connection_ack", "start", "stop"))},
        optional={"id": IDS},
    ),
    texts.json,
)


def dumped(message: object) -> bytes:
    """As JSON; lone surrogates and NaN as no client should write them."""
    return json.dumps(message).encode()


@examples(60)
@given(
    sent=st.lists(MESSAGES.map(dumped) | st.sampled_from((INIT, b"", b"{", b"\xff", b"nul", b"[" * 5_000)), max_size=6),
    init=st.booleans(),
)
def test_no_sequence_of_messages_breaks_the_server(victim: Victim, sent: list[bytes], *, init: bool) -> None:
    """Wrong shapes, in any order, on a socket that began well or did not begin."""
    looked_at(victim, b"".join(text(message).wire() for message in sent), init=init)


# --- frames -----------------------------------------------------------------------------------------------------------------

GOOD = st.sampled_from(
    (
        INIT,
        b'{"type":"ping"}',
        b'{"id":"1","type":"subscribe","payload":{"query":"{ __typename }"}}',
        b'{"id":"1","type":"subscribe","payload":{"query":"subscription { stats { online } }"}}',
        b'{"id":"1","type":"complete"}',
    )
)
FRAMES = st.builds(
    Frame,
    opcode=st.sampled_from((1, 1, 1, 0, 2, 8, 9, 10)) | st.integers(0, 15),
    payload=GOOD
    | st.binary(max_size=200)
    | st.sampled_from((b"", b"\x03\xe8", b"\x03", b"\x00\x00", b"\x03\xee\xff\xfe", b"x" * 126, b"\xed\xa0\x80")),
    fin=st.sampled_from((True, True, True, False)),
    reserved=st.sampled_from((0, 0, 0, 0, 1, 4, 7)),
    masked=st.sampled_from((True, True, True, True, False)),
    width=st.sampled_from((None, None, None, 7, 16, 64)),
    claims=st.sampled_from((None, None, None, None, 0, 125, 65_535, 2**20 + 1, 2**32, 2**63 - 1, 2**64 - 1)),
)


@st.composite
def fragmented(draw: st.DrawFn) -> list[Frame]:
    """A good message in pieces, cut anywhere, with whatever in between."""
    whole = draw(GOOD)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    frames = []
    for number, piece in enumerate(pieces):
        frames.append(Frame(opcode=0 if number else 1, payload=piece, fin=number == len(pieces) - 1))
        if draw(st.integers(0, 3)) == 0:
            frames.append(draw(FRAMES | st.just(Frame(opcode=9, payload=b"now"))))
    return frames


@examples(60)
@given(frames=st.lists(FRAMES.map(lambda frame: [frame]) | fragmented(), max_size=5), cut=st.integers(0, 3))
@example(frames=[[Frame(opcode=8)]], cut=0)
def test_no_frames_break_the_server(victim: Victim, frames: list[list[Frame]], cut: int) -> None:
    """Reserved bits, lengths that lie, control frames in the middle, masks that are missing, an end in the middle of a frame."""
    wire = b"".join(frame.wire() for several in frames for frame in several)
    looked_at(victim, wire[: len(wire) - cut])


def test_pieces_with_pings_between_them_are_one_message(victim: Victim) -> None:
    """RFC 6455, section 5.4: what the fuzzing sends is understood where it is right."""
    whole = b'{"id":"1","type":"subscribe","payload":{"query":"{ __typename }"}}'
    pieces = [
        Frame(1, whole[:10], fin=False),
        Frame(9, b"a"),
        Frame(0, whole[10:20], fin=False),
        Frame(0, whole[20:]),
        text({"type": "ping"}),
    ]
    answers, code = looked_at(victim, b"".join(piece.wire() for piece in pieces))
    assert [answer["type"] for answer in answers if answer["type"] != "pong"] == ["connection_ack", "next", "complete"]
    assert code is None


# --- bytes ------------------------------------------------------------------------------------------------------------------

LINES = HANDSHAKE.split(b"\r\n")


@st.composite
def handshakes(draw: st.DrawFn) -> bytes:
    """A handshake with lines missing, doubled, mangled and added."""
    lines = list(LINES[:-2])
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(lines) - 1))
        change = draw(st.sampled_from(("cut", "double", "mangle", "add", "long")))
        if change == "cut" and len(lines) > 1:
            del lines[place]
        elif change == "double":
            lines.insert(place, lines[place])
        elif change == "mangle":
            at = draw(st.integers(0, len(lines[place])))
            lines[place] = lines[place][:at] + draw(st.binary(max_size=5)) + lines[place][at:]
        elif change == "add":
            lines.insert(
                draw(st.integers(1, len(lines))),
                draw(
                    st.sampled_from(
                        (
                            b"Origin: null",
                            b"Origin: https://evil.example",
                            b"Content-Length: 5",
                            b"Transfer-Encoding: chunked",
                            b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=99",
                            b"Sec-WebSocket-Protocol: graphql-ws",
                            b"Sec-WebSocket-Protocol: \xff, ,graphql-transport-ws",
                            b"X-Forwarded-For: " + b"1.2.3.4, " * 300,
                            b"Expect: 100-continue",
                            b"Host: " + b"x" * 3_000,
                        )
                    )
                ),
            )
        elif change == "long":
            lines.insert(1, b"X: " + b"y" * draw(st.sampled_from((8_000, 70_000))))
    return b"\r\n".join(lines) + b"\r\n\r\n"


@examples(50)
@given(garbage=handshakes() | st.binary(max_size=100), after=st.binary(max_size=40))
@example(garbage=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", after=b"")
@example(garbage=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", after=b"")
@example(garbage=b"GET /graphql HTTP/1.1\r\n" + b"a: b\r\n" * 5_000, after=b"\r\n")
@example(
    garbage=b"POST /graphql HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", after=b""
)
def test_no_bytes_at_the_handshake_break_the_server(victim: Victim, garbage: bytes, after: bytes) -> None:
    """Scanners send TLS, HTTP/2 and worse to every port that is open."""
    with Client(victim.server.port, garbage) as client:
        client.send(after)
        victim.is_well()
        client.hang_up()
    assert not client.received.startswith(b"HTTP/1.1 500"), client.received
    victim.logged_nothing()


# --- amounts ----------------------------------------------------------------------------------------------------------------


def subscribe(number: int, query: str) -> Frame:
    """One of many."""
    return text({"id": str(number), "type": "subscribe", "payload": {"query": query}})


@pytest.mark.parametrize(
    "query",
    ["subscription { stats { online } }", "{ __typename }", "mutation { leaveQueue { __typename } }", "{ nothing }"],
)
def test_a_thousand_operations_on_a_socket_are_too_many_and_no_more(victim: Victim, query: str) -> None:
    """The socket is told so, operation by operation, and nobody else hears of it."""
    looked_at(victim, b"".join(subscribe(number, query).wire() for number in range(1_000)))


def test_a_frame_that_is_too_long_is_refused_by_its_head(victim: Victim) -> None:
    """Nobody has to send 8 EiB to be told."""
    assert looked_at(victim, Frame(claims=2**20 + 1, width=64).wire())[1] == 1009


def test_sockets_that_never_begin_go_by_themselves(victim: Victim) -> None:
    """A hundred that say nothing are gone after their five seconds, each with its code."""
    before = victim.settles().get('parley_sockets_closed_total{code="4408"}', 0)
    with ExitStack() as held:
        silent = [held.enter_context(Client(victim.server.port)) for _ in range(100)]
        victim.is_well()
        after = victim.settles()
    assert after['parley_sockets_closed_total{code="4408"}'] - before == len(silent)


def test_what_is_too_much_is_counted_by_limit(victim: Victim) -> None:
    """Whoever runs the service sees which limit is hit, and no label of it names anybody."""
    before = victim.metrics()
    answers, _ = looked_at(
        victim,
        subscribe(1, "{ " + " ".join(f"a{number}: __typename" for number in range(60)) + " }").wire()
        + subscribe(2, "{ __typename " + "@skip(if: false) " * 60 + "}").wire()
        + b"".join(subscribe(number, "subscription { stats { online } }").wire() for number in range(10, 30)),
    )
    refused = {answer["id"]: answer["payload"][0]["extensions"] for answer in answers if answer["type"] == "error"}
    assert (refused["1"]["limit"], refused["2"]["limit"]) == ("roots", "directives")
    after = victim.metrics()
    rose = {name: after[name] - before[name] for name in after if name.startswith("parley_refusals_total")}
    assert rose['parley_refusals_total{limit="roots"}'] == 1
    assert rose['parley_refusals_total{limit="directives"}'] == 1
    assert rose['parley_refusals_total{limit="operations_of_socket"}'] == 20 - 16
    assert sum(rose.values()) == 6
    assert set(before) <= set(after)
