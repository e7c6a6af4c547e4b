"""GraphiQL as a developer meets it: the first click answers, with nothing fetched from elsewhere and no token left behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.conftest import SCREENS

if TYPE_CHECKING:
    from tests.acceptance.server import Server
    from tests.browser.conftest import NewPage

FORGED = json.dumps({"Authorization": "Bearer forged"})


def _answer(page: Page) -> Locator:
    """The pane on the right."""
    return page.locator(".result-window")


async def _show(page: Page, tab: str) -> None:
    """Goes to a tab, and waits until the editor has its text."""
    await page.get_by_role("tab", name=tab, exact=True).click()
    await expect(page.locator(".graphiql-query-editor")).to_contain_text(tab)


async def _run(page: Page) -> None:
    await page.get_by_role("button", name="Execute query").click()


async def _sign_in(page: Page) -> None:
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_text("Signed in as Explorer")).to_be_visible()


async def _headers(page: Page, text: str | None = None) -> str:
    """What the Headers tab of the editor holds; with `text`, after it was put there."""
    found: str = await page.evaluate(
        """text => {
            const [model] = __MONACO.editor.getModels().filter(({uri}) => uri.path.endsWith('request-headers.json'));
            if (text !== null) model.setValue(text);
            return model.getValue();
        }""",
        text,
    )
    return found


@pytest.mark.usefixtures("pages")
async def test_every_example_works_at_the_first_click(server: Server, new_page: NewPage) -> None:
    """A query, a mutation and a subscription, before and after "Sign in", under the policy and without another origin: `new_page`
    looks for both.
    """
    page = await new_page(f"{server.url}/graphiql")
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    await expect(page.get_by_role("tab")).to_have_count(7)
    await _run(page)
    await expect(_answer(page)).to_contain_text('"matchesLastHour"')
    await _show(page, "LiveStats")
    await _run(page)
    await expect(_answer(page)).to_contain_text('"openRooms"')
    assert len(sockets) == 1
    assert sockets[0].startswith("ws://")
    await _sign_in(page)
    for name, told in (
        ("SignIn", "accessToken"),
        ("Me", "Explorer"),
        ("JoinQueue", "WAITING"),
        ("Events", "waitingTicket"),
        ("CreateRoom", "inviteCode"),
    ):
        await _show(page, name)
        await _run(page)
        await expect(_answer(page)).to_contain_text(told)
    kept = await page.evaluate("JSON.stringify(localStorage)")
    assert "JoinQueue" in kept, "the tabs are there tomorrow"
    assert "Bearer ey" not in kept, "and the token is not"
    assert all("/assets/" in worker.url for worker in page.workers)
    assert len(page.workers) == 3, "of files of their own"
    await page.screenshot(path=SCREENS / "graphiql-light.png")


@pytest.mark.usefixtures("pages")
async def test_a_token_that_is_no_good_is_explained_and_renewed(server: Server, new_page: NewPage) -> None:
    """A developer who comes back after lunch sees what happened to the token, and one button mends it."""
    page = await new_page(f"{server.url}/graphiql", scheme="dark", forgiving="401")
    await _sign_in(page)
    first = await _headers(page)
    await _show(page, "Events")
    assert await _headers(page) == first, "each tab gets it"
    await _headers(page, FORGED)
    await _run(page)
    await expect(_answer(page)).to_contain_text("The socket was closed with 4401")
    await expect(_answer(page)).to_contain_text("The access token is not valid.")
    await page.screenshot(path=SCREENS / "graphiql-dark.png")
    await _show(page, "Me")
    await _headers(page, json.dumps({"X-Other": "kept", "authorization": "Bearer forged"}))
    await _run(page)
    await expect(_answer(page)).to_contain_text("UNAUTHENTICATED")
    await page.get_by_role("button", name="Renew token").click()
    await expect(page.get_by_role("button", name="Renew token")).to_be_enabled()
    renewed = json.loads(await _headers(page))
    assert renewed["X-Other"] == "kept"
    assert "authorization" not in renewed
    assert renewed["Authorization"] != json.loads(first)["Authorization"]
    await _run(page)
    await expect(_answer(page)).to_contain_text("Explorer")


@pytest.mark.usefixtures("pages")
async def test_an_address_opens_an_operation_and_does_not_run_it(server: Server, new_page: NewPage) -> None:
    """The reference links to its examples so; and a link that somebody sends must not act."""
    asked = {
        "query": "query One($a: ID!) { room(id: $a) { id } }\n\nquery Two { stats { waiting } }",
        "variables": '{"a":"1"}',
        "operationName": "Two",
    }
    page = await new_page(f"{server.url}/graphiql?{urlencode(asked)}")
    editor = page.locator(".graphiql-query-editor")
    await expect(editor).to_contain_text("query Two")
    await expect(page.get_by_role("tab", selected=True)).to_contain_text("Two")
    await expect(page.locator(".graphiql-editor-tool")).to_contain_text('"a": "1"')
    await expect(_answer(page)).not_to_contain_text("data")
    assert page.url == f"{server.url}/graphiql", "loading it again does not open it again"
    await page.evaluate("__MONACO.editor.getEditors()[0].focus()")
    await page.keyboard.press("Control+Enter")
    await expect(_answer(page)).to_contain_text('"waiting"')
    await page.get_by_role("button", name="Show Examples").click()
    await page.get_by_role("button", name="Rooms").click()
    await expect(editor).to_contain_text("query Rooms")
    await page.get_by_role("button", name="Show Documentation Explorer").click()
    await expect(page.get_by_role("link", name="Subscription", exact=True)).to_be_visible()
    await page.screenshot(path=SCREENS / "graphiql-docs.png")
