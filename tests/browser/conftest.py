"""A real Chromium, a real server per module, and pages whose every fault is one of the test.

All tests of this folder run in one event loop for the whole session, because the browser belongs to a loop and takes half a second
to start. So an async fixture of your own says `@pytest_asyncio.fixture(loop_scope="session")`; one that is not async needs nothing.

    async def test_a_stranger_sees_where_they_are(server: Server, pages: Path, new_page: NewPage) -> None:
        page = await new_page(server.url, size=NARROW, scheme="dark")
        await expect(page.get_by_role("heading", name="Parley")).to_be_visible()

Camera and microphone are there, granted, and move and beep. A module's server has the settings of the module's `SETTINGS`.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, ViewportSize, async_playwright, expect

from tests.acceptance.server import ROOT, Server
from tests.waiting import DEADLINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from playwright.async_api import Browser, ConsoleMessage, Request, WebSocket

    from tests.conftest import LivedIn

DIST: Final = ROOT / "web" / "dist"
SCREENS: Final = ROOT / "build" / "screens"
"""Where pictures go: `await page.screenshot(path=SCREENS / "name.png")`."""
WIDE: Final = ViewportSize(width=1280, height=800)
NARROW: Final = ViewportSize(width=390, height=844)
"""A phone's."""
FLAGS: Final = (
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",  # nobody is there to say yes; a test of a "no" overrides getUserMedia
    # Names that hide local addresses are resolved by multicast, which a sandbox may not have.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)

Scheme = Literal["light", "dark"]


class NewPage(Protocol):
    """Opens `url` in a new browser context: somebody else at another computer. With `beside` it is another tab of that page.

    At the end of the test every page has to have been without fault: no uncaught exception, no error in the console (a violation of
    the Content-Security-Policy is one), and no request to a second origin. `forgiving` is a pattern of errors that the test brings
    about: Chromium tells of every failed request and WebSocket, so a test that stops the server forgives `r"net::ERR_|WebSocket"`.
    Without `url` nothing is opened: for whoever first sets routes, or scripts that run before the page's own.
    """

    async def __call__(
        self,
        url: str | None = None,
        *,
        beside: Page | None = None,
        size: ViewportSize = WIDE,
        scheme: Scheme = "light",
        forgiving: str | None = None,
    ) -> Page: ...


@dataclass  # without slots: Playwright hangs its own marks on the object of a bound handler
class Watch:
    """What one page did that it should not."""

    forgiving: str | None
    faults: list[str] = field(default_factory=list)
    origins: set[str] = field(default_factory=set)

    def follow(self, page: Page) -> None:
        """From now on, also across navigations."""
        page.on("console", self._printed)
        page.on("pageerror", lambda error: self._note(f"uncaught: {error.stack or error}"))
        page.on("crash", lambda _: self._note("the page crashed"))
        page.on("request", self._asked)
        page.on("websocket", self._connected)

    def check(self) -> None:
        """Raises `AssertionError` with all of it."""
        assert not self.faults, "\n".join(self.faults)
        assert len(self.origins) <= 1, f"requests left the origin: {sorted(self.origins)}"

    def _printed(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"console: {message.text} ({message.location.get('url', '')})")

    def _note(self, fault: str) -> None:
        if self.forgiving is None or not re.search(self.forgiving, fault):
            self.faults.append(fault)

    def _asked(self, request: Request) -> None:
        self._visited(request.url)

    def _connected(self, socket: WebSocket) -> None:
        self._visited(socket.url)

    def _visited(self, url: str) -> None:
        scheme, host, *_ = urlsplit(url)
        if host:  # blob: and data: stay inside
            self.origins.add(f"{scheme.replace('ws', 'http')}://{host}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One loop for the tests of this folder, before pytest-asyncio gives each its own."""
    for item in items:
        if "tests/browser/" in item.nodeid and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """Chromium, headless, one for all tests of the process; `new_page` gives each test contexts of its own. Skips without it."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("install Chromium: apt-get install -y chromium")
    expect.set_options(timeout=1000 * DEADLINE)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=FLAGS, timeout=1000 * DEADLINE)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def pages() -> Path:
    """The folder of the pages as the server serves them, built. Skips without: `make test` builds them where Node is."""
    if not (DIST / "index.html").exists():
        pytest.skip("the pages are not built: install Node 20.19 or newer with npm, and run `make web/dist/.stamp`")
    return DIST


@pytest.fixture(scope="module")
def server(
    lived_in: LivedIn, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The module's server, a process of its own with the module's `SETTINGS`. It may be stopped and started again by a test."""
    folder = tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2])
    with Server(lived_in(folder / "parley"), **getattr(request.module, "SETTINGS", {})) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def new_page(chromium: Browser) -> AsyncIterator[NewPage]:
    """See `NewPage`. What was opened is closed, and then checked."""
    contexts: list[BrowserContext] = []
    watches: list[Watch] = []

    async def opened(
        url: str | None = None,
        *,
        beside: Page | None = None,
        size: ViewportSize = WIDE,
        scheme: Scheme = "light",
        forgiving: str | None = None,
    ) -> Page:
        if beside is None:
            context = await chromium.new_context(
                viewport=size, color_scheme=scheme, reduced_motion="reduce", permissions=["camera", "microphone"]
            )
            context.set_default_timeout(1000 * DEADLINE)
            contexts.append(context)
        else:
            context = beside.context
        page = await context.new_page()
        watch = Watch(forgiving)
        watches.append(watch)
        watch.follow(page)
        if url is not None:
            await page.goto(url)
        return page

    yield opened
    async with asyncio.timeout(DEADLINE):
        for context in contexts:
            await context.close()
    for watch in watches:
        watch.check()
