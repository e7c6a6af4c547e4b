"""What the matcher's commit checks and writes, pair by pair. The pool only proposes; here it is decided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from domain.events import Matched
from domain.matchmaking.acceptance import suit
from domain.matchmaking.ticket import TicketStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.matchmaking.pool import Pair
    from domain.matchmaking.ticket import Ticket
    from domain.ports import Clock, UnitOfWork

MOST_PAIRS = 256
"""Pairs in one commit: enough to pay for the fsync, few enough that their users wait for no lock that matters."""


class Refusal(StrEnum):
    """Why a proposed pair was not matched."""

    GONE = "GONE"
    """One ticket no longer waits."""
    CHANGED = "CHANGED"
    """One side changed what it asks for, and they no longer accept each other."""
    DETACHED = "DETACHED"
    BARRED = "BARRED"
    SUSPENDED = "SUSPENDED"
    SEATED = "SEATED"
    """One side already sits in an open match."""
    FAILED = "FAILED"
    """The commit failed because of this pair alone: a fault of ours, which is logged."""


@dataclass(frozen=True, slots=True)
class PairFacts:
    """A pair of tickets under the locks of both heads, the older first; None for a ticket that does not exist."""

    first: Ticket | None
    second: Ticket | None
    attached: bool
    barred_until: datetime | None
    barred: bool
    suspended: bool
    seated: bool


@dataclass(frozen=True, slots=True)
class NewMatch:
    """A match to be written: the first ticket's user joins first and is the polite side."""

    room_id: UUID
    first: Ticket
    second: Ticket
    first_member_id: UUID
    second_member_id: UUID
    shared_interests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """A pair that was not matched. `until` is when a bar ends, None for every other reason and for a bar without end."""

    reason: Refusal
    until: datetime | None = None


def refusal(facts: PairFacts, now: datetime) -> Refused | None:
    """Why the pair may not be matched at `now`, or None when it may."""
    first, second = facts.first, facts.second
    if first is None or second is None or first.user_id == second.user_id:
        return Refused(Refusal.GONE)
    reasons = {
        Refusal.GONE: any(ticket.status is not TicketStatus.WAITING for ticket in (first, second)),
        Refusal.SEATED: facts.seated,
        Refusal.SUSPENDED: facts.suspended,
        Refusal.BARRED: facts.barred,
        Refusal.DETACHED: not facts.attached,
        Refusal.CHANGED: not accept_each_other(first, second, now),
    }
    reason = next((reason for reason, holds in reasons.items() if holds), None)
    return None if reason is None else Refused(reason, facts.barred_until if reason is Refusal.BARRED else None)


def accept_each_other(one: Ticket, other: Ticket, now: datetime) -> bool:
    """Whether both sides accept the other at `now`; see `acceptance`."""
    mine, theirs = one.preferences, other.preferences
    widened = {"one_widened": one.widens_at <= now, "other_widened": other.widens_at <= now}
    return (
        mine.mode is theirs.mode
        and suit(mine.interests, theirs.interests, **widened)
        and suit(mine.languages, theirs.languages, **widened)
    )


async def commit_pairs(
    uow: UnitOfWork,
    pairs: Sequence[Pair],
    *,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> list[NewMatch | Refused]:
    """Opens a room for every pair that may meet, and answers pair by pair, in order. At most `MOST_PAIRS`.

    Whatever the pool believed is checked again here under the locks of all heads, so that a stale matcher, or several at once,
    are harmless. Of pairs that share a user only the first is matched.
    """
    await uow.lock_users(user_id for pair in pairs for user_id in _users(pair))
    now = clock()  # Not earlier: a suspension that began while we waited for the locks would seem to lie ahead.
    facts = await uow.matching.facts([(pair.first.id, pair.second.id) for pair in pairs], now)
    taken: set[UUID] = set()
    results: list[NewMatch | Refused] = []
    for pair in pairs:
        found = facts[pair.first.id, pair.second.id]
        refused = refusal(found, now)
        if refused is not None:
            results.append(refused)
        elif found.first is None or found.second is None or not taken.isdisjoint(_users(pair)):
            results.append(Refused(Refusal.GONE))
        else:
            taken.update(_users(pair))
            results.append(_match(found.first, found.second, new_id))
    matches = [result for result in results if isinstance(result, NewMatch)]
    if matches:
        await uow.matching.open(matches, now)
    for match in matches:
        for user_id, event in _told(match):
            uow.append(user_id, event)
    return results


def _users(pair: Pair) -> tuple[UUID, UUID]:
    return pair.first.user_id, pair.second.user_id


def _match(one: Ticket, other: Ticket, new_id: Callable[[], UUID]) -> NewMatch:
    first, second = sorted((one, other), key=lambda ticket: (ticket.enqueued_at, ticket.id))
    theirs = set(second.preferences.interests)
    return NewMatch(
        room_id=new_id(),
        first=first,
        second=second,
        first_member_id=new_id(),
        second_member_id=new_id(),
        shared_interests=tuple(interest for interest in first.preferences.interests if interest in theirs),
    )


def _told(match: NewMatch) -> Iterator[tuple[UUID, Matched]]:
    for ticket, partner_id in ((match.first, match.second_member_id), (match.second, match.first_member_id)):
        matched = replace(ticket, status=TicketStatus.MATCHED, room_id=match.room_id)
        yield ticket.user_id, Matched(matched, match.room_id, partner_id)
