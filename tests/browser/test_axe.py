"""What developers and operators see first, by axe and in pictures. The client: test_views.py; the console: test_safety_story.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from playwright.async_api import expect

from tests.browser.looking import Eyes

if TYPE_CHECKING:
    from tests.acceptance.server import Server
    from tests.browser.conftest import NewPage

pytestmark = pytest.mark.usefixtures("pages")
NOT_OURS: Final = (".graphiql-tab",)
"""Tabs of GraphiQL 5 hold their button and the one that closes them: axe's nested-interactive. Keys reach both all the same."""


async def test_the_reference_the_console_and_graphiql_have_no_serious_violation(
    server: Server, new_page: NewPage
) -> None:
    """A developer who hears the page is a developer."""
    page = await new_page(f"{server.url}/docs")
    with Eyes() as eyes:
        await eyes.look(page, "docs")
        await page.goto(f"{server.url}/docs/matchmaking")
        await eyes.look(page, "docs-matchmaking")
        await page.goto(f"{server.url}/console")
        await expect(page.get_by_label("Operator token")).to_be_visible()
        await eyes.look(page, "console-sign-in")
        await page.goto(f"{server.url}/graphiql")
        await expect(page.get_by_role("tab")).to_have_count(7)
        await eyes.look(page, "graphiql", exempt=NOT_OURS)
