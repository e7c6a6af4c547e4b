"""The figures of the service over time, minute by minute: what those who run it look back on. They name nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from domain.errors import BadInput
from domain.safety.operators import acting

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from domain.ports import UnitOfWork

MINUTE: Final = timedelta(minutes=1)
FIGURES_KEPT: Final = timedelta(days=30)
"""The figures of a minute, from its beginning: as long as somebody may ask why last month was other than this one."""
MOST_POINTS: Final = 1_500
"""Points in one answer: a day of minutes, and some. A plot has fewer pixels."""
EPOCH: Final = datetime.fromtimestamp(0, UTC)


class FigureResolution(StrEnum):
    """How much time one point sums up."""

    MINUTE = "MINUTE"
    TEN_MINUTES = "TEN_MINUTES"
    HOUR = "HOUR"
    DAY = "DAY"

    @property
    def length(self) -> timedelta:
        """As a time. Points begin at its multiples since 1970, in UTC."""
        return _LENGTHS[self]

    def begin(self, at: datetime) -> datetime:
        """When the point began in which that time lies."""
        return at - (at - EPOCH) % self.length


_LENGTHS: Final = {
    FigureResolution.MINUTE: MINUTE,
    FigureResolution.TEN_MINUTES: timedelta(minutes=10),
    FigureResolution.HOUR: timedelta(hours=1),
    FigureResolution.DAY: timedelta(days=1),
}


@dataclass(frozen=True, slots=True)
class FigurePoint:
    """What was recorded of the time from `at` on: samples, one at the end of each minute, which are None where none was taken, and
    counts of all that happened.
    """

    at: datetime
    minutes: int
    """How many minutes of it were recorded."""
    online: float | None
    """On average, as the next three."""
    waiting: float | None
    in_call: float | None
    open_rooms: float | None
    peak_online: int | None
    """At most, as the next three."""
    peak_waiting: int | None
    peak_in_call: int | None
    peak_open_rooms: int | None
    matches: int
    typical_wait_seconds: float | None
    """Of a minute the median of its waits; of several the median of these, each as often as there were matches. None without."""
    reports: int
    dismissals: int
    warnings: int
    suspensions: int
    """Decided by people, as the two before it."""
    holds: int
    """By rules."""
    appeals: int


async def figures(
    uow: UnitOfWork, viewer_id: UUID, since: datetime, until: datetime, resolution: FigureResolution
) -> Sequence[FigurePoint]:
    """The points from the one on in which `since` lies, of minutes that began before `until`: the oldest first, and without those
    of which nothing was recorded.

    Raises `Forbidden` unless the viewer is an operator, and `BadInput` unless `since` is earlier than `until` and `MOST_POINTS` are
    enough.
    """
    await acting(uow, viewer_id)
    if since >= until:
        msg = "`since` comes before `until`, which is now where it is not given."
        raise BadInput(msg)
    first = resolution.begin(since)
    if until - first > MOST_POINTS * resolution.length:
        msg = f"At most {MOST_POINTS} points: ask for less time, or a coarser resolution."
        raise BadInput(msg)
    return await uow.figures.between(first, until, resolution.length)
