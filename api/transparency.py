"""What `python -m api transparency` does: the figures of one month, for a report to the public or to an authority."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.pool import NullPool

from api import migrations
from api.databases import database_beside
from api.reach import database_reached
from domain.safety.appeal import AppealStatus
from domain.safety.case import CaseDecision
from domain.safety.report import ReportStatus
from domain.safety.retention import RECORDS_KEPT
from domain.safety.suspension import ReportCategory
from persistence.database import engine_for
from persistence.oversight import during

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from api.databases import Source
    from api.settings import Settings
    from persistence.oversight import Period

OUTCOMES: Final = (AppealStatus.UPHELD, AppealStatus.OVERTURNED)


@dataclass(frozen=True, slots=True)
class Month:
    """From its first moment on and before that of the next one, in UTC."""

    since: datetime
    until: datetime

    @classmethod
    def of(cls, text: str) -> Month:
        """The month written like `2026-11`. Raises `ValueError`."""
        since = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        return cls(since, (since + timedelta(days=31)).replace(day=1))

    def complete(self, now: datetime) -> bool:
        """Whether it is over, and nothing of it was deleted yet for its age."""
        return self.until <= now and now - self.since <= RECORDS_KEPT


def counted(settings: Settings, month: Month) -> Period:
    """What happened in that month, read beside a server that runs or without one. Raises `Refusal`."""
    with database_beside(settings) as source:
        return asyncio.run(database_reached(_counted(settings, source, month)))


async def _counted(settings: Settings, source: Source, month: Month) -> Period:
    await migrations.migrated(source.direct, ours=settings.database_url is None)
    engine = engine_for(source.dsn, poolclass=NullPool)
    # One snapshot: the figures of a report agree with each other, whatever is decided meanwhile.
    async with engine.execution_options(isolation_level="REPEATABLE READ").connect() as connection:
        return await during(connection, month.since, month.until)


def figures(period: Period, *, complete: bool) -> dict[str, Any]:
    """The figures as JSON has them: counts, and times in seconds, null where there is nothing to count."""
    kinds = [
        {
            "scope": alike.scope,
            "automated": alike.automated,
            "seconds": _seconds(alike.lasts),
            "count": alike.count,
            "lifted": alike.lifted,
        }
        for alike in period.suspensions
    ]
    return {
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
        "complete": complete,
        "reports": {category: _of_category(period, category) for category in ReportCategory},
        "cases": {
            "opened": period.cases_opened,
            "decisions": {decision: period.decisions.get(decision, 0) for decision in CaseDecision},
            "medianSeconds": _seconds(period.deciding.median),
            "ninthDecileSeconds": _seconds(period.deciding.slowest_tenth),
        },
        "suspensions": kinds,
        "automated": {"holds": period.holds, "dropped": period.holds_dropped},
        "appeals": {
            "received": period.appeals,
            "decisions": {outcome: period.outcomes.get(outcome, 0) for outcome in OUTCOMES},
            "medianSeconds": _seconds(period.appealing.median),
            "ninthDecileSeconds": _seconds(period.appealing.slowest_tenth),
        },
    }


def _of_category(period: Period, category: str) -> dict[str, int]:
    alike = [reported for reported in period.reports if reported.category == category]
    statuses = {status: sum(found.count for found in alike if found.status == status) for status in ReportStatus}
    return {
        "received": sum(statuses.values()),
        "verified": sum(found.count for found in alike if found.verified),
        "undecided": statuses[ReportStatus.RECEIVED],
        "upheld": statuses[ReportStatus.UPHELD],
        "dismissed": statuses[ReportStatus.DISMISSED],
    }


def _seconds(time: timedelta | None) -> int | None:
    return None if time is None else round(time.total_seconds())


def told(found: dict[str, Any]) -> str:
    """The same for people: tables with aligned columns."""
    return "\n\n".join("\n".join(_aligned(table)) for table in _tables(found))


def _tables(found: dict[str, Any]) -> Iterator[list[tuple[str, ...]]]:
    yield [("from", found["since"]), ("before", found["until"]), ("complete", "yes" if found["complete"] else "no")]
    reports = found["reports"]
    columns = tuple(next(iter(reports.values())))
    totals = tuple(str(sum(of[column] for of in reports.values())) for column in columns)
    yield [
        ("reports", *columns),
        *((category, *(str(of[column]) for column in columns)) for category, of in reports.items()),
        ("all", *totals),
    ]
    cases, automated, appeals = found["cases"], found["automated"], found["appeals"]
    yield [
        ("cases opened", str(cases["opened"])),
        *((f"decided {decision}", str(count)) for decision, count in cases["decisions"].items()),
        *_times(cases),
    ]
    yield [
        ("suspensions", "by", "for", "count", "lifted"),
        *(
            (
                kind["scope"],
                "rule" if kind["automated"] else "person",
                "good" if kind["seconds"] is None else _spoken(kind["seconds"]),
                str(kind["count"]),
                str(kind["lifted"]),
            )
            for kind in found["suspensions"]
        ),
    ]
    yield [("holds by a rule", str(automated["holds"])), ("of these dropped", str(automated["dropped"]))]
    yield [
        ("appeals received", str(appeals["received"])),
        *((f"decided {outcome}", str(count)) for outcome, count in appeals["decisions"].items()),
        *_times(appeals),
    ]


def _times(of: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, key in (("median time", "medianSeconds"), ("nine of ten within", "ninthDecileSeconds")):
        yield name, "-" if of[key] is None else _spoken(of[key])


def _spoken(seconds: int) -> str:
    """In the largest unit that divides it."""
    unit, size = next(
        (unit, size) for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)) if not seconds % size
    )
    return f"{seconds // size} {unit}"


def _aligned(table: list[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for first, *cells in table:
        padded = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *padded))
