"""Blocks: two people who never meet again, because one of them wants it so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


@dataclass(frozen=True, slots=True)
class Block:
    """What one user keeps of another whom they blocked: the name as it was then."""

    id: UUID
    blocker_id: UUID
    blocked_id: UUID
    display_name: str
    created_at: datetime

    @property
    def bar(self) -> str:
        """Which kind of the pair's bar it raises: each side has its own, so that lifting one leaves the other's."""
        return "BLOCK_BY_LOW" if self.blocker_id < self.blocked_id else "BLOCK_BY_HIGH"
