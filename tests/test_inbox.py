"""What every inbox promises, whichever store is behind it: nothing lost and nothing repeated along a chain of cursors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from domain.events import Event, MatchEnded, MemberUpdated
from domain.inbox import MATCH_KINDS, PRESENCE_KINDS, SIGNAL_KINDS, Batch, Entry, Position, View
from domain.ports import Inbox, Watch
from domain.rooms.room import MatchEndReason
from persistence.inbox.memory import FORGOTTEN_AFTER, MAILBOX_BYTES, RETENTION, size_of
from persistence.inbox.ring import EVENTS
from tests.inboxes import (
    EVERYTHING,
    OTHER_ROOM,
    ROOM,
    START,
    MemoryStore,
    PostgresStore,
    Store,
    Time,
    a_postgres_store,
    events_of,
    joined,
    make_memory,
    read_all,
    signal,
)
from tests.waiting import DEADLINE

T = TypeVar("T")


@pytest.fixture(params=["memory", "postgres", "postgres, followed here"])
async def store(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Store]:
    """Each store, and the one in PostgreSQL also with the end of each inbox in memory."""
    if request.param == "memory":
        yield MemoryStore()
        return
    async with a_postgres_store(database_url) as made:
        yield Followed(made) if "followed" in request.param else made


class Followed(PostgresStore):
    """Every user is watched from the beginning, and read here."""

    def __init__(self, store: PostgresStore) -> None:
        super().__init__(store.worker)

    async def user(self) -> UUID:
        user = await super().user()
        self.hub.watch(user).__enter__()
        await self.inbox.refresh((user,))
        return user


async def test_events_come_once_in_order_page_by_page(store: Store) -> None:
    """A client that reads a burst through cursors gets each signal exactly once, in the order in which it was sent."""
    user = await store.user()
    position = await store.inbox.end(user)
    sent: list[Event] = [joined() for _ in range(150)]
    for first, end in pairwise((0, 10, 64, 140, 150)):
        await store.put(user, *sent[first:end])
    got: list[Event] = []
    while (batch := await store.inbox.read(user, position, EVERYTHING)).entries:
        assert len(batch.entries) <= 64
        assert [e.position.seq for e in batch.entries] == list(range(len(got) + 1, len(got) + len(batch.entries) + 1))
        got += events_of(batch)
        position = batch.position
    assert got == sent
    assert position == await store.inbox.end(user)


async def test_inboxes_do_not_mix(store: Store) -> None:
    """What one user is told is told to nobody else, and each counts from one."""
    ada, ben = await store.user(), await store.user()
    mine, theirs = joined(), signal()
    await store.put(ada, mine)
    await store.put(ben, theirs)
    assert await read_all(store.inbox, ada) == [mine]
    assert await read_all(store.inbox, ben) == [theirs]
    assert (await store.inbox.end(ada)).seq == (await store.inbox.end(ben)).seq == 1


async def test_a_view_shows_its_kinds_and_its_room_only(store: Store) -> None:
    """A stream of one room's signals tells nothing of other rooms, and its position still moves past what it does not show."""
    user = await store.user()
    start = await store.inbox.end(user)
    mine, elsewhere = signal(), signal(room=OTHER_ROOM)
    await store.put(user, joined(), mine, elsewhere, joined())
    batch = await store.inbox.read(user, start, View(SIGNAL_KINDS, ROOM))
    assert events_of(batch) == [mine]
    assert batch.position == await store.inbox.end(user)


async def test_a_view_finds_its_event_behind_pages_of_others(store: Store) -> None:
    """A quiet room is told of although a busy one fills page after page."""
    user = await store.user()
    start = await store.inbox.end(user)
    mine = signal()
    await store.put(user, *(signal(room=OTHER_ROOM) for _ in range(130)), mine)
    batch = await store.inbox.read(user, start, View(SIGNAL_KINDS, ROOM), 10)
    assert (events_of(batch), batch.position.seq) == ([mine], 131)


async def test_a_page_may_be_as_small_as_one(store: Store) -> None:
    """Also when there is nothing, or nothing more."""
    user = await store.user()
    assert (await store.inbox.read(user, None, EVERYTHING, 1)).entries == ()
    await store.put(user, first := joined(), signal())
    batch = await store.inbox.read(user, None, View(PRESENCE_KINDS), 1)
    assert events_of(batch) == [first]
    assert (await store.inbox.read(user, batch.position, View(PRESENCE_KINDS), 1)).position.seq == 2


async def test_large_events_come_too(store: Store) -> None:
    """A page is bounded by bytes in PostgreSQL: what does not fit comes with the next one, and nothing is lost."""
    user = await store.user()
    start = await store.inbox.end(user)
    sent = [signal(str(i) + "x" * 65_000) for i in range(9)]
    await store.put(user, *sent)
    assert await read_all(store.inbox, user, View(SIGNAL_KINDS), start) == sent


async def test_a_quiet_view_survives_the_noise_of_others(store: Store) -> None:
    """Two minutes of a partner's candidates do not make the client fetch everything again."""
    user = await store.user()
    await store.put(user, joined())
    position = (await store.inbox.read(user, None, EVERYTHING)).position
    await store.put(user, *(signal() for _ in range(5)))
    await store.age()
    quiet = await store.inbox.read(user, position, View(MATCH_KINDS))
    assert (quiet.lost, quiet.entries, quiet.position.seq) == (False, (), 6)
    assert not (await store.inbox.read(user, position, View(PRESENCE_KINDS))).lost


async def test_what_is_gone_is_told_as_lost_once(store: Store) -> None:
    """A client that slept too long is told to fetch the state, goes on from there, and misses nothing of what comes then."""
    user = await store.user()
    await store.put(user, signal())
    position = await store.inbox.end(user)
    await store.put(user, *(signal() for _ in range(5)))
    await store.age()
    await store.put(user, joined())
    batch = await store.inbox.read(user, position, View(SIGNAL_KINDS))
    if isinstance(store, Followed) and not batch.lost:
        assert len(batch.entries) == 5, "a worker may remember more than the tables do"
        return
    assert (batch.lost, batch.entries, batch.position.seq) == (True, (), 7)
    assert not (await store.inbox.read(user, batch.position, View(SIGNAL_KINDS))).lost
    late = signal()
    await store.put(user, late)
    assert events_of(await store.inbox.read(user, batch.position, View(SIGNAL_KINDS))) == [late]


async def test_whoever_begins_with_the_oldest_gets_what_is_retained(store: Store) -> None:
    """A stream of signals begins with those that came before it: those that are gone are no reason to resync."""
    user = await store.user()
    await store.put(user, signal(), joined())
    await store.age()
    kept: list[Event] = [signal(), joined()]
    await store.put(user, *kept)
    batch = await store.inbox.read(user, None, EVERYTHING)
    assert (events_of(batch), batch.lost, batch.position.seq) == (kept, False, 4)


async def test_a_cursor_that_names_no_place_is_lost(store: Store) -> None:
    """After a restart, or with a forged cursor, the client is told to fetch the state instead of waiting in vain."""
    user = await store.user()
    await store.put(user, joined())
    end = await store.inbox.end(user)
    forged = [Position(end.epoch ^ 1, 0), Position(end.epoch, end.seq + 1), Position(0, 2**64 - 1)]
    forged += [Position(end.epoch, n) for n in (2**31, 2**63 - 1, 2**63, 2**64 - 1)]
    for after in forged:
        batch = await store.inbox.read(user, after, EVERYTHING)
        assert (batch.lost, batch.position, batch.entries) == (True, end, ())


async def test_somebody_who_is_nobody_has_an_empty_inbox(store: Store) -> None:
    """A token outlives nothing: an account without an inbox reads as one to whom nothing happened."""
    nobody = uuid4()
    assert (await store.inbox.end(nobody)).seq == 0
    assert (await store.inbox.read(nobody, None, EVERYTHING)).entries == ()


async def test_control_versions_are_raised_and_wake_readers(store: Store) -> None:
    """Whoever is signed out or suspended is looked at again at once, without any event."""
    ada, ben = await store.user(), await store.user()
    with store.hub.watch(ada) as watch:
        await store.put(ada, joined())
        versions = [store.inbox.control_version(ada)]
        for events in ((), (joined(),)):
            await watch.changed(0.01)
            await watch.changed(0.01)
            await store.put(ada, *events, controls=[ada])
            async with asyncio.timeout(DEADLINE):
                await watch.changed(60)
            versions.append(store.inbox.control_version(ada))
        assert versions == sorted(set(versions))
        await store.put(ben, controls=[ben])
        assert store.inbox.control_version(ada) == versions[-1]
    await store.age()
    assert store.inbox.control_version(ada) >= versions[-1]


async def test_what_was_put_is_there_when_its_reader_wakes(store: Store) -> None:
    """A reader that is woken finds something: it does not wait for the next sweep."""
    user = await store.user()
    position = await store.inbox.end(user)
    with store.hub.watch(user) as watch:
        for _ in range(5):
            event = joined()
            await store.put(user, event)
            async with asyncio.timeout(DEADLINE):
                while not (batch := await store.inbox.read(user, position, EVERYTHING)).entries:
                    await watch.changed(60)
            assert events_of(batch) == [event]
            position = batch.position


async def test_settled_returns_and_then_everything_is_there(store: Store) -> None:
    """A stream that saw a room closed does not end before the events of the closing are told."""
    user = await store.user()
    position = await store.inbox.end(user)
    event = MatchEnded(ROOM, MatchEndReason.PARTNER_LEFT)
    with store.hub.watch(user):
        await store.put(user, event)
        await asyncio.wait_for(store.inbox.settled(user), DEADLINE)
        assert events_of(await store.inbox.read(user, position, EVERYTHING)) == [event]


# ------------------------------------------------------------------------------------------ against a model

VIEWS = {"all": EVERYTHING, "signals": View(SIGNAL_KINDS), "presence": View(PRESENCE_KINDS, ROOM)}
LARGE = 300_000


class Chain:
    """A reader's cursor, and what the reader was given or told to have lost."""

    def __init__(self, view: str, position: Position, told: int) -> None:
        self.view = VIEWS[view]
        self.position = position
        self.through = told
        """How many of all events ever appended lie behind the reader."""


def made(kind: str) -> Event:
    """An event of that kind."""
    match kind:
        case "joined":
            return joined()
        case "updated":
            return MemberUpdated(ROOM, uuid4())
        case "signal":
            return signal()
        case "elsewhere":
            return joined(OTHER_ROOM)
        case _:
            return signal("x" * LARGE)


class AgainstModel(RuleBasedStateMachine):
    """One user's inbox against the plain list of everything that was ever appended, with what must still be there."""

    inbox: Inbox
    user: UUID
    ends_early = False
    """Whether a page may end by its size, or by what was read for it and not shown."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[Entry] = []
        """All events, with global numbers as their places."""
        self.begun = 0
        """How many of them belong to earlier epochs."""
        self.controls = 0
        self.chains: dict[str, Chain] = {}
        self.prepare()
        for view in VIEWS:
            self.begin(view)

    def prepare(self) -> None:
        """Makes the inbox and its user."""
        raise NotImplementedError

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The outcome of the work."""
        raise NotImplementedError

    def put(self, events: list[Event]) -> None:
        """Appends these in one commit."""
        raise NotImplementedError

    def surely_there(self, entry: Entry) -> bool:
        """Whether it must not be gone yet."""
        raise NotImplementedError

    def now(self) -> datetime:
        """When something that is appended now happens."""
        raise NotImplementedError

    def read(self, after: Position | None, view: View, limit: int = 64) -> Batch:
        """One page."""
        return self.run(self.inbox.read(self.user, after, view, limit))

    @rule(
        kinds=st.lists(
            st.sampled_from(["joined", "updated", "signal", "signal", "elsewhere", "large"]), min_size=1, max_size=8
        )
    )
    def append(self, kinds: list[str]) -> None:
        events = [made(kind) for kind in kinds]
        self.put(events)
        for event in events:
            self.history.append(Entry(Position(0, len(self.history) + 1), self.now(), event))

    @rule(view=st.sampled_from(sorted(VIEWS)))
    def begin(self, view: str) -> None:
        position = self.run(self.inbox.end(self.user))
        assert position.seq == len(self.history) - self.begun
        self.chains[view] = Chain(view, position, len(self.history))

    @rule(view=st.sampled_from(sorted(VIEWS)), limit=st.integers(1, 5), pages=st.integers(1, 4))
    def resume(self, view: str, limit: int, pages: int) -> None:
        for _ in range(pages):
            self.next_page(self.chains[view], limit)

    def next_page(self, chain: Chain, limit: int) -> None:
        """Reads on and compares."""
        before = chain.position
        batch = self.read(before, chain.view, limit)
        pending = [e for e in self.history[chain.through :] if chain.view.shows(e.event)]
        if batch.lost:
            assert batch.entries == ()
            # By kind, whatever the room: of what is gone the inbox keeps no more.
            behind = [e for e in self.history[chain.through :] if type(e.event) in chain.view.kinds]
            gone = [e for e in behind if e.position.seq <= self.begun or not self.surely_there(e)]
            restarted = before.epoch != batch.position.epoch
            assert gone or chain.through < self.begun or restarted, "resync without a reason"
            chain.through = len(self.history)
        else:
            found = events_of(batch)
            assert found == [e.event for e in pending[: len(found)]]
            assert chain.through >= self.begun
            assert len(found) == min(limit, len(pending)) or (self.ends_early and found)
            chain.through = batch.position.seq + self.begun
            assert len([e for e in pending if e.position.seq <= chain.through]) == len(found)
            assert found or chain.through == len(self.history)
        chain.position = batch.position
        assert chain.position.seq == chain.through - self.begun

    @rule(view=st.sampled_from(sorted(VIEWS)))
    def forge(self, view: str) -> None:
        assert self.read(Position(self.chains[view].position.epoch, 10**9), VIEWS[view]).lost

    @invariant()
    def what_is_retained_is_the_newest(self) -> None:
        expected = [e for e in self.history[self.begun :] if self.surely_there(e)]
        found: list[Entry] = []
        position = None
        while (batch := self.read(position, EVERYTHING, 10**4)).entries:
            assert not batch.lost
            found += batch.entries
            position = batch.position
        assert [e.event for e in found] == [e.event for e in expected]
        assert [e.position.seq for e in found] == [e.position.seq - self.begun for e in expected]

    @invariant()
    def control_is_never_lowered(self) -> None:
        version = self.inbox.control_version(self.user)
        assert version >= self.controls
        self.controls = version


class MemoryAgainstModel(AgainstModel):
    """Bounded by time and by bytes, and begun anew for those who are gone."""

    def prepare(self) -> None:
        self.clock = Time()
        self.inbox: Any = make_memory(self.clock)
        self.user = uuid4()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            work.send(None)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        raise AssertionError("the inbox waited")

    def put(self, events: list[Event]) -> None:
        self.inbox.deliver([(self.user, event) for event in events], (), self.clock.now)

    def now(self) -> datetime:
        return self.clock.now

    def surely_there(self, entry: Entry) -> bool:
        behind = self.history[entry.position.seq - 1 :]
        return self.clock.now - entry.at < RETENTION and sum(size_of(e.event) for e in behind) <= MAILBOX_BYTES

    @rule(seconds=st.sampled_from([1, 1, 30, 119, 120]))
    def wait(self, seconds: int) -> None:
        self.clock.now += timedelta(seconds=seconds)

    @rule(what=st.sampled_from(["sweep", "sweep", "sweep", "renew", "leave"]))
    def disturb(self, what: str) -> None:
        if what == "renew":
            self.inbox.renew([self.user])
            self.begun = len(self.history)
            return
        if what == "leave":
            self.clock.now += FORGOTTEN_AFTER
        self.inbox.sweep(self.clock.now)
        if not len(self.inbox):
            self.begun = len(self.history)


MemoryAgainstModel.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestMemoryAgainstModel = MemoryAgainstModel.TestCase


class PostgresAgainstModel(AgainstModel):
    """Its time is the turn of the ring: events are moved by hand into the present turn's partition, and the next one is emptied."""

    ends_early = True

    def __init__(self, store: PostgresStore, drive: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self.store = store
        self.drive = drive
        self.turn = 0
        self.followed: AbstractContextManager[Watch] | None = None
        super().__init__()

    def prepare(self) -> None:
        self.inbox = self.store.inbox
        self.user = self.run(self.store.user())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.drive(work)  # type: ignore[no-any-return]

    def put(self, events: list[Event]) -> None:
        self.run(self.store.put(self.user, *events))
        self.run(
            self.store.worker.run(
                "UPDATE inbox_event SET slot = :slot WHERE user_id = :id AND seq > :seq",
                slot=self.turn % EVENTS.partitions,
                id=self.user,
                seq=len(self.history),
            )
        )

    def now(self) -> datetime:
        return START + self.turn * timedelta(seconds=EVENTS.seconds)

    def surely_there(self, entry: Entry) -> bool:
        return self.now() - entry.at < timedelta(seconds=EVENTS.seconds * (EVENTS.partitions - 1))

    @rule(turns=st.integers(1, 4))
    def wait(self, turns: int) -> None:
        for _ in range(turns):
            self.turn += 1
            self.run(self.store.worker.run(f"TRUNCATE {EVENTS.names[(self.turn + 1) % EVENTS.partitions]}"))

    @precondition(lambda self: self.followed is None)
    @rule()
    def follow(self) -> None:
        self.run(self.watched())

    async def watched(self) -> None:
        """Opens a watch, and waits until what it watches was read."""
        self.followed = self.store.hub.watch(self.user)
        self.followed.__enter__()
        await self.store.inbox.refresh((self.user,))

    @precondition(lambda self: self.followed is not None)
    @rule()
    def unfollow(self) -> None:
        self.teardown()

    @rule()
    def revoke(self) -> None:
        before = self.inbox.control_version(self.user)
        self.run(self.store.put(self.user, controls=[self.user]))
        assert self.inbox.control_version(self.user) > before

    def teardown(self) -> None:
        if self.followed is not None:
            self.followed.__exit__(None, None, None)
            self.followed = None


@contextmanager
def driven(database_url: str) -> Iterator[tuple[PostgresStore, Callable[[Coroutine[Any, Any, Any]], Any]]]:
    """A store on a loop of its own, and what runs something there."""
    with asyncio.Runner() as runner:
        context = a_postgres_store(database_url)
        store = runner.run(context.__aenter__())
        try:
            yield store, runner.run
        finally:
            runner.run(context.__aexit__(None, None, None))


def test_postgres_against_the_model(database_url: str) -> None:
    """The same promises, whatever happens in which order: partitions emptied, followed here or not."""
    with driven(database_url) as (store, drive):
        run_state_machine_as_test(
            cast("type[PostgresAgainstModel]", lambda: PostgresAgainstModel(store, drive)),
            settings=settings(
                max_examples=10, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
