"""Privacy: what is held about a user, and its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID


class Privacy(Protocol):
    """All that belongs to an account, in whatever table."""

    async def erase(self, user_id: UUID, now: datetime) -> None:
        """Deletes everything of the account but what safety still needs, and leaves a tombstone: an ID without a name.

        The user is locked and holds nothing: no seat, no WAITING ticket, no role.
        """

    async def abandoned(self, before: datetime, limit: int) -> Sequence[UUID]:
        """Users, the oldest first, whose accounts were made before that time and have no session left. Nobody can ever sign in to
        one of these again. Operators are none of them.
        """

    async def held(self, user_id: UUID) -> Mapping[str, Any]:
        """What is held about the user, by kind: a mapping or a list of mappings each, with `UUID`, `datetime` and `bytes` in them.

        Under "left_off" the kinds of which only the newest are in it.
        """
