"""Suspensions, appeals against them, and warnings, as their subject sees them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import strawberry

from domain.safety import appeal as appeals
from domain.safety import case
from domain.safety import suspension as safety
from schema.context import Info
from schema.enums import AppealStatus, ReportCategory, SuspensionScope


@strawberry.type(name="Warning", description="A decision that warned the viewer without taking anything away.")
class AccountWarning:
    """`Warning` in the API: in Python that name is taken."""

    id: strawberry.ID = strawberry.field(description="Opaque and random.")
    reason: str = strawberry.field(description="The statement of reasons.")
    at: datetime = strawberry.field(description="When it was decided.")

    @classmethod
    def of(cls, warning: case.AccountWarning) -> AccountWarning:
        """The API's form of a warning."""
        return cls(id=strawberry.ID(str(warning.id)), reason=warning.reason, at=warning.at)


@strawberry.type(
    description="The request for a second look at a suspension. Somebody else decides it than who decided the case."
)
class Appeal:
    id: strawberry.ID = strawberry.field(description="Opaque and random.")
    statement: str = strawberry.field(description="What whoever appealed has to say.")
    status: AppealStatus = strawberry.field(description="What became of it.")
    reason: str | None = strawberry.field(description="The reviewer's, once decided.")
    created_at: datetime = strawberry.field(description="When it was made.")
    decided_at: datetime | None = strawberry.field(description="When it was decided; null until then.")

    @classmethod
    def of(cls, appeal: appeals.Appeal) -> Appeal:
        """The API's form of an appeal: who decided it is not told to whom it is about."""
        return cls(
            id=strawberry.ID(str(appeal.id)),
            statement=appeal.statement,
            status=appeal.status,
            reason=appeal.reason,
            created_at=appeal.created_at,
            decided_at=appeal.decided_at,
        )


class _Unread:
    """An appeal that was not looked for yet."""


@strawberry.type(description="A restriction of the viewer's account.")
class Suspension:
    """`found` is its appeal where that was loaded with it."""

    id: strawberry.ID = strawberry.field(description="Opaque and random.")
    scope: SuspensionScope = strawberry.field(description="What it takes away.")
    reason: str = strawberry.field(description="The statement of reasons.")
    category: ReportCategory | None = strawberry.field(
        description="What it is about; null where that would tell the subject who reported them."
    )
    automated: bool = strawberry.field(description="Decided by a rule, not yet reviewed by a person.")
    starts_at: datetime = strawberry.field(description="From when it restricts.")
    ends_at: datetime | None = strawberry.field(
        description="Until when it restricts; null is permanent. The next `refreshSession` gives back what it took."
    )
    lifted_at: datetime | None = strawberry.field(
        description="When it was lifted before its end, or overturned behind it; null if it was not."
    )
    found: strawberry.Private[appeals.Appeal | type[_Unread] | None] = _Unread

    @strawberry.field(description="The appeal against it; null if there is none.")
    async def appeal(self, info: Info) -> Appeal | None:
        found = self.found
        if isinstance(found, type):
            suspension_id = UUID(self.id)
            found = await info.context.services.read(lambda uow: uow.appeals.of_suspension(suspension_id))
        return None if found is None else Appeal.of(found)

    @classmethod
    def of(cls, suspension: safety.Suspension, found: appeals.Appeal | type[_Unread] | None = _Unread) -> Suspension:
        """The API's form of a suspension. Without `found` its appeal is read when it is asked for."""
        return cls(
            id=strawberry.ID(str(suspension.id)),
            scope=suspension.scope,
            reason=suspension.reason,
            category=suspension.category,
            automated=suspension.automated,
            starts_at=suspension.starts_at,
            ends_at=suspension.ends_at,
            lifted_at=suspension.lifted_at,
            found=found,
        )
