"""The figures over time: a collection in a unit of work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from domain.figures import FigurePoint


class Figures(Protocol):
    """What was recorded of each minute."""

    async def between(self, since: datetime, until: datetime, length: timedelta) -> Sequence[FigurePoint]:
        """Minutes that began from `since` on and before `until`, summed up to points that begin at multiples of `length` since 1970
        in UTC: the oldest first, and without those of which nothing was recorded.
        """
