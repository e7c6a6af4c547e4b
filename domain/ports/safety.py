"""Safety: collections in a unit of work. Whoever writes about a user has that user's head locked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from domain.identity import OperatorRole
    from domain.paging import Place
    from domain.safety.appeal import Appeal
    from domain.safety.audit import AuditEntry
    from domain.safety.block import Block
    from domain.safety.case import AccountWarning, Case, Wanted
    from domain.safety.operators import Operator
    from domain.safety.report import Evidence, Report, ReportStatus
    from domain.safety.rules import Charge
    from domain.safety.suspension import ReportCategory, Suspension


class Suspensions(Protocol):
    """Restrictions of users."""

    async def of(self, user_id: UUID, limit: int = 50) -> Sequence[Suspension]:
        """The user's and those of the device it signed in from, the newest first, past ones included."""

    async def of_many(self, user_ids: Collection[UUID], limit: int = 50) -> Mapping[UUID, Sequence[Suspension]]:
        """The same of each of the users; who has none is missing."""

    async def in_force(self, user_id: UUID, now: datetime) -> Sequence[Suspension]:
        """Those of them that restrict the user at `now`, however many came since."""

    async def applying(self, suspension_id: UUID, user_id: UUID) -> Suspension | None:
        """The suspension, if it is the user's or their device's, past ones included."""

    async def device_of(self, suspension_id: UUID) -> UUID | None:
        """The device that it binds, if it binds one."""

    async def get(self, suspension_id: UUID) -> Suspension | None: ...
    async def of_case(self, case_id: UUID) -> Sequence[Suspension]:
        """Those that the case brought, by a rule or a decision, the newest first."""

    async def of_cases(self, case_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Suspension]]:
        """The same of many cases; those without any are missing."""

    async def add(self, suspension: Suspension, device_id: UUID | None) -> None:
        """Writes a suspension; with a device it binds every account that signs in from it."""

    async def lift(
        self, suspension_id: UUID, now: datetime, *, by: UUID | None = None, reason: str | None = None
    ) -> None:
        """Ends it now, by that operator and for that reason, if there is one. Once more changes nothing."""


class Blocks(Protocol):
    """Whom users blocked."""

    async def add(self, block: Block) -> None: ...
    async def get(self, block_id: UUID) -> Block | None: ...
    async def find(self, blocker_id: UUID, blocked_id: UUID) -> Block | None: ...
    async def remove(self, block_id: UUID) -> None: ...
    async def of(self, blocker_id: UUID, after: Place | None, limit: int) -> Sequence[Block]:
        """The user's, the newest first."""

    async def between(self, user_id: UUID, others: Collection[UUID]) -> frozenset[UUID]:
        """Which of the others blocked the user, or are blocked by them."""


class Reports(Protocol):
    """Reports and their evidence."""

    async def add(self, report: Report, evidence: Sequence[Evidence]) -> None: ...
    async def find(self, reporter_id: UUID, subject_id: UUID, room_id: UUID) -> Report | None: ...
    async def of_reporter(self, reporter_id: UUID, after: Place | None, limit: int) -> Sequence[Report]:
        """What the user reported, the newest first."""

    async def of_case(self, case_id: UUID, after: Place | None, limit: int) -> Sequence[Report]:
        """What the case gathers, the oldest first."""

    async def of_cases(
        self, case_ids: Collection[UUID], after: Place | None, limit: int
    ) -> Mapping[UUID, Sequence[Report]]:
        """The same of many cases, up to `limit` of each; those without any are missing."""

    async def categories(self, case_id: UUID) -> Mapping[UUID, frozenset[ReportCategory]]:
        """What each reporter named in the case, but for those whose accounts were deleted."""

    async def charges(self, case_id: UUID, since: datetime) -> Sequence[Charge]:
        """What the case has gathered after that time, for the rules: without reports whose reporter has deleted the account."""

    async def spend(self, case_id: UUID) -> None:
        """Notes that all reports of the case were there when a rule held its subject."""

    async def close(self, case_id: UUID, status: ReportStatus) -> None:
        """Gives all reports of the case that status."""

    async def record(self, reporter_id: UUID) -> tuple[int, int]:
        """How many of the user's reports were upheld, and how many dismissed."""

    async def evidence(self, report_ids: Collection[UUID]) -> Mapping[UUID, Sequence[Evidence]]:
        """What was disclosed with each of the reports, in order; those without any are missing."""


class Cases(Protocol):
    """Cases and warnings."""

    async def add(self, case: Case) -> None: ...
    async def get(self, case_id: UUID) -> Case | None: ...
    async def get_many(self, case_ids: Collection[UUID]) -> Mapping[UUID, Case]: ...
    async def undecided(self, subject_id: UUID) -> Case | None:
        """The one that gathers reports about the user."""

    async def lock(self, case_id: UUID) -> Case | None:
        """The case, locked, as it is now; None when somebody else holds the lock (`SKIP LOCKED`), or there is none."""

    async def save(self, case: Case) -> None:
        """Writes everything but whom it is about, and when it was opened."""

    async def queue(self, wanted: Wanted, after: Place | None, limit: int, now: datetime) -> Sequence[Case]:
        """The most urgent first, then the oldest, with the status that they have at `now`."""

    async def warn(self, warning: AccountWarning) -> None: ...
    async def warnings(self, user_id: UUID, limit: int = 50) -> Sequence[AccountWarning]:
        """The user's, the newest first."""

    async def device_warnings(
        self, user_ids: Collection[UUID], limit: int = 50
    ) -> Mapping[UUID, Sequence[AccountWarning]]:
        """Those of each of the users and of the other accounts of their device, the newest first; who has none is missing."""


class Appeals(Protocol):
    """Appeals."""

    async def add(self, appeal: Appeal) -> None: ...
    async def get(self, appeal_id: UUID) -> Appeal | None: ...
    async def of_suspension(self, suspension_id: UUID) -> Appeal | None: ...
    async def of_suspensions(self, suspension_ids: Collection[UUID]) -> Mapping[UUID, Appeal]:
        """The same of many suspensions; those without any are missing."""

    async def of_cases(self, case_ids: Collection[UUID]) -> Mapping[UUID, Appeal]:
        """The same of many cases; those without any are missing."""

    async def save(self, appeal: Appeal) -> None:
        """Writes what was decided."""


class Audit(Protocol):
    """The audit log."""

    async def add(self, *entries: AuditEntry) -> None: ...
    async def entries(self, after: Place | None, limit: int) -> Sequence[AuditEntry]:
        """The newest first."""


class Operators(Protocol):
    """Who judges, and how they sign in."""

    async def ids(self) -> Sequence[UUID]:
        """Accounts that have a role."""

    async def listed(self) -> Sequence[Operator]:
        """All, the oldest account first."""

    async def set_token(self, user_id: UUID, token_hash: bytes, now: datetime) -> None:
        """Replaces the operator's token."""

    async def by_token(self, token_hash: bytes) -> UUID | None: ...
    async def set_role(self, user_id: UUID, role: OperatorRole) -> None: ...
    async def remove(self, user_id: UUID) -> None:
        """Takes role and token."""

    async def release_cases(self, user_id: UUID) -> Sequence[UUID]:
        """Makes the cases that the user has claimed OPEN again, and returns which. All operators are locked."""
