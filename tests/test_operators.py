"""Operators: who they are, how they sign in, and how they stop being operators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from api import operators
from api.settings import Settings
from domain.errors import Forbidden, NotAllowed, NotFound, RateLimited
from domain.events import CaseChanged
from domain.identity import OperatorRole, SessionScope
from domain.safety.audit import Action, AuditEntry
from domain.safety.case import Case, CaseStatus
from domain.safety.operators import FAILURES_PER_NETWORK, acting, change_role, remove_operator, renew_token
from persistence.limits import PostgresRateLimits
from persistence.operators import OperatorWatch
from persistence.retention import purge
from tests.world import START, World, open_world

SIGN_IN = """mutation($token: String!) { signInOperator(input: {token: $token}) { __typename
  ... on SignInOperatorSuccess { session { scope accessToken user { id displayName } } }
  ... on NotAllowedError { message } } }"""
ELSEWHERE = "198.51.100.9"


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """One server."""
    async with open_world(database_url) as world:
        yield world


async def log(world: World) -> list[AuditEntry]:
    """The audit log, the oldest entry first."""
    return [*reversed(await world.database.read(lambda uow: uow.audit.entries(None, 100)))]


async def actions(world: World) -> list[Action]:
    """What is in the audit log, in the order of their names: on a clock that stands all of it happened at once."""
    return sorted(entry.action for entry in await log(world))


async def remove(world: World, operator_id: UUID) -> int:
    """How many cases became open again."""
    return (await remove_operator(world.database.transact, uuid4, operator_id, now=world.clock()))[1]


async def renewed(world: World, operator_id: UUID) -> str:
    """A new token."""
    return await world.database.transact(
        lambda uow: renew_token(uow, world.secrets, uuid4, operator_id, now=world.clock())
    )


async def claimed_case(world: World, operator_id: UUID, *, status: CaseStatus = CaseStatus.CLAIMED) -> UUID:
    """A case about somebody that the operator has claimed."""
    subject = (await world.user()).user_id
    case = Case(uuid4(), subject, status, 3, START, operator_id, START + timedelta(minutes=15))
    await world.database.transact(lambda uow: uow.cases.add(case))
    return case.id


# --- signing in -----------------------------------------------------------------------------------------------------------------


async def test_the_token_signs_its_operator_in(world: World) -> None:
    """What the command line printed is all that an operator needs, as often as they come; and each time is on record."""
    operator_id, token = await world.operator_token(OperatorRole.ADMIN, "Olive")
    for _ in range(2):
        answer = await world.answer(SIGN_IN, None, token=token)
        assert answer["session"]["user"] == {"id": str(operator_id), "displayName": "Olive"}
        assert answer["session"]["scope"] == "FULL"
    caller = world.tokens.verify(answer["session"]["accessToken"], world.clock())
    assert (await world.answer("{ me { operatorRole user { id } } }", caller))["operatorRole"] == "ADMIN"
    signed_in = [entry for entry in await log(world) if entry.action is Action.OPERATOR_SIGNED_IN]
    assert [(entry.actor_id, entry.target) for entry in signed_in] == [(operator_id, f"user:{operator_id}")] * 2


async def test_users_are_no_operators(world: World) -> None:
    """A role comes from the command line alone."""
    user = await world.user()
    assert (await world.answer("{ me { operatorRole } }", user))["operatorRole"] is None
    with pytest.raises(Forbidden):
        await world.database.read(lambda uow: acting(uow, user.user_id))


async def test_every_token_that_is_not_good_is_answered_alike(world: World) -> None:
    """Whoever tries learns nothing: not which form a token has, nor whether it was one once."""
    operator_id, old = await world.operator_token()
    removed_id, removed = await world.operator_token()
    new = await renewed(world, operator_id)
    await remove(world, removed_id)
    signed_in = await world.sign_in()
    key_id, _, secret = new.partition(".")
    bad = [
        "",
        "x",
        world.secrets.new(),
        old,
        removed,
        signed_in.device_token,
        signed_in.grant.refresh_token,
        secret,
        f"other.{secret}",
        f"{key_id}.{secret.swapcase()}",
        new + " ",
        "\0",
        "\ud800",
        "t" * 100_000,
    ]
    answers = [await world.answer(SIGN_IN, None, token=token) for token in bad]
    assert [answer["__typename"] for answer in answers] == ["NotAllowedError"] * len(bad)
    assert len({answer["message"] for answer in answers}) == 1
    assert Action.OPERATOR_SIGNED_IN not in await actions(world)
    assert (await world.answer(SIGN_IN, None, token=new))["__typename"] == "SignInOperatorSuccess"


async def test_a_network_that_fails_too_often_has_to_wait_and_no_other(world: World) -> None:
    """Nobody can try tokens as fast as the line allows; an operator who signs in often is not hindered."""
    world.limits = PostgresRateLimits(world.database.reading)
    _, token = await world.operator_token()
    for _ in range(FAILURES_PER_NETWORK + 2):
        await world.sign_in_operator(token)
    for _ in range(FAILURES_PER_NETWORK):
        with pytest.raises(NotAllowed):
            await world.sign_in_operator("guess")
    for tried in ("guess", token):
        with pytest.raises(RateLimited) as refused:
            await world.sign_in_operator(tried)
        assert 0 < refused.value.retry_after <= 60
    await world.sign_in_operator(token, ELSEWHERE)


async def test_guesses_at_once_count_each(world: World) -> None:
    """The limit holds for whoever asks in parallel too: at most so many look-ups more than are under way."""
    world.limits = PostgresRateLimits(world.database.reading)
    said = await asyncio.gather(*(world.sign_in_operator("guess") for _ in range(30)), return_exceptions=True)
    assert sum(isinstance(error, NotAllowed) for error in said) == FAILURES_PER_NETWORK
    assert sum(isinstance(error, RateLimited) for error in said) == 30 - FAILURES_PER_NETWORK


async def test_a_suspended_operator_judges_nobody(world: World) -> None:
    """An operator is a user: what suspends the account leaves the role without use."""
    operator_id, token = await world.operator_token()
    await world.suspend(operator_id)
    grant = await world.sign_in_operator(token)
    assert grant.session.scope is SessionScope.APPEAL_ONLY
    answer = await world.ask("{ auditLog { edges { node { id } } } }", world.caller(grant))
    assert [type(failure) for failure in answer.failures] == [Forbidden]


async def test_an_operator_who_stays_away_for_years_is_an_operator_still(world: World) -> None:
    """Accounts that nobody can sign in to are erased: this one has its token, and no need of a session."""
    operator_id, token = await world.operator_token()
    await world.sign_in_operator(token)
    world.clock.forward(days=2000)
    for _ in range(2):
        await purge(world.database.reading, world.clock())
    abandoned = await world.database.read(lambda uow: uow.privacy.abandoned(world.clock(), 100))
    assert operator_id not in abandoned
    assert (await world.sign_in_operator(token)).user.operator_role is OperatorRole.MODERATOR


# --- what the command line does ---------------------------------------------------------------------------------------------------


async def test_a_new_token_ends_the_old_one_and_its_sessions(world: World) -> None:
    """A token that leaked is replaced, and whoever holds it is out at once."""
    operator_id, old = await world.operator_token()
    grant = await world.sign_in_operator(old)
    socket = await world.connect(world.caller(grant))
    new = await renewed(world, operator_id)
    await world.presence.recheck()
    assert socket.codes == [4401]
    assert await world.revoked(grant, grant.refresh_token)
    with pytest.raises(NotAllowed):
        await world.sign_in_operator(old)
    assert (await world.sign_in_operator(new)).user.id == operator_id
    assert Action.OPERATOR_TOKEN_RENEWED in await actions(world)


async def test_another_role_counts_from_the_next_thing_that_is_done(world: World) -> None:
    """Nobody has to sign in again; and what changes nothing is not recorded."""
    admin = await world.operator(OperatorRole.ADMIN)

    async def become(role: OperatorRole) -> None:
        changed = await world.database.transact(
            lambda uow: change_role(uow, uuid4, admin.user_id, role, now=world.clock())
        )
        assert changed.operator_role is role

    query = "{ auditLog { edges { node { id } } } }"
    assert await world.answer(query, admin)
    for _ in range(2):
        await become(OperatorRole.MODERATOR)
    with pytest.raises(Forbidden):
        await world.answer(query, admin)
    await become(OperatorRole.ADMIN)
    assert await world.answer(query, admin)
    changes = [entry for entry in await log(world) if entry.action is Action.OPERATOR_ROLE_CHANGED]
    assert {entry.details for entry in changes} == {"role=MODERATOR", "role=ADMIN"}
    assert len(changes) == 2


async def test_a_removed_operator_is_out_at_once_and_their_cases_are_open_again(world: World) -> None:
    """Who leaves takes nothing along, and no case waits for them to come back."""
    operator_id, token = await world.operator_token()
    grant = await world.sign_in_operator(token)
    socket = await world.connect(world.caller(grant))
    other = await world.operator(name="Otto")
    mine, done = (
        await claimed_case(world, operator_id),
        await claimed_case(world, operator_id, status=CaseStatus.DISMISSED),
    )
    theirs = await claimed_case(world, other.user_id)
    assert await remove(world, operator_id) == 1
    cases = await world.database.read(lambda uow: uow.cases.get_many((mine, theirs, done)))
    assert (cases[mine].status, cases[mine].claimed_by, cases[mine].claim_expires_at) == (CaseStatus.OPEN, None, None)
    assert (cases[theirs].status, cases[theirs].claimed_by) == (CaseStatus.CLAIMED, other.user_id)
    assert cases[done].status is CaseStatus.DISMISSED
    assert await world.told(other) == [CaseChanged(mine)]
    assert await world.told(operator_id) == []
    await world.presence.recheck()
    assert socket.codes == [4401]
    assert await world.revoked(grant, grant.refresh_token)
    with pytest.raises(NotAllowed):
        await world.sign_in_operator(token)
    with pytest.raises(Forbidden):
        await world.database.read(lambda uow: acting(uow, operator_id))
    (entry,) = [entry for entry in await log(world) if entry.action is Action.OPERATOR_REMOVED]
    assert (entry.actor_id, entry.target, entry.details) == (None, f"user:{operator_id}", "role=MODERATOR cases=1")


async def test_what_is_asked_of_no_operator_is_not_found(world: World) -> None:
    """A slip in an ID makes nobody an operator, and ends nobody's sessions."""
    user = await world.sign_in()
    operator_id, _ = await world.operator_token()
    await remove(world, operator_id)
    before = await actions(world)
    for no_operator in (uuid4(), user.grant.user.id, operator_id):
        with pytest.raises(NotFound):
            await remove(world, no_operator)
        with pytest.raises(NotFound):
            await renewed(world, no_operator)
        with pytest.raises(NotFound):
            await world.database.transact(
                lambda uow, id=no_operator: change_role(uow, uuid4, id, OperatorRole.ADMIN, now=world.clock())  # type: ignore[misc]
            )
    assert (await world.refresh(user.grant.refresh_token)).user.operator_role is None
    assert await actions(world) == before


async def test_of_a_sign_in_and_a_removal_at_once_no_session_stays(world: World) -> None:
    """Whichever comes first: afterwards the removed operator is signed in nowhere."""
    for _ in range(10):
        operator_id, token = await world.operator_token()
        grant, _ = await asyncio.gather(
            world.sign_in_operator(token), remove(world, operator_id), return_exceptions=True
        )
        assert await world.database.read(lambda uow, id=operator_id: uow.sessions.live(id, world.clock())) == 0  # type: ignore[misc]
        assert isinstance(grant, NotAllowed) or await world.admission.standing(world.caller(grant)) is None  # type: ignore[arg-type]


async def test_of_a_claim_and_a_removal_at_once_no_case_stays_claimed(world: World) -> None:
    """A case that somebody claimed who is gone would wait for a quarter of an hour."""
    claim = "mutation($id: ID!) { claimCase(input: {caseId: $id}) { __typename } }"
    for _ in range(10):
        operator = await world.operator()
        case_id = await claimed_case(world, operator.user_id, status=CaseStatus.OPEN)
        await asyncio.gather(world.ask(claim, operator, id=str(case_id)), remove(world, operator.user_id))
        case = await world.database.read(lambda uow, id=case_id: uow.cases.get(id))  # type: ignore[misc]
        assert case is not None
        assert case.status is CaseStatus.OPEN


async def test_two_removals_at_once_are_one(world: World) -> None:
    """Two administrators at two terminals do not write two entries."""
    operator_id, _ = await world.operator_token()
    said = await asyncio.gather(*(remove(world, operator_id) for _ in range(2)), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in said) == ["NotFound", "int"]
    assert (await actions(world)).count(Action.OPERATOR_REMOVED) == 1


# --- beside a server whose inbox is in memory -----------------------------------------------------------------------------------


async def test_a_server_with_its_inbox_in_memory_hears_of_what_another_process_did(database_url: str) -> None:
    """The command line cannot reach into that server: it looks at the heads of operators once a second."""
    async with open_world(database_url) as world:
        operator_id, token = await world.operator_token()
        other = await world.operator(name="Otto")
        bystander = await world.user()
        grant = await world.sign_in_operator(token)
        socket = await world.connect(world.caller(grant))
        theirs, quiet = await world.connect(other), await world.connect(bystander)
        watch = OperatorWatch(world.database.reading, world.inbox.renew, world.clock)
        await watch.look()
        world.inbox.renewed.clear()
        await watch.look()
        assert world.inbox.renewed == set()
        await claimed_case(world, operator_id)
        await _elsewhere(database_url, operator_id)
        assert (await world.told(other), socket.codes) == ([], [])
        await watch.look()
        assert world.inbox.renewed == {operator_id, other.user_id}
        await world.presence.recheck()
        assert (socket.codes, theirs.codes, quiet.codes) == ([4401], [], [])
        world.inbox.renewed.clear()
        await watch.look()
        assert world.inbox.renewed == set()


async def test_it_hears_of_who_came_and_went_between_two_looks(database_url: str) -> None:
    """Added, signed in and removed within a second, or while the database was away: their socket closes as any other."""
    async with open_world(database_url) as world:
        watch = OperatorWatch(world.database.reading, world.inbox.renew, world.clock)
        await watch.look()
        operator_id, token = await world.operator_token()
        socket = await world.connect(world.caller(await world.sign_in_operator(token)))
        await _elsewhere(database_url, operator_id)
        await watch.look()
        await world.presence.recheck()
        assert socket.codes == [4401]
        world.inbox.renewed.clear()
        for _ in range(2):
            world.clock.forward(minutes=5)
            await watch.look()
        assert world.inbox.renewed == set()


async def _elsewhere(database_url: str, operator_id: UUID) -> None:
    """Removes the operator as the command line does, which is another process."""
    settings = Settings(database_url=database_url, secrets=SECRET)
    await asyncio.to_thread(operators.remove, settings, operator_id)


SECRET = f"k1:{'A' * 43}="


async def test_the_command_line_on_a_database_of_ones_own(database_url: str) -> None:
    """All commands, on a database that a server may be using: each does what it says, and writes what it did."""
    settings = Settings(database_url=database_url, secrets=SECRET)
    user, token = await asyncio.to_thread(operators.add, settings, "Olive", OperatorRole.MODERATOR)
    new = await asyncio.to_thread(operators.renew_token, settings, user.id)
    assert token != new
    await asyncio.to_thread(operators.change_role, settings, user.id, OperatorRole.ADMIN)
    (operator,) = await asyncio.to_thread(operators.listed, settings)
    assert (operator.user.id, operator.user.display_name, operator.role) == (user.id, "Olive", OperatorRole.ADMIN)
    await asyncio.to_thread(operators.remove, settings, user.id)
    assert await asyncio.to_thread(operators.listed, settings) == []
    async with open_world(database_url) as world:
        assert [(entry.action, entry.actor_id, entry.details) for entry in await log(world)] == [
            (Action.OPERATOR_ADDED, None, "role=MODERATOR"),
            (Action.OPERATOR_TOKEN_RENEWED, None, None),
            (Action.OPERATOR_ROLE_CHANGED, None, "role=ADMIN"),
            (Action.OPERATOR_REMOVED, None, "role=ADMIN cases=0"),
        ]
