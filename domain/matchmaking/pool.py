"""Proposes who meets whom. Pure: no I/O, no clock and no chance of its own; `now` never runs backwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from operator import attrgetter
from typing import TYPE_CHECKING

from domain.matchmaking.acceptance import suit
from domain.matchmaking.apart import Apart
from domain.matchmaking.buckets import Buckets, Waiter, search

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from domain.matchmaking.buckets import Place, Stop
    from domain.matchmaking.commit import Refusal

SLACK = 64
"""Outdated entries that a heap may hold beyond twice the number of tickets, before it is rebuilt."""
WITHOUT_BOUND = 1 << 62


@dataclass(frozen=True, slots=True)
class PoolTicket:
    """A WAITING ticket as the pool needs it. Interests and languages are normalised: they are compared as they are."""

    id: UUID
    user_id: UUID
    mode: str
    interests: frozenset[str]
    languages: frozenset[str]
    enqueued_at: datetime
    widens_at: datetime
    """From when on it accepts anyone of its mode."""
    attached: bool
    """A detached user's ticket pauses and keeps its place."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tickets that may meet; `first` has waited longer."""

    first: PoolTicket
    second: PoolTicket


class Pool:
    """The waiting tickets, and the pairs among them that may meet.

    A pair is legal when the users are two, the tickets are available (attached, and in no proposal that is still open), both sides
    accept each other (`acceptance`), and neither a bar nor a refusal holds them apart.

    Only tickets whose situation changed look for a partner: new ones, changed, attached again, widened, given back, and one side
    of a pair that is no longer held apart. They look in the order of `enqueued_at` (then of arrival), and the younger of a pair is
    always given its oldest legal partner, changed or not: two newcomers who suit each other do not overtake somebody who has
    waited for one of them. So when `propose` returns without having met its limit or effort, no legal pair is left, and a tick
    in which nothing changed costs nothing, however many wait.

    Memory is proportional to the tickets, times the keys each is filed under, and the bars and refusals in force. Bars of
    users who are not waiting are kept: until their end, or, those without one, until a `reload` does not name them.
    """

    def __init__(self) -> None:
        self._waiters: dict[int, Waiter] = {}
        self._of_user: dict[int, Waiter] = {}
        self._buckets = Buckets()
        self._bars = Apart()
        self._refused = Apart()
        self._widenings: list[tuple[datetime, int, Waiter]] = []
        self._seeds: list[Place] = []
        self._stopped: tuple[Place, Stop] | None = None
        """The search that ran out of effort. It goes on first, so there is never more than one."""
        self._serial = 0
        self._available = 0
        self._proposed = 0
        self.refusals: Counter[Refusal] = Counter()
        """How many proposals were refused, by reason, since the pool was made."""

    def __len__(self) -> int:
        return len(self._waiters)

    @property
    def available(self) -> int:
        """How many tickets could be proposed."""
        return self._available

    @property
    def proposed(self) -> int:
        """How many tickets are held out, because they are in a proposal that is still open."""
        return self._proposed

    @property
    def paused(self) -> int:
        """How many tickets are neither available nor proposed, because their users are detached."""
        return len(self._waiters) - self._available - self._proposed

    @property
    def busy(self) -> bool:
        """Whether `propose` stopped at its limit or effort, or something changed since: calling it again, at once, is of use."""
        return bool(self._seeds) or self._stopped is not None

    # -------------------------------------------------------------------------------------- what the world reports

    def put(self, ticket: PoolTicket, now: datetime) -> None:
        """Adds the ticket, or replaces what is known about it; one that is in a proposal stays in it.

        Another ticket of the same user goes: a user holds one.
        """
        waiter = self._waiters.get(ticket.id.int)
        if waiter is None:
            waiter = self._add(ticket)
        elif waiter.ticket == ticket:
            return
        elif waiter.place is not None:
            self._withdraw(waiter)
        waiter.ticket = ticket
        waiter.widened = ticket.widens_at <= now
        if not waiter.widened and (ticket.interests or ticket.languages):
            self._await_widening(waiter)
        self._place(waiter)

    def remove(self, ticket_id: UUID) -> None:
        """The ticket no longer waits. An unknown one is left alone."""
        waiter = self._waiters.pop(ticket_id.int, None)
        if waiter is None:
            return
        if self._of_user.get(waiter.user) is waiter:
            del self._of_user[waiter.user]
        if waiter.flight is not None:
            self._proposed -= 1
        if waiter.place is not None:
            self._withdraw(waiter)

    def bar(self, one: UUID, other: UUID, until: datetime | None) -> None:
        """Holds two users apart while `now` is before `until` (None: for ever), in place of any earlier bar of the two.

        A bar that ends in the past lifts an earlier one.
        """
        self._bars.hold(one.int, other.int, until)

    def reload(
        self, tickets: Iterable[PoolTicket], bars: Iterable[tuple[UUID, UUID, datetime | None]], now: datetime
    ) -> None:
        """Makes these all the tickets and all the bars. What is in a proposal stays in it, and refusals stay remembered."""
        waiting = sorted(tickets, key=attrgetter("enqueued_at"))
        gone = self._waiters.keys() - {ticket.id.int for ticket in waiting}
        for waiter in [self._waiters[one] for one in gone]:
            self.remove(waiter.ticket.id)
        for ticket in waiting:
            self.put(ticket, now)
        held = {(one.int, other.int): until for one, other, until in bars}
        lifted = self._bars.release_all_but(held)
        for (one, other), until in held.items():
            self._bars.hold(one, other, until)
        for one, other in lifted:
            self._reopen(self._of_user.get(one), self._of_user.get(other))

    # -------------------------------------------------------------------------------------- proposals

    def propose(self, now: datetime, limit: int, effort: int | None = None) -> list[Pair]:
        """At most `limit` legal pairs, whose tickets are then held out until `settle`, `refuse`, `give_back` or `remove`.

        Looks at about `effort` tickets at most (None: as many as it takes); the next call goes on where this one stopped, so
        that a legal partner behind any number of barred ones is found after finitely many calls. A ticket whose search is cut short
        gets the oldest partner seen so far.
        """
        budget = self._let_time_pass(now, WITHOUT_BOUND if effort is None else effort)
        pairs: list[Pair] = []
        while budget > 0 and len(pairs) < limit:
            resumed: Stop | None = None
            if self._stopped is not None:
                place, resumed = self._stopped
                self._stopped = None
                me = place[2]
                if me.place is not place:
                    continue
            elif self._seeds:
                place = heappop(self._seeds)
                me = place[2]
                budget -= 1
                if me.place is not place:
                    continue
                me.seeded = False
            else:
                break
            users, tickets = self._bars.of(me.user), self._refused.of(me.id)
            partner, budget, stop = search(me, users, tickets, budget, resumed=resumed)
            if partner is not None and partner[2].seeded and place < partner and budget > 0:
                # Somebody older than this one, who looked before the partner came, may have waited for just that partner.
                theirs = partner[2]
                users, tickets = self._bars.of(theirs.user), self._refused.of(theirs.id)
                oldest, budget, _ = search(theirs, users, tickets, budget, best=place)
                if oldest is not None and oldest is not place:
                    self._seed(me)
                    place = oldest
            if partner is not None:
                pairs.append(self._hold_out(place, partner))
            elif stop is not None:
                self._stopped = (place, stop)
        return pairs

    def settle(self, pair: Pair) -> None:
        """The pair is matched: both leave."""
        self.remove(pair.first.id)
        self.remove(pair.second.id)

    def refuse(self, pair: Pair, reason: Refusal, until: datetime) -> None:
        """The commit refused the pair: both are available again, but not to each other while `now` is before `until`."""
        self.refusals[reason] += 1
        self._refused.hold(pair.first.id.int, pair.second.id.int, until)
        self.give_back(pair)

    def give_back(self, pair: Pair) -> None:
        """The commit did not happen, or its outcome is unknown: both are available again at once."""
        for ticket, partner in ((pair.first, pair.second), (pair.second, pair.first)):
            waiter = self._waiters.get(ticket.id.int)
            if waiter is not None and waiter.flight == partner.id.int:
                waiter.flight = None
                self._proposed -= 1
                self._place(waiter)

    def next_wake(self) -> datetime | None:
        """When time alone may next make a pair legal (a widening, the end of a bar or of a refusal); None for never.

        Never too late; something else may have made it pointless. It can lie in the past.
        """
        while self._widenings and not self._will_widen(self._widenings[0]):
            heappop(self._widenings)
        widening = self._widenings[0][0] if self._widenings else None
        times = (widening, self._bars.next_end(), self._refused.next_end())
        return min((time for time in times if time is not None), default=None)

    # -------------------------------------------------------------------------------------- inside

    def _add(self, ticket: PoolTicket) -> Waiter:
        earlier = self._of_user.get(ticket.user_id.int)
        if earlier is not None:
            self.remove(earlier.ticket.id)
        self._serial += 1
        waiter = Waiter(ticket, self._serial)
        self._waiters[waiter.id] = self._of_user[waiter.user] = waiter
        return waiter

    def _place(self, waiter: Waiter) -> None:
        if waiter.ticket.attached and waiter.flight is None:
            self._buckets.place(waiter)
            self._available += 1
            self._seed(waiter)

    def _withdraw(self, waiter: Waiter) -> None:
        self._buckets.withdraw(waiter)
        self._available -= 1
        waiter.seeded = False

    def _hold_out(self, one: Place, other: Place) -> Pair:
        if other < one:
            one, other = other, one
        first, second = one[2], other[2]
        first.flight, second.flight = second.id, first.id
        self._withdraw(first)
        self._withdraw(second)
        self._proposed += 2
        return Pair(first.ticket, second.ticket)

    def _seed(self, waiter: Waiter) -> None:
        if waiter.seeded or waiter.place is None:
            return
        waiter.seeded = True
        if len(self._seeds) > 2 * len(self._waiters) + SLACK:
            self._seeds = [place for place in self._seeds if place[2].place is place]
            heapify(self._seeds)
        heappush(self._seeds, waiter.place)

    def _reopen(self, one: Waiter | None, other: Waiter | None) -> None:
        """Lets one of two, who were held apart, look again if they may now meet."""
        if one is None or other is None or one.place is None or other.place is None or one.seeded or other.seeded:
            return
        barred = other.user in self._bars.of(one.user) or other.id in self._refused.of(one.id)
        if not barred and _accept(one, other):
            self._seed(one)

    def _await_widening(self, waiter: Waiter) -> None:
        heappush(self._widenings, (waiter.ticket.widens_at, waiter.serial, waiter))
        if len(self._widenings) > 2 * len(self._waiters) + SLACK:
            self._widenings = [(w.ticket.widens_at, w.serial, w) for w in self._waiters.values() if not w.widened]
            heapify(self._widenings)

    def _will_widen(self, entry: tuple[datetime, int, Waiter]) -> bool:
        at, _, waiter = entry
        return not waiter.widened and waiter.ticket.widens_at == at and self._waiters.get(waiter.id) is waiter

    def _let_time_pass(self, now: datetime, budget: int) -> int:
        """Does what has become due, and returns what is left of the budget; what is not done in it stays due."""
        while budget > 0 and self._widenings and self._widenings[0][0] <= now:
            entry = heappop(self._widenings)
            budget -= 1
            if self._will_widen(entry):
                waiter = entry[2]
                waiter.widened = True
                self._buckets.widen(waiter)
                self._seed(waiter)
        for apart, waiters in ((self._bars, self._of_user), (self._refused, self._waiters)):
            while budget > 0 and (pair := apart.pop_ended(now)) is not None:
                budget -= 1
                self._reopen(waiters.get(pair[0]), waiters.get(pair[1]))
        return budget


def _accept(one: Waiter, other: Waiter) -> bool:
    a, b = one.ticket, other.ticket
    return (
        a.mode == b.mode
        and suit(a.interests, b.interests, one_widened=one.widened, other_widened=other.widened)
        and suit(a.languages, b.languages, one_widened=one.widened, other_widened=other.widened)
    )
