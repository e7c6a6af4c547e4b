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
    """One measurement; `beside` is the same measurement of what was run beside it, None if there is nothing to compare with."""

    name: str
    value: float | None
    unit: str
    beside: float | None = None
    note: str = ""

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
    """One line a figure: what, how much, what ran beside it, the ratio, and what to know about it."""
    rows = [("", "measured", "beside it", "ratio", "")]
    rows += [(f.name, _shown(f.value, f.unit), _shown(f.beside, f.unit), _shown(f.ratio, ""), f.note) for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in (1, 2, 3)), row[4]]).rstrip()
        for row in rows
    )


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
