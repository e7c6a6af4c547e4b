"""A room of four friends through the client alone: entered by a link, ruled by its moderators, inherited and closed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.browser.person import Person

if TYPE_CHECKING:
    from playwright.async_api import Locator

    from tests.acceptance.server import Server
    from tests.browser.conftest import NewPage

SETTINGS = {"ice_urls": ","}  # no server, so that nothing leaves the machine
pytestmark = pytest.mark.usefixtures("pages")


def _tile(person: Person, whose: str) -> Locator:
    """On the stage."""
    tiles = person.page.get_by_role("list", name="Everybody in the room").get_by_role("listitem")
    return tiles.filter(has=person.page.get_by_text(whose, exact=True))


def _entry(person: Person, whose: str) -> Locator:
    """In the list of people, which has to be open."""
    people = person.page.get_by_role("complementary", name="People").get_by_role("listitem")
    return people.filter(has=person.page.get_by_text(whose, exact=True))


async def _code(owner: Person) -> str:
    """That of the invitation, which is shown to whoever is alone in a room."""
    invitation = owner.page.get_by_role("region", name="Invite people")
    return await invitation.get_by_role("paragraph").inner_text()


async def _friends(new_page: NewPage, url: str) -> tuple[str, list[Person]]:
    """The code of Ada's room, and Ada, Bob, Eve and Dan, who are inside."""
    ada = await Person.arrive(new_page, url, "Ada")
    await ada.press("Create a room")
    await ada.page.get_by_role("textbox", name="Name of the room").fill("Friday")
    await ada.press("Create and enter")
    code = await _code(ada)
    people = [ada]
    for name in ("Bob", "Eve", "Dan"):
        guest = await Person.arrive(new_page, f"{url}/#/join/{code}", name)
        await guest.is_told("Friday")
        await guest.press("Enter the room")
        await guest.sits_in("Friday")
        people.append(guest)
    return code, people


async def test_four_friends_meet_by_a_link_and_keep_order_among_themselves(server: Server, new_page: NewPage) -> None:
    """All see and read each other; whom a moderator mutes, promotes and removes is seen by all; the room has an heir and an end."""
    code, people = await _friends(new_page, server.url)
    ada, bob, eve, dan = people
    for person in people:
        await asyncio.gather(*(person.sees(other.name) for other in people if other is not person))
    await ada.press("Chat")
    await dan.say("Who brings the cake?")
    for person in people:
        await person.reads("Who brings the cake?")
        assert not [told for told in person.traffic if "the cake" in told]

    await ada.choose("Dan", "Mute in the chat")
    await dan.is_told("A moderator muted you: you can read, not write.")
    await expect(dan.page.get_by_role("textbox", name="Message")).to_have_count(0)
    for person in (ada, bob, eve):
        await expect(_tile(person, "Dan").get_by_text("muted in chat")).to_be_visible()
    await ada.choose("Dan", "Let them write in the chat again")
    await dan.say("I do")
    for person in (ada, bob, eve):
        await person.reads("I do")
        await expect(_tile(person, "Dan").get_by_text("muted in chat")).to_have_count(0)

    await ada.choose("Bob", "Make a moderator")
    await bob.reads("You are a moderator now.")
    await eve.press("People and invitation")
    await expect(_entry(eve, "Bob").get_by_text("Moderator")).to_be_visible()
    await bob.choose("Dan", "Remove from the room…")
    await bob.press("Remove", bob.page.get_by_role("dialog", name="Remove Dan?"))
    await dan.stays("A moderator removed you from “Friday”.")
    for person in (ada, bob, eve):
        await expect(_tile(person, "Dan")).to_have_count(0)
    await ada.reads("Dan was removed by a moderator.")
    await dan.press("Enter a code")
    await dan.page.get_by_role("textbox", name="Code of the room").fill(code)
    await dan.press("Look it up")
    await dan.is_told("This code leads nowhere.")

    await ada.press("Leave")
    await bob.reads("The room is yours now.")
    await expect(_entry(eve, "Bob").get_by_text("Owner")).to_be_visible()
    for person in (bob, eve):
        await expect(_tile(person, "Ada")).to_have_count(0)
    await eve.sees("Bob")
    await bob.press("People and invitation")
    await bob.press("More about the invitation")
    await bob.page.get_by_role("menuitem", name="Close the room…").click()
    await bob.press("Close the room", bob.page.get_by_role("dialog", name="Close the room?"))
    await eve.stays("“Friday” was closed.")
    await expect(bob.page.get_by_role("heading", level=1, name="Who would you like to meet?")).to_be_visible()
