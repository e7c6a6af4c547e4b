"""Sockets and their connections kept in step, whatever the network and the database do meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import pytest

from api import loops
from api import presence as api_presence
from api import reached as api_reached
from api.buckets import SOCKETS_BURST, LocalThrottle
from api.presence import Presence
from api.reached import Reached
from domain import presence as domain_presence
from domain.errors import RateLimited, Unavailable
from domain.identity import Caller, SessionScope
from domain.ports import Transact, UnitOfWork
from tests.waiting import until
from tests.world import RESUME, START, Clock, FakeSocket, World, open_world

T = TypeVar("T")


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


class Faulty:
    """A `Transact` that can be cut off and held up, and counts how many units run at once."""

    def __init__(self, transact: Transact | None = None) -> None:
        self._transact = transact
        self.down = False
        self.held = asyncio.Event()
        self.held.set()
        self.calls = self.running = self.most = 0

    async def __call__(self, work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.held.wait()
            if self.down:
                raise Unavailable
            await asyncio.sleep(0)
            return cast("T", await self._transact(work) if self._transact else None)
        finally:
            self.running -= 1


def presence_over(transact: Any, **parts: Any) -> Presence:  # noqa: ANN401  # any of its parts
    """Presence over a database that can fail."""

    async def stands(caller: Caller) -> Caller:
        return caller

    needs: dict[str, Any] = {
        "read": transact, "clock": Clock(), "resume": RESUME, "control_version": lambda _: 0, "standing": stands,
        "attached": lambda: None, "opening": lambda _: None, "watch": lambda _: nullcontext(), "reaped": lambda: None,
    }  # fmt: skip
    return Presence(transact=transact, **(needs | parts))


def somebody() -> Caller:
    """A caller."""
    return Caller(uuid4(), uuid4(), SessionScope.FULL, START + timedelta(hours=1))


def socket() -> Any:  # noqa: ANN401  # a fake of the transport's class
    """A socket."""
    return FakeSocket()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries at once."""
    monkeypatch.setattr(api_presence, "FIRST_RETRY_SECONDS", 0.001)
    monkeypatch.setattr(api_presence, "LONGEST_RETRY_SECONDS", 0.01)


async def test_a_detach_is_not_lost_when_the_database_is_away(world: World, impatient: None) -> None:
    """A connection left behind would show somebody as online, and match them, for ever."""
    faulty = Faulty(world.database.transact)
    presence = presence_over(faulty, clock=world.clock)
    ada, here = await world.user(), socket()
    await presence.opened(ada, here)
    faulty.down = True
    await presence.closed(here)
    await until(lambda: faulty.calls > 4)
    world.clock.forward(seconds=60)
    faulty.down = False
    await until(lambda: presence.leaving == 0)
    assert not await world.attached(ada)
    # The outage does not count: the window begins when the database is back.
    hold = await world.database.read(lambda uow: uow.connections.hold(ada.user_id))
    assert hold == (world.clock(), world.clock() + RESUME)


async def test_an_outage_is_probed_by_few_and_over_for_all_at_once() -> None:
    """Five hundred sockets drop in an outage: knocking for each of them would keep the machine busy, and backing off for each would
    keep everybody out for seconds after the database is back.
    """
    faulty = Faulty()
    presence = presence_over(faulty)
    sockets = [socket() for _ in range(500)]
    await asyncio.gather(*(presence.opened(somebody(), one) for one in sockets))
    faulty.down, faulty.calls = True, 0
    began = asyncio.get_running_loop().time()
    for one in sockets:
        await presence.closed(one)
    await until(lambda: faulty.calls >= 10)
    assert asyncio.get_running_loop().time() - began > 0.1
    faulty.down = False
    await until(lambda: presence.leaving == 0, seconds=1)
    await presence.opened(somebody(), socket())


async def test_nobody_is_let_in_while_detaches_do_not_get_through(world: World, impatient: None) -> None:
    """Clients that come and go during an outage would pile up work for when it is over."""
    faulty = Faulty(world.database.transact)
    presence = presence_over(faulty, clock=world.clock)
    first = socket()
    await presence.opened(await world.user(), first)
    faulty.down = True
    await presence.closed(first)
    await until(lambda: presence._database_away)
    for _ in range(50):
        refused = socket()
        with pytest.raises(Unavailable):
            await presence.opened(somebody(), refused)
        await presence.closed(refused)
    await until(lambda: presence.leaving == 1)
    faulty.down = False
    await until(lambda: presence.leaving == 0)
    await presence.opened(await world.user(), socket())


async def test_a_socket_that_closes_while_it_attaches_leaves_nothing_behind(world: World) -> None:
    """A client that hangs up at the wrong moment must not stay online as a ghost."""
    faulty = Faulty(world.database.transact)
    presence = presence_over(faulty, clock=world.clock)
    ada, here = await world.user(), socket()
    faulty.held.clear()
    opening = asyncio.create_task(presence.opened(ada, here))
    await until(lambda: faulty.running == 1)
    opening.cancel()  # As the admission's deadline does.
    with suppress(asyncio.CancelledError):
        await opening
    await presence.closed(here)
    faulty.held.set()
    await until(lambda: presence.leaving == 0)
    assert faulty.calls == 2
    assert not await world.attached(ada)
    assert len(presence) == 0


async def test_a_socket_that_closes_before_its_turn_costs_the_database_nothing() -> None:
    """After a restart everybody comes at once; who gave up waiting is not worked off."""
    faulty = Faulty()
    presence = presence_over(faulty)
    faulty.held.clear()
    sockets = [socket() for _ in range(100)]
    opening = [asyncio.create_task(presence.opened(somebody(), one)) for one in sockets]
    await until(lambda: faulty.running == api_presence.ATTACHING_AT_ONCE)
    for one in sockets:
        await presence.closed(one)
    faulty.held.set()
    await asyncio.gather(*opening)
    await until(lambda: presence.leaving == 0)
    assert faulty.calls == 2 * api_presence.ATTACHING_AT_ONCE


async def test_two_thousand_sockets_that_drop_at_once_leave_connections_for_the_others() -> None:
    """A proxy that restarts must not stop everybody else's requests."""
    faulty = Faulty()
    presence = presence_over(faulty)
    sockets = [socket() for _ in range(2000)]
    await asyncio.gather(*(presence.opened(somebody(), one) for one in sockets))
    assert faulty.most == api_presence.ATTACHING_AT_ONCE
    faulty.most = 0
    for one in sockets:
        await presence.closed(one)
    await until(lambda: presence.leaving == 0)
    assert faulty.most == api_presence.DETACHING_AT_ONCE
    assert faulty.calls == 4000


async def test_revoked_sessions_are_closed_for_good_and_changed_ones_to_refresh() -> None:
    """Signing out on one device ends its sockets; a suspension brings the client back with the rights that are left."""
    versions: dict[UUID, int] = {}
    present: dict[UUID, Caller | None] = {}
    asked: list[UUID] = []

    async def standing(caller: Caller) -> Caller | None:
        asked.append(caller.user_id)
        return present.get(caller.user_id, caller)

    presence = presence_over(Faulty(), standing=standing, control_version=lambda user: versions.get(user, 0))
    callers, sockets = [somebody() for _ in range(3)], [socket() for _ in range(3)]
    for caller, one in zip(callers, sockets, strict=True):
        await presence.opened(caller, one)
    await presence.recheck()
    assert sorted(asked) == sorted(caller.user_id for caller in callers)  # Once after it opened.
    asked.clear()
    await presence.recheck()
    assert asked == []
    revoked, limited, _ = callers
    present = {revoked.user_id: None, limited.user_id: replace(limited, scope=SessionScope.APPEAL_ONLY)}
    versions = {caller.user_id: 1 for caller in callers}
    await presence.recheck()
    assert [one.codes for one in sockets] == [[4401], [4403], []]
    await presence.recheck()
    assert len(asked) == 3


async def test_a_user_who_opens_sockets_without_end_is_told_to_come_back_later() -> None:
    """Each socket costs the database two transactions: one user in a loop would keep everybody else from attaching."""
    throttle, faulty, ada = LocalThrottle(lambda: 0.0), Faulty(), somebody()
    presence = presence_over(faulty, opening=throttle.socket)
    for _ in range(SOCKETS_BURST):
        one = socket()
        await presence.opened(ada, one)
        await presence.closed(one)
    await until(lambda: presence.leaving == 0)
    calls, another = faulty.calls, socket()
    with pytest.raises(RateLimited):
        await presence.opened(ada, another)
    await presence.closed(another)
    await until(lambda: presence.leaving == 0)
    assert faulty.calls == calls
    await presence.opened(somebody(), socket())


async def test_a_revoked_session_does_nothing_more_before_its_sockets_close() -> None:
    """Whoever stole a session must not act with it in the half second until the next round of looking."""
    version, good, asked = 0, True, 0

    async def standing(caller: Caller) -> Caller | None:
        nonlocal asked
        asked += 1
        return caller if good else None

    presence = presence_over(Faulty(), standing=standing, control_version=lambda _: version)
    here = socket()
    await presence.opened(somebody(), here)
    assert [await presence.stands(here) for _ in range(3)] == [True] * 3
    assert asked == 1
    version, good = 1, False
    assert [await presence.stands(here) for _ in range(3)] == [False] * 3
    assert here.codes == [4401]
    assert asked == 2


async def test_a_standing_that_cannot_be_told_now_is_asked_again() -> None:
    """An outage at the wrong moment must not let a revoked session live on."""
    down = True

    async def standing(_: Caller) -> Caller | None:
        if down:
            raise Unavailable
        return None

    presence, here = presence_over(Faulty(), standing=standing), socket()
    await presence.opened(somebody(), here)
    await presence.recheck()
    assert here.codes == []
    down = False
    await presence.recheck()
    assert here.codes == [4401]


async def test_one_user_that_cannot_be_swept_does_not_keep_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One broken row would otherwise hold every lost partner's match open for ever."""
    matches = [await world.pair() for _ in range(5)]
    await world.drop(*cast("list[FakeSocket]", list(world.presence._sockets)))
    lose, broken = domain_presence.lose, matches[0][0].user_id

    async def failing(uow: UnitOfWork, user_id: UUID, *, now: datetime) -> None:
        if user_id == broken:
            raise RuntimeError
        await lose(uow, user_id, now=now)

    monkeypatch.setattr(domain_presence, "lose", failing)
    world.clock.forward(seconds=21)
    await world.sweeps.sweep()
    assert not any([(await world.room(room.id)).open for _, _, room in matches])  # The others' partners were lost too.


async def test_loops_survive_what_their_steps_raise() -> None:
    """A sweep that died in silence would leave everybody's partner hanging until the next restart."""
    steps = 0

    async def sweep() -> None:
        nonlocal steps
        steps += 1
        raise RuntimeError if steps % 2 else Unavailable

    async with loops.running("sweep", 0.001, sweep):
        await until(lambda: steps > 5)
    ended = steps
    await asyncio.sleep(0.01)
    assert steps == ended


async def test_members_are_noted_as_reached_once_and_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event of a busy room would otherwise be an update of the database."""
    monkeypatch.setattr(api_reached, "REACHED_SECONDS", 0.001)
    monkeypatch.setattr(api_reached, "REACHED_KEPT", 10)
    faulty, members = Faulty(), [uuid4() for _ in range(20)]
    reached = Reached(transact=faulty, clock=Clock())
    faulty.down = True
    async with reached.running():
        for member in members * 3:
            reached.note(member)
        await until(lambda: faulty.calls > 2)
        faulty.down = False
        await until(lambda: not reached._noted)
        calls = faulty.calls
        reached.note(members[-1])
        assert not reached._noted
        assert len(reached._written) == 10
        reached.note(uuid4())
    assert faulty.calls == calls + 1  # What was noted last is written before the end.
    assert not reached._noted
