"""A wrong that is done to somebody, from the report to the second look, by what the people see alone."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.judge import Judge
from tests.browser.looking import Eyes
from tests.browser.person import Person

if TYPE_CHECKING:
    from tests.acceptance.server import Server
    from tests.browser.conftest import NewPage

SETTINGS = {"ice_urls": "stun:127.0.0.1:9"}  # nothing leaves the machine
pytestmark = pytest.mark.usefixtures("pages")
THREAT = "Send me another picture, or your school sees the first."
COMMENT = "He says that he knows my school."
REASON = "You threatened to publish intimate material. Our rules forbid this in section 2."
STATEMENT = "My little brother had my phone."
GRANTED = "The account of the brother is plausible."


async def test_a_report_ends_a_session_and_an_appeal_to_somebody_else_brings_it_back(
    server: Server, new_page: NewPage
) -> None:
    """The whole of safety: whoever is threatened proves it, whoever judges sees it come, whoever is suspended is told why, and is
    heard by somebody else; and what was done by whom is on record.
    """
    roles = {"Olive": "moderator", "Otto": "moderator", "Astrid": "admin"}
    olive, otto, astrid = await asyncio.gather(
        *(Judge.arrive(new_page, server, name, role) for name, role in roles.items())
    )
    await expect(olive.page.get_by_text("Nothing waits. Good.")).to_be_visible()
    ada, mallory = await _met_and_threatened(new_page, server.url)

    await _report(ada)
    await mallory.is_told(re.compile("^You cannot be matched until"))
    await expect(mallory.page.get_by_role("button", name="Meet somebody")).to_be_disabled()
    await expect(mallory.page.get_by_role("button", name="Create a room")).to_be_enabled()

    with Eyes() as eyes:
        await olive.opens("Mallory")
        await olive.press("Claim for 15 minutes")
        await olive.reads(THREAT, of="Mallory")
        await expect(olive.page.get_by_text("next step: warn")).to_be_visible()
        await eyes.look(olive.page, "console-case")
        await olive.suspends("Mallory", REASON)

        await _suspended_and_appeals(mallory)
        await otto.goes_to("Appeals")
        await otto.opens("Mallory")
        await expect(otto.page.get_by_text(STATEMENT)).to_be_visible()
        await eyes.look(otto.page, "console-appeal")
        await otto.overturns(GRANTED)
        await expect(mallory.page.get_by_role("heading", name="Who would you like to meet?")).to_be_visible()
        await expect(mallory.page.get_by_role("button", name="Meet somebody")).to_be_enabled()

        await _on_record(astrid)
        await eyes.look(astrid.page, "console-audit")
        await astrid.goes_to("Dashboard")
        await expect(astrid.page.get_by_role("heading", name="People")).to_be_visible()
        await eyes.look(astrid.page, "console-dashboard")


async def _met_and_threatened(new_page: NewPage, url: str) -> tuple[Person, Person]:
    """Ada and Mallory, in a match, where Mallory wrote what Ada will report."""
    ada, mallory = [await Person.arrive(new_page, url, name) for name in ("Ada", "Mallory")]
    for person in (ada, mallory):
        await person.meet("Text")
    await ada.talks_with("Mallory")
    await ada.say("Hello. Who are you?")
    await mallory.reads("Hello. Who are you?")
    await mallory.say(THREAT)
    await ada.reads(THREAT)
    return ada, mallory


async def _report(ada: Person) -> None:
    """With the message as proof; and never again."""
    await ada.press("Report or block Mallory")
    await ada.page.get_by_role("menuitem", name="Report…").click()
    form = ada.page.get_by_role("dialog", name="Report Mallory")
    await form.get_by_role("radio", name=re.compile("^Blackmail")).check()
    await form.get_by_label("What happened? (optional)").fill(COMMENT)
    await form.get_by_role("checkbox", name=THREAT).check()
    await ada.press("Send the report", form)
    await ada.press("Block", ada.page.get_by_role("dialog", name="Thank you"))
    await expect(ada.page.get_by_role("dialog")).to_have_count(0)
    await ada.is_told("Reported, Blocked")


async def _suspended_and_appeals(mallory: Person) -> None:
    """The page has ended at once, and says why."""
    await expect(mallory.page.get_by_role("heading", name="Your account is suspended")).to_be_visible()
    card = mallory.page.get_by_role("article").filter(has_text=REASON)
    await expect(card.get_by_text("You cannot use Parley")).to_be_visible()
    await card.get_by_label("Appeal").fill(STATEMENT)
    await mallory.press("Send the appeal", card)
    await expect(card.get_by_text("Your appeal is being looked at")).to_be_visible()


async def _on_record(astrid: Judge) -> None:
    """The newest first, with who did it."""
    await astrid.goes_to("Audit log")
    table = astrid.page.get_by_role("table")
    for who, what in (
        ("Otto", "granted an appeal"),
        ("Olive", "suspended somebody from everything for 1 hour"),
        ("Olive", "looked at evidence"),
        ("Olive", "claimed a case"),
        ("A rule", "held somebody by a proved message for 24 hours"),
    ):
        await expect(table.get_by_role("row").filter(has_text=who).filter(has_text=what)).to_have_count(1)
