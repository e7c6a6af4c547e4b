"""Reporting somebody: what is taken, what is proved, where it gathers, and what a rule makes of it at once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from domain import characters
from domain.errors import InvalidInput, Unauthenticated
from domain.events import MatchEnded
from domain.franking import COMMITMENT_BYTES, LONGEST_PLAINTEXT, OPENING_KEY_BYTES, Finding, examine
from domain.paging import Listed, page_size
from domain.rooms.holding import Overtaken, persistently
from domain.rooms.leaving import give_up
from domain.rooms.room import MatchEndReason, MemberLeaveReason, RoomKind
from domain.safety import audit, rules
from domain.safety.acquaintance import shared_seat
from domain.safety.audit import Action
from domain.safety.case import UNDECIDED, Case, CaseStatus
from domain.safety.report import LONGEST_COMMENT, MOST_EVIDENCE, Evidence, Report, ReportStatus
from domain.safety.rules import COUNTED_FOR, Charge, hold_due, reporter_weight
from domain.safety.suspending import lock_subject, suspend, tell_operators

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from domain.franking import Disclosure
    from domain.identity import User
    from domain.paging import Place
    from domain.ports import Clock, FrankingKeys, OneByOne, RateLimits, Secrets, Transact, UnitOfWork
    from domain.rooms.room import Member, Room
    from domain.safety.rules import Hold
    from domain.safety.suspending import Subject
    from domain.safety.suspension import ReportCategory

REPORTS_OF_USER: Final = 20
REPORTS_OF_NETWORK: Final = 60
"""At once, and in `REPORTS_PERIOD` from then on; a repeat is free. Few meet twenty people an hour who are worse than a skip, and a
network is many people: what it lacks is back after a minute."""
REPORTS_PERIOD: Final = timedelta(hours=1)
SENT: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
"""Between these is whatever a client can mean by the time of a message."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What somebody reports about the member. Nothing in it is believed: `evidence` is what they say that they received."""

    member_id: UUID
    category: ReportCategory
    comment: str | None
    evidence: Sequence[Disclosure]

    def checked(self) -> Complaint:
        """With its comment as it is stored. Raises `InvalidInput` for what no message can be; what proves nothing is taken."""
        comment = None
        if self.comment is not None and self.comment.strip():
            comment = characters.prose("comment", self.comment, LONGEST_COMMENT)
        if len(self.evidence) > MOST_EVIDENCE:
            raise InvalidInput("evidence", f"At most {MOST_EVIDENCE} messages.")
        for position, disclosure in enumerate(self.evidence):
            _check_form(f"evidence.{position}", disclosure)
        return replace(self, comment=comment)


async def report_user(
    transact: Transact,
    read: Transact,
    limits: RateLimits,
    secrets: Secrets,
    keys: FrankingKeys,
    *,
    one_by_one: OneByOne,
    user_id: UUID,
    network: str,
    complaint: Complaint,
    cooldown: timedelta,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> Report:
    """Takes the report: into the undecided case about the member's user, or a new one, of which operators are told. A match of the
    two ends as if the reporter had left it, and they do not meet again for `cooldown`. What the rules hold at once is held.

    The subject is told of nothing but a hold. One report per reporter, subject and room: a repeat returns the first and changes
    nothing. Raises `InvalidInput`, `NotFound` for whom the user has not met within 24 hours, `RateLimited`, and `Overtaken` when
    seats were taken all the while.
    """
    complaint = complaint.checked()
    first, met, own = await read(lambda uow: _look(uow, user_id, complaint.member_id, clock()))
    if first is not None:
        return first
    of_network = f"reports_of_network:{secrets.digest('network', network).hex()}"
    # What others of the network used up costs the user nothing, nor the network what the user did.
    await limits.check(of_network, burst=REPORTS_OF_NETWORK, period=REPORTS_PERIOD)
    await limits.take(f"reports:{user_id}", burst=REPORTS_OF_USER, period=REPORTS_PERIOD)
    await limits.take(of_network, burst=REPORTS_OF_NETWORK, period=REPORTS_PERIOD)
    now = clock()
    findings = [examine(disclosure, met, own, keys, now) for disclosure in complaint.evidence]
    # All of them lock the operators and follow each other anyhow: many at once would wait with every connection of the worker.
    async with one_by_one.turn("reports"):
        return await persistently(
            transact,
            lambda uow: _take(uow, user_id, complaint, findings, cooldown=cooldown, new_id=new_id, clock=clock),
        )


async def reports_of(uow: UnitOfWork, user_id: UUID, first: int, after: Place | None, most: int) -> Listed[Report]:
    """What the user reported, the newest first. Raises `PageTooLarge`."""
    size = page_size(first, most)
    return Listed.cut(await uow.reports.of_reporter(user_id, after, size + 1), size, after)


def _check_form(field: str, disclosure: Disclosure) -> None:
    for name, value, size in (
        ("openingKey", disclosure.opening_key, OPENING_KEY_BYTES),
        ("commitment", disclosure.commitment, COMMITMENT_BYTES),
        ("frankingTag.ciphertextHash", disclosure.tag.ciphertext_hash, COMMITMENT_BYTES),
        ("frankingTag.tag", disclosure.tag.tag, COMMITMENT_BYTES),
    ):
        if len(value) != size:
            raise InvalidInput(f"{field}.{name}", f"Exactly {size} bytes, after decoding.")
    try:
        size = len(disclosure.plaintext.encode())
    except UnicodeEncodeError:
        raise InvalidInput(f"{field}.plaintext", "It holds half of a surrogate pair.") from None
    if size > LONGEST_PLAINTEXT:
        raise InvalidInput(f"{field}.plaintext", f"At most {LONGEST_PLAINTEXT // 1024} KiB in UTF-8.")
    # A database may know the first and the last moment of a calendar as no time at all.
    if not SENT[0] <= disclosure.sent_at < SENT[1]:
        raise InvalidInput(f"{field}.sentAt", "A time from 1970 on, and before 9999.")


async def _look(uow: UnitOfWork, user_id: UUID, member_id: UUID, now: datetime) -> tuple[Report | None, Member, Member]:
    """The report that there is, the member's seat, and the user's."""
    room, met, own = await shared_seat(uow, user_id, member_id, now)
    return await uow.reports.find(user_id, met.user_id, room.id), met, own


async def _take(
    uow: UnitOfWork,
    user_id: UUID,
    complaint: Complaint,
    findings: Sequence[Finding],
    *,
    cooldown: timedelta,
    new_id: Callable[[], UUID],
    clock: Clock,
) -> Report:
    room, met, _ = await shared_seat(uow, user_id, complaint.member_id, clock())
    subject = await lock_subject(uow, met.user_id, clock(), rooms=(room.id,), also=(user_id,))
    first = await uow.reports.find(user_id, subject.user_id, room.id)
    if first is not None:
        return first
    reporter = await uow.users.get(user_id)
    if reporter is None:  # Deleted meanwhile.
        raise Unauthenticated
    now = clock()
    charge = await _weigh(uow, reporter, complaint.category, verified=Finding.VERIFIED in findings, now=now)
    case, charges = await _gather(uow, subject.user_id, charge, new_id, now)
    report = Report(
        id=new_id(),
        case_id=case.id,
        reporter_id=user_id,
        subject_id=subject.user_id,
        room_id=room.id,
        category=complaint.category,
        comment=complaint.comment,
        status=ReportStatus.RECEIVED,
        weight=charge.weight,
        verified=charge.verified,
        created_at=now,
    )
    await uow.reports.add(report, _disclosed(report.id, complaint, findings))
    hold = hold_due(charges, now)
    if hold is not None and hold.outlasted(await uow.suspensions.of(subject.user_id), now):
        hold = None
    subject = await _part(uow, subject, user_id, cooldown, held=hold is not None, now=now)
    if hold is not None:
        await _hold(uow, subject, case, hold, new_id=new_id, now=now)
    tell_operators(uow, subject, case.id)
    return report


async def _weigh(uow: UnitOfWork, reporter: User, category: ReportCategory, *, verified: bool, now: datetime) -> Charge:
    upheld, dismissed = await uow.reports.record(reporter.id)
    age = now - reporter.created_at
    weight = reporter_weight(upheld, dismissed, age)
    return Charge(reporter.device_id or reporter.id, age, category, weight, verified, now)


async def _gather(
    uow: UnitOfWork, subject_id: UUID, charge: Charge, new_id: Callable[[], UUID], now: datetime
) -> tuple[Case, Sequence[Charge]]:
    """The case for the report, and what the rules see in it with that one. The subject is locked: nobody opens another."""
    known = await uow.cases.undecided(subject_id)
    if known is None:
        case = Case(new_id(), subject_id, CaseStatus.OPEN, rules.priority((charge,)), now)
        await uow.cases.add(case)
        return case, (charge,)
    locked = await uow.cases.lock(known.id)
    if locked is None or locked.status not in UNDECIDED:
        raise Overtaken("Somebody else is at the case: try again.")
    charges = (*await uow.reports.charges(locked.id, now - COUNTED_FOR), charge)
    case = replace(locked, priority=min(locked.priority, rules.priority(charges)))
    if case != locked:
        await uow.cases.save(case)
    return case, charges


def _disclosed(report_id: UUID, complaint: Complaint, findings: Sequence[Finding]) -> Sequence[Evidence]:
    return [
        Evidence(report_id, position, given.message_id, given.plaintext, given.sent_at, finding)
        for position, (given, finding) in enumerate(zip(complaint.evidence, findings, strict=True))
    ]


async def _part(
    uow: UnitOfWork, subject: Subject, user_id: UUID, cooldown: timedelta, *, held: bool, now: datetime
) -> Subject:
    """Ends a match of the two, wherever they met, and keeps them apart as a skip does. Returns the subject as they sit then."""
    if cooldown:
        await uow.bars.raise_bar(user_id, subject.user_id, "COOLDOWN", now + cooldown)
    rooms = []
    for room in subject.rooms:
        seat = room.held_seat_of(user_id)
        together = room.kind is RoomKind.MATCH and seat is not None and room.holds(subject.user_id)
        rooms.append(await _ended(uow, room, seat, held=held, now=now) if together and seat else room)
    return replace(subject, rooms=rooms)


async def _ended(uow: UnitOfWork, match: Room, reporter: Member, *, held: bool, now: datetime) -> Room:
    """The match as it is once the reporter has left it. Whoever is held by the report is told what they would be told beside
    anybody else: a partner who left in that moment would be the one who reported.
    """
    if not held:
        return await give_up(uow, match, reporter, MemberLeaveReason.LEFT, now=now)
    await uow.rooms.close(match.id, now)
    uow.append(reporter.user_id, MatchEnded(match.id, MatchEndReason.YOU_LEFT))
    for subject in match.others(reporter.user_id):
        uow.append(subject.user_id, MatchEnded(match.id, MatchEndReason.YOU_WERE_SUSPENDED))
    (closed,) = await uow.rooms.get_many((match.id,))
    return closed


async def _hold(
    uow: UnitOfWork, subject: Subject, case: Case, hold: Hold, *, new_id: Callable[[], UUID], now: datetime
) -> None:
    suspension = hold.suspension(new_id(), user_id=subject.user_id, case_id=case.id, now=now)
    await suspend(uow, subject, suspension, now=now)
    await uow.reports.spend(case.id)
    minutes = (hold.ends_at - now) // timedelta(minutes=1)
    await audit.record(
        uow,
        new_id(),
        Action.USER_HELD,
        at=now,
        target=f"case:{case.id}",
        details=f"rule={hold.rule.value} scope={suspension.scope.value} minutes={minutes}",
    )
