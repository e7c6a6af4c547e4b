"""Calls as two strangers have them, through the client alone: they see, hear and write to each other, whatever happens."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from glare_person import FEW, OUTAGE, Person
from tests.waiting import until

if TYPE_CHECKING:
    from tests.acceptance.server import Server
    from tests.browser.conftest import NewPage
    from glare_person import Mode

SETTINGS = {"ice_urls": ","}  # no server, so that nothing leaves the machine
pytestmark = pytest.mark.usefixtures("pages")
SECRET = "Meet me where the river bends"
LOST = "Connection lost, trying again."


async def _call(
    new_page: NewPage,
    url: str,
    mode: Mode = "Video",
    *,
    tabs: bool = False,
    forgiving: str | None = None,
    troubled: bool = False,
) -> tuple[Person, Person]:
    """Ada and Bob, in a match; with `tabs` in two tabs of one browser."""
    ada = await Person.arrive(new_page, url, "Ada", forgiving=forgiving, troubled=troubled)
    bob = await Person.arrive(
        new_page, url, "Bob", beside=ada if tabs else None, forgiving=forgiving, troubled=troubled
    )
    for person in (ada, bob):
        await person.meet(mode)
    await ada.talks_with("Bob")
    await bob.talks_with("Ada")
    return ada, bob


async def _both_see(ada: Person, bob: Person) -> None:
    await asyncio.gather(ada.sees("Bob"), bob.sees("Ada"))


async def test_two_tabs_meet_see_hear_and_write_and_move_on_to_a_third(server: Server, new_page: NewPage) -> None:
    """The first five minutes of anybody who looks at Parley."""
    ada, bob = await _call(new_page, server.url, tabs=True)
    await _both_see(ada, bob)
    await asyncio.gather(ada.hears("Bob"), bob.hears("Ada"))

    await ada.say(SECRET)
    await bob.reads(SECRET)
    await expect(ada.page.get_by_role("log", name="Conversation").get_by_text("Sent")).to_have_count(1)
    await bob.page.get_by_role("textbox", name="Message").press_sequentially("Wh")
    await ada.is_told("Bob is typing")
    await bob.say("Which river?")
    await ada.reads("Which river?")
    await ada.is_not_told("Bob is typing")
    for person in (ada, bob):
        assert "SendMessage" in "".join(person.traffic)
        assert not [told for told in person.traffic if " river" in told]
    assert await ada.safety_number("Bob") == await bob.safety_number("Ada")

    await bob.press("Mute your microphone")
    await ada.is_told("Microphone off:")
    await bob.press("Unmute your microphone")
    await ada.is_not_told("Microphone off:")
    await bob.press("Turn your camera off")
    await expect(ada.picture("Bob")).to_have_css("opacity", "0")
    await ada.hears("Bob")
    await bob.press("Turn your camera on")
    await ada.sees("Bob")

    await bob.press("Share your screen")
    shown = await ada.sees("The screen of Bob")
    assert shown["width"] > 160
    large, small = await ada.picture("The screen of Bob").bounding_box(), await ada.picture("Bob").bounding_box()
    assert large is not None
    assert small is not None
    assert large["width"] > 2 * small["width"]
    await bob.press("Stop sharing your screen")
    await expect(ada.picture("The screen of Bob")).to_have_count(0)

    await ada.press(re.compile("^Skip"))
    await ada.waits()
    await bob.stays("Ada has left the conversation.")
    await bob.meet()
    await bob.waits()
    await ada.is_told(re.compile("^2 waiting$"))
    eve = await Person.arrive(new_page, server.url, "Eve")
    await eve.meet()
    await ada.talks_with("Eve")
    await asyncio.gather(ada.sees("Eve"), eve.sees("Ada"))
    await bob.waits()
    await eve.press("Hang up")
    await eve.stays("The conversation with Ada has ended.")
    await ada.stays("Eve has left the conversation.")


@pytest.mark.parametrize("stop", ["kill", "terminate"])
async def test_a_call_outlives_the_server(stop: str, server: Server, new_page: NewPage) -> None:
    """Whether it is updated or dies: people go on looking at each other, and what they wrote meanwhile arrives, once."""
    ada, bob = await _call(new_page, server.url, forgiving=OUTAGE)
    before = await asyncio.gather(ada.sees("Bob"), bob.sees("Ada"))
    await ada.say("Before")
    await bob.reads("Before")
    await asyncio.to_thread(getattr(server, stop))
    for person in (ada, bob):
        await person.is_told(f"{LOST} Your call goes on.")
    await bob.say("Meanwhile")
    await expect(bob.page.get_by_role("log", name="Conversation").get_by_text("Sending…")).to_be_visible()
    during = await asyncio.gather(ada.sees("Bob"), bob.sees("Ada"))
    await asyncio.to_thread(server.start)
    for person in (ada, bob):
        await person.is_not_told(LOST)
    await ada.reads("Meanwhile")
    await ada.say("Afterwards")
    await bob.reads("Afterwards")
    for person, other in ((ada, "Bob"), (bob, "Ada")):
        await person.talks_with(other)
        for text in ("Before", "Meanwhile", "Afterwards"):
            await person.reads(text)
    after = await asyncio.gather(ada.sees("Bob"), bob.sees("Ada"))
    for films in zip(before, during, after, strict=True):
        assert sorted(film["frames"] for film in films) == [film["frames"] for film in films], "the same call goes on"


async def test_whoever_reloads_the_page_is_the_same_person_in_the_same_match(server: Server, new_page: NewPage) -> None:
    """A slip of the finger on a phone ends nothing, and takes nothing away that was written."""
    ada, bob = await _call(new_page, server.url)
    await _both_see(ada, bob)
    await ada.say("Mine")
    await bob.reads("Mine")
    await bob.say("Yours")
    await ada.reads("Yours")
    await ada.page.reload()
    await ada.talks_with("Bob")
    await _both_see(ada, bob)
    await ada.reads("Mine")
    await ada.reads("Yours")
    await ada.say("Again")
    await bob.reads("Again")
    await bob.talks_with("Ada")


async def test_whoever_only_writes_is_asked_for_no_device(server: Server, new_page: NewPage) -> None:
    """Not everybody wants to be seen or heard."""
    ada, bob = await _call(new_page, server.url, "Text")
    await ada.say("Hello")
    await bob.reads("Hello")
    await bob.press("End")
    await bob.stays("The conversation with Ada has ended.")
    assert await ada.was_asked_for() | await bob.was_asked_for() == set()


async def test_whoever_only_talks_is_not_asked_for_the_camera(server: Server, new_page: NewPage) -> None:
    """Not everybody wants to be seen."""
    ada, bob = await _call(new_page, server.url, "Voice")
    await asyncio.gather(ada.hears("Bob"), bob.hears("Ada"))
    assert await ada.was_asked_for() == await bob.was_asked_for() == {"microphone"}
    await expect(ada.page.get_by_role("button", name="Turn your camera")).to_have_count(0)


async def test_whoever_lets_the_page_use_no_device_sees_and_hears_nonetheless(
    server: Server, new_page: NewPage
) -> None:
    """They said no, or the browser did: a sentence tells what to do about it, and the call goes on."""
    ada = await Person.arrive(new_page, server.url, "Ada", refusing=True)
    bob = await Person.arrive(new_page, server.url, "Bob")
    for person in (ada, bob):
        await person.meet()
    await ada.sees("Bob")
    await ada.hears("Bob")
    await ada.is_told(re.compile("^This page may not use your camera and microphone"))
    await bob.is_told("Microphone off:")
    await ada.say("I cannot be seen")
    await bob.reads("I cannot be seen")


async def test_whoever_vanishes_is_waited_for_and_then_given_up(server: Server, new_page: NewPage) -> None:
    """A train in a tunnel is no goodbye; a train that stays there is."""
    ada, bob = await _call(new_page, server.url)
    await ada.sees("Bob")
    await bob.page.close()
    await ada.is_told("Connection lost, their seat is held")
    await ada.stays("The connection to Bob was lost.")


async def test_a_network_that_fails_is_survived_by_an_ice_restart_also_if_both_ask_for_it_at_once(
    server: Server, new_page: NewPage
) -> None:
    """No packet of the media arrives, both press "Try again", and their offers cross: perfect negotiation in earnest."""
    ada, bob = people = await _call(new_page, server.url, troubled=True)
    await _both_see(ada, bob)
    offers = [person.offers for person in people]
    for person in people:
        # What an ICE restart begins with, and what it ends with.
        person.late |= {"iceConfiguration", "SignalReceived"}
        await person.lose_packets(100)
    for person in people:
        await person.is_told("Interrupted, trying again")
        await person.press("Try again")
    for person in people:
        await person.lose_packets(FEW)
        person.hear("iceConfiguration")
    await until(lambda: all(person.offers > before for person, before in zip(people, offers, strict=True)))
    for person in people:
        person.hear("SignalReceived")
    for person in people:
        await person.is_told("Connected")
    await _both_see(ada, bob)
