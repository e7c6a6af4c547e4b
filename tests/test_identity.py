"""Signing in and out, renewing a session, names and devices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from api.buckets import REFRESHES_BURST, RENEWALS_BURST
from domain import identity
from domain.errors import InvalidInput, NotAllowed, RateLimited, Suspended
from domain.identity import (
    ACCOUNTS_PER_NETWORK,
    SUCCESSORS,
    SessionScope,
    SignedIn,
    display_name,
    update_profile,
)
from domain.safety.suspension import SuspensionScope
from persistence.limits import PostgresRateLimits
from tests.world import NETWORK, START, World, open_world

SIGN_IN = """mutation ($input: SignInAnonymouslyInput!) { signInAnonymously(input: $input) { __typename
  ... on SignInAnonymouslySuccess { deviceToken
    session { accessToken accessTokenExpiresAt refreshToken scope user { id displayName } } }
  ... on InvalidInputError { field message } } }"""
REFRESH = """mutation ($token: String!) { refreshSession(input: {refreshToken: $token}) { __typename
  ... on RefreshSessionSuccess { session { refreshToken scope user { id } } } ... on NotAllowedError { message } } }"""
UPDATE = """mutation ($name: String!) { updateProfile(input: {displayName: $name}) { __typename
  ... on UpdateProfileSuccess { user { id displayName } } ... on InvalidInputError { field }
  ... on SuspendedError { suspension { id } } } }"""
ME = """{ me { id createdAt operatorRole user { id displayName } suspension { id scope reason endsAt }
  suspensions { id liftedAt } } }"""


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Everything that identity needs."""
    async with open_world(database_url) as parts:
        yield parts


# ------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Ada", "Ada"),
        ("  Ada  Lovelace\t\n", "Ada  Lovelace"),
        ("\u3000Ada\u00a0", "Ada"),
        ("e\u0301", "é"),
        ("x" * 40, "x" * 40),
        ("\U0001f469\u200d\U0001f467", "\U0001f469\u200d\U0001f467"),
        ("می\u200cخواهم", "می\u200cخواهم"),  # noqa: RUF001  # Persian
        ("שלום\u200f!", "שלום\u200f!"),
        ("\u1f82" * 40, "\u1f82" * 40),
        ("\u03b1\u0313\u0300\u0345" * 40, "\u1f82" * 40),
        ("<b>'; DROP TABLE account; --", "<b>'; DROP TABLE account; --"),
        ("!", "!"),
    ],
    ids=ascii,
)
def test_a_persons_name_is_accepted_in_every_script(given: str, kept: str) -> None:
    """People are called what they are called; the server only tidies."""
    assert display_name(given) == kept


@pytest.mark.parametrize(
    "name",
    [
        "",
        " \t\n\u3000",
        "x" * 41,
        "\U0001f600" * 41,
        "x" * 1_000_000,
        "a" + "\u0301" * 100_000,
        "\u0958" * 21,
        "a\x00b",
        "a\nb",
        "a\x1b[31mb",
        "a\x7fb",
        "a\u0085b",
        "a\u2028b",
        "\u202egnp.exe",
        "Ada\u202a",
        "\u2066Ada\u2069",
        "\u200b",
        "\u200d\u200d",
        "\ufeff\u2060",
        "\u3164",
        "\u115f\u1160",
        "\u2800",
        "\u00ad",
        "\u0301",
        "\ufe0f",
        "\U000e0041\U000e0042",
        "\ue000",
        "\ud800",
        "a\udc00b",
    ],
    ids=lambda name: ascii(name[:8]),
)
def test_a_name_that_is_empty_hidden_or_hostile_is_refused(name: str) -> None:
    """Nobody faces a stranger without a name, or one whose name breaks the page or turns the text around it."""
    with pytest.raises(InvalidInput) as refused:
        display_name(name)
    assert refused.value.field == "displayName"


# ------------------------------------------------------------------------------------------ signing in


async def test_a_sign_in_makes_an_account_that_is_signed_in(world: World) -> None:
    """One request, no form: a person is in."""
    answer = (await world.ask(SIGN_IN, input={"displayName": "  Ada "})).data["signInAnonymously"]
    session = answer["session"]
    assert session["scope"] == "FULL"
    assert session["user"]["displayName"] == "Ada"
    assert session["accessTokenExpiresAt"] == "2026-11-21T09:45:00.000Z"
    caller = await world.admission.admit(f"Bearer {session['accessToken']}")
    assert caller is not None
    me = (await world.ask(ME, caller)).data["me"]
    assert me["user"] == session["user"]
    assert me["createdAt"] == "2026-11-21T09:30:00.000Z"
    assert me["operatorRole"] is me["suspension"] is None
    assert me["suspensions"] == []
    assert UUID(me["id"]) != UUID(me["user"]["id"])


async def test_me_is_null_for_whoever_is_not_signed_in(world: World) -> None:
    """A front end asks at its start, before it knows."""
    answer = await world.ask(ME)
    assert (answer.data, answer.failures) == ({"me": None}, [])


@pytest.mark.parametrize(
    ("given", "field"),
    [({"displayName": "\u200b"}, "displayName"), ({"displayName": "Ada", "deviceToken": "x" * 201}, "deviceToken")],
)
async def test_bad_input_names_its_field_and_makes_nothing(world: World, given: dict[str, str], field: str) -> None:
    """The form shows the mistake where it was made."""
    answer = (await world.ask(SIGN_IN, input=given)).data["signInAnonymously"]
    assert (answer["__typename"], answer["field"]) == ("InvalidInputError", field)
    assert await rows(world, "account") == await rows(world, "device") == 0


async def rows(world: World, table: str) -> int:
    """How many rows a table has."""
    async with world.database.reading() as connection:
        return int(await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)  # noqa: S608  # names of ours


async def test_a_device_is_known_again_and_no_guess_tells_which_exist(world: World) -> None:
    """A suspension follows the device, and a stranger who tries tokens learns nothing."""
    first = await world.sign_in()
    again = await world.sign_in("Grace", first.device_token)
    assert again.device_token == first.device_token
    assert again.grant.user.device_id == first.grant.user.device_id
    assert again.grant.user.id != first.grant.user.id
    for unknown in ("", "x", "\x00", "\ud800", world.secrets.new(), first.device_token[:-1], first.grant.refresh_token):
        other = await world.sign_in("Eve", unknown)
        assert other.device_token not in {unknown, first.device_token}
        assert other.grant.user.device_id != first.grant.user.device_id


async def test_the_database_holds_no_token(world: World) -> None:
    """Whoever steals a copy of the database is signed in as nobody."""
    signed_in = await world.sign_in()
    async with world.database.reading() as connection:
        dump = ""
        for table in ("account", "device", "session", "refresh_token"):
            dump += str((await connection.execute(text(f"SELECT * FROM {table}"))).all())  # noqa: S608  # names of ours
    for token in (signed_in.device_token, signed_in.grant.refresh_token):
        assert token.partition(".")[2] not in dump


async def test_accounts_per_network_are_limited_however_many_ask_at_once(world: World) -> None:
    """A script behind one address does not fill the queue with thousands of strangers who are nobody."""
    world.limits = PostgresRateLimits(world.database.reading)
    tries = (world.sign_in() for _ in range(ACCOUNTS_PER_NETWORK + 50))
    results = await asyncio.gather(*tries, return_exceptions=True)
    refused = [result for result in results if not isinstance(result, SignedIn)]
    assert len(refused) == 50
    assert all(isinstance(result, RateLimited) and 0 < result.retry_after <= 10 for result in refused)
    assert await rows(world, "account") == ACCOUNTS_PER_NETWORK
    (failure,) = (await world.ask(SIGN_IN, input={"displayName": "Ada"})).failures
    assert isinstance(failure, RateLimited)
    await world.sign_in(network="203.0.113.8")


async def test_mistyped_names_cost_no_account_and_no_address_is_kept(world: World) -> None:
    """Somebody who tries names is not locked out by it, and the table of limits tells nobody who was here."""
    world.limits = PostgresRateLimits(world.database.reading)
    for _ in range(ACCOUNTS_PER_NETWORK + 5):
        with pytest.raises(InvalidInput):
            await world.sign_in("")
    await world.sign_in()
    async with world.database.reading() as connection:
        (key,) = (await connection.scalars(text("SELECT key FROM rate_limit"))).all()
    assert NETWORK not in key
    assert key.startswith("accounts:")


# ------------------------------------------------------------------------------------------ renewing


async def test_a_refresh_token_works_once_and_hands_on(world: World) -> None:
    """A person stays signed in for as long as they come back within a month."""
    first = (await world.sign_in()).grant
    world.clock.forward(minutes=14)
    second = await world.refresh(first.refresh_token)
    assert (second.user, second.session) == (first.user, first.session)
    world.clock.forward(days=29)
    third = await world.refresh(second.refresh_token)
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3


async def test_two_tabs_and_a_lost_answer_are_forgiven(world: World) -> None:
    """Both tabs wake up, both renew with what they know, and both go on with what they got."""
    token = (await world.sign_in()).grant.refresh_token
    one = await world.refresh(token)
    world.clock.forward(seconds=30)
    other = await world.refresh(token)
    world.clock.forward(minutes=14)
    await world.refresh(one.refresh_token)
    await world.refresh(other.refresh_token)


async def test_eight_tabs_at_once_all_go_on(world: World) -> None:
    """A laptop is opened, and eight tabs renew in the same millisecond."""
    token = (await world.sign_in()).grant.refresh_token
    grants = await asyncio.gather(*(world.refresh(token) for _ in range(8)))
    assert len({grant.refresh_token for grant in grants}) == 8
    await asyncio.gather(*(world.refresh(grant.refresh_token) for grant in grants))


async def test_reuse_after_the_grace_ends_the_session_everywhere(world: World) -> None:
    """Somebody copied the token: neither they nor the user goes on, and the user signs in anew."""
    first = (await world.sign_in()).grant
    second = await world.refresh(first.refresh_token)
    world.clock.forward(seconds=30.001)
    with pytest.raises(NotAllowed):
        await world.refresh(first.refresh_token)
    assert await world.revoked(first, second.refresh_token, first.refresh_token)


async def test_reuse_after_the_successor_was_used_ends_the_session(world: World) -> None:
    """Within the grace as well: the chain went on, so whoever holds the old token is not who went on."""
    first = (await world.sign_in()).grant
    second = await world.refresh(first.refresh_token)
    third = await world.refresh(second.refresh_token)
    with pytest.raises(NotAllowed):
        await world.refresh(first.refresh_token)
    assert await world.revoked(first, third.refresh_token)


async def test_the_grace_does_not_hand_out_tokens_without_end(world: World) -> None:
    """A client in a loop, or a thief in a hurry, is stopped; other people's sessions are not touched."""
    first, other = (await world.sign_in()).grant, (await world.sign_in()).grant
    tries = (world.refresh(first.refresh_token) for _ in range(2 * SUCCESSORS))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, NotAllowed) for result in results) == SUCCESSORS
    assert await world.revoked(first)
    await world.refresh(other.refresh_token)


async def test_unknown_expired_and_revoked_tokens_are_answered_alike(world: World) -> None:
    """Nobody can find out by trying which sessions exist."""
    expired, ended = await world.sign_in(), await world.sign_in()
    await identity.sign_out(world.database.transact, world.caller(ended.grant), now=world.clock())
    world.clock.forward(days=30)
    tokens = ["", "x" * 100_000, "\ud800", world.secrets.new(), expired.device_token]
    answers = [
        (await world.ask(REFRESH, token=token)).data["refreshSession"]
        for token in [*tokens, expired.grant.refresh_token, ended.grant.refresh_token]
    ]
    assert answers[0]["__typename"] == "NotAllowedError"
    assert all(answer == answers[0] for answer in answers)


# ------------------------------------------------------------------------------------------ suspensions


async def test_a_suspension_follows_the_device_to_the_next_account(world: World) -> None:
    """Who was suspended does not walk in again under another name; they can only appeal."""
    first = await world.sign_in()
    suspension = await world.suspend(first.grant.user.id, device_id=first.grant.user.device_id)
    again = await world.sign_in("Other", first.device_token)
    assert again.grant.session.scope is SessionScope.APPEAL_ONLY
    me = (await world.ask(ME, world.caller(again.grant))).data["me"]
    assert me["suspension"] == {"id": str(suspension.id), "scope": "ALL", "reason": "Be kind.", "endsAt": None}
    assert (await world.sign_in()).grant.session.scope is SessionScope.FULL


async def test_a_renewed_session_has_the_scope_of_the_moment(world: World) -> None:
    """A suspension takes hold at the next renewal, its end gives everything back; one of matching alone takes nothing here."""
    grant = (await world.sign_in()).grant
    await world.suspend(grant.user.id, SuspensionScope.MATCHING)
    grant = await world.refresh(grant.refresh_token)
    assert grant.session.scope is SessionScope.FULL
    await world.suspend(grant.user.id, ends_at=START + timedelta(hours=1))
    grant = await world.refresh(grant.refresh_token)
    assert grant.session.scope is SessionScope.APPEAL_ONLY
    world.clock.forward(minutes=60)
    assert (await world.refresh(grant.refresh_token)).session.scope is SessionScope.FULL


async def test_me_shows_the_newest_fifty_suspensions_and_the_worst_in_force(world: World) -> None:
    """A suspended person reads why and until when, also about those of the past."""
    grant = (await world.sign_in()).grant
    for number in range(55):
        starts = START - timedelta(days=100 - number)
        await world.suspend(grant.user.id, starts_at=starts, ends_at=starts + timedelta(hours=1))
    await world.suspend(grant.user.id, SuspensionScope.MATCHING, ends_at=START + timedelta(days=1))
    worst = await world.suspend(grant.user.id, ends_at=START + timedelta(hours=1))
    lifted = await world.suspend(grant.user.id, lifted_at=START)
    me = (await world.ask(ME, world.caller(grant))).data["me"]
    assert me["suspension"]["id"] == str(worst.id)
    assert len(me["suspensions"]) == 50
    assert {"id": str(lifted.id), "liftedAt": "2026-11-21T09:30:00.000Z"} in me["suspensions"][:3]


# ------------------------------------------------------------------------------------------ the profile


async def test_a_user_is_renamed(world: World) -> None:
    """The next stranger meets them under the new name."""
    grant = (await world.sign_in()).grant
    answer = (await world.ask(UPDATE, world.caller(grant), name=" Grace ")).data["updateProfile"]
    assert answer["user"] == {"id": str(grant.user.id), "displayName": "Grace"}
    assert (await world.ask(ME, world.caller(grant))).data["me"]["user"] == answer["user"]
    assert (await world.ask(UPDATE, world.caller(grant), name="")).data["updateProfile"]["field"] == "displayName"
    assert (await world.ask(UPDATE, name="Grace")).failures[0].code == "UNAUTHENTICATED"


async def test_a_suspended_user_keeps_the_name(world: World) -> None:
    """Neither with the session of before, nor with the renewed one, does a name become a message to others."""
    grant = (await world.sign_in()).grant
    suspension = await world.suspend(grant.user.id)
    stale = (await world.ask(UPDATE, world.caller(grant), name="Grace")).data["updateProfile"]
    assert stale == {"__typename": "SuspendedError", "suspension": {"id": str(suspension.id)}}
    renewed = world.caller(await world.refresh(grant.refresh_token))
    assert (await world.ask(UPDATE, renewed, name="Grace")).failures[0].code == "FORBIDDEN"
    with pytest.raises(Suspended):
        await world.database.transact(lambda uow: update_profile(uow, grant.user.id, name="Grace", now=world.clock()))


async def test_a_session_is_not_renewed_without_end(world: World) -> None:
    """Every renewal leaves a row for a month: one stranger in a loop would fill the disk. Refused, the token is still good."""
    token = (await world.sign_in()).grant.refresh_token
    for _ in range(RENEWALS_BURST):
        token = (await world.refresh(token)).refresh_token
    with pytest.raises(RateLimited) as refused:
        await world.refresh(token)
    world.clock.forward(seconds=refused.value.retry_after)
    await world.refresh(token)


async def test_a_network_that_guesses_tokens_is_refused_before_the_database_is_asked(world: World) -> None:
    """Nobody has to be signed in to refresh: it must not be the way to keep the database busy."""
    good = (await world.sign_in()).grant.refresh_token
    for _ in range(REFRESHES_BURST):
        world.throttle.refresh(NETWORK)
    answer = await world.ask(REFRESH, token=good)
    assert [type(failure) for failure in answer.failures] == [RateLimited]
    world.clock.forward(seconds=1)
    answer = await world.ask(REFRESH, token=good)
    assert answer.data["refreshSession"]["__typename"] == "RefreshSessionSuccess"
