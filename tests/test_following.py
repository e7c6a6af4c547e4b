"""The follower by itself: pages, throttled updates, and where it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID, uuid4

import pytest

from domain.events import (
    Event,
    MemberJoined,
    MemberUpdated,
    SignalReceived,
)
from domain.following import PAGE, Follower, Found, Lost
from domain.inbox import ALL_KINDS, Batch, Entry, Position, View
from domain.presence import MEMBER_UPDATES_EVERY
from domain.signaling import HangUp
from persistence.inbox.memory import MemoryInbox

ADA = uuid4()
START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


class Waits:
    """A watch that notes for how long it was asked to wait, moves the clock on, and lets something happen meanwhile."""

    def __init__(self, after: Callable[[float], None]) -> None:
        self.asked: list[float] = []
        self._after = after

    async def changed(self, timeout: float) -> None:
        self.asked.append(timeout)
        assert len(self.asked) < 1000, "it spins"
        self._after(timeout)


@dataclass
class Throttled:
    """A follower over a real inbox, with time that only moves while it waits. `plan` happens at its times, in seconds."""

    plan: Sequence[tuple[float, Sequence[Event]]]
    now: datetime = START
    done: int = 0
    moved: bool = False

    def __post_init__(self) -> None:
        self.inbox = MemoryInbox(clock=lambda: self.now, hint=self.wake)
        self.watch = Waits(self.wait)
        self.follower = Follower(
            self.inbox, self.watch, lambda: self.now, user_id=ADA, view=View(ALL_KINDS), after=None
        )

    def wait(self, timeout: float) -> None:
        """Until the time is over or the next thing happens; not at all if something has happened since."""
        if self.moved:
            self.moved = False
            return
        until = self.now + timedelta(seconds=timeout)
        if self.done < len(self.plan):
            seconds, events = self.plan[self.done]
            if START + timedelta(seconds=seconds) <= until:
                self.now = max(self.now, START + timedelta(seconds=seconds))
                self.inbox.deliver([(ADA, event) for event in events], (), self.now)
                self.done += 1
                self.moved = False
                return
        self.now = until

    def wake(self, _: Iterable[UUID]) -> None:
        """Something was delivered."""
        self.moved = True

    async def told(self, count: int) -> list[tuple[float, list[Event]]]:
        """When pages came, in seconds, and with what."""
        pages = []
        for _ in range(count):
            page = await self.follower.next()
            assert isinstance(page, Found)
            pages.append(((self.now - START).total_seconds(), [entry.event for entry in page.entries]))
        return pages


ROOM, ONE, OTHER = uuid4(), uuid4(), uuid4()
UPDATE, OTHER_UPDATE = MemberUpdated(ROOM, ONE), MemberUpdated(ROOM, OTHER)
SIGNAL = SignalReceived(uuid4(), ROOM, ONE, None, HangUp())
EVERY = MEMBER_UPDATES_EVERY.total_seconds()


async def test_a_burst_of_updates_is_told_once_with_its_last() -> None:
    """Somebody who toggles a camera twenty times costs the room one event."""
    joined = MemberJoined(ROOM, OTHER)
    throttled = Throttled([(1.0, [UPDATE, OTHER_UPDATE, UPDATE, joined, UPDATE])])
    assert await throttled.told(1) == [(1.0, [OTHER_UPDATE, joined, UPDATE])]


async def test_updates_of_a_member_come_at_most_every_quarter_of_a_second() -> None:
    """Typing that flickers does not flood sixteen clients; the last state always comes."""
    throttled = Throttled([(i / 100, [UPDATE]) for i in range(100)])
    pages = await throttled.told(5)
    times = [at for at, _ in pages]
    assert all(events == [UPDATE] for _, events in pages)
    assert all(later - earlier >= EVERY - 0.001 for earlier, later in pairwise(times))
    assert times[-1] == pytest.approx(4 * EVERY, abs=0.011)


async def test_an_update_that_waits_never_holds_up_another_kind() -> None:
    """Candidates are not late because somebody is typing, and the order stays."""
    throttled = Throttled([(0.0, [UPDATE]), (0.05, [UPDATE]), (0.10, [SIGNAL]), (0.12, [UPDATE])])
    assert await throttled.told(3) == [(0.0, [UPDATE]), (0.10, [UPDATE, SIGNAL]), (0.35, [UPDATE])]


async def test_an_update_that_waits_holds_up_only_later_updates() -> None:
    """Another member's change is told in its order: a quarter of a second later at most, and at once when it came first."""
    throttled = Throttled([(0.0, [UPDATE]), (0.05, [OTHER_UPDATE, UPDATE])])
    assert await throttled.told(3) == [(0.0, [UPDATE]), (0.05, [OTHER_UPDATE]), (0.25, [UPDATE])]
    throttled = Throttled([(0.0, [UPDATE]), (0.05, [UPDATE, OTHER_UPDATE])])
    assert await throttled.told(2) == [(0.0, [UPDATE]), (0.25, [UPDATE, OTHER_UPDATE])]


async def test_a_clock_that_is_set_back_holds_no_update_up() -> None:
    """A server whose wall clock was an hour fast tells who is typing now, not in an hour."""
    throttled = Throttled([(0.0, [UPDATE])])
    await throttled.told(1)
    throttled.now -= timedelta(hours=1)
    throttled.inbox.deliver([(ADA, UPDATE)], (), throttled.now)
    assert await throttled.told(1) == [(-3600.0, [UPDATE])]


async def test_a_full_page_is_told_at_once() -> None:
    """A signal behind sixty-four updates of one member does not wait for them."""
    throttled = Throttled([(0.0, [UPDATE]), (0.01, [*([UPDATE] * PAGE), SIGNAL])])
    assert await throttled.told(3) == [(0.0, [UPDATE]), (0.01, [UPDATE]), (0.01, [SIGNAL])]


async def test_pages_are_bounded_and_positions_chain() -> None:
    """A burst of a thousand events is read in pages: what is not read yet stays in the inbox, not in memory of the socket."""
    events = [MemberJoined(ROOM, uuid4()) for _ in range(200)]
    throttled = Throttled([(0.0, events)])
    pages = await throttled.told(4)
    assert [len(page) for _, page in pages] == [64, 64, 64, 8]
    assert [event for _, page in pages for event in page] == events


async def test_a_lost_place_is_told_and_followed() -> None:
    """The follower itself says where it goes on."""
    throttled = Throttled([(0.0, [SIGNAL])])
    await throttled.told(1)
    throttled.inbox.renew([ADA])
    lost = await throttled.follower.next()
    assert isinstance(lost, Lost)
    assert lost.position == await throttled.inbox.end(ADA)


async def test_a_short_page_is_not_taken_for_the_end() -> None:
    """A store may stop early, at what another version wrote: what lies behind does not wait for the next thing to happen."""
    throttled = Throttled([])
    pages = [Batch((Entry(Position(1, seq), START, SIGNAL),), Position(1, seq), at_end=seq == 2) for seq in (1, 2)]

    async def read(*_: object) -> Batch:
        return pages.pop(0)

    throttled.inbox.read = read  # type: ignore[method-assign, assignment]
    assert await throttled.told(2) == [(0.0, [SIGNAL]), (0.0, [SIGNAL])]


async def test_whether_it_is_over_is_asked_only_when_something_changed() -> None:
    """It costs a task's turn or a look at the database, and between two changes are thousands of events."""
    asked: list[bool] = []
    state = {"steady": True, "over": False}
    inbox = MemoryInbox(clock=lambda: START, hint=lambda _: None)

    async def over() -> bool:
        asked.append(state["over"])
        return state["over"]

    def more(_: float) -> None:
        """What wakes a reader comes with an event, or without one."""
        if not state["over"]:
            inbox.deliver([(ADA, SIGNAL)], (), START)

    watch = Waits(more)
    follower = Follower(
        inbox,
        watch,
        lambda: START,
        user_id=ADA,
        view=View(ALL_KINDS),
        after=None,
        over=over,
        steady=lambda: state["steady"],
    )
    for _ in range(3):
        assert isinstance(await follower.next(), Found)
    assert asked == []
    state["steady"] = False
    assert isinstance(await follower.next(), Found)
    assert asked == [False], "it is something else that changed"
    state["steady"] = True
    assert isinstance(await follower.next(), Found)
    assert asked == [False]
    state["over"], state["steady"] = True, False
    inbox.deliver([(ADA, UPDATE)] * 2, (), START)
    told = await follower.next()
    assert isinstance(told, Found), "what happened before the end"
    state["steady"] = True
    waits = len(watch.asked)
    assert await follower.next() is None
    assert len(watch.asked) == waits
