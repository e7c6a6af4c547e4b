"""`make demo`: two WebRTC peers meet through a running server, told line by line.

They sign in, are matched with each other and nobody else (each asks for an interest made up for this run), hold a call whose
signaling went through the GraphQL API alone, and part. Exit code 0: it worked. 1: it did not. 2: there is no server.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
import uuid

import httpx

from tests.acceptance import documents
from tests.acceptance.client import Api, Closed, GraphQLFailure, Person
from tests.acceptance.peer import call

CALM = 1.5
"""Seconds to see that two who skipped are not matched again: the matcher needs less than one for a legal pair."""


class Story:
    """Prints what happens, with the seconds since the beginning."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def tell(self, who: str, what: str) -> None:
        """One line."""
        print(f"{time.monotonic() - self._began:7.3f} s  {who:<7} {what}", flush=True)

    def tell_of(self, person: Person, what: str) -> None:
        """One line about a person."""
        self.tell(person.name, what)


async def demonstrate(url: str) -> None:
    """The whole story, against the server at `url`."""
    story = Story()
    async with Api(url) as api:
        ada, ben = await api.sign_in("Ada"), await api.sign_in("Ben")
        try:
            await _meet(story, ada, ben)
        finally:
            for person in (ada, ben):
                await person.leave()
                await person.run(documents.SIGN_OUT)
    story.tell("Both", "sign out. That was two strangers, one GraphQL API, and a WebRTC call between them.")


async def _meet(story: Story, ada: Person, ben: Person) -> None:
    for person in (ada, ben):
        story.tell_of(person, "signs in with nothing but a name")
        await person.arrive()
        story.tell_of(person, "opens a WebSocket and follows `events`")
    interest = f"demo {uuid.uuid4().hex[:8]}"
    for person in (ada, ben):
        await person.join(interest, mode="VIDEO")
        story.tell_of(person, f"joins the queue for VIDEO, interested in {interest!r}")
    seats = {person.name: await person.matched() for person in (ada, ben)}
    for person in (ada, ben):
        seat = seats[person.name]
        side = "polite, so waits for the offer" if seat.polite else "impolite, so makes the offer"
        story.tell_of(person, f"is matched with {seat.partner_name}; is {side}")
    ice = (await ada.ask(documents.ICE, roomId=seats["Ada"].room_id))["iceConfiguration"]
    urls = [url for server in ice["servers"] for url in server["urls"]]
    story.tell_of(
        ada, f"asks for ICE servers: {', '.join(urls) or 'none'} (not needed between two peers of one machine)"
    )
    await call(ada, seats["Ada"], ben, seats["Ben"], story.tell_of)
    story.tell("Both", "are connected peer to peer: data and video did not touch the server")
    await ada.skip(seats["Ada"].room_id)
    story.tell_of(ada, "skips: back in the queue")
    ended = await ben.inbox.until("MatchEnded")
    story.tell_of(ben, f"is told that the match ended ({ended['matchEndReason']})")
    await ben.join(interest, mode="VIDEO")
    story.tell_of(ben, "joins the queue again")
    try:
        await ada.matched(within=CALM)
    except TimeoutError:
        story.tell("Both", "wait for somebody else: who skipped does not meet again within the cooldown")
    else:
        raise AssertionError("the two were matched again: is PARLEY_SKIP_COOLDOWN_SECONDS 0?")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="make demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--url", default="http://localhost:8000", help="where the server listens (default: %(default)s)"
    )
    url = parser.parse_args().url
    try:
        asyncio.run(demonstrate(url))
    except (httpx.TransportError, httpx.InvalidURL, httpx.UnsupportedProtocol, OSError) as error:
        if isinstance(error, TimeoutError):
            return _failed(f"The demo waited in vain: {error}.")
        print(f"No Parley server answers at {url}: start one with `make run` in another terminal.", file=sys.stderr)
        return 2
    except (GraphQLFailure, Closed, AssertionError) as error:
        return _failed(f"The demo did not work out: {error}.")
    except KeyboardInterrupt:
        return 130
    return 0


def _failed(sentence: str) -> int:
    print(sentence, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
