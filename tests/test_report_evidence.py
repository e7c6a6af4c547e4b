"""Evidence: a disclosed message proves what its sender wrote, and nobody can prove what was not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from copy import deepcopy
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.franking import DerivedFrankingKeys
from api.tokens import RootSecrets
from domain.errors import BadInput
from domain.events import CaseChanged, MatchEnded, UserSuspended
from domain.franking import LONGEST_PLAINTEXT, Finding
from domain.identity import Caller
from domain.rooms.room import MatchEndReason, Room
from domain.safety.audit import Action
from domain.safety.case import Case, CaseDecision
from domain.safety.report import MOST_EVIDENCE, Evidence, Report
from domain.safety.rules import HELD_BY_EVIDENCE
from domain.safety.suspension import SuspensionScope
from schema.scalars import format_time
from tests.encoding import base64
from tests.judging import cases, decide, gathered, holds
from tests.world import World, open_world, seat
from tests.world.safety import REPORT

Piece = dict[str, Any]
"""A `DisclosedMessageInput`."""


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def found(world: World, subject: Caller) -> tuple[Case, Report, list[Evidence]]:
    """The only case about the user, with its only report and what was disclosed in it."""
    (case,) = await cases(world, subject)
    (report,) = await gathered(world, case)
    evidence = await world.database.read(lambda uow: uow.reports.evidence([report.id]))
    return case, report, list(evidence.get(report.id, ()))


def changed(piece: Piece, path: str, value: object) -> Piece:
    """The same with another value at that place."""
    copy = deepcopy(piece)
    *way, last = path.split(".")
    place = copy
    for step in way:
        place = place[step]
    place[last] = value
    return copy


# ------------------------------------------------------------------------------------------ what proves


async def test_what_the_other_side_sent_is_proved(world: World) -> None:
    """The server never read it, and need not believe the reporter: whoever was threatened can show it."""
    for plaintext in ("I know where you live.", "", "Grüße \U0001f44b", "a" * 10_000):
        ada, bob, room = await world.pair()
        piece = await world.disclosed(bob, room, plaintext)
        await world.reported(ada, room, bob, evidence=[piece])
        _, report, (evidence,) = await found(world, bob)
        assert report.verified
        message_id = UUID(piece["messageId"])
        assert evidence == Evidence(report.id, 0, message_id, plaintext, evidence.sent_at, Finding.VERIFIED)
        assert format_time(evidence.sent_at) == piece["sentAt"]


async def test_what_is_proved_is_judged_first(world: World) -> None:
    """Of two that are accused of the same: an operator's next hour should go to what is certain."""
    (ada, bob, cid), room = await world.friends("Ada", "Bob", "Cid")
    await world.reported(ada, room, bob, evidence=[await world.disclosed(bob, room)])
    await world.reported(ada, room, cid)
    assert (await found(world, bob))[0].priority < (await found(world, cid))[0].priority


async def test_a_sender_is_not_beyond_proof_by_sending_what_no_text_of_the_database_holds(world: World) -> None:
    """One NUL in it, and every threat would be one that cannot be reported."""
    ada, bob, room = await world.pair()
    await world.reported(ada, room, bob, evidence=[await world.disclosed(bob, room, "I\0know")])
    _, report, (evidence,) = await found(world, bob)
    assert report.verified
    assert evidence.plaintext == "I\0know"


async def test_what_was_said_in_a_room_that_is_closed_is_still_proved(world: World) -> None:
    """The server deletes the messages of a match at its end: the receiver has what it takes."""
    ada, bob, room = await world.pair()
    piece = await world.disclosed(bob, room)
    await world.end(room)
    assert await world.stored(room) == []
    world.clock.forward(hours=23)
    await world.reported(ada, room, bob, evidence=[piece])
    assert (await found(world, bob))[1].verified


async def test_twenty_messages_are_kept_in_their_order_and_one_that_proves_is_enough(world: World) -> None:
    """A conversation is read from its beginning, also where some of it cannot be proved."""
    ada, bob, room = await world.pair()
    piece = await world.disclosed(bob, room, "0")
    pieces = [changed(piece, "plaintext", str(number)) for number in range(MOST_EVIDENCE)]
    await world.reported(ada, room, bob, evidence=pieces[::-1])
    _, report, evidence = await found(world, bob)
    assert report.verified
    assert [each.plaintext for each in evidence] == [str(number) for number in reversed(range(MOST_EVIDENCE))]
    assert [each.finding for each in evidence] == [Finding.NOT_OPENED] * (MOST_EVIDENCE - 1) + [Finding.VERIFIED]


# ------------------------------------------------------------------------------------------ what does not

Disclosing = Callable[[World, Caller, Caller, Room], Awaitable[Piece]]


def altered(path: str, value: object) -> Disclosing:
    """A real message of the subject's with something in it changed."""

    async def disclose(world: World, ada: Caller, bob: Caller, room: Room) -> Piece:
        return changed(await world.disclosed(bob, room), path, value)

    return disclose


async def own(world: World, ada: Caller, bob: Caller, room: Room) -> Piece:
    """What the reporter sent."""
    return await world.disclosed(ada, room)


async def of_another_room(world: World, ada: Caller, bob: Caller, room: Room) -> Piece:
    """What the subject sent to both elsewhere."""
    return await world.disclosed(bob, await world.open_room(bob, ada))


async def of_somebody_else(world: World, ada: Caller, bob: Caller, room: Room) -> Piece:
    """What a third one sent."""
    cid = await world.user("Cid")
    return await world.disclosed(cid, await world.open_room(cid, ada))


async def under_another_message(world: World, ada: Caller, bob: Caller, room: Room) -> Piece:
    """One text with the tag of another."""
    one, other = await world.disclosed(bob, room, "one"), await world.disclosed(bob, room, "another")
    return one | {"frankingTag": other["frankingTag"]}


async def stale(world: World, ada: Caller, bob: Caller, room: Room) -> Piece:
    """What was sent 30 days ago and a bit, in a room where both still are."""
    piece = await world.disclosed(bob, room)
    world.clock.forward(days=30, milliseconds=1)
    return piece


async def with_a_dropped_key(world: World, ada: Caller, bob: Caller, room: Room) -> Piece:
    """Under a secret that the operator has retired and forgotten."""
    piece = await world.disclosed(bob, room)
    world.franking = DerivedFrankingKeys(RootSecrets((("new", b"n" * 32),)))
    return piece


USELESS: dict[str, tuple[Disclosing, Finding]] = {
    "a forged tag": (altered("frankingTag.tag", base64(b"f" * 32)), Finding.FORGED_TAG),
    "another hash": (altered("frankingTag.ciphertextHash", base64(b"f" * 32)), Finding.FORGED_TAG),
    "another time": (altered("sentAt", "2026-11-21T09:29:59.999Z"), Finding.FORGED_TAG),
    "the first moment that is taken": (altered("sentAt", "1970-01-01T00:00:00.000Z"), Finding.FORGED_TAG),
    "the last moment that is taken": (altered("sentAt", "9998-12-31T23:59:59.999999Z"), Finding.FORGED_TAG),
    "another message": (altered("messageId", str(uuid4())), Finding.FORGED_TAG),
    "another commitment": (altered("commitment", base64(b"c" * 32)), Finding.FORGED_TAG),
    "an unknown key": (altered("frankingTag.keyId", "nobody's\0" * 1000), Finding.UNKNOWN_TAG_KEY),
    "a wrong opening key": (altered("openingKey", base64(b"o" * 32)), Finding.NOT_OPENED),
    "a changed text": (altered("plaintext", "an Insult"), Finding.NOT_OPENED),
    "the reporter's own message": (own, Finding.FORGED_TAG),
    "a message of another room": (of_another_room, Finding.FORGED_TAG),
    "a message of somebody else": (of_somebody_else, Finding.FORGED_TAG),
    "the tag of another message": (under_another_message, Finding.FORGED_TAG),
    # These change the world, and come last.
    "a message of thirty days ago": (stale, Finding.TOO_OLD),
    "a key that was dropped": (with_a_dropped_key, Finding.UNKNOWN_TAG_KEY),
}


async def test_what_proves_nothing_is_kept_and_counts_for_nothing(world: World) -> None:
    """Operators may see that somebody tried. The report stands as a word without proof: in the gravest category it holds nobody."""
    for name, (disclose, finding) in USELESS.items():
        ada, bob = await world.user("Ada"), await world.user("Bob")
        room = await world.open_room(ada, bob)
        piece = await disclose(world, ada, bob, room)
        await world.reported(ada, room, bob, "CHILD_SAFETY", evidence=[piece])
        case, report, (evidence,) = await found(world, bob)
        assert (report.verified, evidence.finding) == (False, finding), name
        assert (evidence.plaintext, str(evidence.message_id)) == (piece["plaintext"], piece["messageId"]), name
        assert await holds(world, bob) == [], name
        assert case.priority > 0, name


async def test_a_tag_of_the_secret_before_this_one_still_proves(world: World) -> None:
    """Rotating secrets must not wash everybody's hands."""
    ada, bob, room = await world.pair()
    piece = await world.disclosed(bob, room)
    world.franking = DerivedFrankingKeys(RootSecrets((("new", b"n" * 32), ("test", b"t" * 32))))
    await world.reported(ada, room, bob, evidence=[piece])
    assert (await found(world, bob))[1].verified


# ------------------------------------------------------------------------------------------ what is no evidence

MALFORMED: dict[str, tuple[str, object]] = {
    "no opening key": ("openingKey", ""),
    "an opening key that is too short": ("openingKey", base64(b"k" * 31)),
    "an opening key that is too long": ("openingKey", base64(b"k" * 33)),
    "a commitment of another size": ("commitment", base64(b"c" * 20)),
    "a hash of another size": ("frankingTag.ciphertextHash", base64(b"h" * 64)),
    "a tag of another size": ("frankingTag.tag", base64(b"")),
    "a text that no message holds": ("plaintext", "a" * (LONGEST_PLAINTEXT + 1)),
    "a text that no message holds, in bytes": ("plaintext", "é" * (LONGEST_PLAINTEXT // 2) + "a"),
    "half of a surrogate pair": ("plaintext", "\ud83d"),
    # asyncpg writes these two as infinities, and reads them as times that nothing can show: the whole case would be illegible.
    "the first moment there is": ("sentAt", "0001-01-01T00:00:00.000Z"),
    "the last moment there is": ("sentAt", "9999-12-31T23:59:59.999999Z"),
    "no ID": ("messageId", ""),
    "an ID of another form": ("messageId", "{5F3C6D1E-8D5B-4A53-9A0E-6C7D2F1B9E10}"),
    "an ID of enormous size": ("messageId", "9" * 100_000),
}


async def test_what_no_message_can_be_is_refused_by_its_place(world: World) -> None:
    """A client that packs its evidence wrongly learns which piece and which part of it, before anything has happened."""
    ada, bob, room = await world.pair()
    piece = await world.disclosed(bob, room)
    for name, (path, value) in MALFORMED.items():
        result = await world.report(ada, room, bob, evidence=[piece, piece, changed(piece, path, value)])
        assert (result["__typename"], result.get("field")) == ("InvalidInputError", f"evidence.2.{path}"), name
    assert (await world.room(room.id)).open
    assert await cases(world, bob) == []


async def test_twenty_one_messages_are_too_many(world: World) -> None:
    """One more than an operator is asked to read; and whatever is in the rest, nobody looks."""
    ada, bob, room = await world.pair()
    piece = await world.disclosed(bob, room)
    for pieces in ([piece] * (MOST_EVIDENCE + 1), [piece] * 500, [*[piece] * 21, changed(piece, "messageId", "")]):
        result = await world.report(ada, room, bob, evidence=pieces)
        assert (result["__typename"], result["field"]) == ("InvalidInputError", "evidence")
    assert (await world.room(room.id)).open


async def test_what_is_no_value_of_its_type_is_bad_input(world: World) -> None:
    """The types say so before the report is looked at."""
    ada, bob, room = await world.pair()
    piece = await world.disclosed(bob, room)
    about = {"memberId": str(seat(room, bob).id), "category": "OTHER"}
    wrong: list[tuple[str, object]] = [
        ("openingKey", "no base64!"),
        ("sentAt", "yesterday"),
        ("sentAt", "2026-11-21T09:30:00"),
        ("plaintext", None),
    ]
    for path, value in wrong:
        answer = await world.ask(REPORT, ada, input=about | {"evidence": [changed(piece, path, value)]})
        assert answer.data is None
        assert answer.errors
        assert all(isinstance(failure, BadInput) for failure in answer.failures)
    assert (await world.room(room.id)).open


# ------------------------------------------------------------------------------------------ what a rule does


async def test_a_proved_message_in_a_most_urgent_category_holds_at_once(world: World) -> None:
    """One person with proof is enough: until an operator has looked, for a day at most, nobody else meets the sender."""
    ada, bob, room = await world.pair()
    olive = await world.operator()
    await world.reported(ada, room, bob, "SEXTORTION", evidence=[await world.disclosed(bob, room)])
    case, report, _ = await found(world, bob)
    (hold,) = await holds(world, bob)
    assert (hold.scope, hold.automated, hold.case_id) == (SuspensionScope.MATCHING, True, case.id)
    assert hold.ends_at == hold.starts_at + HELD_BY_EVIDENCE == world.clock() + timedelta(hours=24)
    assert (await world.told(bob))[-2:] == [MatchEnded(room.id, MatchEndReason.YOU_WERE_SUSPENDED), UserSuspended(hold)]
    assert await world.told(olive) == [CaseChanged(case.id)]
    entries = await world.database.read(lambda uow: uow.audit.entries(None, 10))
    (entry,) = [each for each in entries if each.action is Action.USER_HELD]
    assert (entry.actor_id, entry.target) == (None, f"case:{case.id}")
    assert entry.details == "rule=EVIDENCE scope=MATCHING minutes=1440"
    assert str(report.id) not in str(entry)
    assert str(ada.user_id) not in str(entry)


async def test_a_proved_message_of_what_can_wait_holds_nobody(world: World) -> None:
    """An insult is for a person to judge."""
    ada, bob, room = await world.pair()
    await world.reported(ada, room, bob, "HATE", evidence=[await world.disclosed(bob, room)])
    assert (await found(world, bob))[1].verified
    assert await holds(world, bob) == []


async def test_a_decision_ends_the_hold_and_the_same_proof_brings_no_other(world: World) -> None:
    """Until reviewed: an operator who finds nothing has the last word, until something new is proved."""
    ada, bob = await world.user("Ada"), await world.user("Bob")
    rooms = [await world.open_room(bob, ada) for _ in range(3)]
    olive = await world.operator()

    async def prove(room: Room) -> None:
        await world.reported(ada, room, bob, "SEXTORTION", evidence=[await world.disclosed(bob, room)])

    await prove(rooms[0])
    case, *_ = await found(world, bob)
    world.clock.forward(minutes=1)
    await prove(rooms[1])
    (hold,) = await holds(world, bob)
    await decide(world, olive, case, CaseDecision.DISMISS)
    (lifted,) = await holds(world, bob)
    assert (lifted.id, lifted.lifted_at) == (hold.id, world.clock())
    await prove(rooms[2])
    assert len(await holds(world, bob)) == 2
