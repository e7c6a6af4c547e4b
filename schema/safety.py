"""Suspensions and warnings, as their subject sees them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.safety import case
from domain.safety import suspension as safety
from schema.enums import ReportCategory, SuspensionScope


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


@strawberry.type(description="A restriction of the viewer's account.")
class Suspension:
    id: strawberry.ID = strawberry.field(description="Opaque and random.")
    scope: SuspensionScope = strawberry.field(description="What it takes away.")
    reason: str = strawberry.field(description="The statement of reasons.")
    category: ReportCategory | None = strawberry.field(
        description="What it is about; null where that would tell the subject who reported them."
    )
    automated: bool = strawberry.field(description="Decided by a rule, not yet reviewed by a person.")
    starts_at: datetime = strawberry.field(description="From when it restricts.")
    ends_at: datetime | None = strawberry.field(description="Until when it restricts; null is permanent.")
    lifted_at: datetime | None = strawberry.field(description="When it was lifted before its end; null if it was not.")

    @classmethod
    def of(cls, suspension: safety.Suspension) -> Suspension:
        """The API's form of a suspension."""
        return cls(
            id=strawberry.ID(str(suspension.id)),
            scope=suspension.scope,
            reason=suspension.reason,
            category=suspension.category,
            automated=suspension.automated,
            starts_at=suspension.starts_at,
            ends_at=suspension.ends_at,
            lifted_at=suspension.lifted_at,
        )
