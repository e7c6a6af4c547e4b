"""Every view of the client on scripted states, with what tends to break a layout: seen in both sizes and schemes, and by axe."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Final, Protocol

import pytest
from playwright.async_api import Page, Route, expect

from tests.acceptance.server import ROOT
from tests.browser.bundling import PACKAGES
from tests.browser.looking import AXE, Eyes
from tests.node import MISSING
from tests.waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.browser.conftest import NewPage

    Step = Callable[[Page], Awaitable[None]]
    Views = dict[str, tuple[str, Step]]
    """By name: the scripted state, and the way to what is shown of it."""

    class OpenView(Protocol):
        """See `open_view`."""

        async def __call__(self, view: str, page: Page | None = None) -> Page: ...


ORIGIN: Final = "http://127.0.0.1:9"
"""Nobody listens there: the test itself answers."""
HTML: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="light dark"><meta name="parley-explore" content="on"><title>Parley, scripted</title>'
    '<link rel="icon" href="data:,"><link rel="stylesheet" href="/main.css"></head>'
    '<body><div id="root"></div><script type="module" src="/main.js"></script></body></html>'
)


@pytest.fixture(scope="module")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The page of web/test/client/scripted as esbuild bundles it, by path. Skips without its packages."""
    esbuild = PACKAGES / ".bin" / "esbuild"
    if not esbuild.exists() or not AXE.exists():
        pytest.skip(f"{MISSING}, and run `make {PACKAGES.relative_to(ROOT)}/.stamp`")
    folder: Path = tmp_path_factory.mktemp("scripted")
    entry = ROOT / "web" / "test" / "client" / "scripted" / "main.tsx"
    options = ["--bundle", "--format=esm", "--jsx=automatic", f"--outdir={folder}", "--log-level=error"]
    subprocess.run([esbuild, entry, *options], check=True, timeout=DEADLINE)
    return {"/main.js": (folder / "main.js").read_bytes(), "/main.css": (folder / "main.css").read_bytes()}


@pytest.fixture
def open_view(scripted: dict[str, bytes], new_page: NewPage) -> OpenView:
    """Opens a scripted state by its name, in a page that is open already if one is given."""
    kinds = {"/main.js": "text/javascript", "/main.css": "text/css"}

    async def answer(route: Route) -> None:
        path = re.sub(r"^https?://[^/]+|\?.*", "", route.request.url)
        await route.fulfill(body=scripted.get(path, HTML.encode()), content_type=kinds.get(path, "text/html"))

    async def opened(view: str, page: Page | None = None) -> Page:
        if page is None:
            page = await new_page()
            await page.route(f"{ORIGIN}/**", answer)
        await page.goto(f"{ORIGIN}/?view={view}")
        await expect(page.locator("main")).to_be_visible()
        return page

    return opened


def _press(name: str, then: str | None = None) -> Step:
    """Presses a button and then, if named, an item of the menu that it opened."""

    async def step(page: Page) -> None:
        await page.get_by_role("button", name=name, exact=True).first.click()
        if then is not None:
            await page.get_by_role("menuitem", name=then).click()

    return step


async def _leave(_: Page) -> None:
    """Nothing to do: the view as it is."""


LOBBY: Final = {
    "door": ("door", _leave),
    "lobby": ("lobby", _leave),
    "lobby-after": ("lobby-after", _leave),
    "lobby-account": ("lobby", _press("Account of Ada Miller")),
    "lobby-blocked": ("lobby", _press("Account of Ada Miller", "Blocked people")),
    "lobby-create": ("lobby", _press("Create a room")),
    "lobby-suspension": ("lobby-after", _press("Why, and how to appeal")),
    "waiting": ("waiting", _leave),
    "waiting-text": ("waiting-text", _leave),
    "suspended": ("suspended", _leave),
}
CALL: Final = {
    "call": ("call", _leave),
    "call-lost": ("call-lost", _leave),
    "call-screen": ("call-screen", _leave),
    "call-report": ("call", _press("Report or block Mira", "Report…")),
    "call-block": ("call", _press("Report or block Mira", "Block…")),
    "call-devices": ("call", _press("Choose camera and microphone")),
    "voice": ("voice", _leave),
    "text": ("text", _leave),
    "text-safety": ("text", _press("Encrypted")),
}
ROOM: Final = {
    "room-1": ("room-1", _leave),
    "room-16": ("room-16", _leave),
    "room-screen": ("room-screen", _leave),
    "room-people": ("room-4", _press("People and invitation")),
    "room-moderation": ("room-4", _press("What to do about Mira")),
}


@pytest.mark.parametrize("views", [LOBBY, CALL, ROOM], ids=["lobby", "call", "room"])
async def test_no_view_has_a_serious_violation_or_scrolls_sideways(open_view: OpenView, views: Views) -> None:
    """Whoever hears the page, or sees it badly, uses it like everybody else; dialogs and menus as well."""
    page = None
    with Eyes() as eyes:
        for name, (view, step) in views.items():
            page = await open_view(view, page)
            await step(page)
            await eyes.look(page, name, part=step is not _leave)
