"""The audit log: what operators and rules did, for ever. Nothing in it is changed or deleted."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from domain.ports import UnitOfWork


class Action(StrEnum):
    """What is recorded."""

    OPERATOR_ADDED = "OPERATOR_ADDED"
    OPERATOR_TOKEN_RENEWED = "OPERATOR_TOKEN_RENEWED"  # noqa: S105  # a name
    OPERATOR_ROLE_CHANGED = "OPERATOR_ROLE_CHANGED"
    OPERATOR_REMOVED = "OPERATOR_REMOVED"
    OPERATOR_SIGNED_IN = "OPERATOR_SIGNED_IN"
    CASE_CLAIMED = "CASE_CLAIMED"
    EVIDENCE_VIEWED = "EVIDENCE_VIEWED"
    REPORTER_VIEWED = "REPORTER_VIEWED"
    CASE_DECIDED = "CASE_DECIDED"
    USER_HELD = "USER_HELD"
    """By a rule: its actor is None."""
    SUSPENSION_LIFTED = "SUSPENSION_LIFTED"
    APPEAL_DECIDED = "APPEAL_DECIDED"
    ACCOUNT_DELETED = "ACCOUNT_DELETED"
    """By the user: its actor is None, and its target too."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that was done. `target` names what by kind and ID, such as `case:UUID`; `details` hold no content of messages, no
    statement of anybody and no name.
    """

    id: UUID
    at: datetime
    actor_id: UUID | None
    """The operator's account; None for a rule, the command line, and users."""
    action: Action
    target: str | None
    details: str | None


async def record(
    uow: UnitOfWork,
    entry_id: UUID,
    action: Action,
    *,
    at: datetime,
    actor_id: UUID | None = None,
    target: str | None = None,
    details: str | None = None,
) -> None:
    """Writes an entry in the unit that does what it tells of: neither is without the other."""
    await uow.audit.add(AuditEntry(entry_id, at, actor_id, action, target, details))
