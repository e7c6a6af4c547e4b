"""Pages that are too large, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class PageRefusals:
    """How often somebody asked for a larger page than there are, since the start."""

    def __init__(self) -> None:
        self._count = 0

    def note(self) -> None:
        """Once more."""
        self._count += 1

    @property
    def refusals(self) -> Mapping[str, int]:
        """How often, by limit."""
        return {"page": self._count}
