"""The operators' console by itself: cases come, are read and judged, and plots draw. The whole story: test_safety_story.py."""

from __future__ import annotations

import asyncio
import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.acceptance import documents
from tests.acceptance.client import Api
from tests.acceptance.conftest import meet
from tests.acceptance.test_safety import said
from tests.browser.judge import Judge

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.acceptance.server import Server
    from tests.browser.conftest import NewPage

pytestmark = pytest.mark.usefixtures("pages")
THREAT = "I know where you live."
MADE_UP = "I said nothing of the kind."
COMMENT = "He scared me."
REASON = "You threatened somebody with violence: in a call. Our rules forbid this in section 2."


@pytest_asyncio.fixture(loop_scope="session")
async def api(server: Server) -> AsyncIterator[Api]:
    """Those who meet and report do it without a browser."""
    async with Api(server.url) as api:
        yield api


async def reported(api: Api, subject: str, category: str) -> None:
    """Somebody of that name is reported by whom they met, with a message that they sent and one that they did not."""
    reporter, other = await api.sign_in("Ben"), await api.sign_in(subject)
    for person in (reporter, other):
        await person.arrive()
    seat, theirs = await meet(reporter, other, uuid.uuid4().hex)
    proved = await said(other, theirs.room_id, theirs.member_id, THREAT)
    complaint = {"memberId": seat.partner_id, "category": category, "comment": COMMENT}
    payload = await reporter.run(
        documents.REPORT, input={**complaint, "evidence": [proved, {**proved, "plaintext": MADE_UP}]}
    )
    assert payload["__typename"] == "ReportUserSuccess", payload
    for person in (reporter, other):
        await person.leave()


async def test_a_case_that_comes_is_claimed_read_and_decided_as_the_ladder_has_it(
    server: Server, new_page: NewPage, api: Api
) -> None:
    """Whoever judges sees it come, knows what is proved, reads nothing that they did not ask for, and is on record."""
    astrid = await Judge.arrive(new_page, server, "Astrid", "admin")
    page = astrid.page
    await expect(page.get_by_text("Nothing waits. Good.")).to_be_visible()
    await reported(api, "Mallory", "CHILD_SAFETY")
    await expect(page.get_by_text("A new urgent case: Child safety, proved message.")).to_be_visible()
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=2, name="Mallory")).to_be_visible()
    decide = page.get_by_role("button", name=re.compile("^Warn Mallory"))
    await expect(decide).to_be_disabled()
    await astrid.press("Claim for 15 minutes")
    await expect(page.get_by_text(re.compile(r"You have this case for 1[45]:\d\d more"))).to_be_visible()
    await expect(page.get_by_text(re.compile(r"You · 1[45]:\d\d"))).to_be_visible()

    for text in (COMMENT, THREAT, MADE_UP):
        await expect(page.get_by_text(text)).to_have_count(0)
    await astrid.reads(THREAT, of="Mallory")
    lie = page.get_by_role("listitem").filter(has_text="Not proved: the reporter").last
    await expect(page.get_by_text(MADE_UP)).to_have_count(0)
    await astrid.press("Show message", lie)
    await expect(lie.get_by_text(MADE_UP)).to_be_visible()
    await astrid.press("Who reported?")
    await expect(page.get_by_text("by Ben")).to_be_visible()

    await expect(page.get_by_role("radio", name=re.compile("^Warn"))).to_be_checked()
    await page.get_by_label("Start from a template").select_option("Violence or threat")
    await decide.click()
    await expect(page.get_by_text("Fill in what is in brackets.")).to_be_visible()
    await page.get_by_label("Statement of reasons").fill(REASON)
    await expect(page.get_by_role("figure").get_by_text(REASON)).to_be_visible()
    await decide.click()
    await astrid.press("Warn", page.get_by_role("dialog"))
    await expect(page.get_by_role("heading", name="Warned by Astrid")).to_be_focused()

    await astrid.goes_to("Audit log")
    for what in ("warned somebody", "looked who reported", "looked at evidence", "claimed a case"):
        line = page.get_by_role("row").filter(has_text=what)
        await expect(line.filter(has_text="Astrid")).to_have_count(1)
    await page.get_by_label("What").select_option("Case claimed")
    await expect(page.get_by_role("row")).to_have_count(2)
    await page.go_back()
    await expect(page.get_by_role("heading", name="Warned by Astrid")).to_be_visible()


async def test_a_moderator_sees_no_audit_log_and_a_list_that_holds_still_and_is_put_out_with_the_role(
    server: Server, new_page: NewPage, api: Api
) -> None:
    """A row that moves under the pointer is a wrong case opened; and who lost the role is told so, and leaves nothing behind."""
    await reported(api, "Grim", "HARASSMENT")
    olive = await Judge.arrive(new_page, server, "Olive", "moderator")
    page = olive.page
    await expect(page.get_by_role("link", name=re.compile("^Dashboard"))).to_be_visible()
    await expect(page.get_by_role("link", name=re.compile("^Audit log"))).to_have_count(0)
    row = page.get_by_role("listitem").filter(has_text="Grim")
    await row.hover()
    await reported(api, "Trudy", "SEXTORTION")
    await expect(page.get_by_role("button", name="1 new case · show")).to_be_visible()
    await expect(page.get_by_role("listitem").filter(has_text="Trudy")).to_have_count(0)
    await page.mouse.move(1200, 700)
    await expect(page.get_by_role("listitem").filter(has_text="Trudy")).to_be_visible()
    await page.goto(f"{server.url}/console#/audit")
    await expect(page.get_by_text("Only admins read the audit log.")).to_be_visible()

    database = await asyncpg.connect(server.dsn)
    operator = await database.fetchval("SELECT id FROM account WHERE display_name = 'Olive'")
    await database.close()
    await asyncio.to_thread(server.command, "operator", "remove", str(operator))
    await expect(page.get_by_role("alert").filter(has_text="You were signed out")).to_be_visible()
    await page.reload()
    await expect(page.get_by_label("Operator token")).to_be_visible()


async def test_the_dashboard_draws_what_was_recorded_with_a_gap_where_nothing_was(
    server: Server, new_page: NewPage
) -> None:
    """A line through minutes of which nobody knows anything would be a lie."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    minutes = [now - timedelta(minutes=back) for back in range(40, 5, -1) if not 20 <= back < 30]
    database = await asyncpg.connect(server.dsn)
    await database.executemany(
        "INSERT INTO minute_figures (minute, online, waiting, in_call, open_rooms, matches, median_wait_seconds, reports,"
        " dismissals, warnings, suspensions, holds, appeals) VALUES ($1, 7, 1, 4, 2, 3, 2.5, 2, 0, 0, 1, 0, 0)"
        " ON CONFLICT (minute) DO NOTHING",
        [(minute,) for minute in minutes],
    )
    await database.close()
    astrid = await Judge.arrive(new_page, server, "Ada", "admin")
    page = astrid.page
    await astrid.goes_to("Dashboard")
    people = page.get_by_role("figure").filter(has=page.get_by_role("heading", name=re.compile("^People")))
    line = people.locator("path.line-1").last
    await expect(line).to_have_attribute("d", re.compile(r"^M[^M]+M[^M]+"))
    slider = people.get_by_role("slider")
    await slider.focus()
    await slider.press("Home")
    # Into the middle of the gap and then of what follows: a minute may pass meanwhile, and the plot go on by one.
    for key in 3 * ["PageDown"] + 4 * ["ArrowRight"]:
        await slider.press(key)
    await expect(slider).to_have_attribute("aria-valuetext", re.compile("online \N{EN DASH}"))
    await slider.press("PageDown")
    await expect(slider).to_have_attribute("aria-valuetext", re.compile(r"online 7, waiting 1, in call 4"))
    await people.get_by_text("Table").click()
    await expect(people.get_by_role("row").filter(has_text="714")).to_have_count(len(minutes))
    await page.get_by_role("link", name="24 h").click()
    await expect(page).to_have_url(re.compile(r"show=24h$"))
    reports = page.get_by_role("figure").filter(has=page.get_by_role("heading", name=re.compile("^Reports")))
    await expect(reports.locator("rect[class^=fill]").first).to_be_attached()
    await expect(page.get_by_text("Online", exact=True)).to_be_visible()
