"""What a core relays on every server, as bars: an SVG that reads on light and on dark pages, and needs nothing beside itself."""

from __future__ import annotations

import time
from html import escape
from typing import TYPE_CHECKING, Final

from bench.peers.running import PARLEY

if TYPE_CHECKING:
    from bench.report import Figure

PER_CORE: Final = "per core-second, "
"""What the names of the figures begin with that are drawn; the rest is the group."""
WIDTH: Final = 820
BARS_FROM: Final = 270
BARS_TO: Final = 730
ROW: Final = 26
BAR: Final = 16
STYLE: Final = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .title { font-weight: 600; font-size: 14px } .note { font-size: 11px; fill: #59636e } .ours { font-weight: 700 }
  rect { fill: #afb8c1 } rect.ours { fill: #0969da } rect.page { fill: #ffffff; stroke: #d1d9e0 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 } rect { fill: #484f58 } rect.ours { fill: #4493f8 }
    rect.page { fill: #0d1117; stroke: #3d444d }
  }
"""


def picture(where: dict[str, str], figures: list[Figure]) -> str:
    """Draws them, the fastest first in each group. Raises `ValueError` when there is nothing to draw."""
    drawn = [figure for figure in figures if figure.subject and figure.name.startswith(PER_CORE) and figure.value]
    if not drawn:
        raise ValueError("there are no rates to draw: `peers` was not measured")
    parts, y = [], 8
    for group in dict.fromkeys(figure.name for figure in drawn):
        y += 22
        title = f"Signals of {group.removeprefix(PER_CORE)}, relayed per second of one core's time"
        parts.append(_text(12, y, title, "title"))
        y += 10
        bars = [(figure.subject, figure.beside or figure.value or 0.0) for figure in drawn if figure.name == group]
        most = max(value for _, value in bars)
        for name, value in sorted(bars, key=lambda bar: -bar[1]):
            parts.append(_bar(y, name, value, most))
            y += ROW
    day = time.strftime("%d %B %Y", time.gmtime()).lstrip("0")
    load = f"load average before {where['load average before']}"
    for note in (f"{where['machine']}, {load}. {where['python']}. {day}.", *_said()):
        y += 16
        parts.append(_text(12, y, note, "note"))
    height = y + 12
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">\n'
        f"<title>Signals relayed per second by Parley and by others</title>\n<style>{STYLE}</style>\n"
        f'<rect class="page" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="6"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _said() -> tuple[str, str]:
    return (
        "50 pairs, each side with one signal under way; the same client for all, in turns (make bench ARGS=peers).",
        "The Starlette relay passes bare text on and Socket.IO has no GraphQL: they show what frames alone cost.",
    )


def _bar(y: int, name: str, value: float, most: float) -> str:
    ours = "ours" if name == PARLEY else ""
    width = max(1.0, (BARS_TO - BARS_FROM) * value / most)
    return "\n".join(
        [
            _text(BARS_FROM - 10, y + 13, name, ours, anchor="end"),
            f'<rect x="{BARS_FROM}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2" class="{ours}"/>',
            _text(BARS_FROM + width + 8, y + 13, f"{value:,.0f}", ours),
        ]
    )


def _text(x: float, y: float, text: str, kind: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
