"""The matchmaking pool against a model that looks at every pair every time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from domain.matchmaking.commit import Refusal
from domain.matchmaking.pool import Pair, Pool, PoolTicket

USERS = [UUID(int=number) for number in range(1, 8)]
START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

users = st.sampled_from(USERS)
modes = st.sampled_from(["VIDEO", "VIDEO", "VIDEO", "TEXT"])
interests = st.frozensets(st.sampled_from(["chess", "jazz", "tea"]), max_size=2)
languages = st.frozensets(st.sampled_from(["de", "en"]), max_size=2)
seconds = st.integers(0, 4).map(lambda count: timedelta(seconds=count))
wishes = st.builds(
    PoolTicket,
    id=st.just(UUID(int=0)),
    user_id=users,
    mode=modes,
    interests=interests,
    languages=languages,
    enqueued_at=st.just(START),
    widens_at=seconds.map(START.__add__),
    attached=st.sampled_from([True, True, False]),
)
ends = st.one_of(st.none(), st.integers(-1, 5).map(lambda count: timedelta(seconds=count)))


def fits(mine: frozenset[str], theirs: frozenset[str], *, widened: bool) -> bool:
    """Whether one side accepts the other in one dimension, in the words of DESIGN section 4."""
    return not mine or bool(mine & theirs) or widened


def accepts(one: PoolTicket, other: PoolTicket, now: datetime) -> bool:
    """Whether one side accepts the other."""
    widened = now >= one.widens_at
    return fits(one.interests, other.interests, widened=widened) and fits(
        one.languages, other.languages, widened=widened
    )


class PoolMachine(RuleBasedStateMachine):
    """Does to the pool whatever the matcher's loop may do, in any order."""

    proposed: Bundle[Pair] = Bundle("proposed")

    def __init__(self) -> None:
        super().__init__()
        self.pool = Pool()
        self.now = START
        self.made = 0
        self.tickets: dict[UUID, PoolTicket] = {}
        self.held: dict[UUID, UUID] = {}
        self.bars: dict[frozenset[UUID], datetime | None] = {}
        self.refused: dict[frozenset[UUID], datetime] = {}

    # ---------------------------------------------------------------------------------- the model

    def legal(self, one: PoolTicket, other: PoolTicket, now: datetime) -> bool:
        """Whether the two may be proposed at `now`."""
        bar = self.bars.get(frozenset((one.user_id, other.user_id)), START)
        return (
            one.user_id != other.user_id
            and one.mode == other.mode
            and accepts(one, other, now)
            and accepts(other, one, now)
            and one.attached
            and other.attached
            and one.id not in self.held
            and other.id not in self.held
            and bar is not None
            and bar <= now
            and self.refused.get(frozenset((one.id, other.id)), START) <= now
        )

    def legal_pairs(self, now: datetime) -> list[tuple[PoolTicket, PoolTicket]]:
        """All pairs that may be proposed at `now`."""
        return [pair for pair in combinations(self.tickets.values(), 2) if self.legal(*pair, now)]

    def oldest_partner(self, ticket: PoolTicket) -> PoolTicket | None:
        """Whom the ticket should be given."""
        partners = [other for other in self.tickets.values() if self.legal(ticket, other, self.now)]
        return min(partners, key=lambda partner: partner.enqueued_at, default=None)

    def take(self, pairs: list[Pair], *, in_full: bool) -> None:
        """Checks the proposals one by one and holds their tickets out."""
        for pair in pairs:
            assert pair.first == self.tickets[pair.first.id]
            assert pair.second == self.tickets[pair.second.id]
            assert pair.first.enqueued_at < pair.second.enqueued_at
            assert self.legal(pair.first, pair.second, self.now)
            if in_full:
                assert self.oldest_partner(pair.second) == pair.first
            self.held |= {pair.first.id: pair.second.id, pair.second.id: pair.first.id}

    def put(self, ticket: PoolTicket) -> None:
        """Puts the ticket into the pool and the model."""
        for other in [known for known in self.tickets.values() if known.user_id == ticket.user_id]:
            if other.id != ticket.id:
                self.forget(other.id)
        self.tickets[ticket.id] = ticket
        self.pool.put(ticket, self.now)

    def forget(self, ticket_id: UUID) -> None:
        """Takes the ticket out of the model."""
        self.tickets.pop(ticket_id, None)
        self.held.pop(ticket_id, None)

    def release(self, pair: Pair) -> None:
        """Lets the tickets of a proposal go in the model, if they are still in that one."""
        for one, other in ((pair.first.id, pair.second.id), (pair.second.id, pair.first.id)):
            if self.held.get(one) == other:
                del self.held[one]

    # ---------------------------------------------------------------------------------- what may happen

    @initialize(wishes=st.lists(wishes, max_size=5))
    def begin(self, wishes: list[PoolTicket]) -> None:
        """Some wait already."""
        for wish in wishes:
            self.join(wish, timedelta(0))

    @rule(wish=wishes, age=seconds)
    def join(self, wish: PoolTicket, age: timedelta) -> None:
        """A new ticket, perhaps with an old place, perhaps while the user's earlier one is not known to have ended."""
        self.made += 1
        enqueued_at = self.now - age + timedelta(microseconds=self.made)  # distinct, so that the oldest is one
        widens_at = enqueued_at + (wish.widens_at - wish.enqueued_at)
        self.put(replace(wish, id=UUID(int=1000 + self.made), enqueued_at=enqueued_at, widens_at=widens_at))

    @precondition(lambda self: self.tickets)
    @rule(data=st.data(), wants=interests, speaks=languages, patience=seconds)
    def change(self, data: st.DataObject, wants: frozenset[str], speaks: frozenset[str], patience: timedelta) -> None:
        """Other preferences, at the same place."""
        ticket = data.draw(st.sampled_from(list(self.tickets.values())))
        self.put(replace(ticket, interests=wants, languages=speaks, widens_at=ticket.enqueued_at + patience))

    @precondition(lambda self: self.tickets)
    @rule(data=st.data())
    def attach_or_detach(self, data: st.DataObject) -> None:
        """A user's connection is lost, or back."""
        ticket = data.draw(st.sampled_from(list(self.tickets.values())))
        self.put(replace(ticket, attached=not ticket.attached))

    @precondition(lambda self: self.tickets)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        """A ticket is cancelled."""
        ticket_id = data.draw(st.sampled_from(list(self.tickets)))
        self.forget(ticket_id)
        self.pool.remove(ticket_id)
        self.pool.remove(ticket_id)

    @rule(one=users, other=users, length=ends)
    def bar(self, one: UUID, other: UUID, length: timedelta | None) -> None:
        """A skip or a block; or, when it ends in the past, an unblock."""
        until = None if length is None else self.now + length
        if one != other:
            self.bars[frozenset((one, other))] = until
        self.pool.bar(one, other, until)

    @rule(first=users)
    def bar_everyone(self, first: UUID) -> None:
        """A user whom all others have skipped."""
        for other in USERS:
            self.bar(first, other, 2 * SECOND)

    @rule(length=seconds)
    def wait(self, length: timedelta) -> None:
        """Time passes."""
        self.now += length

    @rule(target=proposed, limit=st.integers(0, 3), effort=st.one_of(st.none(), st.integers(1, 6)))
    def propose(self, limit: int, effort: int | None) -> MultipleResults[Pair]:
        """One tick."""
        in_full = effort is None and self.pool._stopped is None
        pairs = self.pool.propose(self.now, limit, effort)
        assert len(pairs) <= limit
        self.take(pairs, in_full=in_full)
        return multiple(*pairs)

    @rule(target=proposed, small=st.booleans())
    def tick_until_quiet(self, *, small: bool) -> MultipleResults[Pair]:
        """Liveness: after finitely many ticks, of whatever size, nobody waits who could meet; nor before time wakes the pool."""
        found: list[Pair] = []
        for _ in range(2000):
            in_full = not small and self.pool._stopped is None
            pairs = self.pool.propose(self.now, *((1, 1) if small else (100, None)))
            self.take(pairs, in_full=in_full)
            found += pairs
            wake = self.pool.next_wake()
            if not pairs and not self.pool.busy and (wake is None or wake > self.now):
                break
        else:
            raise AssertionError("the pool does not come to rest")
        assert self.legal_pairs(self.now) == []
        for later in (self.now + count * SECOND / 2 for count in range(1, 12)):
            if wake is None or later < wake:
                assert self.legal_pairs(later) == []
        return multiple(*found)

    @rule(pair=consumes(proposed))
    def settle(self, pair: Pair) -> None:
        """The commit succeeded."""
        self.forget(pair.first.id)
        self.forget(pair.second.id)
        self.pool.settle(pair)

    @rule(pair=consumes(proposed), length=seconds)
    def refuse(self, pair: Pair, length: timedelta) -> None:
        """The commit refused."""
        self.refused[frozenset((pair.first.id, pair.second.id))] = self.now + length
        self.release(pair)
        self.pool.refuse(pair, Refusal.GONE, self.now + length)

    @rule(pair=consumes(proposed))
    def give_back(self, pair: Pair) -> None:
        """The commit crashed."""
        self.release(pair)
        self.pool.give_back(pair)

    @rule(data=st.data())
    def reload(self, data: st.DataObject) -> None:
        """The leader reads everything anew, and finds some changed, some gone, some bars lifted, some new."""
        known = list(self.tickets.values())
        kept = [ticket for ticket in known if data.draw(st.integers(0, 3))]
        kept = [ticket if data.draw(st.integers(0, 3)) else replace(ticket, attached=True) for ticket in kept]
        self.bars = {pair: until for pair, until in self.bars.items() if data.draw(st.integers(0, 2))}
        for ticket in known:
            if ticket.id not in {other.id for other in kept}:
                self.forget(ticket.id)
        self.tickets = {ticket.id: ticket for ticket in kept}
        self.pool.reload(kept, [(min(pair), max(pair), until) for pair, until in self.bars.items()], self.now)

    @invariant()
    def counts(self) -> None:
        """The figures of the statistics."""
        held = len(self.held)
        assert len(self.pool) == len(self.tickets)
        assert self.pool.proposed == held
        assert self.pool.available == sum(t.attached and t.id not in self.held for t in self.tickets.values())
        assert self.pool.paused == len(self.tickets) - held - self.pool.available


PoolMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestPool = PoolMachine.TestCase
"""Whatever happens in whatever order: no illegal proposal, nobody in two, and nobody who could meet is left waiting."""
