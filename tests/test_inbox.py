"""The inbox in memory: nothing lost and nothing repeated along a chain of cursors, and bounded."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from domain.events import Event, MemberJoined, MemberUpdated, SignalReceived
from domain.inbox import ALL_KINDS, PRESENCE_KINDS, SIGNAL_KINDS, Batch, Entry, Position, View
from domain.signaling import IceCandidate, IceCandidates, Offer
from persistence.inbox.memory import FORGOTTEN_AFTER, MAILBOX_BYTES, RETENTION, MemoryInbox, size_of

START = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
ROOM, OTHER_ROOM = UUID(int=1), UUID(int=2)
EVERYTHING = View(ALL_KINDS)


class Time:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def make_inbox(time: Time | None = None, hints: list[UUID] | None = None) -> MemoryInbox:
    """An inbox with epochs that a test can tell apart; whom it hints at goes into `hints`."""
    epochs = itertools.count(1000)
    told = [] if hints is None else hints
    return MemoryInbox(clock=time or Time(), hint=told.extend, new_epoch=lambda: next(epochs))


def joined(room: UUID = ROOM) -> MemberJoined:
    """Somebody else came."""
    return MemberJoined(room, uuid4())


def signal(sdp: str = "v=0", room: UUID = ROOM) -> SignalReceived:
    """An offer of somebody else."""
    return SignalReceived(uuid4(), room, uuid4(), None, Offer(sdp))


def events_of(batch: Batch) -> list[Event]:
    """What the batch shows."""
    return [entry.event for entry in batch.entries]


def put(inbox: MemoryInbox, user: UUID, *events: Event, at: datetime = START) -> None:
    """A commit that appended these."""
    inbox.deliver([(user, event) for event in events], (), at)


async def test_events_come_once_in_order_page_by_page() -> None:
    """A client that reads a burst through cursors gets each signal exactly once, in the order in which it was sent."""
    inbox, user = make_inbox(), uuid4()
    position = await inbox.end(user)
    sent = [joined() for _ in range(150)]
    put(inbox, user, *sent)
    got: list[Event] = []
    while (batch := await inbox.read(user, position, EVERYTHING)).entries:
        assert len(batch.entries) <= 64
        got += events_of(batch)
        position = batch.position
    assert got == sent


async def test_a_view_shows_its_kinds_and_its_room_only() -> None:
    """A stream of one room's signals tells nothing of other rooms, and its position still moves past what it does not show."""
    inbox, user = make_inbox(), uuid4()
    start = await inbox.end(user)
    mine, elsewhere = signal(), signal(room=OTHER_ROOM)
    put(inbox, user, joined(), mine, elsewhere, joined())
    batch = await inbox.read(user, start, View(SIGNAL_KINDS, ROOM))
    assert events_of(batch) == [mine]
    assert batch.position == await inbox.end(user)


async def test_a_quiet_view_survives_the_noise_of_others() -> None:
    """Two minutes of a partner's candidates do not make the client fetch everything again."""
    time = Time()
    inbox, user = make_inbox(time), uuid4()
    put(inbox, user, joined())
    position = (await inbox.read(user, None, EVERYTHING)).position
    put(inbox, user, *(signal() for _ in range(5)))
    time.now += RETENTION
    quiet = await inbox.read(user, position, View(PRESENCE_KINDS))
    assert not quiet.lost
    assert quiet.position.seq == 6
    noisy = await inbox.read(user, position, View(SIGNAL_KINDS))
    assert (noisy.lost, noisy.entries, noisy.position.seq) == (True, (), 6)
    assert not (await inbox.read(user, noisy.position, View(SIGNAL_KINDS))).lost


async def test_a_cursor_that_names_no_place_is_lost() -> None:
    """After a restart, or with a forged cursor, the client is told to fetch the state instead of waiting in vain."""
    inbox, user = make_inbox(), uuid4()
    put(inbox, user, joined())
    end = await inbox.end(user)
    for after in (Position(end.epoch + 1, 0), Position(end.epoch, end.seq + 1), Position(0, 2**64 - 1)):
        batch = await inbox.read(user, after, EVERYTHING)
        assert (batch.lost, batch.position) == (True, end)


async def test_a_mailbox_holds_two_minutes_and_a_mebibyte() -> None:
    """Nobody can fill the server's memory by sending large offers to somebody who does not read."""
    time = Time()
    inbox, user = make_inbox(time), uuid4()
    start = await inbox.end(user)
    put(inbox, user, *(signal("x" * 65536) for _ in range(100)))
    batch = await inbox.read(user, None, EVERYTHING)
    held = sum(size_of(event) for event in events_of(batch))
    assert MAILBOX_BYTES - 70_000 < held <= MAILBOX_BYTES
    assert (await inbox.read(user, start, EVERYTHING)).lost
    time.now += RETENTION
    assert events_of(await inbox.read(user, None, EVERYTHING)) == []


def test_sizes_count_what_clients_send() -> None:
    """The limit means memory: text that a client chose counts."""
    candidates = IceCandidates((IceCandidate("c" * 1000, "audio"), IceCandidate("d" * 500)))
    assert size_of(signal("x" * 5000)) - size_of(signal("")) == 5000
    assert size_of(signal("\N{WAVING HAND SIGN}" * 5000)) - size_of(signal("")) >= 20_000
    assert size_of(SignalReceived(uuid4(), ROOM, uuid4(), None, candidates)) - size_of(joined()) >= 1505


async def test_a_commit_of_unknown_outcome_begins_anew() -> None:
    """Whether the event happened is not known: the client is told to look, and what it may do is checked again."""
    hints: list[UUID] = []
    inbox, user = make_inbox(hints=hints), uuid4()
    put(inbox, user, joined())
    position = (await inbox.read(user, None, EVERYTHING)).position
    control = inbox.control_version(user)
    inbox.renew([user])
    batch = await inbox.read(user, position, EVERYTHING)
    assert batch.lost
    assert inbox.control_version(user) > control
    assert hints == [user, user]
    after = joined()
    put(inbox, user, after)
    assert events_of(await inbox.read(user, batch.position, EVERYTHING)) == [after]


async def test_users_who_are_gone_take_no_memory_and_come_back_as_lost() -> None:
    """Memory follows the users who are there, not all who ever were. Control versions are not lowered by that."""
    time = Time()
    inbox, gone, busy = make_inbox(time), uuid4(), uuid4()
    inbox.deliver([(gone, joined()), (busy, joined())], [gone], START)
    position, control = await inbox.end(gone), inbox.control_version(gone)
    time.now += RETENTION
    inbox.sweep(time.now)
    assert len(inbox) == 2
    assert not (await inbox.read(gone, position, EVERYTHING)).lost
    time.now += FORGOTTEN_AFTER / 2
    await inbox.read(busy, None, EVERYTHING)
    time.now += FORGOTTEN_AFTER / 2
    inbox.sweep(time.now)
    assert len(inbox) == 1
    assert inbox.control_version(gone) >= control
    assert (await inbox.read(gone, position, EVERYTHING)).lost
    assert inbox.control_version(gone) >= control
    before = inbox.control_version(gone)
    inbox.deliver((), [gone], time.now)
    assert inbox.control_version(gone) > before


async def test_delivery_tells_readers_once() -> None:
    """Events and control versions both wake readers."""
    hints: list[UUID] = []
    inbox, one, other = make_inbox(hints=hints), uuid4(), uuid4()
    inbox.deliver([(one, joined()), (one, joined())], [other], START)
    assert sorted(hints) == sorted([one, other])


# ------------------------------------------------------------------------------------------ holding inboxes


async def test_whoever_holds_an_inbox_holds_it_alone_and_in_turn() -> None:
    """Two commits that concern one user append in the order in which they committed."""
    inbox, user = make_inbox(), uuid4()
    order: list[str] = []

    async def unit(name: str, entered: asyncio.Event, leave: asyncio.Event) -> None:
        async with inbox.hold([user]):
            order.append(name)
            entered.set()
            await leave.wait()

    gates = [(asyncio.Event(), asyncio.Event()) for _ in range(3)]
    tasks = [asyncio.create_task(unit(str(i), *gate)) for i, gate in enumerate(gates)]
    for i, (entered, leave) in enumerate(gates):
        await asyncio.wait_for(entered.wait(), 5)
        assert order == [str(n) for n in range(i + 1)]
        assert not inbox.free(user)
        leave.set()
    await asyncio.gather(*tasks)
    assert inbox.free(user)


async def test_units_over_the_same_users_do_not_wait_in_a_circle() -> None:
    """Many matches among a few users at once: all commit."""
    inbox = make_inbox()
    users = sorted(uuid4() for _ in range(6))

    async def unit(i: int) -> None:
        async with inbox.hold(sorted({users[i % 6], users[(i * 5 + 1) % 6], users[(i * 3 + 2) % 6]})):
            await asyncio.sleep(0)

    await asyncio.wait_for(asyncio.gather(*(unit(i) for i in range(200))), 10)
    assert all(inbox.free(user) for user in users)


async def test_a_cancelled_unit_lets_go_of_what_it_held() -> None:
    """A request that is given up halfway does not block its users for ever, and locks of idle users take no memory."""
    inbox = make_inbox()
    first, second = sorted((uuid4(), uuid4()))

    async def unit() -> None:
        async with inbox.hold([first, second]):
            pass

    async with inbox.hold([second]):
        waiting = asyncio.create_task(unit())
        await asyncio.sleep(0)
        assert not inbox.free(first)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert inbox.free(first)
        assert not inbox.free(second)
    assert inbox.free(second)
    assert inbox._locks == {}


async def test_settled_waits_for_the_unit_that_is_committing() -> None:
    """A stream that saw a room closed does not end before the events of the closing are there."""
    inbox, user = make_inbox(), uuid4()
    async with inbox.hold([user]):
        settled = asyncio.create_task(inbox.settled(user))
        await asyncio.sleep(0)
        assert not settled.done()
        put(inbox, user, joined())
    await asyncio.wait_for(settled, 5)


# ------------------------------------------------------------------------------------------ against a model

VIEWS = {"all": EVERYTHING, "signals": View(SIGNAL_KINDS), "presence": View(PRESENCE_KINDS, ROOM)}


class Chain:
    """A reader's cursor, and what the reader was given or told to have lost."""

    def __init__(self, view: str, position: Position, told: int) -> None:
        self.view = VIEWS[view]
        self.position = position
        self.through = told
        """How many of all events ever appended lie behind the reader."""


class InboxAgainstModel(RuleBasedStateMachine):
    """One user's inbox against the plain list of everything that was ever appended, with what must still be there."""

    def __init__(self) -> None:
        super().__init__()
        self.time = Time()
        self.inbox = make_inbox(self.time)
        self.user = uuid4()
        self.history: list[Entry] = []
        """All events, with global numbers as their places."""
        self.begun = 0
        """How many of them belong to earlier epochs."""
        self.controls = 0
        self.chains: dict[str, Chain] = {}
        for view in VIEWS:
            self.begin(view)

    def run(self, awaitable: object) -> object:
        """Drives what never waits."""
        try:
            awaitable.send(None)  # type: ignore[attr-defined]  # a coroutine
        except StopIteration as done:
            return done.value
        raise AssertionError("the inbox waited")

    def read(self, after: Position | None, view: View, limit: int = 64) -> Batch:
        batch = self.run(self.inbox.read(self.user, after, view, limit))
        assert isinstance(batch, Batch)
        return batch

    @rule(
        kinds=st.lists(
            st.sampled_from(["joined", "updated", "signal", "signal", "elsewhere", "large"]), min_size=1, max_size=8
        )
    )
    def append(self, kinds: list[str]) -> None:
        made: dict[str, Event] = {}
        for kind in kinds:
            match kind:
                case "joined":
                    made[kind] = joined()
                case "updated":
                    made[kind] = MemberUpdated(ROOM, uuid4())
                case "signal":
                    made[kind] = signal()
                case "elsewhere":
                    made[kind] = joined(OTHER_ROOM)
                case _:
                    made[kind] = signal("x" * 300_000)
            put(self.inbox, self.user, made[kind], at=self.time.now)
            self.history.append(Entry(Position(0, len(self.history) + 1), self.time.now, made[kind]))

    @rule(seconds=st.sampled_from([1, 1, 30, 119, 120]))
    def wait(self, seconds: int) -> None:
        self.time.now += timedelta(seconds=seconds)

    @rule(what=st.sampled_from(["sweep", "sweep", "sweep", "renew", "leave"]))
    def disturb(self, what: str) -> None:
        if what == "renew":
            self.inbox.renew([self.user])
            self.begun = len(self.history)
            return
        if what == "leave":
            self.time.now += FORGOTTEN_AFTER
        self.inbox.sweep(self.time.now)
        if not len(self.inbox):
            self.begun = len(self.history)

    @rule(view=st.sampled_from(sorted(VIEWS)))
    def begin(self, view: str) -> None:
        position = self.run(self.inbox.end(self.user))
        assert isinstance(position, Position)
        assert position.seq == len(self.history) - self.begun
        self.chains[view] = Chain(view, position, len(self.history))

    @rule(view=st.sampled_from(sorted(VIEWS)), limit=st.integers(1, 5), pages=st.integers(1, 4))
    def resume(self, view: str, limit: int, pages: int) -> None:
        for _ in range(pages):
            self.next_page(self.chains[view], limit)

    def next_page(self, chain: Chain, limit: int) -> None:
        batch = self.read(chain.position, chain.view, limit)
        pending = [e for e in self.history[chain.through :] if chain.view.shows(e.event)]
        if batch.lost:
            assert batch.entries == ()
            # By kind, whatever the room: of what is gone the inbox keeps no more.
            behind = [e for e in self.history[chain.through :] if type(e.event) in chain.view.kinds]
            gone = [e for e in behind if e.position.seq <= self.begun or not self.surely_there(e)]
            assert gone or chain.through < self.begun or self.restarted(chain), "resync without a reason"
            chain.through = len(self.history)
        else:
            assert [e.event for e in batch.entries] == [e.event for e in pending[:limit]]
            assert chain.through >= self.begun
            full = len(batch.entries) == limit
            chain.through = pending[limit - 1].position.seq if full else len(self.history)
        chain.position = batch.position
        assert chain.position.seq == chain.through - self.begun

    @rule(view=st.sampled_from(sorted(VIEWS)))
    def forge(self, view: str) -> None:
        assert self.read(Position(self.chains[view].position.epoch, 10**9), VIEWS[view]).lost

    def surely_there(self, entry: Entry) -> bool:
        behind = self.history[entry.position.seq - 1 :]
        return self.time.now - entry.at < RETENTION and sum(size_of(e.event) for e in behind) <= MAILBOX_BYTES

    def restarted(self, chain: Chain) -> bool:
        current = self.run(self.inbox.end(self.user))
        assert isinstance(current, Position)
        return chain.position.epoch != current.epoch

    @invariant()
    def what_is_retained_is_the_newest(self) -> None:
        batch = self.read(None, EVERYTHING, 10**6)
        expected = [e for e in self.history[self.begun :] if self.surely_there(e)]
        assert [e.event for e in batch.entries] == [e.event for e in expected]
        assert [e.position.seq for e in batch.entries] == [e.position.seq - self.begun for e in expected]

    @invariant()
    def control_is_never_lowered(self) -> None:
        version = self.inbox.control_version(self.user)
        assert version >= self.controls
        self.controls = version


InboxAgainstModel.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestInboxAgainstModel = InboxAgainstModel.TestCase
