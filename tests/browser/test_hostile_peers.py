"""Strangers who do harm, networks that are gone, and people who look in from a phone: the page says so, and goes on."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
from playwright.async_api import expect

from tests.acceptance.client import Api
from tests.browser.person import OUTAGE, Person

if TYPE_CHECKING:
    from tests.acceptance.server import Server
    from tests.browser.conftest import NewPage

SETTINGS = {"ice_urls": ","}  # no server, so that nothing leaves the machine
pytestmark = pytest.mark.usefixtures("pages")
PLAIN: Final = """
Object.defineProperty(window, 'isSecureContext', { value: false });
for (const name of ['randomUUID', 'subtle']) delete Crypto.prototype[name];
for (const name of ['locks', 'mediaDevices', 'clipboard']) delete Navigator.prototype[name];
"""
"""What a browser leaves out of a page that came over plain http from another machine."""
LONG: Final = """(field, text) => {
  field.removeAttribute('maxlength');
  Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(field, text);
  field.dispatchEvent(new Event('input', { bubbles: true }));
}"""
"""Another client than ours lets people write as much as the server takes."""
MARKUP: Final = "<img src=x onerror=alert(1)> javascript:alert(1)"


async def test_over_plain_http_the_door_says_what_is_missing_and_people_can_write(
    server: Server, new_page: NewPage
) -> None:
    """Somebody opens the developer's machine from a phone. And the door counts who is there before anybody has come in."""
    ada = await Person.arrive(new_page, server.url, "Ada")
    page = await new_page()
    await page.add_init_script(PLAIN)
    await page.goto(server.url)
    await expect(page.get_by_text("Calls and encryption need https, or localhost")).to_be_visible()
    await expect(page.get_by_text(re.compile(r"^1 person online now"))).to_be_visible()
    await page.get_by_label("What shall people call you?").fill("Bob")
    bob = Person(page, "Bob")
    await bob.press("Come in")
    for person in (ada, bob):
        await person.meet("Text")
    await bob.talks_with("Ada")
    await bob.say("From a phone")
    await ada.reads("From a phone")
    await ada.say(MARKUP)
    await bob.reads(MARKUP)

    await page.get_by_role("textbox", name="Message").evaluate(LONG, "row\n" * 9000 + "the last row")
    await bob.press("Send")
    more = ada.page.get_by_role("button", name="Show all of it")
    await expect(more).to_be_visible()
    await ada.is_not_told(re.compile("the last row"))
    await more.click()
    await expect(ada.page.get_by_text("the last row")).to_have_count(1)


async def test_a_flood_of_what_cannot_be_read_is_told_in_one_line(server: Server, new_page: NewPage) -> None:
    """It neither hides what was said before nor fills the page."""
    ada = await Person.arrive(new_page, server.url, "Ada")
    await ada.meet("Text")
    async with Api(server.url) as api:
        mallory = await api.sign_in("<b>Mallory</b>")
        await mallory.arrive()
        await mallory.join(patience=0, mode="TEXT")
        seat = await mallory.matched()
        await ada.talks_with("<b>Mallory</b>")
        for _ in range(20):
            await mallory.say(seat.room_id, os.urandom(100), str(uuid4()), os.urandom(32))
        noted = ada.page.get_by_text("A message of <b>Mallory</b> was damaged on its way.")
        await expect(noted).to_have_count(1)
        await mallory.leave()


async def test_what_cannot_begin_without_the_server_says_so_at_once(server: Server, new_page: NewPage) -> None:
    """Instead of a button that turns until the server is back."""
    ada = await Person.arrive(new_page, server.url, "Ada", forgiving=OUTAGE)
    await ada.is_told(re.compile(r"^\d+ online$"))
    await asyncio.to_thread(server.kill)
    await ada.is_told(re.compile("^Connection lost"))
    await ada.press("Meet somebody")
    await ada.is_told(re.compile("^The connection to the server is lost"))
    await asyncio.to_thread(server.start)
    await ada.is_not_told(re.compile("^Connection lost"))
    await ada.meet("Text")
    await ada.waits()
