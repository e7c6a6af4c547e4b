"""Figures as people and programs read them."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

LIBRARIES = (
    "uvicorn",
    "starlette",
    "strawberry-graphql",
    "graphql-core",
    "uvloop",
    "websockets",
    "orjson",
    "sqlalchemy",
    "asyncpg",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement; `beside` is the same measurement of what was run beside it, None if there is nothing to compare with.

    `subject` is what was run beside it, where that is several: then there is a table for each case, which is what stands after a
    comma in the name, with a line for each subject and a column for the rest of the name.
    """

    name: str
    value: float | None
    unit: str
    beside: float | None = None
    note: str = ""
    subject: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times what was run beside it."""
        return self.value / self.beside if self.value is not None and self.beside else None


def machine() -> dict[str, str]:
    """Where the figures hold."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")),
        platform.processor(),
    )
    load = "/".join(f"{value:.1f}" for value in os.getloadavg())
    return {
        "machine": f"{os.cpu_count()} cores, {model or platform.machine()}, {platform.system()} {platform.release()}",
        "load average before": load,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def table(figures: list[Figure]) -> str:
    """One line a figure: what, how much, what ran beside it, the ratio, and what to know about it. Before these, where several
    subjects were compared, one line a subject: what it did, and how many times that we did.
    """
    plain = [figure for figure in figures if not figure.subject]
    rows: list[tuple[str, ...]] = [("", "measured", "beside it", "ratio", "")]
    rows += [(f.name, _shown(f.value, f.unit), _shown(f.beside, f.unit), _shown(f.ratio, ""), f.note) for f in plain]
    grid = _grid([figure for figure in figures if figure.subject])
    return "\n".join([*grid, *(_aligned(rows) if plain else [])])


def size(length: int) -> str:
    """So many bytes, for people."""
    return f"{length} B" if length < 1024 else f"{length // 1024} KiB"


def _grid(figures: list[Figure]) -> list[str]:
    """A table for all names that end in the same case, after a comma."""
    lines = []
    for case in dict.fromkeys(_case(figure) for figure in figures):
        within = [figure for figure in figures if _case(figure) == case]
        columns = {figure.name: f"{_what(figure)} {figure.unit}".strip() for figure in within}
        rows = [(case, *columns.values(), "")]
        for subject in dict.fromkeys(figure.subject for figure in within):
            cells = {figure.name: figure for figure in within if figure.subject == subject}
            notes = "; ".join(figure.note for figure in cells.values() if figure.note)
            rows.append((subject, *(_cell(cells.get(name)) for name in columns), notes))
        lines += [*_aligned(rows), ""]
    return [*lines, "(in brackets: our figure divided by theirs)", ""] if lines else []


def _case(figure: Figure) -> str:
    return figure.name.partition(", ")[2]


def _what(figure: Figure) -> str:
    return figure.name.partition(", ")[0]


def _cell(figure: Figure | None) -> str:
    if figure is None or figure.value is None:
        return "-"
    shown = figure.value if figure.beside is None else figure.beside
    return _shown(shown, "") + ("" if figure.ratio is None else f" ({figure.ratio:.2f})")


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """In columns: the first flush left, numbers flush right, what there is to say at the end."""
    last = len(rows[0]) - 1
    widths = [max(len(row[column]) for row in rows) for column in range(last)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in range(1, last)), row[last]]).rstrip()
        for row in rows
    ]


def as_json(where: dict[str, str], figures: list[Figure]) -> dict[str, Any]:
    """The same for programs."""
    return {"where": where, "figures": [{**asdict(figure), "ratio": figure.ratio} for figure in figures]}


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f} {unit}".strip()


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []
