"""The figures over time, for the operators' plots."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain import figures
from schema.cases import OPERATORS_ONLY
from schema.context import Info
from schema.enums import FigureResolution
from schema.inputs import given

SAMPLES = "Null where no sample was taken."


@strawberry.type(
    description=(
        "The figures of the service from `at` on, for as long as the resolution says. Who and what is there is sampled at the end "
        "of each minute, and not afterwards for one that was missed; what happens is counted."
    )
)
class FigurePoint:
    """See `domain.figures.FigurePoint`."""

    at: datetime = strawberry.field(description="When it begins: at a multiple of the resolution, in UTC.")
    minutes: int = strawberry.field(
        description=(
            "How many minutes of it were recorded: divide a count by it for a rate. Not all were if the service was down, or while "
            "it goes on."
        )
    )
    online: float | None = strawberry.field(description=f"Users with a live connection, on average. {SAMPLES}")
    waiting: float | None = strawberry.field(description=f"Users in the queue, on average. {SAMPLES}")
    in_call: float | None = strawberry.field(description=f"Users with a seat in an open room, on average. {SAMPLES}")
    open_rooms: float | None = strawberry.field(description=f"Rooms that were open, on average. {SAMPLES}")
    peak_online: int | None = strawberry.field(description=f"Users with a live connection, at most. {SAMPLES}")
    peak_waiting: int | None = strawberry.field(description=f"Users in the queue, at most. {SAMPLES}")
    peak_in_call: int | None = strawberry.field(description=f"Users with a seat in an open room, at most. {SAMPLES}")
    peak_open_rooms: int | None = strawberry.field(description=f"Rooms that were open, at most. {SAMPLES}")
    matches: int = strawberry.field(description="Matches made.")
    typical_wait_seconds: float | None = strawberry.field(
        description=(
            "Median seconds from joining the queue to the match; over more than a minute the median of its minutes' medians, each "
            "as often as there were matches in it. Null without a match."
        )
    )
    reports: int = strawberry.field(description="Reports received.")
    dismissals: int = strawberry.field(description="Cases decided with DISMISS.")
    warnings: int = strawberry.field(description="Cases decided with WARN.")
    suspensions: int = strawberry.field(description="Cases decided with SUSPEND.")
    holds: int = strawberry.field(description="Users whom a rule kept out of matching.")
    appeals: int = strawberry.field(description="Appeals received.")

    @classmethod
    def of(cls, point: figures.FigurePoint) -> FigurePoint:
        """The API's form of a point."""
        return cls(
            at=point.at,
            minutes=point.minutes,
            online=point.online,
            waiting=point.waiting,
            in_call=point.in_call,
            open_rooms=point.open_rooms,
            peak_online=point.peak_online,
            peak_waiting=point.peak_waiting,
            peak_in_call=point.peak_in_call,
            peak_open_rooms=point.peak_open_rooms,
            matches=point.matches,
            typical_wait_seconds=point.typical_wait_seconds,
            reports=point.reports,
            dismissals=point.dismissals,
            warnings=point.warnings,
            suspensions=point.suspensions,
            holds=point.holds,
            appeals=point.appeals,
        )


@strawberry.type
class FiguresQuery:
    """`figures`."""

    @strawberry.field(
        description=(
            f"{OPERATORS_ONLY} The figures of the service over time, the oldest point first; one of which nothing was recorded is "
            f"missing. Kept for {figures.FIGURES_KEPT.days} days. BAD_USER_INPUT for more than {figures.MOST_POINTS} points; the "
            "cost of an operation counts so many."
        )
    )
    async def figures(
        self,
        info: Info,
        since: Annotated[
            datetime,
            strawberry.argument(description="From the point on in which this time lies; earlier than `until`."),
        ],
        until: Annotated[
            datetime | None,
            strawberry.argument(description="Minutes that began before this time; by default now."),
        ] = strawberry.UNSET,
        resolution: Annotated[
            FigureResolution, strawberry.argument(description="How much time one point sums up.")
        ] = FigureResolution.MINUTE,
    ) -> list[FigurePoint]:
        services, viewer = info.context.services, info.context.viewer
        end = given(until) or services.clock()
        points = await services.read(lambda uow: figures.figures(uow, viewer.user_id, since, end, resolution))
        return [FigurePoint.of(point) for point in points]
