"""The main job: strangers sign in, are matched, hold a real WebRTC call set up through the API alone, and move on."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from tests.acceptance import documents
from tests.acceptance.client import Api, Ended
from tests.acceptance.conftest import Newcomer, meet
from tests.acceptance.peer import FRAME, call
from tests.acceptance.server import ROOT, Server, free_port
from tests.waiting import DEADLINE


async def test_two_strangers_hold_a_call_that_was_set_up_through_the_api_alone(
    newcomer: Newcomer, interest: str
) -> None:
    """This is what Parley is for: without it nothing else matters."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    ada_seat, ben_seat = await meet(ada, ben, interest)
    assert (ada_seat.room_id, ada_seat.partner_name, ben_seat.partner_name) == (ben_seat.room_id, "Ben", "Ada")
    assert ada_seat.polite is not ben_seat.polite, "exactly one side offers"

    ada_saw, ben_saw = await call(ada, ada_seat, ben, ben_seat, lambda *_: None)

    assert ada_saw.offered is not ben_saw.offered
    offerer, answerer = (ada_saw, ben_saw) if ada_saw.offered else (ben_saw, ada_saw)
    assert offerer.received[0] == "Answer"
    assert answerer.received[0] == "Offer"
    for here, there in ((ada_saw, ben_saw), (ben_saw, ada_saw)):
        assert here.frame == FRAME, "the other's camera is seen"
        assert there.candidates_sent > 0
    assert (ada_saw.echo, ben_saw.echo) == ("hello from Ada", "hello from Ben")


async def test_who_skips_meets_somebody_else_and_not_each_other_within_the_cooldown(
    newcomer: Newcomer, interest: str
) -> None:
    """Being matched again with the person one has just left is the quickest way to lose both."""
    ada, ben, cleo, dan = [await newcomer(name) for name in ("Ada", "Ben", "Cleo", "Dan")]
    seat, other_seat = await meet(ada, ben, interest)
    await call(ada, seat, ben, other_seat, lambda *_: None)

    skipped = await ada.skip(seat.room_id)
    assert (skipped["__typename"], skipped["ticket"]["status"]) == ("SkipSuccess", "WAITING")
    assert skipped["ticket"]["interests"] == [interest], "the new ticket has the preferences of the last"
    assert (await ada.inbox.until("MatchEnded"))["matchEndReason"] == "YOU_SKIPPED"
    assert (await ben.inbox.until("MatchEnded"))["matchEndReason"] == "PARTNER_LEFT"
    await ben.join(interest)

    await cleo.join(interest)
    assert (await ada.matched()).partner_name == "Cleo", "the one who waited longest is first"
    await dan.join(interest)
    assert (await ben.matched()).partner_name == "Dan"
    await asyncio.gather(cleo.matched(), dan.matched())

    people = (ada, ben, cleo, dan)
    rooms = [(await person.ask(documents.ROOMS))["rooms"][0]["id"] for person in people]
    await asyncio.gather(*(person.skip(room) for person, room in zip(people, rooms, strict=True)))
    seats = await asyncio.gather(*(person.matched() for person in people))
    assert [seat.partner_name for seat in seats] == ["Dan", "Cleo", "Ben", "Ada"], "the only pairs that have not met"


async def test_what_two_people_share_is_shown_to_both(newcomer: Newcomer, interest: str) -> None:
    """A shared interest is the first thing to talk about."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    await ada.join(interest.upper(), "Chess")
    await ben.join(interest, "cooking")
    seat = await ada.matched()
    await ben.matched()
    for person in (ada, ben):
        room = (await person.ask(documents.ROOM, id=seat.room_id))["room"]
        assert room["sharedInterests"] == [interest]
        assert [member["displayName"] for member in room["members"]] == ["Ada", "Ben"]
        assert room["me"]["displayName"] == person.name


async def test_a_front_end_is_told_which_ice_servers_to_use(newcomer: Newcomer, interest: str) -> None:
    """Without a STUN server two people behind routers find no way to each other."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, _ = await meet(ada, ben, interest)
    configuration = (await ada.ask(documents.ICE, roomId=seat.room_id))["iceConfiguration"]
    assert [url for server in configuration["servers"] for url in server["urls"]] == ["stun:stun.l.google.com:19302"]


async def test_sdp_is_relayed_byte_for_byte(newcomer: Newcomer, interest: str) -> None:
    """A browser refuses SDP with a changed line end, and says nothing that helps to find out why."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, _ = await meet(ada, ben, interest)
    sdp = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=  \t café \U0001f44b\r\n" + "a=x:" + "y" * 60_000 + "\r\n\r\n"
    await ada.send(seat.partner_id, {"offer": {"sdp": sdp}})
    assert (await ben.inbox.until("SignalReceived"))["signal"]["sdp"] == sdp


async def test_each_sees_what_the_other_does_until_the_room_closes(newcomer: Newcomer, interest: str) -> None:
    """A camera that is switched off looks like a fault unless one is told; and a view of a room that is over has to end."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, _ = await meet(ada, ben, interest)
    presence = await (await ada.connect()).subscribe(documents.PRESENCE, roomId=seat.room_id)
    signals = await (await ada.connect()).subscribe(documents.SIGNALS, roomId=seat.room_id)
    snapshot = await presence.until("PresenceSnapshot")
    assert [member["status"] for member in snapshot["room"]["members"]] == ["ONLINE", "ONLINE"]

    changed = await ben.run(documents.UPDATE_PRESENCE, input={"roomId": seat.room_id, "camera": True, "typing": True})
    assert changed["member"]["media"] == {"camera": True, "microphone": False, "screen": False}
    told = (await presence.until("MemberUpdated"))["member"]
    assert (told["id"], told["media"]["camera"], told["typing"]) == (seat.partner_id, True, True)

    await ben.skip(seat.room_id, requeue=False)
    assert (await presence.until("MemberLeft"))["memberLeaveReason"] == "LEFT"
    for subscription in (presence, signals):
        with pytest.raises(Ended):
            await subscription.next()


async def test_a_new_name_is_shown_in_the_next_room(newcomer: Newcomer, interest: str) -> None:
    """Whoever mistyped their name wants the next stranger to see the right one."""
    ada, ben = await newcomer("Adda"), await newcomer("Ben")
    assert (await ada.run(documents.UPDATE_PROFILE, input={"displayName": " Ada "}))["user"]["displayName"] == "Ada"
    assert (await ada.ask(documents.ME))["me"]["user"]["displayName"] == "Ada"
    await meet(ada, ben, interest)
    (room,) = (await ben.ask(documents.ROOMS))["rooms"]
    assert [member["displayName"] for member in room["members"]] == ["Ada", "Ben"]


async def test_match_events_tell_the_way_into_a_match_and_out(newcomer: Newcomer, interest: str) -> None:
    """A front end that only shows the queue subscribes to that alone, and is not woken by every candidate."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    events = await (await ada.connect()).subscribe(documents.MATCH_EVENTS)
    await events.until("MatchSnapshot")
    seat, other_seat = await meet(ada, ben, interest)
    await ben.send(other_seat.partner_id, {"offer": {"sdp": "not for this view"}})
    await ada.skip(seat.room_id)
    await ada.run(documents.LEAVE)
    left = await events.until("QueueLeft")
    assert (left["queueLeaveReason"], left["ticket"]["status"]) == ("LEFT", "CANCELLED")
    kinds = [event["__typename"] for event in events.seen]
    assert kinds == ["MatchSnapshot", "QueueJoined", "Matched", "MatchEnded", "QueueJoined", "QueueLeft"]


async def test_stats_tell_a_visitor_that_somebody_is_there(api: Api, newcomer: Newcomer, interest: str) -> None:
    """A start page shows how many people are online before anybody signs in."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    await meet(ada, ben, interest)
    async with asyncio.timeout(DEADLINE):
        while (stats := (await api.run(documents.STATS))["stats"])["inCall"] < 2 or stats["online"] < 2:
            await asyncio.sleep(0.1)
    assert stats["openRooms"] >= 1
    assert stats["matchesLastHour"] >= 1
    assert stats["medianWaitSeconds"] >= 0


def test_the_demo_tells_the_story_to_its_end(server: Server) -> None:
    """A newcomer runs `make demo` to see that it works."""
    told = subprocess.run(_demo(server.url), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (told.returncode, told.stderr) == (0, "")
    for line in (
        "is matched with Ben",
        "sends its offer",
        "trickles",
        "words come back",
        "a frame of 160 x 120",
        "skips",
    ):
        assert line in told.stdout


def test_the_demo_says_in_one_sentence_that_there_is_no_server() -> None:
    """Most newcomers type `make demo` before `make run` once."""
    url = f"http://127.0.0.1:{free_port()}"
    told = subprocess.run(_demo(url), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == f"No Parley server answers at {url}: start one with `make run` in another terminal.\n"


def _demo(url: str) -> list[str]:
    return [sys.executable, "-m", "tests.acceptance.demo", "--url", url]
