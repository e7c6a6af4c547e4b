"""Cases as operators see them: the queue, one of them, and what was reported in it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import strawberry

from domain import errors
from domain.franking import Finding
from domain.paging import Place
from domain.safety import case as cases
from domain.safety import docket, judging, ladder
from domain.safety import report as reports
from schema.case_batches import CaseBatch, ReportBatch
from schema.context import Info
from schema.cursors import CASE, CASE_REPORT, place_cursor, place_of
from schema.enums import CaseDecision, CaseStatus
from schema.identity import User
from schema.ids import known_id
from schema.inputs import given
from schema.paging import After, First, PageInfo
from schema.reports import Report
from schema.safety import Appeal, Suspension
from schema.scalars import Cursor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from domain import identity
    from domain.paging import Listed
    from schema.context import Context

LEASE = f"{judging.LEASE.total_seconds() / 60:.0f} minutes"
OPERATORS_ONLY = "Operators only."
NOBODY = UUID(int=0)


@strawberry.type(description="A message that a reporter disclosed, in clear.")
class Evidence:
    plaintext: str = strawberry.field(description="What it said.")
    sent_at: datetime = strawberry.field(description="When the server took it.")
    verified: bool = strawberry.field(
        description="Proved by the franking tag to have been sent by the subject; otherwise it is the reporter's word alone."
    )

    @classmethod
    def of(cls, evidence: reports.Evidence) -> Evidence:
        """The API's form of a disclosed message."""
        verified = evidence.finding is Finding.VERIFIED
        return cls(plaintext=evidence.plaintext, sent_at=evidence.sent_at, verified=verified)


@strawberry.type(description="A report in a case, as operators see it.")
class CaseReport:
    """`batch` loads what the reports of one answer show."""

    report: Report = strawberry.field(description="What was reported.")
    weight: float = strawberry.field(description="How much this reporter's word counts, 0.1 to 1.")
    report_id: strawberry.Private[UUID]
    reporter_id: strawberry.Private[UUID | None]
    batch: strawberry.Private[ReportBatch]

    @strawberry.field(
        description=(
            "Who reported. Admins only, each view is an audit entry; null to moderators, and once the reporter's account is gone."
        )
    )
    async def reporter(self) -> User | None:
        found = await self.batch.reporters.get()
        reporter = None if self.reporter_id is None else found.get(self.reporter_id)
        return None if reporter is None else User.of(reporter)

    @strawberry.field(
        description=(
            "What the reporter disclosed. Served under `case(id)` only, elsewhere it is FORBIDDEN; every view is an audit entry, "
            "which is written before anything is shown."
        )
    )
    async def evidence(self) -> list[Evidence]:
        found = await self.batch.evidence.get()
        return [Evidence.of(each) for each in found.get(self.report_id, ())]

    @classmethod
    def of(cls, made: reports.Report, batch: ReportBatch) -> CaseReport:
        """The API's form of a report in a case."""
        return cls(
            report=Report.of(made), weight=made.weight, report_id=made.id, reporter_id=made.reporter_id, batch=batch
        )


@strawberry.type(description="A report at its place in the case.")
class CaseReportEdge:
    """The Relay specification's edge."""

    cursor: Cursor = strawberry.field(description="The place. Goes into `after`.")
    node: CaseReport = strawberry.field(description="The report.")


@strawberry.type(description="The reports of a case, the oldest first.")
class CaseReportConnection:
    """The Relay specification's connection."""

    edges: list[CaseReportEdge] = strawberry.field(description="At most as many as were asked for.")
    page_info: PageInfo = strawberry.field(description="Whether there are others before and behind.")

    @classmethod
    def of(cls, page: Listed[reports.Report], batch: ReportBatch) -> CaseReportConnection:
        """A page of the reports of one case."""
        places = [Place(0, made.created_at, made.id) for made in page.items]
        return cls(
            edges=[
                CaseReportEdge(cursor=place_cursor(CASE_REPORT, place), node=CaseReport.of(made, batch))
                for place, made in zip(places, page.items, strict=True)
            ],
            page_info=PageInfo.of(page, CASE_REPORT, places),
        )


@strawberry.type(description="A step of the ladder: what `decideCase` would be given to follow it.")
class LadderStep:
    """See `domain.safety.ladder.LadderStep`."""

    decision: CaseDecision = strawberry.field(description="WARN where nothing counts yet, else SUSPEND.")
    hours: int | None = strawberry.field(description="How long the suspension lasts; null for a warning, and for good.")
    permanent: bool = strawberry.field(description="Whether the suspension is for good: then moderators may decide so.")

    @classmethod
    def of(cls, step: ladder.LadderStep) -> LadderStep:
        """The API's form of a step."""
        hours = None if step.duration is None else step.duration // timedelta(hours=1)
        return cls(decision=step.decision, hours=hours, permanent=step.permanent)


@strawberry.type(description="All open reports against one user, judged together.")
class Case:
    """`batch` loads what the cases of one answer show beside what stands here."""

    id: strawberry.ID = strawberry.field(description="Opaque and random.")
    subject: User = strawberry.field(description="Whom it is about.")
    status: CaseStatus = strawberry.field(description="Where it stands; once a claim ran out, OPEN again.")
    priority: int = strawberry.field(description="0 is the most urgent.")
    claimed_by: User | None = strawberry.field(description="Who judges it now; null unless it is CLAIMED.")
    claim_expires_at: datetime | None = strawberry.field(
        description=f"Until when, {LEASE} after `claimCase`; null unless it is CLAIMED."
    )
    decision: CaseDecision | None = strawberry.field(description="What was decided; null until then.")
    reason: str | None = strawberry.field(description="The statement of reasons that the subject reads.")
    decided_by: User | None = strawberry.field(description="Who decided it.")
    suspension: Suspension | None = strawberry.field(
        description="The suspension that was decided; before that, the newest one by which a rule kept the subject out of matching."
    )
    appeal: Appeal | None = strawberry.field(description="The newest appeal against a suspension of this case.")
    opened_at: datetime = strawberry.field(description="When the first report came.")
    decided_at: datetime | None = strawberry.field(description="When it was decided; null until then.")
    case_id: strawberry.Private[UUID]
    batch: strawberry.Private[CaseBatch]

    @strawberry.field(description="What was reported, the oldest first.")
    async def reports(self, first: First = 20, after: After = strawberry.UNSET) -> CaseReportConnection:
        batch = await self.batch.reports(first, place_of(given(after), CASE_REPORT))
        return CaseReportConnection.of(batch.pages[self.case_id], batch)

    @strawberry.field(
        description=(
            "What the ladder has for the subject now, by what was decided about them and their device in the last "
            f"{ladder.COUNTS_FOR.days} days; null once the case is decided."
        )
    )
    async def suggestion(self) -> LadderStep | None:
        if self.decision is not None:
            return None
        return LadderStep.of((await self.batch.suggestions.get())[self.case_id])

    @classmethod
    def of(cls, file: docket.CaseFile, batch: CaseBatch) -> Case:
        """The API's form of a case."""
        case = file.case
        return cls(
            id=strawberry.ID(str(case.id)),
            subject=User.of(file.subject),
            status=case.status,
            priority=case.priority,
            claimed_by=_user(file.claimed_by),
            claim_expires_at=case.claim_expires_at,
            decision=case.decision,
            reason=case.reason,
            decided_by=_user(file.decided_by),
            suspension=_suspension(file),
            appeal=None if file.appeal is None else Appeal.of(file.appeal),
            opened_at=case.opened_at,
            decided_at=case.decided_at,
            case_id=case.id,
            batch=batch,
        )


@strawberry.type(description="A case at its place in the queue.")
class CaseEdge:
    """The Relay specification's edge."""

    cursor: Cursor = strawberry.field(description="The place. Goes into `after`.")
    node: Case = strawberry.field(description="The case.")


@strawberry.type(description="Cases, the most urgent first, then the oldest.")
class CaseConnection:
    """The Relay specification's connection."""

    edges: list[CaseEdge] = strawberry.field(description="At most as many as were asked for.")
    page_info: PageInfo = strawberry.field(description="Whether there are others before and behind.")

    @classmethod
    def of(cls, page: Listed[docket.CaseFile], batch: CaseBatch) -> CaseConnection:
        """A page of the queue."""
        places = [Place(file.case.priority, file.case.opened_at, file.case.id) for file in page.items]
        return cls(
            edges=[
                CaseEdge(cursor=place_cursor(CASE, place), node=Case.of(file, batch))
                for place, file in zip(places, page.items, strict=True)
            ],
            page_info=PageInfo.of(page, CASE, places),
        )


async def shown(context: Context, case_ids: Iterable[UUID], *, disclosed: bool = False) -> Mapping[UUID, Case]:
    """Those of the cases that there are and that the viewer may see, by ID. Raises `Forbidden` unless they are an operator."""
    services, viewer = context.services, context.viewer
    ids = frozenset(case_ids)
    files = await services.read(lambda uow: docket.looked_up(uow, viewer.user_id, ids, services.clock()))
    batch = CaseBatch(context, _subjects(files.values()), disclosed=disclosed)
    return {case_id: Case.of(file, batch) for case_id, file in files.items()}


async def shown_again(context: Context, case_id: UUID) -> Case:
    """A case that the viewer has just changed, as it is now. Raises `NotFound` when it is not there any more."""
    case = (await shown(context, (case_id,))).get(case_id)
    if case is None:
        raise errors.NotFound
    return case


def _subjects(files: Iterable[docket.CaseFile]) -> Mapping[UUID, UUID]:
    return {file.case.id: file.case.subject_id for file in files}


def _suspension(file: docket.CaseFile) -> Suspension | None:
    if file.suspension is None:
        return None
    if file.appeal is None or file.appeal.suspension_id == file.suspension.id:
        return Suspension.of(file.suspension, file.appeal)
    return Suspension.of(file.suspension)  # Another one of the case was appealed last.


def _user(user: identity.User | None) -> User | None:
    return None if user is None else User.of(user)


@strawberry.type
class CasesQuery:
    """`cases` and `case`."""

    @strawberry.field(
        description=OPERATORS_ONLY
        + " The most urgent first, then the oldest. A case about the viewer is not shown to them."
    )
    async def cases(  # resolvers are called by name
        self,
        info: Info,
        statuses: Annotated[
            list[CaseStatus] | None, strawberry.argument(description="Only those that stand so; all without it.")
        ] = strawberry.UNSET,
        subject_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only those about that user, by the ID of a `User`.")
        ] = strawberry.UNSET,
        first: First = 20,
        after: After = strawberry.UNSET,
    ) -> CaseConnection:
        context = info.context
        services, viewer = context.services, context.viewer
        about = given(subject_id)
        wanted = cases.Wanted(viewer.user_id, given(statuses), None if about is None else id_or_nobody(about))
        place = place_of(given(after), CASE)
        with services.paging() as most:
            page = await services.read(
                lambda uow: docket.listed(uow, wanted, first, place, most=most, now=services.clock())
            )
        return CaseConnection.of(page, CaseBatch(context, _subjects(page.items)))

    @strawberry.field(description=OPERATORS_ONLY + " Null if there is no such case, or it is about the viewer.")
    async def case(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The case's ID.")]
    ) -> Case | None:
        case_id = id_or_nobody(id)
        return (await shown(info.context, (case_id,), disclosed=True)).get(case_id)


def id_or_nobody(text: str) -> UUID:
    """What is no ID names nobody and nothing: whether the viewer may ask comes before whether there is such a thing."""
    try:
        return known_id(text)
    except errors.NotFound:
        return NOBODY
