"""The servers that `make bench` compares us with do the same job, and its client notices when they do not."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from bench.load.relays import Correspondent
from bench.load.signals import Tally
from bench.load.wires import DIALECTS, NUMBER, Guest
from bench.peers.comparing import LENGTHS
from bench.peers.picture import PER_CORE, picture
from bench.peers.running import PARLEY, PEERS, Peer, missing
from bench.report import Figure, table
from bench.wire import Wire

if TYPE_CHECKING:
    from bench.servers import Target

DEADLINE = 60.0
TEXT = f'{NUMBER} v=0\r\na="quoted" and ünïcode\r\n'
UUID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
SHORT = "by hand"
"""Of the name of the relay that makes up its IDs, and answers with another one than it delivers."""


@pytest.mark.parametrize("peer", [pytest.param(peer, id=peer.name) for peer in PEERS if peer.name != PARLEY])
def test_a_peer_relays_a_signal_to_its_receiver_alone_and_answers_its_sender(peer: Peer) -> None:
    """A server that did less than ours would make the comparison a lie, and one that does not start would end the bench."""
    if peer.needs_node and (reason := missing()):
        pytest.skip(reason)
    with peer.start() as server:
        asyncio.run(relays_once(peer, server))


async def relays_once(peer: Peer, server: Target) -> None:
    """Two pairs, of which one side writes."""
    dialect = DIALECTS[peer.wire]
    tokens = await dialect.tokens(server.port, 4)
    guests = [await dialect.enter(server.port, token) for token in tokens]
    await dialect.pair(guests[0], guests[1])
    await dialect.pair(guests[2], guests[3])
    heard: list[list[bytes]] = [[] for _ in guests]
    for guest, frames in zip(guests, heard, strict=True):
        guest.wire.on_text = frames.append
    request = dialect.request(guests[0].partner, TEXT)
    guests[0].wire.send_text(request.replace(NUMBER.encode(), b"00000001"))
    async with asyncio.timeout(DEADLINE):
        while not heard[1] or (dialect.answers and not any(dialect.answered(guests[0], frame) for frame in heard[0])):
            await asyncio.sleep(0.01)
    (event,) = heard[1]
    assert heard[2:] == [[], []]
    assert b"00000001 v=0" in event
    assert "ünïcode".encode() in event or rb"\u00fcn\u00efcode" in event
    if peer.wire != "parley":
        assert b"user0" in event, "the server says who sent it"
    if dialect.answers and SHORT not in peer.name:
        assert UUID.findall(event)[-1:] == UUID.findall(heard[0][0])[-1:], "the answer has the ID that is delivered"
    for guest in guests:
        guest.wire.close()


class Sent(Wire):
    """A wire to nowhere."""

    def __init__(self) -> None:
        super().__init__("nowhere", "/", "")
        self.texts: list[bytes] = []

    def send_text(self, text: bytes) -> None:
        """Keeps it."""
        self.texts.append(text)


@pytest.mark.parametrize("length", LENGTHS)
async def test_a_signal_that_is_cut_repeated_or_anothers_is_a_failure_of_the_run(length: int) -> None:
    """A fast server that loses signals is not fast."""
    tally, dialect = Tally(), DIALECTS["text"]
    one, other, third = (Correspondent(dialect, Guest(Sent(), "x", "y"), own, tally, length) for own in range(3))
    one.meet(other)
    other.meet(one)
    for side in (one, third):
        side.send()
    signal, anothers = (side.wire.texts[0] for side in (one, third) if isinstance(side.wire, Sent))
    assert len(signal) == len("y ") + length
    for frame, failures in (
        (signal[:-1], {"cut, or another's signal": 1}),
        (anothers, {"cut, or another's signal": 2}),
        (signal, {"cut, or another's signal": 2}),
        (signal, {"cut, or another's signal": 2, "signals lost, repeated or out of order": 1}),
    ):
        other.wire.on_text(frame)
        assert tally.failures == Counter(failures)


def test_the_picture_and_the_table_show_each_server_by_its_figure() -> None:
    """They stand in the README: the longest bar is the fastest server's, and ratios are ours to theirs."""
    figures = [
        Figure(f"{PER_CORE}200 B", 30_000, "", subject=PARLEY),
        Figure(f"{PER_CORE}200 B", 30_000, "", 15_000, subject="A & B"),
    ]
    where = {"machine": "two cores", "load average before": "0.1", "python": "3"}
    drawn = ET.fromstring(picture(where, figures))  # noqa: S314 - our own
    bars = [float(bar.attrib["width"]) for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert bars[1] == pytest.approx(bars[0] / 2)
    assert "A & B" in [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert re.search(r"^A & B +15,000 \(2\.00\)$", table(figures), re.MULTILINE)
    with pytest.raises(ValueError, match="no rates to draw"):
        picture({}, [])
