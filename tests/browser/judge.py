"""Somebody at the operators' console: does and sees everything by roles, labels and words."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final, Self

from playwright.async_api import Locator, Page, expect

if TYPE_CHECKING:
    from tests.acceptance.server import Server
    from tests.browser.conftest import NewPage

DISCLOSED: Final = "Proved: sent by {}"


class Judge:
    """A page of the console, and who sits before it. Everything is waited for."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name

    @classmethod
    async def arrive(cls, new_page: NewPage, server: Server, name: str, role: str) -> Self:
        """Is made an operator at the command line, beside the running server, and signs in with the token that it prints."""
        token = (await asyncio.to_thread(server.command, "operator", "add", name, "--role", role)).strip()
        judge = cls(await new_page(f"{server.url}/console"), name)
        await judge.page.get_by_label("Operator token").fill(token)
        await judge.press("Sign in")
        await expect(judge.page.get_by_role("button", name=f"Signed in as {name} {role}")).to_be_visible()
        return judge

    async def press(self, name: str | re.Pattern[str], within: Locator | None = None) -> None:
        """A button, by its words."""
        await (within or self.page).get_by_role("button", name=name, exact=isinstance(name, str)).click()

    async def goes_to(self, view: str) -> None:
        """One of the views in the bar."""
        await self.page.get_by_role("navigation", name="Views").get_by_role("link", name=re.compile(f"^{view}")).click()
        await expect(self.page.get_by_role("heading", level=1, name=view)).to_be_visible()

    async def opens(self, subject: str) -> None:
        """The case about somebody, from the list that is shown, where it comes by itself."""
        await self.page.get_by_role("listitem").get_by_role("link", name=subject).click()
        await expect(self.page.get_by_role("heading", level=2, name=subject)).to_be_visible()

    async def reads(self, text: str, of: str) -> None:
        """A proved message of somebody, after asking for the evidence and uncovering it."""
        await self.press("Look at the evidence")
        shown = self.page.get_by_role("listitem").filter(has_text=DISCLOSED.format(of)).last
        await self.press("Show message", shown)
        await expect(shown.get_by_text(text, exact=True)).to_be_visible()

    async def suspends(self, subject: str, reason: str) -> None:
        """From everything, for as long as the ladder has it."""
        await self.page.get_by_role("radio", name=re.compile("^Suspend")).check()
        await self.page.get_by_label("Statement of reasons").fill(reason)
        await self.press(re.compile(f"^Suspend {subject} from everything"))
        await self.press("Suspend", self.page.get_by_role("dialog"))

    async def overturns(self, reason: str) -> None:
        """The appeal of the case that is open."""
        await self.page.get_by_label("Your reasons").fill(reason)
        await self.press(re.compile("^Overturn"))
        await expect(self.page.get_by_role("heading", name="Appeal granted")).to_be_visible()
