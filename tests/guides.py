"""What the guides show: the code of their fences, and the GraphQL documents in it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.acceptance.server import ROOT

CLIENTS = [ROOT / "docs" / "CLIENTS.md", *sorted((ROOT / "docs" / "clients").glob("*.md"))]
"""The pages for whoever writes a client."""
PAGES = sorted({*(ROOT / "docs").glob("*.md"), *CLIENTS})


def fences(page: Path, language: str) -> list[str]:
    """The code between the fences of that language, in the page's order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


def modules() -> dict[str, str]:
    """The JavaScript modules that the clients' pages show, by the name in the first line of each."""
    shown = {}
    for page in CLIENTS:
        for code in fences(page, "js"):
            name = re.match(r"// (\w+\.js)\n", code)
            assert name, f"{page.name} shows a module without a name:\n{code}"
            assert name[1] not in shown, f"{name[1]} is shown twice"
            shown[name[1]] = code
    return shown


def documents(page: Path) -> list[str]:
    """The GraphQL documents that the page shows, in whatever language. A blank line parts two of one fence."""
    shown = [document for block in fences(page, "graphql") for document in block.split("\n\n")]
    for code in [*fences(page, "js"), *fences(page, "ts")]:
        shown += re.findall(r"/\* GraphQL \*/ `([^`]*)`", code)
    for code in fences(page, "python"):
        shown += re.findall(r'^[A-Z_]+ = """(.*?)"""', code, re.DOTALL | re.MULTILINE)
    return shown
