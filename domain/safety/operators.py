"""Operators: people who judge. An operator is a user with a role, and signs in with a token that the command line printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.errors import Forbidden
from domain.identity import OperatorRole

if TYPE_CHECKING:
    from uuid import UUID

    from domain.identity import User
    from domain.ports import UnitOfWork


async def acting(uow: UnitOfWork, user_id: UUID, role: OperatorRole = OperatorRole.MODERATOR) -> User:
    """The operator, who has at least that role at this moment. Raises `Forbidden` to everybody else.

    Asked in the unit that acts, so that who was removed a moment ago does nothing more.
    """
    user = await uow.users.get(user_id)
    if user is None or user.operator_role not in {role, OperatorRole.ADMIN}:
        raise Forbidden
    return user
