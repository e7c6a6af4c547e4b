"""What the pages weigh, and whom they could ask: measured at the files that are served."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import pytest

from api import web

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ASSET: Final = re.compile(r"[\w.-]+-[\w-]{8}\.(?:js|css)(?=[\"'`])")
"""As scripts and pages name one: an import, a preload, a stylesheet."""
ADDRESS: Final = re.compile(r"\b(?:https?|wss?)://([\w.-]+)")
LIMIT: Final = 150_000
"""Bytes, compressed, until one is in a call."""
NAMED: Final = {
    "www.w3.org": "namespaces of SVG, MathML and XLink",
    "react.dev": "where React's errors are explained",
    "json-schema.org": "names of the drafts that Monaco's editor of JSON knows",
    "code.visualstudio.com": "links in messages of Monaco",
    "microsoft.com": "a link in a message of Monaco",
    "github.com": "links in messages of Monaco and GraphiQL",
    "commonmark.org": "comments and messages of Prettier and markdown-it",
    "en.wikipedia.org": "comments of markdown-it",
    "prettier.io": "a link in a message of Prettier",
    "yarnpkg.com": "a link in a message of Prettier",
}
"""Who is named in the files without being asked, and what for. A new name is looked at before it is added."""
built = pytest.mark.skipif(not web.built(), reason="the pages are not built: install Node 20.19 or newer with npm")


def needed(page: Path) -> set[Path]:
    """The files that a page loads at once or later: whatever it names, and whatever these name."""
    assets = web.DIST / "assets"
    found: set[Path] = set()
    waiting = [page]
    while waiting:
        for name in ASSET.findall(waiting.pop().read_text()):
            path = assets / name
            if path.is_file() and path not in found:
                found.add(path)
                waiting.append(path)
    return found


def weight(files: set[Path], suffix: str) -> int:
    """Bytes in one of the forms in which they are served; a file that gets no smaller goes out as it is."""
    forms = [(path.with_name(path.name + suffix), path) for path in files]
    return sum((form if form.is_file() else path).stat().st_size for form, path in forms)


@built
def test_a_call_costs_less_than_150_kb(record_property: Callable[[str, object], None]) -> None:
    """On a slow phone each 100 kB is a second. In Brotli, which every browser takes over TLS and from this machine; with gzip, for
    whoever takes only that, it is a sixth more.
    """
    files = needed(web.DIST / "index.html")
    brotli, gzip = weight(files, ".br"), weight(files, ".gz")
    record_property("brotli", brotli)
    record_property("gzip", gzip)
    told = f"{brotli} bytes in Brotli, {gzip} in gzip: {sorted(path.name for path in files)}"
    assert {path.suffix for path in files} == {".js", ".css"}, told
    assert brotli < LIMIT, told
    assert gzip < 1.2 * LIMIT, told
    assert not any("monaco" in path.name or "graphiql" in path.name for path in files), told


@built
def test_the_pages_name_nobody_whom_they_would_ask() -> None:
    """The policy would forbid it and the browser tests would see it; but neither sees a file that no test opens."""
    found = {
        host
        for path in web.DIST.rglob("*")
        if path.suffix in {".html", ".js", ".css", ".svg"}
        for host in ADDRESS.findall(path.read_text())
    }
    assert found <= NAMED.keys()
