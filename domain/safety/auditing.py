"""Looking at the audit log: administrators see who did what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.identity import OperatorRole
from domain.paging import Listed, page_size
from domain.safety.operators import acting

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from domain.identity import User
    from domain.paging import Place
    from domain.ports import UnitOfWork
    from domain.safety.audit import AuditEntry


async def audit_log(
    uow: UnitOfWork, user_id: UUID, first: int, after: Place | None, most: int
) -> tuple[Listed[AuditEntry], Mapping[UUID, User]]:
    """A page of the log, the newest first, with those who acted, as far as their accounts are still there.

    Raises `Forbidden` unless the user is an ADMIN, and `PageTooLarge`.
    """
    await acting(uow, user_id, OperatorRole.ADMIN)
    size = page_size(first, most)
    page = Listed.cut(await uow.audit.entries(after, size + 1), size, after)
    return page, await uow.users.get_many({entry.actor_id for entry in page.items if entry.actor_id is not None})
