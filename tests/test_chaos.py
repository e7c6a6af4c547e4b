"""Nothing is lost, doubled or forgotten while workers, bus, database and network fail; and the suite that says so would notice."""

from __future__ import annotations

import asyncio
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.client import Closed
from tests.chaos.client import Client, Counts, Doors
from tests.chaos.invariants import Replay
from tests.chaos.ledger import Item, Kind, Ledger, Wrongs
from tests.chaos.network import Link
from tests.chaos.schedule import Fault, schedule
from tests.chaos.stage import Bus, complaints
from tests.storm import Change
from tests.waiting import until

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 40
SEED = 2026
DEADLINE = 280
"""Seconds for a run with all that goes before and after: on a quiet machine it takes 75."""


@pytest.mark.xdist_group("chaos")
@pytest.mark.parametrize("bus", [Bus.REDIS, Bus.POSTGRESQL])
def test_nothing_acknowledged_is_lost_in_chaos(bus: Bus, tmp_path: Path) -> None:
    """Two hundred people talk while everything around them fails, and whoever talks does not have to know."""
    command = [sys.executable, "-m", "tests.chaos", "--seconds", str(SECONDS), "--seed", str(SEED)]
    done = subprocess.run(
        [*command, "--bus", bus, "--keep", str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    print(done.stdout)  # noqa: T201  # pytest shows it when the test fails
    assert done.returncode == 0, done.stdout.splitlines()[-1]
    assert re.search(r" [1-9]\d* suspensions$", done.stdout, re.MULTILINE), "else it shows nothing of them"


# ------------------------------------------------------------------------------------------ would it notice?


@pytest.fixture
def ledger() -> Ledger:
    """Empty accounts."""
    return Ledger(Wrongs())


def signal(ledger: Ledger, *, acknowledged: str | None = None) -> Item:
    """A signal from Ada to Bob, whom the server answered with that ID, if at all."""
    item = ledger.ask(Kind.SIGNAL, "room", "ada", ("bob",), 1.0)
    if acknowledged is None:
        item.refused = True
    else:
        item.acknowledged_at, item.id = 2.0, acknowledged
    return item


def message(ledger: Ledger, acknowledged: str) -> Item:
    """A message of Ada's into the room where Bob is too."""
    item = ledger.ask(Kind.MESSAGE, "room", "ada", ("ada", "bob"), 1.0)
    item.acknowledged_at, item.id = 2.0, acknowledged
    return item


def arrive(ledger: Ledger, item: Item, receiver: str = "bob", id: str | None = None) -> None:
    """The receiver is told of it."""
    told = id or item.id or "some"
    ledger.receive(item.kind, item.number, room=item.room, sender=item.sender, receiver=receiver, id=told, now=3.0)


def test_what_arrives_once_and_in_order_is_right(ledger: Ledger) -> None:
    """A suite that cries wolf is switched off."""
    for number in range(3):
        arrive(ledger, signal(ledger, acknowledged=str(number)))
    said = message(ledger, "x")
    arrive(ledger, said, "ada")
    arrive(ledger, said, "bob")
    ledger.close()
    assert not ledger.wrongs


def test_a_loss_is_noticed(ledger: Ledger) -> None:
    """What was acknowledged and never came."""
    signal(ledger, acknowledged="1")
    arrive(ledger, signal(ledger, acknowledged="2"))
    assert [item.number for item, _ in ledger.missing()] == [1]
    ledger.close()
    assert ledger.wrongs.counted == {"lost": 1}


def test_a_repeat_is_noticed(ledger: Ledger) -> None:
    """Also when a retry made two of one."""
    item = signal(ledger, acknowledged="1")
    arrive(ledger, item)
    arrive(ledger, item, id="another")
    assert ledger.wrongs.counted == {"came twice": 1}


def test_a_wrong_order_is_noticed(ledger: Ledger) -> None:
    """A candidate before its offer is worth nothing."""
    first, second = signal(ledger, acknowledged="1"), signal(ledger, acknowledged="2")
    arrive(ledger, second)
    arrive(ledger, first)
    assert ledger.wrongs.counted == {"out of order": 1}


def test_what_nobody_sent_is_noticed(ledger: Ledger) -> None:
    """Also what was sent to somebody else."""
    item = signal(ledger, acknowledged="1")
    arrive(ledger, item, receiver="eve")
    ledger.receive(Kind.SIGNAL, 7, room="room", sender="ada", receiver="bob", id="7", now=3.0)
    assert ledger.wrongs.counted == {"came from nowhere": 2}


def test_an_acknowledgement_of_something_else_is_noticed(ledger: Ledger) -> None:
    """The sender was told of one signal and the receiver had another: one of the two is lost."""
    arrive(ledger, signal(ledger, acknowledged="1"), id="2")
    ledger.close()
    assert ledger.wrongs.counted == {"two of one": 1}


def test_what_was_refused_may_come_once_or_not_at_all(ledger: Ledger) -> None:
    """The answer of a first attempt may have been lost, and the room have ended before the second."""
    arrive(ledger, signal(ledger))
    signal(ledger)
    ledger.close()
    assert not ledger.wrongs


def test_what_was_never_answered_is_noticed(ledger: Ledger) -> None:
    """Nobody waits for ever."""
    ledger.ask(Kind.SIGNAL, "room", "ada", ("bob",), 1.0)
    ledger.close()
    assert ledger.wrongs.counted == {"never answered": 1}


def test_messages_are_hidden_from_whoever_left_but_without_holes(ledger: Ledger) -> None:
    """Leaving ends what one is told; it does not explain what is missing before that."""
    items = [message(ledger, str(number)) for number in range(1, 5)]
    for item in items:
        arrive(ledger, item, "ada")
    arrive(ledger, items[0])
    arrive(ledger, items[2])
    assert [item.number for item, _ in ledger.missing()] == [2, 4]
    ledger.left("room", "bob")
    assert [item.number for item, _ in ledger.missing()] == [2]


class Told:
    """A subscription that tells this, and then loses its connection."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.seen: list[dict[str, Any]] = []
        self._events = iter(events)

    async def next(self, within: float | None) -> dict[str, Any]:
        for event in self._events:
            return event
        raise Closed(1006, "")


def event(kind: str, cursor: str) -> dict[str, Any]:
    """An event of that kind, at that place."""
    return {"__typename": kind, "cursor": cursor}


async def follow(*streams: Told) -> Wrongs:
    """What a client thinks of what it is told, one connection after the other."""
    wrongs, chances = Wrongs(), random.Random(1)
    async with httpx.AsyncClient() as http:
        doors = Doors([1], http, chances)
        client = Client("Ada", "token", doors=doors, counts=Counts(), wrongs=wrongs, chances=chances)
        for stream in streams:
            with pytest.raises(Closed):
                await client._handle(stream)  # type: ignore[arg-type]  # as much of a subscription as is used
    return wrongs


async def test_an_event_that_is_repeated_after_a_reconnection_is_noticed() -> None:
    """A cursor is what makes it once."""
    first = Told(event("MatchSnapshot", "a"), event("QueueJoined", "b"))
    assert not await follow(first, Told(event("Matched", "c")))
    first = Told(event("MatchSnapshot", "a"), event("QueueJoined", "b"))
    assert (await follow(first, Told(event("QueueJoined", "b")))).counted == {"event repeated": 1}


async def test_a_new_beginning_is_noticed() -> None:
    """Nobody is away for longer than the inbox keeps: nobody may have to start again."""
    assert (await follow(Told(event("ResyncRequired", "z")))).counted == {"ResyncRequired": 1}


def ticket(user: str, *, status: str = "WAITING", room: str | None = None) -> dict[str, Any]:
    """A row of the user's ticket."""
    return {
        "id": f"ticket of {user}",
        "user_id": user,
        "status": status,
        "mode": "AUDIO",
        "interests": [],
        "widens_at": "2026-11-21T10:00:00+00:00",
        "matched_at": "2026-11-21T10:00:05+00:00" if status == "MATCHED" else None,
        "room_id": room,
    }


def history(*users: str, **other: object) -> list[Change]:
    """Those users wait, attached, and are matched into one room."""
    changes = [Change("room", None, {"id": "room", "kind": "MATCH"})]
    for user in users:
        waiting, matched = ticket(user) | other, ticket(user, status="MATCHED", room="room") | other
        seat = {"id": f"seat of {user}", "room_id": "room", "room_kind": "MATCH", "user_id": user, "left_at": None}
        changes += [
            Change("connection", None, {"id": f"socket of {user}", "user_id": user}),
            Change("ticket", None, waiting),
            Change("member", None, seat),
            Change("ticket", waiting, matched),
        ]
    return changes


def replayed(changes: list[Change]) -> set[str]:
    """What is wrong with that history."""
    wrongs = Wrongs()
    Replay(wrongs).all(changes)
    return set(wrongs.counted)


def without(changes: list[Change], kind: str) -> list[Change]:
    """The same, but for the first change of that kind."""
    first = next(change for change in changes if change.kind == kind)
    return [change for change in changes if change is not first]


def test_a_whole_match_is_right() -> None:
    """Two people, attached, in one room with both."""
    assert replayed(history("ada", "bob")) == set()


def test_broken_invariants_of_matching_are_noticed() -> None:
    """Each by its number in the design."""
    whole = history("ada", "bob")
    bar = {"low_id": "ada", "high_id": "bob", "kind": "COOLDOWN", "until": "2026-11-21T10:01:00+00:00"}
    suspended = {"id": "1", "user_id": "bob", "ends_at": "2026-11-21T11:00:00+00:00", "lifted_at": None}
    lifted = suspended | {"lifted_at": "2026-11-21T10:00:01+00:00"}
    waits = Change("ticket", None, ticket("eve"))
    second = Change("ticket", None, ticket("eve") | {"id": "another"})
    ended = ticket("eve", status="CANCELLED")
    later = Change("member", None, (whole[3].new or {}) | {"id": "another", "room_id": "another"})
    assert "1: three tickets in one match" in replayed(history("ada", "bob", "eve"))
    assert "2: matched with themselves" in replayed(history("ada", "ada"))
    assert replayed([Change("pair_bar", None, bar), *whole]) == {"3: a barred pair met"}
    assert replayed([Change("pair_bar", None, bar | {"kind": "BLOCK_BY_LOW", "until": None}), *whole]) == {
        "3: a barred pair met"
    }
    assert replayed([Change("suspension", None, suspended), *whole]) == {"3: somebody suspended was matched"}
    assert replayed([Change("suspension", None, suspended | {"ends_at": None}), *whole]) == {
        "3: somebody suspended was matched"
    }
    assert replayed([Change("suspension", None, suspended), Change("suspension", suspended, lifted), *whole]) == set()
    assert replayed([*whole, Change("suspension", None, suspended)]) == set()
    assert replayed(history("ada", "bob", interests=["ada's"])) == set()
    tastes = history("ada", interests=["chess"], widens_at="2026-11-21T10:10:00+00:00")
    assert "4: one side did not accept" in replayed([*tastes, *history("bob")])
    assert replayed(without(whole, "connection")) == {"5: matched while detached"}
    assert "6: an ended ticket was written again" in replayed([Change("ticket", ended, ticket("eve"))])
    assert replayed([waits]) == {"7: a ticket never ended"}
    assert "8: two tickets of one user wait" in replayed([waits, second])
    assert replayed(without(whole, "member")) == {"9: a match is not whole"}
    assert "13: two open matches of one user" in replayed([*whole, later])


def test_a_worker_that_complains_is_noticed() -> None:
    """An error in a log is a promise that was nearly broken."""
    calm = "2026-11-21T10:00:00Z [warning  ] bus lost                       [persistence.bus] attempt=0"
    bad = "2026-11-21T10:00:00Z [error    ] a background step failed       [api.parts] step=sweep"
    assert complaints(f"{calm}\n{bad}\nTraceback (most recent call last):\n") == [
        bad,
        "Traceback (most recent call last):",
    ]


def test_a_seed_repeats_its_faults_and_all_kinds_come() -> None:
    """Who finds something can look at it again; and forty seconds have everything in them."""
    planned = schedule(SEED, SECONDS, 3, separate_bus=True)
    assert planned == schedule(SEED, SECONDS, 3, separate_bus=True)
    assert planned != schedule(SEED + 1, SECONDS, 3, separate_bus=True)
    assert {each.fault for each in planned} == set(Fault)
    assert {each.fault for each in schedule(SEED, SECONDS, 3, separate_bus=False)} == set(Fault) - {Fault.BUS}
    assert all(each.at + each.seconds <= SECONDS for each in planned)


# ------------------------------------------------------------------------------------------ the network


class Listener(asyncio.Protocol):
    """Writes down what comes, and whether the connection ended."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.ended = False

    def data_received(self, data: bytes) -> None:
        self.got += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True


async def test_the_network_keeps_order_and_cuts() -> None:
    """What is delayed is not overtaken, what is stalled is not lost, and what is cut is cut for both."""
    loop = asyncio.get_running_loop()
    far = Listener()
    server = await loop.create_server(lambda: far, "127.0.0.1", 0)
    link = Link(lambda: server.sockets[0].getsockname()[:2], random.Random(1))
    await link.open()
    near = Listener()
    transport, _ = await loop.create_connection(lambda: near, "127.0.0.1", link.port)
    sent = b""
    for number in range(60):
        link.weather.delay = 0.02 if number < 30 else 0.0
        if number == 20:
            link.stall(0.1)
        text = b"%d " % number
        transport.write(text)
        sent += text
        await asyncio.sleep(0)
    await until(lambda: bytes(far.got) == sent)
    assert link.open_now == 1
    link.cut()
    await until(lambda: near.ended and far.ended)
    await link.close()
    server.close()
    await server.wait_closed()
