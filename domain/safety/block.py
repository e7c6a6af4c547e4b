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
