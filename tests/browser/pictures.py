"""Makes the pictures of the README anew: `make pictures`. Everything in them happens, but for who is before the cameras (they are
drawn) and the figures of the day that the dashboard plots.
"""

from __future__ import annotations

import asyncio
import base64
import re
import shutil
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import asyncpg
from playwright.async_api import Page, async_playwright, expect

from tests.acceptance.server import ROOT, Server
from tests.browser.conftest import FLAGS, NARROW, WIDE, Scheme
from tests.browser.judge import Judge
from tests.browser.person import Person
from tests.browser.portraits import JONAS, MIRA, Portrait, film
from tests.waiting import DEADLINE

if TYPE_CHECKING:
    from playwright.async_api import Browser, Playwright, ViewportSize

PICTURES: Final = ROOT / "docs" / "pictures"
LARGEST: Final = 80_000
"""Bytes of a picture: the README is read on telephones too."""
TALK: Final = (
    ("Mira", "Hi! Where does the evening find you?"),
    ("Jonas", "In Lisbon, on a balcony, with bad coffee."),
    ("Mira", "The best place for bad coffee. You wrote “music”?"),
    ("Jonas", "Piano, since I was six. Mostly Satie, because he is slow."),
    ("Mira", "Then we have met. I play the cello, badly."),
)
REPORTED: Final = (
    ("Grim", "Nobody asked you. Go away and cry.", "Harassment"),
    ("xX_Trader_Xx", "Send me 50 coins today and get 500 back tomorrow. I promise.", "Spam or fraud"),
)
"""Who is reported, for what, as what."""
DAY: Final = """
INSERT INTO minute_figures (minute, online, waiting, in_call, open_rooms, matches, median_wait_seconds, reports, dismissals,
  warnings, suspensions, holds, appeals)
SELECT minute, online, (online * (0.05 + 0.02 * random()))::int, (online * (0.62 + 0.03 * sin(at * 0.03)))::int,
  (online * 0.3)::int, (online * (0.06 + 0.02 * random()))::int, 2400.0 / (online + 350) + random(),
  (random() < online / 5200.0)::int, (random() < 0.02)::int, (random() < 0.025)::int, (random() < 0.015)::int,
  (random() < 0.012)::int, (random() < 0.006)::int
FROM (SELECT minute, at,
        (520 + 380 * sin((at - 840) / 1440 * 2 * pi()) + 45 * sin(at / 47) + 14 * random())::int AS online
      FROM (SELECT minute, extract(epoch FROM minute)::float / 60 - floor(extract(epoch FROM minute)::float / 86400) * 1440 AS at
            FROM generate_series(date_trunc('minute', now()) - interval '1 day', now(), '1 minute') AS minute) AS minutes) AS day
ON CONFLICT (minute) DO UPDATE SET online = excluded.online, waiting = excluded.waiting, in_call = excluded.in_call,
  matches = excluded.matches
"""
"""An invented day: quiet in the morning, busy in the evening, when waits are short."""


class Studio:
    """Browsers with people before their cameras, and where the pictures go."""

    def __init__(self, playwright: Playwright, stack: AsyncExitStack, folder: Path) -> None:
        self._playwright = playwright
        self._stack = stack
        self._folder = folder
        self._program = shutil.which("chromium")

    async def plain(self, *options: str) -> Browser:
        """A browser with these options besides the usual ones."""
        browser = await self._playwright.chromium.launch(executable_path=self._program, args=[*FLAGS, *options])
        self._stack.push_async_callback(browser.close)
        return browser

    async def before(self, portrait: Portrait, name: str, drawing: Browser) -> Browser:
        """A browser whose camera sees that portrait."""
        path = self._folder / f"{name}.mjpeg"
        await film(drawing, portrait, path)
        return await self.plain(f"--use-file-for-fake-video-capture={path}")


async def opened(
    browser: Browser, url: str, *, size: ViewportSize = WIDE, scheme: Scheme = "light", sharp: float = 1
) -> Page:
    """A page of somebody's own. `sharp` is the number of pixels to one of the layout."""
    context = await browser.new_context(
        viewport=size,
        color_scheme=scheme,
        device_scale_factor=sharp,
        locale="en-GB",
        permissions=["camera", "microphone"],
        reduced_motion="reduce",
    )
    context.set_default_timeout(1000 * DEADLINE)
    page = await context.new_page()
    await page.goto(url)
    return page


async def arrived(
    browser: Browser, url: str, name: str, *, size: ViewportSize = WIDE, scheme: Scheme = "light", sharp: float = 1
) -> Person:
    """Somebody in the lobby."""
    person = Person(await opened(browser, url, size=size, scheme=scheme, sharp=sharp), name)
    await person.page.get_by_label("What shall people call you?").fill(name)
    await person.press("Come in")
    await expect(person.page.get_by_role("heading", level=1, name="Who would you like to meet?")).to_be_visible()
    return person


async def likes(person: Person, *interests: str) -> None:
    """Says what to talk about."""
    field = person.page.get_by_label("What would you like to talk about?")
    for interest in interests:
        await field.fill(interest)
        await field.press("Enter")


async def keep(page: Page, name: str) -> None:
    """Writes docs/pictures/NAME.webp. Raises `AssertionError` if it is larger than a picture may be."""
    await page.mouse.move(0, 0)  # nothing is hovered over
    drawn = base64.b64encode(await page.screenshot()).decode()
    blank = await page.context.new_page()
    coded = await blank.evaluate(
        """async (png) => {
          const bitmap = await createImageBitmap(await (await fetch(`data:image/png;base64,${png}`)).blob());
          const canvas = Object.assign(document.createElement('canvas'), { width: bitmap.width, height: bitmap.height });
          canvas.getContext('2d').drawImage(bitmap, 0, 0);
          return canvas.toDataURL('image/webp', 0.84).split(',')[1];
        }""",
        drawn,
    )
    await blank.close()
    picture = base64.b64decode(coded)
    assert len(picture) < LARGEST, f"{name} has {len(picture)} bytes"
    await asyncio.to_thread((PICTURES / f"{name}.webp").write_bytes, picture)
    print(f"{name}.webp: {len(picture)} bytes")  # noqa: T201  # for whoever typed the command


async def call(mira: Browser, jonas: Browser, url: str) -> None:
    """The lobby, the wait and the call."""
    one = await arrived(mira, url, "Mira", size=NARROW, scheme="dark", sharp=1.5)
    await likes(one, "music", "chess")
    await one.press("Look at yourself first")
    await one.sees("Your camera")
    await one.page.evaluate("scrollTo(0, 0)")
    await keep(one.page, "lobby")
    await one.meet()
    await one.waits()
    await keep(one.page, "waiting")
    two = await arrived(jonas, url, "Jonas")
    await likes(two, "music")
    await two.meet()
    people = {"Mira": one, "Jonas": two}
    await two.talks_with("Mira")
    await one.talks_with("Jonas")
    await one.press("Chat")
    for who, text in TALK:
        await people[who].say(text)
        for person in people.values():
            await person.reads(text)
    await two.sees("Mira")
    await keep(two.page, "call")
    await two.press("Hang up")
    await expect(one.page.get_by_role("heading", level=1, name="Who is next?")).to_be_visible()


async def judged(browser: Browser, server: Server) -> None:
    """The console: a case with proof, and the figures of a day."""
    reporter = await arrived(browser, server.url, "Yuki")
    for name, text, category in REPORTED:
        other = await arrived(browser, server.url, name)
        for person in (reporter, other):
            await person.meet("Text")
        await reporter.talks_with(name)
        await other.say(text)
        await reporter.reads(text)
        await reporter.press(f"Report or block {name}")
        await reporter.page.get_by_role("menuitem", name="Report…").click()
        form = reporter.page.get_by_role("dialog", name=f"Report {name}")
        await form.get_by_role("radio", name=re.compile(f"^{category}")).check()
        await form.get_by_role("checkbox", name=text).check()
        await reporter.press("Send the report", form)
        await reporter.press("Block", reporter.page.get_by_role("dialog", name="Thank you"))
        await other.page.context.close()

    async def page(url: str | None = None, **_: object) -> Page:
        assert url is not None
        return await opened(browser, url)

    judge = await Judge.arrive(page, server, "Olive", "admin")
    await judge.opens("xX_Trader_Xx")
    await judge.press("Claim for 15 minutes")
    await judge.reads(REPORTED[-1][1], of="xX_Trader_Xx")
    await judge.page.get_by_role("heading", level=2, name="xX_Trader_Xx").scroll_into_view_if_needed()
    await keep(judge.page, "console")
    database = await asyncpg.connect(server.dsn)
    await database.execute(DAY)
    await database.close()
    await judge.goes_to("Dashboard")
    await judge.page.get_by_role("link", name="24 h").click()
    await expect(
        judge.page.get_by_role("img", name=re.compile("People"))
        .or_(judge.page.get_by_role("heading", name="People"))
        .first
    ).to_be_visible()
    await keep(judge.page, "dashboard")


async def graphiql(browser: Browser, url: str) -> None:
    """An operation that was run at the first click."""
    page = await opened(browser, f"{url}/graphiql", scheme="dark")
    await expect(page.get_by_role("tab")).to_have_count(7)
    await page.get_by_role("button", name="Execute query").click()
    await expect(page.locator(".result-window")).to_contain_text('"matchesLastHour"')
    await keep(page, "graphiql")


async def main() -> None:
    """All of them, in half a minute."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=1000 * DEADLINE)
    with TemporaryDirectory() as name, Server(Path(name) / "parley", ice_urls="stun:127.0.0.1:9") as server:
        async with AsyncExitStack() as stack:
            studio = Studio(await stack.enter_async_context(async_playwright()), stack, Path(name))
            browser = await studio.plain()
            mira, jonas = [
                await studio.before(portrait, who, browser) for portrait, who in ((MIRA, "mira"), (JONAS, "jonas"))
            ]
            await call(mira, jonas, server.url)
            await judged(browser, server)
            await graphiql(browser, server.url)


if __name__ == "__main__":
    asyncio.run(main())
