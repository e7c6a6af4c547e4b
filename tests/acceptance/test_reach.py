"""What one worker does, the others show: normally at once, and within two seconds when every hint between them is lost."""

from __future__ import annotations

import asyncio
import base64
import statistics
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from persistence.embedded import embedded_postgres
from tests.acceptance import documents
from tests.acceptance.client import JSON, Api, GraphQLFailure, Person, Socket, Subscription
from tests.acceptance.cluster import SCALED, Deployment
from tests.acceptance.conftest import Newcomer, meet
from tests.waiting import DEADLINE, Stopwatch, until

if TYPE_CHECKING:
    from pathlib import Path

    from persistence.embedded import EmbeddedPostgres
    from tests.valkey import Valkey

SETTINGS = {"rate_limits": "off"}
pytestmark = pytest.mark.parametrize("deployment", SCALED, indirect=True, scope="module")

AT_MOST = 2.0
"""Seconds from the answer to a mutation until everybody is told, whatever becomes of the hints (issue 4, Reach)."""
AT_ONCE = 0.5
"""Seconds for what is hinted, as the median of `TRIES`. By the sweep alone each would take nearly the second between two sweeps,
because it begins when the last sweep has told the one before.
"""
TRIES = 11
FIGURES = 3.0
"""Seconds until `stats` are right on every worker."""


class Notify:
    """LISTEN and NOTIFY of a PostgreSQL that serves as a bus and nothing else, so that it can stand still alone."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self.url = postgres.dsn()
        self._pid = postgres.pid

    def freeze(self) -> None:
        """As `Valkey.freeze`: the postmaster first, or it would make new ones."""
        for process in self._processes():
            process.suspend()

    def thaw(self) -> None:
        """As `Valkey.thaw`."""
        for process in self._processes():
            process.resume()

    def _processes(self) -> Iterator[psutil.Process]:
        postmaster = psutil.Process(self._pid)
        yield postmaster
        yield from postmaster.children(recursive=True)


@pytest.fixture(scope="module")
def bus(
    deployment: Deployment, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Valkey | Notify]:
    """What is between the workers."""
    if deployment is Deployment.REDIS:
        valkey: Valkey = request.getfixturevalue("valkey")
        yield valkey
    else:
        folder: Path = tmp_path_factory.mktemp("notify")
        with embedded_postgres(folder, durable=False) as postgres:
            yield Notify(postgres)


@pytest.fixture(scope="module")
def bus_url(bus: Valkey | Notify) -> str:
    """Instead of the one that others use."""
    return bus.url


Silence = Callable[[], None]


@pytest.fixture(params=["hinted", "hints lost"])
def silence(request: pytest.FixtureRequest, bus: Valkey | Notify) -> Iterator[Silence]:
    """To be called before what the test looks at: from then on no hint arrives, in the half of the tests that is about that."""
    try:
        yield bus.freeze if request.param == "hints lost" else lambda: None
    finally:
        bus.thaw()


@contextmanager
def reached(within: float = AT_MOST) -> Iterator[None]:
    """What is waited for inside is there in time. Measured and not cut off, so that a failure says by how much."""
    with Stopwatch() as watch:
        yield
        took = watch.seconds
    assert took <= within, f"{took:.2f} s"


def elsewhere(person: Person, apis: list[Api]) -> Person:
    """The same person with the same session, whose requests and sockets go to the other worker."""
    return Person(next(api for api in apis if api is not person.api), person.name, person.session)


async def ended(subscription: Subscription) -> None:
    """Waits for its end."""
    async with asyncio.timeout(DEADLINE):
        async for _ in subscription:
            pass


async def friends(newcomer: Newcomer) -> tuple[Person, Person, str, JSON]:
    """Ada and Ben in a room of Ada's, at a worker each; its ID, and Ben's member."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    room = await ada.create_room()
    joined = await ben.join_room(room["inviteCode"])
    return ada, ben, str(room["id"]), joined["room"]["me"]


async def views(person: Person, room_id: str) -> list[Subscription]:
    """Every stream of a room, over a socket of its own."""
    socket = await person.connect()
    documents_of_room = (documents.PRESENCE, documents.SIGNALS, documents.MESSAGES_LIVE)
    presence, *others = [await socket.subscribe(document, roomId=room_id) for document in documents_of_room]
    await presence.until("PresenceSnapshot")
    return [presence, *others]


def offer(text: str) -> JSON:
    """A signal to be told by its text."""
    return {"offer": {"sdp": text}}


# ------------------------------------------------------------------------------------------ normally at once


async def test_signals_between_workers_are_told_at_once(newcomer: Newcomer, interest: str) -> None:
    """A call that takes a second per candidate does not come about: hints, and not the sweep, carry the conversation."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, _ = await meet(ada, ben, interest)

    async def signal(text: str) -> None:
        await ada.send(seat.partner_id, offer(text))

    async def heard(text: str) -> None:
        assert (await ben.inbox.until("SignalReceived"))["signal"]["sdp"] == text

    assert await median(signal, heard) < AT_ONCE


async def test_messages_between_workers_are_told_at_once(newcomer: Newcomer) -> None:
    """Whoever types sees whether the other is there."""
    ada, ben, room_id, _ = await friends(newcomer)
    live = await ben.follow(documents.MESSAGES_LIVE, room_id, ben.inbox.cursor)

    async def say(text: str) -> None:
        await ada.say(room_id, text.encode(), str(uuid.uuid4()))

    async def heard(text: str) -> None:
        message = (await live.until("MessageSent"))["edge"]["node"]
        assert base64.b64decode(message["ciphertext"]).decode() == text

    assert await median(say, heard) < AT_ONCE


async def median(act: Callable[[str], Awaitable[None]], told: Callable[[str], Awaitable[None]]) -> float:
    """Seconds from the answer until the other is told."""
    took = []
    for number in range(TRIES):
        await act(str(number))
        answered = time.monotonic()
        await told(str(number))
        took.append(time.monotonic() - answered)
    return statistics.median(took)


# ------------------------------------------------------------------------------------------ always within two seconds


async def test_a_signal_reaches_the_other_worker(newcomer: Newcomer, interest: str, silence: Silence) -> None:
    """In both directions, in the unfiltered view and in that of the room."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, other_seat = await meet(ada, ben, interest)
    signals = (await views(ben, seat.room_id))[1]
    silence()
    await ada.send(seat.partner_id, offer("there"))
    with reached():
        assert (await ben.inbox.until("SignalReceived"))["signal"]["sdp"] == "there"
        assert (await signals.until("SignalReceived"))["signal"]["sdp"] == "there"
    await ben.send(other_seat.partner_id, offer("and back"))
    with reached():
        assert (await ada.inbox.until("SignalReceived"))["signal"]["sdp"] == "and back"


async def test_a_message_reaches_the_other_worker(newcomer: Newcomer, silence: Silence) -> None:
    """Live, and at once in the history, whoever asks for it where."""
    ada, ben, room_id, _ = await friends(newcomer)
    await ben.messages(room_id)
    silence()
    sent = (await ada.say(room_id, b"hello", "1"))["edge"]["node"]
    assert [edge["node"]["id"] for edge in (await ben.messages(room_id))["edges"]] == [sent["id"]]
    with reached():
        assert (await ben.inbox.until("MessageSent"))["edge"]["node"]["id"] == sent["id"]


async def test_people_at_different_workers_are_matched(newcomer: Newcomer, interest: str, silence: Silence) -> None:
    """Two workers with a queue each would let two people wait for ever, each alone."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    await ada.join(interest)
    silence()
    await ben.join(interest)
    with reached():
        await asyncio.gather(ada.matched(), ben.matched())


async def test_the_end_of_a_match_reaches_the_other_worker(newcomer: Newcomer, interest: str, silence: Silence) -> None:
    """Whoever was skipped must not go on talking to nobody, nor be able to signal."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    seat, other_seat = await meet(ada, ben, interest)
    streams = await views(ben, seat.room_id)
    silence()
    await ada.skip(seat.room_id, requeue=False)
    with reached():
        assert (await ben.send(other_seat.partner_id, offer("too late")))["__typename"] == "NotFoundError"
        assert (await ben.inbox.until("MatchEnded"))["matchEndReason"] == "PARTNER_LEFT"
        await asyncio.gather(*map(ended, streams))
    assert (await ben.state())["rooms"] == []


async def test_a_kick_ends_the_streams_at_the_other_worker(newcomer: Newcomer, silence: Silence) -> None:
    """Whoever was thrown out hears nothing that is said afterwards, and is heard by nobody."""
    ada, ben, room_id, ben_member = await friends(newcomer)
    streams = await views(ben, room_id)
    silence()
    await ada.act_on(documents.KICK, ben_member["id"])
    await ada.say(room_id, b"at last", "1")
    with reached():
        assert (await ben.say(room_id, b"still here", "2"))["__typename"] == "NotFoundError"
        assert (await ben.inbox.until("MemberLeft"))["memberLeaveReason"] == "KICKED"
        await asyncio.gather(*map(ended, streams))
    with pytest.raises(TimeoutError):
        await ben.inbox.until("MessageSent", within=1.5)
    assert [event["__typename"] for stream in streams for event in stream.seen].count("MessageSent") == 0


async def test_a_closed_room_is_closed_at_the_other_worker(newcomer: Newcomer, silence: Silence) -> None:
    """The owner ends it for all."""
    ada, ben, room_id, _ = await friends(newcomer)
    streams = await views(ben, room_id)
    silence()
    await ada.in_room(documents.CLOSE_ROOM, room_id)
    with reached():
        assert (await ben.say(room_id, b"still here", "1"))["__typename"] == "NotFoundError"
        await asyncio.gather(*map(ended, streams))
    assert (await ben.state())["rooms"] == []


async def test_mute_and_unmute_hold_at_the_other_worker(newcomer: Newcomer, silence: Silence) -> None:
    """A moderator silences somebody, not somebody's next but one message; and everybody is shown it."""
    ada, ben, room_id, ben_member = await friends(newcomer)
    presence = (await views(ben, room_id))[0]
    silence()
    for document, muted, said in (
        (documents.MUTE, True, "MutedError"),
        (documents.UNMUTE, False, "SendMessageSuccess"),
    ):
        await ada.act_on(document, ben_member["id"])
        with reached():
            assert (await ben.say(room_id, b"psst", str(uuid.uuid4())))["__typename"] == said
            while (await presence.until("MemberUpdated"))["member"]["muted"] is not muted:
                pass


async def test_camera_and_typing_are_shown_at_the_other_worker(newcomer: Newcomer, silence: Silence) -> None:
    """Two who see each other's faces are often at two workers: a camera that goes off looks like a fault unless one is told."""
    ada, ben, room_id, ben_member = await friends(newcomer)
    presence = (await views(ada, room_id))[0]
    silence()
    await ben.run(documents.UPDATE_PRESENCE, input={"roomId": room_id, "camera": True, "typing": True})
    with reached():
        told = (await presence.until("MemberUpdated"))["member"]
    assert (told["id"], told["media"]["camera"], told["typing"]) == (ben_member["id"], True, True)


async def test_signing_out_at_one_worker_closes_the_sockets_at_the_other(
    newcomer: Newcomer, apis: list[Api], silence: Silence
) -> None:
    """Signed out means signed out, wherever the other tab is connected."""
    ada = await newcomer("Ada")
    there = elsewhere(ada, apis)
    sockets = [await ada.connect(), await there.connect()]
    silence()
    await there.run(documents.SIGN_OUT)
    with reached():
        assert [(await socket.closed()).code for socket in sockets] == [4401] * 2
    with pytest.raises(GraphQLFailure) as failure:
        await ada.state()
    assert failure.value.codes == {"UNAUTHENTICATED"}


async def test_a_stolen_refresh_token_throws_both_out_at_every_worker(
    newcomer: Newcomer, apis: list[Api], silence: Silence
) -> None:
    """Whoever uses an old token is a thief or was robbed: the whole family of sessions ends, the sockets that it opened too."""
    ada = await newcomer("Ada")
    there, socket = elsewhere(ada, apis), await ada.connect()
    stolen = str(ada.session["refreshToken"])
    for _ in range(2):
        assert (await ada.refresh())["__typename"] == "RefreshSessionSuccess"
    silence()
    answer = await there.api.run(documents.REFRESH, input={"refreshToken": stolen})
    assert answer["refreshSession"]["__typename"] != "RefreshSessionSuccess"
    with reached():
        assert (await socket.closed()).code == 4401


async def test_figures_are_right_at_every_worker(newcomer: Newcomer, apis: list[Api], silence: Silence) -> None:
    """Each worker counts the people of all, those who come and those who go."""
    sockets = [await Socket.open(api.url) for api in apis]
    try:
        await until(lambda: _online(apis, 0), 15)  # Those of the test before are gone.
        streams = [await socket.subscribe(documents.STATS_LIVE) for socket in sockets]
        silence()
        people = [await newcomer(name) for name in ("Ada", "Ben", "Cleo")]
        with reached(FIGURES):
            await asyncio.gather(*(_shown(stream, 3) for stream in streams))
        await people[0].leave()
        with reached(FIGURES):
            await asyncio.gather(*(_shown(stream, 2) for stream in streams))
    finally:
        for socket in sockets:
            await socket.close()


async def _online(apis: list[Api], count: int) -> bool:
    return all([(await api.run(documents.STATS))["stats"]["online"] == count for api in apis])


async def _shown(stream: Subscription, count: int) -> None:
    while (await stream.next())["online"] != count:
        pass


# ------------------------------------------------------------------------------------------ without stickiness


async def test_requests_and_sockets_may_be_at_different_workers(
    newcomer: Newcomer, apis: list[Api], interest: str, silence: Silence
) -> None:
    """A balancer spreads requests as it likes: what somebody does by HTTP at one worker shows in their socket at the other."""
    ada, ben = await newcomer("Ada"), await newcomer("Ben")
    ada_there, ben_there = elsewhere(ada, apis), elsewhere(ben, apis)
    silence()
    await ada_there.join(interest)
    with reached():
        await ada.inbox.until("QueueJoined")
    await ben_there.join(interest)
    with reached():
        seat, other_seat = await asyncio.gather(ada.matched(), ben.matched())
    assert [room["id"] for person in (ada, ada_there) for room in (await person.state())["rooms"]] == [seat.room_id] * 2
    for sender, to in ((ada_there, seat.partner_id), (ben_there, other_seat.partner_id)):
        assert (await sender.send(to, offer("hello")))["__typename"] == "SendSignalSuccess"
    with reached():
        for person in (ada, ben):
            assert (await person.inbox.until("SignalReceived"))["signal"]["sdp"] == "hello"
    await ada_there.skip(seat.room_id, requeue=False)
    assert [(await person.state())["rooms"] for person in (ada, ada_there, ben, ben_there)] == [[]] * 4
    with reached():
        for person, reason in ((ada, "YOU_SKIPPED"), (ben, "PARTNER_LEFT")):
            assert (await person.inbox.until("MatchEnded"))["matchEndReason"] == reason
