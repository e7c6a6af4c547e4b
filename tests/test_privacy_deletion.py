"""Deleting an account: what goes, what stays, and that nothing comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from api.abandoned import erase_all_abandoned
from api.gate import TokenRefused
from domain.errors import NotAllowed, Unauthenticated
from domain.events import CaseChanged, MatchEnded, MemberLeft, QueueLeft
from domain.identity import Caller, OperatorRole, SessionScope
from domain.matchmaking.commit import Refused
from domain.privacy.deleting import erase_abandoned
from domain.rooms.room import MatchEndReason
from domain.safety.audit import Action
from domain.safety.case import CaseDecision, CaseStatus
from domain.safety.retention import ACCOUNTS_KEPT, DEVICE_OF_DELETED_KEPT
from domain.safety.suspension import SuspensionScope
from persistence.limits import PostgresRateLimits
from persistence.privacy import REFERENCES
from persistence.retention import purge
from tests.keyring import Keyring
from tests.lives import (
    COMMENT,
    INTEREST,
    MARKS,
    PLAINTEXT,
    ROOM,
    SDP,
    STATEMENT,
    a_life,
    accuse,
    decide,
    decide_appeal,
)
from tests.streams import follow, places, streaming
from tests.traces import traces
from tests.world import NETWORK, World, open_world, seat

DELETE = "mutation { deleteMyAccount { __typename ... on DeleteMyAccountSuccess { deletedAt } } }"
FOREIGN_KEYS = text("""
    SELECT conrelid::regclass || '.' || attname FROM pg_constraint
    JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY(conkey)
    WHERE contype = 'f' AND confrelid = 'account'::regclass
""")


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server."""
    async with open_world(database_url) as world:
        yield world


async def delete(world: World, caller: Caller) -> None:
    """Deletes the caller's account by the API, and closes their socket, as its server does."""
    answer = await world.answer(DELETE, caller)
    assert answer["__typename"] == "DeleteMyAccountSuccess"
    await world.detach(caller)


async def purged(world: World, **later: float) -> None:
    """Lets so much time pass, and deletes what is due."""
    world.clock.forward(**later)
    await purge(world.database.reading, world.clock())


async def device_of(world: World, user_id: UUID) -> UUID | None:
    """The device that the user signed in from, as far as it is known."""
    return await world.database.read(lambda uow: uow.users.device_of(user_id))


# --- what goes, and what stays --------------------------------------------------------------------------------------------------


async def test_whoever_deletes_their_account_is_nowhere_any_more(world: World) -> None:
    """Not in a table that nobody thinks of: every column of every table is looked at, at once and after a month."""
    life = await a_life(world)
    device_id = await device_of(world, life.user_id)
    assert device_id is not None
    assert set(await traces(world.database, *MARKS)) == {*MARKS} - {STATEMENT, SDP}, "the words are there to be found"
    await delete(world, life.caller)
    found = await traces(world.database, life.user_id, *MARKS)
    # What nobody has decided stays, and until the next purge what rooms were called, and what two had in common there.
    assert found == {
        str(life.user_id): {"account.id", "head.user_id", "member.user_id", "ticket.user_id"},
        COMMENT: {"report.comment"},
        PLAINTEXT: {"evidence.plaintext"},
        INTEREST: {"room.shared_interests"},
        ROOM: {"room.name"},
    }
    for room in (life.room, life.left):
        await world.leave(life.friend, room)
    await purged(world, minutes=1)
    assert set(await traces(world.database, *MARKS)) == {COMMENT, PLAINTEXT}

    await decide(world, life.partner.user_id, CaseDecision.DISMISS)
    await purged(world, days=40)
    await purged(world)
    assert await traces(world.database, life.user_id, device_id, *MARKS) == {}


async def test_what_safety_needs_stays_and_goes_in_its_time(world: World) -> None:
    """Deleting the account is no way out of a case: what was reported about them is judged, and their appeal is answered."""
    life = await a_life(world)
    undecided = await accuse(world, life)
    await delete(world, life.caller)
    for room in (life.room, life.left):
        await world.leave(life.friend, room)
    found = await traces(world.database, life.user_id, STATEMENT)
    assert found == {
        str(life.user_id): {
            "account.id",
            "appeal.user_id",
            "head.user_id",
            "member.user_id",
            "moderation_case.subject_id",
            "report.subject_id",
            "suspension.user_id",
            "ticket.user_id",
            "warning.user_id",
        },
        STATEMENT: {"appeal.statement"},
    }
    reports = await world.database.read(lambda uow: uow.reports.of_case(undecided, None, 10))
    assert [report.reporter_id for report in reports] == [life.friend.user_id]
    assert await world.database.read(lambda uow: uow.reports.evidence([reports[0].id]))
    named = await world.database.read(lambda uow: uow.users.get_many([life.user_id]))
    assert named[life.user_id].display_name == ""

    appealed = await traces(world.database, STATEMENT)
    await purged(world, days=200)
    assert await traces(world.database, STATEMENT) == appealed, "nobody has answered yet"
    await decide(world, life.user_id, CaseDecision.DISMISS)
    await decide_appeal(world, life.user_id)
    await purged(world, days=184)
    assert await traces(world.database, STATEMENT) == {}
    await purged(world, days=420)
    await purged(world)
    assert await traces(world.database, life.user_id) == {}


async def test_the_words_of_a_report_outlast_its_reporter_while_somebody_may_have_to_judge_by_them(
    world: World,
) -> None:
    """Whoever harassed someone out of the service does not win their appeal by it, and what the law preserves is preserved."""
    for category, suspended, stays in (
        ("HARASSMENT", False, False),
        ("HARASSMENT", True, True),
        ("SEXTORTION", False, True),
    ):
        reporter, subject = world.caller((await world.sign_in()).grant), await world.user()
        match = await world.match(reporter, subject)
        evidence = [await world.disclosed(subject, match, PLAINTEXT)]
        await world.reported(reporter, match, subject, category, comment=COMMENT, evidence=evidence)
        async with world.database.reading() as connection:
            await connection.execute(text("UPDATE suspension SET lifted_at = now()"))  # What the rules made of it.
        case_id = await decide(world, subject.user_id, CaseDecision.SUSPEND)
        if suspended:
            made = await world.suspend(subject)
            async with world.database.reading() as connection:
                await connection.execute(
                    text("UPDATE suspension SET case_id = :case WHERE id = :id"), {"case": case_id, "id": made.id}
                )
        await delete(world, reporter)
        found = await traces(world.database, COMMENT, PLAINTEXT, reporter.user_id)
        assert ("report.reporter_id" in found[str(reporter.user_id)]) is False
        assert ({COMMENT, PLAINTEXT} <= set(found)) is stays, (category, suspended)
        async with world.database.reading() as connection:
            await connection.execute(text("DELETE FROM evidence"))
            await connection.execute(text("UPDATE report SET comment = NULL"))


async def test_secrets_stand_nowhere_and_words_only_where_they_belong(world: World) -> None:
    """Whoever reads the audit log, or gets hold of the database, finds no token and no address, and no word beside its place."""
    world.limits = PostgresRateLimits(world.database.reading)
    life = await a_life(world)
    await accuse(world, life)
    secrets = (life.device_token, life.grant.refresh_token, NETWORK, SDP)
    found = await traces(world.database, *secrets, *MARKS)
    assert not {*secrets} & {*found}
    assert {column for columns in found.values() for column in columns} == {
        "account.display_name",
        "appeal.statement",
        "block.display_name",
        "evidence.plaintext",
        "member.display_name",
        "message.ciphertext",
        "report.comment",
        "room.name",
        "room.shared_interests",
        "ticket.interests",
    }


async def test_the_audit_log_says_that_an_account_was_deleted_and_not_whose(world: World) -> None:
    """The figures count it; nobody can look up who it was."""
    caller = world.caller((await world.sign_in()).grant)
    await delete(world, caller)
    (entry,) = await world.database.read(lambda uow: uow.audit.entries(None, 10))
    assert (entry.action, entry.actor_id, entry.target, entry.details) == (Action.ACCOUNT_DELETED, None, None, None)


async def test_everything_that_refers_to_an_account_has_its_fate(world: World) -> None:
    """A table that is added later is not forgotten when accounts are deleted."""
    async with world.database.reading() as connection:
        assert {*REFERENCES} == {*await connection.scalars(FOREIGN_KEYS)}


async def test_others_see_at_once_that_somebody_is_gone_and_their_name_nowhere(world: World) -> None:
    """Rooms that they are in, and rooms that they have left: with their friends a seat without a name is what is left."""
    me, friend = world.caller((await world.sign_in("Ada")).grant), await world.user("Grace")
    partner = await world.user("Joan")
    room, left = await world.open_room(me, friend), await world.open_room(friend, me)
    await world.leave(me, left)
    assert await world.directory.room(left.id) is not None, "it is remembered"
    match = await world.match(me, partner)
    await delete(world, me)
    for each in (room, left):
        seen = await world.directory.room(each.id)
        assert seen is not None
        assert seat(seen, me).display_name == ""
        assert not seen.holds(me.user_id)
    assert [type(event) for event in await world.told(partner)] == [MemberLeft, MatchEnded]
    assert (await world.told(partner))[-1] == MatchEnded(match.id, MatchEndReason.PARTNER_LEFT)
    assert MemberLeft in {type(event) for event in await world.told(friend)}


async def test_the_matcher_sees_the_end_of_the_ticket(world: World) -> None:
    """Nobody is matched with somebody who has gone."""
    me, other = world.caller((await world.sign_in()).grant), await world.user()
    mine, theirs = await world.queue(me), await world.queue(other)
    await delete(world, me)
    assert [type(event) for event in await world.told(me)] == [QueueLeft]
    (result,) = await world.commit((mine, theirs))
    assert isinstance(result, Refused)


# --- who may, and again ---------------------------------------------------------------------------------------------------------


async def test_nobody_who_is_not_signed_in_deletes_anything(world: World) -> None:
    """There is no account to name: it is the caller's."""
    assert (await world.ask(DELETE)).failures[0].code == "UNAUTHENTICATED"


async def test_a_suspended_user_may_delete_their_account_and_the_suspension_binds_the_device_all_the_same(
    world: World,
) -> None:
    """Their data is theirs; and to begin anew is no way around a suspension."""
    signed_in = await world.sign_in()
    device_id = signed_in.grant.user.device_id
    await world.suspend(signed_in.grant.user.id, SuspensionScope.ALL, device_id=device_id)
    caller = world.caller(await world.refresh(signed_in.grant.refresh_token))
    assert caller.scope is SessionScope.APPEAL_ONLY
    await delete(world, caller)
    await purged(world, days=50)
    again = await world.sign_in(device_token=signed_in.device_token)
    assert again.device_token == signed_in.device_token
    assert again.grant.session.scope is SessionScope.APPEAL_ONLY


async def test_a_second_deletion_finds_nobody(world: World) -> None:
    """The answer was lost: the client that asks again learns that it is signed out, which is true."""
    grant = (await world.sign_in()).grant
    caller, bearer = world.caller(grant), world.bearer(grant)
    await delete(world, caller)
    with pytest.raises(Unauthenticated):
        await world.answer(DELETE, caller)
    with pytest.raises(TokenRefused):
        await world.admission.admit(bearer)
    with pytest.raises(NotAllowed):
        await world.refresh(grant.refresh_token)
    assert len(await world.database.read(lambda uow: uow.audit.entries(None, 10))) == 1


async def test_nothing_of_a_deleted_account_begins_anew(world: World) -> None:
    """Another worker believes its token for a second: no name, no keys, no seat, no place in the queue and no block come of it."""
    caller, other = world.caller((await world.sign_in("Ada")).grant), await world.user()
    room = await world.open_room(other)
    match = await world.match(caller, other)
    await delete(world, caller)
    for operation in (
        'mutation { updateProfile(input: { displayName: "Ada" }) { __typename } }',
        'mutation { createRoom(input: { name: "Mine" }) { __typename } }',
        "mutation { joinQueue(input: { }) { __typename } }",
        f'mutation {{ joinRoom(input: {{ inviteCode: "{world.invite_code(room)}" }}) {{ __typename }} }}',
        f'mutation {{ blockUser(input: {{ memberId: "{seat(match, other).id}" }}) {{ __typename }} }}',
        f'mutation {{ reportUser(input: {{ memberId: "{seat(match, other).id}", category: OTHER }}) {{ __typename }} }}',
        "{ exportMyData }",
        DELETE,
    ):
        answer = await world.ask(operation, caller)
        assert [failure.code for failure in answer.failures] == ["UNAUTHENTICATED"], (operation, answer)
    with pytest.raises(Unauthenticated):
        await world.publish(caller, Keyring().x3dh(1))
    assert (await world.ask("{ me { createdAt } }", caller)).data == {"me": None}
    assert (await traces(world.database, caller.user_id))[str(caller.user_id)] <= {
        "account.id",
        "head.user_id",
        "member.user_id",
        "ticket.user_id",
    }


async def test_an_operator_who_deletes_their_account_gives_their_cases_back(world: World) -> None:
    """A case does not wait for somebody who has gone, and the others hear of it."""
    operator, other = await world.operator(name="Olive"), await world.operator(OperatorRole.ADMIN, "Otto")
    reporter, subject = await world.people(2)
    case_id = await world.case_about(subject, reporter)
    async with world.database.reading() as connection:
        await connection.execute(
            text("UPDATE moderation_case SET status = 'CLAIMED', claimed_by = :by, claim_expires_at = :until"),
            {"by": operator.user_id, "until": world.clock() + timedelta(minutes=15)},
        )
    await delete(world, operator)
    case = await world.database.read(lambda uow: uow.cases.get(case_id))
    assert case is not None
    assert case.status is CaseStatus.OPEN
    assert await world.told(other) == [CaseChanged(case_id)]
    assert list(await world.database.read(lambda uow: uow.operators.ids())) == [other.user_id]
    assert await traces(world.database, "Olive") == {}
    actions = {entry.action for entry in await world.database.read(lambda uow: uow.audit.entries(None, 10))}
    assert {Action.OPERATOR_REMOVED, Action.ACCOUNT_DELETED} <= actions


async def test_the_audit_log_knows_for_ever_who_looked(world: World) -> None:
    """An operator who reads what was said in confidence, decides nothing, and is gone the next day has not looked unseen."""
    snoop, root = await world.operator(name="Olive"), await world.operator(OperatorRole.ADMIN)
    case_id = await world.case_about(await world.user(), await world.user(), said=("secret",))
    look = "query($id: ID!) { case(id: $id) { reports { edges { node { evidence { plaintext } } } } } }"
    await world.answer(look, snoop, id=str(case_id))
    await delete(world, snoop)
    await purged(world, days=500)
    log = (await world.answer("{ auditLog { edges { node { action actor { id displayName } } } } }", root))["edges"]
    (actor,) = [edge["node"]["actor"] for edge in log if edge["node"]["action"] == Action.EVIDENCE_VIEWED]
    assert actor == {"id": str(snoop.user_id), "displayName": ""}


# --- what others go on with -----------------------------------------------------------------------------------------------------


async def test_a_conversation_goes_on_where_messages_are_gone(database_url: str) -> None:
    """The places of what a deleted account had said stay empty, the last ones too: no reader waits there, or is told twice."""
    async with streaming(database_url) as world:
        me, friend, reader = await world.user(), await world.user(), await world.user()
        room = await world.open_room(friend, me, reader)
        sent = [await world.sent(who, room) for who in (friend, me, me, friend, me, friend, me)]
        live = await follow(world, reader, room)
        await world.sent(me, room)
        assert await places(live, room, 1) == [8]
        await delete(world, me)
        begun = await follow(world, reader, room, sent[0]["cursor"])
        assert await places(begun, room, 2) == [4, 6]
        last = await follow(world, reader, room, sent[-1]["cursor"])
        for _ in range(2):
            await world.sent(friend, room)
        for stream in (live, begun, last):
            assert await places(stream, room, 2) == [9, 10]
            assert await stream.quiet()
            await stream.close()


# --- the device -----------------------------------------------------------------------------------------------------------------


async def test_the_device_of_a_deleted_account_is_known_for_a_day(world: World) -> None:
    """Whoever deletes the account right after the offence is reported all the same, and what comes of it binds the device."""
    grant = (await world.sign_in()).grant
    caller, other = world.caller(grant), await world.user()
    match = await world.match(caller, other)
    await delete(world, caller)
    await purged(world, hours=23)
    assert await device_of(world, caller.user_id) == grant.user.device_id
    await world.reported(other, match, caller)
    await purged(world, seconds=(DEVICE_OF_DELETED_KEPT - timedelta(hours=22)).total_seconds())
    assert await device_of(world, caller.user_id) == grant.user.device_id, "the case is undecided"
    await decide(world, caller.user_id, CaseDecision.DISMISS)
    await purged(world)
    assert await device_of(world, caller.user_id) is None


# --- abandoned ------------------------------------------------------------------------------------------------------------------


async def erase_the_abandoned(world: World) -> None:
    """As the leader does every ten minutes."""
    await erase_all_abandoned(world.database.transact, world.database.read, uuid4, world.clock)


async def test_accounts_that_nobody_can_sign_in_to_are_erased_and_others_are_not(world: World) -> None:
    """Anonymous accounts are left lying around by the thousand: their names and devices do not have to."""
    gone, kept = (await world.sign_in("Gone")).grant, (await world.sign_in("Kept")).grant
    operator, token = await world.operator_token(name="Olive")
    await purged(world, seconds=(ACCOUNTS_KEPT - timedelta(days=1)).total_seconds())
    kept = await world.refresh(kept.refresh_token)
    await purged(world, days=2)
    await purged(world)
    young = (await world.sign_in("Young")).grant
    await erase_the_abandoned(world)
    found = await world.database.read(
        lambda uow: uow.users.get_many([gone.user.id, kept.user.id, young.user.id, operator])
    )
    names = {user.display_name for user in found.values()}
    assert names == {"", "Kept", "Young", "Olive"}
    await world.refresh(kept.refresh_token)
    await world.sign_in_operator(token)
    assert {entry.action for entry in await world.database.read(lambda uow: uow.audit.entries(None, 10))} == {
        Action.OPERATOR_ADDED,
        Action.OPERATOR_SIGNED_IN,
    }, "nobody deleted anything"
    await purged(world, days=2)
    assert await traces(world.database, gone.user.id) == {}
    await erase_abandoned(world.database.transact, gone.user.id, new_id=uuid4, clock=world.clock)


async def test_a_device_whose_accounts_are_gone_is_forgotten_and_may_come_back_as_a_new_one(world: World) -> None:
    """The token that the client kept names nothing any more, and signs in all the same."""
    first = await world.sign_in()
    await delete(world, world.caller(first.grant))
    await purged(world, days=3)
    again = await world.sign_in(device_token=first.device_token)
    assert again.device_token != first.device_token
    assert first.grant.user.device_id is not None
    assert await traces(world.database, first.grant.user.device_id) == {}
