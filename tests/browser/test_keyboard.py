"""The client without a mouse: from the door into a call and back, by the keys alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import Page, expect

from tests.browser.person import SMALL, Person

if TYPE_CHECKING:
    from tests.acceptance.server import Server
    from tests.browser.conftest import NewPage

SETTINGS = {"ice_urls": "stun:127.0.0.1:9"}  # nothing leaves the machine
pytestmark = pytest.mark.usefixtures("pages")
FOCUSED = """() => {
  const { activeElement: at } = document;
  return at.getAttribute('aria-label') ?? at.labels?.[0]?.textContent ?? at.textContent;
}"""


async def tab_to(page: Page, name: str) -> None:
    """Presses Tab until the thing of that name has the focus. Raises `AssertionError` when the whole page was walked through."""
    passed = []
    for _ in range(40):
        await page.keyboard.press("Tab")
        focused = (await page.evaluate(FOCUSED) or "").strip()
        if focused.startswith(name):
            return
        passed.append(focused)
    raise AssertionError(f"{name} was not reached, only {passed}")


async def test_a_call_is_begun_led_and_ended_without_a_mouse(server: Server, new_page: NewPage) -> None:
    """Also the chat, a dialog and its way back: each thing is reached by Tab, in its turn, and the focus is never lost."""
    page = await new_page()
    await page.add_init_script(SMALL)
    await page.goto(server.url)
    ada = Person(page, "Ada")
    await tab_to(page, "What shall people call you?")
    await page.keyboard.type("Ada")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1, name="Who would you like to meet?")).to_be_focused()
    await tab_to(page, "Video")
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("radio", name="Voice")).to_be_checked()
    await tab_to(page, "What would you like to talk about?")
    await page.keyboard.type("chess")
    await page.keyboard.press("Enter")
    await tab_to(page, "Meet somebody")
    await page.keyboard.press("Enter")
    await ada.waits()

    bob = await Person.arrive(new_page, server.url, "Bob")
    await bob.meet("Voice")
    await ada.talks_with("Bob")
    await expect(page.get_by_role("heading", level=1)).to_be_focused()
    await tab_to(page, "Mute your microphone")
    await page.keyboard.press("Space")
    await bob.is_told("Microphone off:")
    await tab_to(page, "Choose camera and microphone")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("dialog", name="Camera and microphone")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_role("button", name="Choose camera and microphone")).to_be_focused()
    await tab_to(page, "Message")
    await page.keyboard.type("I type this.")
    await page.keyboard.press("Enter")
    await bob.reads("I type this.")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await bob.is_not_told("You are talking with Ada")
