"""Looking at cases: what operators are shown, and that a look at what is confidential is recorded before it is one.

Authority is asked with every reading. Nobody is shown a case about themselves: what was said of them would name who said it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from domain.identity import OperatorRole
from domain.paging import Listed, page_size
from domain.safety import audit
from domain.safety.audit import Action, AuditEntry
from domain.safety.judging import rungs_of
from domain.safety.ladder import next_step
from domain.safety.operators import acting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.identity import User
    from domain.paging import Place
    from domain.ports import UnitOfWork
    from domain.safety.appeal import Appeal
    from domain.safety.case import Case, Wanted
    from domain.safety.ladder import LadderStep
    from domain.safety.report import Evidence, Report
    from domain.safety.suspension import Suspension


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case as it stands now, with whom and what it names."""

    case: Case
    subject: User
    claimed_by: User | None
    decided_by: User | None
    suspension: Suspension | None
    """The one that was decided, else the newest hold."""
    appeal: Appeal | None


async def listed(
    uow: UnitOfWork, wanted: Wanted, first: int, after: Place | None, *, most: int, now: datetime
) -> Listed[CaseFile]:
    """A page of the queue. Raises `Forbidden` unless the viewer is an operator, and `PageTooLarge`."""
    await acting(uow, wanted.viewer_id)
    size = page_size(first, most)
    page = Listed.cut(await uow.cases.queue(wanted, after, size + 1, now), size, after)
    return Listed(await _files(uow, page.items, now), page.more_after, page.more_before)


async def looked_up(
    uow: UnitOfWork, viewer_id: UUID, case_ids: Collection[UUID], now: datetime
) -> Mapping[UUID, CaseFile]:
    """Those of the cases that there are and that the viewer may see, by ID. Raises `Forbidden` unless they are an operator."""
    await acting(uow, viewer_id)
    found = await uow.cases.get_many(case_ids)
    seen = [case for case in found.values() if case.subject_id != viewer_id]
    return {file.case.id: file for file in await _files(uow, seen, now)}


async def reports_of(
    uow: UnitOfWork, viewer_id: UUID, case_ids: Collection[UUID], first: int, after: Place | None, *, most: int
) -> Mapping[UUID, Listed[Report]]:
    """The same page of the reports of each case, the oldest first. Raises `Forbidden` unless the viewer is an operator, and
    `PageTooLarge`.
    """
    await acting(uow, viewer_id)
    size = page_size(first, most)
    found = await uow.reports.of_cases(case_ids, after, size + 1)
    return {case_id: Listed.cut(found.get(case_id, ()), size, after) for case_id in case_ids}


async def reporters_of(
    uow: UnitOfWork, viewer_id: UUID, reports: Iterable[Report], *, new_id: Callable[[], UUID], now: datetime
) -> Mapping[UUID, User]:
    """Who made the reports, by their IDs: for an ADMIN, with an entry for each case; nobody for a moderator. Whoever deleted their
    account is missing. Raises `Forbidden` to others.
    """
    operator = await acting(uow, viewer_id)
    named = [(report.case_id, report.reporter_id) for report in reports if report.reporter_id is not None]
    if operator.operator_role is not OperatorRole.ADMIN or not named:
        return {}
    entries = [
        AuditEntry(new_id(), now, viewer_id, Action.REPORTER_VIEWED, f"case:{case_id}", None)
        for case_id in sorted({case_id for case_id, _ in named})
    ]
    await uow.audit.add(*entries)
    return await uow.users.get_many({reporter_id for _, reporter_id in named})


async def suggested(
    uow: UnitOfWork, viewer_id: UUID, subjects: Mapping[UUID, UUID], now: datetime
) -> Mapping[UUID, LadderStep]:
    """What the ladder has at `now` for the subjects, both by case. Raises `Forbidden` unless the viewer is an operator."""
    await acting(uow, viewer_id)
    past = await rungs_of(uow, frozenset(subjects.values()))
    return {case_id: next_step(past[subject_id], now) for case_id, subject_id in subjects.items()}


async def note_evidence_viewed(
    uow: UnitOfWork, viewer_id: UUID, case_id: UUID, *, new_id: Callable[[], UUID], now: datetime
) -> None:
    """Records that the operator looks at what was disclosed in the case: once this is committed it may be shown. Raises `Forbidden`
    to others.
    """
    await acting(uow, viewer_id)
    await audit.record(uow, new_id(), Action.EVIDENCE_VIEWED, at=now, actor_id=viewer_id, target=f"case:{case_id}")


async def evidence_of(
    uow: UnitOfWork, viewer_id: UUID, report_ids: Collection[UUID]
) -> Mapping[UUID, Sequence[Evidence]]:
    """What was disclosed with the reports; see `note_evidence_viewed`, which comes before. Raises `Forbidden` to others."""
    await acting(uow, viewer_id)
    return await uow.reports.evidence(report_ids)


async def _files(uow: UnitOfWork, cases: Sequence[Case], now: datetime) -> list[CaseFile]:
    """By three queries, however many there are. Without those that retention deletes in between, with their subjects."""
    if not cases:
        return []
    ids = [case.id for case in cases]
    standing = [case.as_of(now) for case in cases]
    named = {id for case in standing for id in (case.subject_id, case.claimed_by, case.decided_by) if id is not None}
    users = await uow.users.get_many(named)
    suspensions = await uow.suspensions.of_cases(ids)
    appeals = await uow.appeals.of_cases(ids)
    return [
        CaseFile(
            case=case,
            subject=users[case.subject_id],
            claimed_by=None if case.claimed_by is None else users.get(case.claimed_by),
            decided_by=None if case.decided_by is None else users.get(case.decided_by),
            suspension=_shown(suspensions.get(case.id, ())),
            appeal=appeals.get(case.id),
        )
        for case in standing
        if case.subject_id in users
    ]


def _shown(suspensions: Sequence[Suspension]) -> Suspension | None:
    """Out of those of one case, the newest first."""
    return next((s for s in suspensions if not s.automated), next(iter(suspensions), None))
