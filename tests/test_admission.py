"""Who makes a request: access tokens against sessions as they are now."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from api import admission
from api.gate import TokenExpired, TokenRefused
from api.tokens import RootSecrets, SignedTokens
from domain.identity import Session, SessionScope, sign_out
from domain.safety.suspension import SuspensionScope
from persistence.inbox.memory import MemoryInbox
from tests.world import START, World, open_world


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Everything that identity needs."""
    async with open_world(database_url) as parts:
        yield parts


@pytest.mark.parametrize("authorization", [None, "", "  "])
async def test_no_token_is_nobody(world: World, authorization: str | None) -> None:
    """Signing in needs no sign-in; Apollo's documented auth link sends an empty value until there is a token."""
    assert await world.admission.admit(authorization) is None


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   ", "  Bearer "])
async def test_the_scheme_is_read_as_http_says(world: World, scheme: str) -> None:
    """Clients differ in how they write it (RFC 9110, section 11.1)."""
    grant = (await world.sign_in()).grant
    caller = await world.admission.admit(world.bearer(grant).replace("Bearer ", scheme))
    assert caller == world.caller(grant)


@pytest.mark.parametrize(
    "authorization",
    ["Bearer", "Bearer ", "Basic YTpi", "Bearer a b", "Bearer undefined", "junk", "Bearer\x00x", "\ud800"],
)
async def test_junk_is_refused(world: World, authorization: str) -> None:
    """A front end with a bug hears of it instead of being nobody in silence."""
    with pytest.raises(TokenRefused):
        await world.admission.admit(authorization)


async def test_a_bare_token_is_refused(world: World) -> None:
    """There is one way to write it."""
    with pytest.raises(TokenRefused):
        await world.admission.admit(world.bearer((await world.sign_in()).grant).removeprefix("Bearer "))


async def test_an_expired_token_is_told_from_a_refused_one(world: World) -> None:
    """The one asks for a renewal, the other for a new sign-in."""
    bearer = world.bearer((await world.sign_in()).grant)
    world.clock.forward(minutes=15)
    with pytest.raises(TokenExpired):
        await world.admission.admit(bearer)


async def test_a_token_of_another_installation_is_refused(world: World) -> None:
    """Signed well, by a server that is not this one; or by this one, for a session that its database never had."""
    grant = (await world.sign_in()).grant
    foreign, _ = SignedTokens(RootSecrets((("test", b"x" * 32),))).issue(grant.session, START)
    unknown, _ = world.tokens.issue(Session(uuid4(), grant.user.id, SessionScope.FULL, START, None), START)
    for token in (foreign, unknown):
        with pytest.raises(TokenRefused):
            await world.admission.admit(f"Bearer {token}")


async def test_a_revoked_session_is_refused_here_at_once_and_elsewhere_within_a_second(world: World) -> None:
    """Signed out on a shared computer: the token that somebody copied is of no use any more."""
    grant = (await world.sign_in()).grant
    bearer = world.bearer(grant)
    elsewhere = world.another_worker(MemoryInbox(clock=world.clock, hint=lambda _: None))
    assert await world.admission.admit(bearer) == await elsewhere.admit(bearer) == world.caller(grant)
    await sign_out(world.database.transact, world.caller(grant), now=world.clock())
    with pytest.raises(TokenRefused):
        await world.admission.admit(bearer)
    world.clock.forward(seconds=admission.KNOWN_FOR_SECONDS)
    with pytest.raises(TokenRefused):
        await elsewhere.admit(bearer)
    assert await elsewhere.standing(world.caller(grant)) is None


async def test_a_suspension_takes_the_rights_of_tokens_that_were_given_before(world: World) -> None:
    """Fifteen minutes of a good token are not fifteen minutes more of harassment."""
    grant = (await world.sign_in()).grant
    bearer, caller = world.bearer(grant), world.caller(grant)
    await world.suspend(grant.user.id, SuspensionScope.MATCHING)
    assert await world.admission.standing(caller) == caller
    await world.suspend(grant.user.id)
    for now in (await world.admission.admit(bearer), await world.admission.standing(caller)):
        assert now is not None
        assert now.scope is SessionScope.APPEAL_ONLY


async def test_a_token_for_an_appeal_stays_one_until_it_is_renewed(world: World) -> None:
    """A token never grants more than what it was given for."""
    grant = (await world.sign_in()).grant
    appeal = Session(grant.session.id, grant.user.id, SessionScope.APPEAL_ONLY, START, None)
    caller = await world.admission.admit(f"Bearer {world.tokens.issue(appeal, START)[0]}")
    assert caller is not None
    assert caller.scope is SessionScope.APPEAL_ONLY


async def test_standings_are_remembered_for_a_second_and_not_without_bound(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A burst of requests costs the database one look, and a million visitors do not cost a million places in memory."""
    monkeypatch.setattr(admission, "KNOWN_SESSIONS", 2)
    bearers = [world.bearer((await world.sign_in()).grant) for _ in range(3)]
    looks = 0
    read = world.database.read

    async def counted(work: object) -> object:
        nonlocal looks
        looks += 1
        return await read(work)  # type: ignore[arg-type]  # passed on as it came

    monkeypatch.setattr(world.admission, "_read", counted)
    for expected, number in enumerate((0, 0, 1, 0, 2, 0, 1), 1):
        await world.admission.admit(bearers[number])
        assert looks == [0, 1, 1, 2, 2, 3, 3, 4][expected]
    assert len(world.admission._known) == 2
    world.clock.forward(seconds=1)
    await world.admission.admit(bearers[1])
    assert looks == 5
