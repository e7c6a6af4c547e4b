"""Exporting: everything that is held about somebody, to them alone, and no more of others than they know."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from domain.errors import RateLimited
from domain.identity import Caller, OperatorRole, SessionScope
from domain.privacy.exporting import EXPORTS_OF_USER
from domain.safety.suspension import SuspensionScope
from persistence import holdings
from persistence.limits import PostgresRateLimits
from persistence.privacy import REFERENCES
from tests.encoding import base64
from tests.lives import CIPHERTEXT, MARKS, SDP, a_life, accuse
from tests.world import START, World, open_world, seat

EXPORT = "{ exportMyData }"

SHOWN = {
    "account": "account",
    "appeal.user_id": "appeals",
    "audit_entry.actor_id": "audit_entries",
    "block.blocker_id": "blocks",
    "connection.user_id": "connections",
    "evidence": "disclosed_messages",
    "head.user_id": "account",
    "key_bundle.user_id": "key_bundle",
    "key_claim.claimer_id": "key_claims",
    "member.user_id": "seats",
    "message": "messages",
    "one_time_key": "one_time_keys",
    "operator_token.user_id": "account",
    "report.reporter_id": "reports",
    "session.user_id": "sessions",
    "suspension.user_id": "suspensions",
    "ticket.user_id": "tickets",
    "warning.user_id": "warnings",
}
"""Which part of the document says what a table holds about somebody, by the column that names them or, where it does so by way of
another table, by the table.
"""
WITHHELD = {
    "appeal.decided_by": "What an operator did is in the audit log.",
    "block.blocked_id": "It is the other's, and would tell them.",
    "key_claim.owner_id": "It is the claimer's: what they were given are keys that are in the document.",
    "moderation_case.claimed_by": "What an operator did is in the audit log.",
    "moderation_case.decided_by": "What an operator did is in the audit log.",
    "moderation_case.subject_id": "It would tell who reported what; what came of it is in the document.",
    "report.subject_id": "It would tell who reported what.",
    "suspension.lifted_by": "What an operator did is in the audit log.",
}
"""What is not shown, and why."""
COLUMNS_WITHHELD = {
    "account.deleted_at": "Null for everybody who can ask.",
    "account.device_id": "When the device was first seen is in the document; its ID means nothing to anybody.",
    "appeal.case_id": "It is the operators'; the suspension names what it is about.",
    "appeal.decided_by": "Another's.",
    "appeal.user_id": "The reader.",
    "audit_entry.actor_id": "The reader.",
    "audit_entry.id": "Names nothing that the reader could look up.",
    "block.blocked_id": "Another's account: they know a member.",
    "block.blocker_id": "The reader.",
    "connection.id": "Names nothing that the reader could look up.",
    "connection.user_id": "The reader.",
    "connection.worker": "Which process holds a socket is about the service.",
    "head.control_version": "A counter.",
    "head.latest": "A counter.",
    "head.seq": "A counter.",
    "head.user_id": "The reader.",
    "head.workers": "Which process holds a socket is about the service.",
    "key_bundle.user_id": "The reader.",
    "key_claim.claimer_id": "The reader.",
    "key_claim.owner_id": "Another's account: they know a member.",
    "member.position": "An order.",
    "member.reached_at": "Within a second of the joining.",
    "member.typing_until": "Seconds.",
    "member.user_id": "The reader.",
    "message.ciphertext_hash": "Follows from the ciphertext.",
    "message.sender_id": "The reader's member, of whom the room is named.",
    "message.seq": "An order.",
    "message.tag": "The server's, for those who received it.",
    "message.tag_key_id": "The server's.",
    "one_time_key.user_id": "The reader.",
    "operator_token.token_hash": "Keyed: it says nothing.",
    "operator_token.user_id": "The reader.",
    "report.case_id": "It is the operators'.",
    "report.reporter_id": "The reader.",
    "report.spent": "About the rules: whether it counts in one still.",
    "report.subject_id": "Another's account: they know the room.",
    "session.user_id": "The reader.",
    "suspension.case_id": "It is the operators'.",
    "suspension.device_id": "Its ID means nothing to anybody.",
    "suspension.lifted_by": "Another's.",
    "suspension.user_id": "Whether it is of this account is in the document.",
    "ticket.attended": "Seconds.",
    "ticket.changed_at": "Bookkeeping of the matcher.",
    "ticket.paused": "Follows from the connections.",
    "ticket.user_id": "The reader.",
    "ticket.widens_at": "Follows from patience.",
    "warning.case_id": "It is the operators'.",
    "warning.user_id": "The reader.",
}
"""Columns of what is shown that are not in the document, and why."""
RENAMED = {
    "head.detached_at": "last_connection_ended_at",
    "head.hold_until": "seats_held_until",
    "member.id": "member_id",
    "operator_token.created_at": "operator_token_made_at",
}
KEYS_OF_OTHERS = {"member_id", "request_id", "claimed_at"}
"""Of a claim: the keys in it are the other's, who published them."""


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def export(world: World, caller: Caller) -> dict[str, Any]:
    """The document that the caller gets."""
    document: dict[str, Any] = json.loads(await world.answer(EXPORT, caller))
    return document


async def test_everything_that_somebody_said_and_did_is_in_it(world: World) -> None:
    """Whoever wants to know what is held about them sees it, in words and by kind."""
    life = await a_life(world)
    await accuse(world, life)
    await world.connect(life.caller)
    document = await export(world, life.caller)
    spoken = json.dumps(document)
    encrypted = base64(CIPHERTEXT.encode())
    assert {mark for mark in MARKS if mark not in spoken} == {CIPHERTEXT, SDP}, "what is sealed, and what is not kept"
    assert [message["ciphertext"] for message in document["messages"]] == [encrypted] * 2
    assert document["exported_at"] == START.isoformat()
    assert document["account"]["id"] == str(life.user_id)
    assert document["left_off"] == []
    empty = {kind for kind, held in document.items() if held == []}
    assert empty == {"left_off", "audit_entries"}
    assert len(document["suspensions"]) == len(document["appeals"]) == len(document["warnings"]) == 1
    assert len(document["reports"]) == len(document["disclosed_messages"]) == 2


async def test_of_others_it_says_what_the_viewer_knows(world: World) -> None:
    """It is no way to learn who reported or blocked somebody, or which account is behind a member."""
    life = await a_life(world)
    undecided = await accuse(world, life)
    spoken = json.dumps(await export(world, life.caller))
    for other in (life.friend, life.partner):
        assert str(other.user_id) not in spoken
    assert str(undecided) not in spoken
    assert "what they said" not in spoken
    assert "They were rude." not in spoken
    assert life.device_token not in spoken
    assert life.grant.refresh_token not in spoken
    assert str(seat(await world.room(life.room.id), life.friend).id) in spoken, "whose keys they claimed"


async def test_every_table_that_names_somebody_is_in_it_or_has_a_reason(world: World) -> None:
    """A table, or a column, that is added later is not forgotten: whoever adds it says what becomes of it."""
    assert {*REFERENCES} <= {*SHOWN, *WITHHELD}
    assert not {*SHOWN} & {*WITHHELD}
    operator = await world.operator(OperatorRole.ADMIN)
    life = await a_life(world)
    await accuse(world, life)
    await world.connect(life.caller)
    of_user, of_operator = await export(world, life.caller), await export(world, operator)
    async with world.database.reading() as connection:
        rows = await connection.execute(
            text("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'")
        )
        columns = {(table, column) for table, column in rows}
    for place, kind in SHOWN.items():
        table = place.partition(".")[0]
        held = (of_operator if kind == "audit_entries" else of_user)[kind]
        shown = {*(held if isinstance(held, dict) else held[0])}
        if table == "key_claim":
            assert shown == KEYS_OF_OTHERS
            continue
        missing = {
            f"{table}.{column}"
            for of, column in columns
            if of == table and RENAMED.get(f"{table}.{column}", column) not in shown
        }
        assert missing == {column for column in COLUMNS_WITHHELD if column.partition(".")[0] == table}, table


async def test_operators_see_what_they_did(world: World) -> None:
    """What is written down about an operator is held about them, too."""
    document = await export(world, await world.operator())
    assert [entry["action"] for entry in document["audit_entries"]] == ["OPERATOR_SIGNED_IN"]
    assert document["account"]["operator_role"] == "MODERATOR"
    assert document["account"]["operator_token_made_at"] is not None


async def test_nobody_who_is_not_signed_in_gets_one(world: World) -> None:
    """There is nobody whose it could be."""
    assert (await world.ask(EXPORT)).failures[0].code == "UNAUTHENTICATED"


async def test_a_suspended_user_may_see_what_is_held_about_them(world: World) -> None:
    """Also what the device was suspended for, by another account."""
    first = await world.sign_in()
    device_id = first.grant.user.device_id
    await world.suspend(first.grant.user.id, SuspensionScope.ALL, device_id=device_id)
    second = await world.sign_in("Another", first.device_token)
    caller = world.caller(second.grant)
    assert caller.scope is SessionScope.APPEAL_ONLY
    (suspension,) = (await export(world, caller))["suspensions"]
    assert (suspension["reason"], suspension["of_this_account"]) == ("Be kind.", False)


async def test_five_a_day(world: World) -> None:
    """Each may be megabytes: nobody keeps the database busy with them."""
    world.limits = PostgresRateLimits(world.database.reading)
    caller, other = await world.user(), await world.user()
    for _ in range(EXPORTS_OF_USER):
        await export(world, caller)
    with pytest.raises(RateLimited) as refused:
        await export(world, caller)
    assert timedelta(hours=4) < timedelta(seconds=refused.value.retry_after) < timedelta(hours=5)
    await export(world, other)


async def test_it_ends_somewhere_and_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sent gigabytes gets an answer that a server can give: the newest in full, then the lengths, then no more."""
    monkeypatch.setattr(holdings, "LISTED", 3)
    monkeypatch.setattr(
        holdings,
        "SECTIONS",
        {kind: sql.replace(str(holdings.FULL_BYTES), "25") for kind, sql in holdings.SECTIONS.items()},
    )
    caller = await world.user()
    room = await world.open_room(caller)
    for number in range(5):
        world.clock.forward(seconds=1)
        await world.sent(caller, room, f"message {number}")
    document = await export(world, caller)
    assert [
        (message["ciphertext"] and b64decode(message["ciphertext"]).decode(), message["length"])
        for message in document["messages"]
    ] == [("message 4", 9), ("message 3", 9), (None, 9)]
    assert document["left_off"] == ["messages"]
