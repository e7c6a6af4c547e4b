"""Suspensions: what they take, from whom, in which order that is told, and when it is given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import uuid4

import pytest

from api.admission import Admission
from domain.errors import Forbidden, Suspended
from domain.events import MatchEnded, MemberLeft, QueueLeft, UserSuspended
from domain.identity import Caller, Grant, OperatorRole, SessionScope, SignedIn, scope_under, sign_in_anonymously
from domain.matchmaking.commit import NewMatch, Refusal, Refused
from domain.matchmaking.ticket import QueueLeaveReason
from domain.ports import Transact, UnitOfWork
from domain.rooms.room import MatchEndReason, MemberLeaveReason
from domain.safety.case import AccountWarning
from domain.safety.suspending import lock_subject, suspend
from domain.safety.suspension import SuspensionScope
from tests.counting import statements
from tests.locks import held_up
from tests.sentences import sentence, sentenced
from tests.streams import follow, streaming, subscribe
from tests.waiting import until
from tests.world import NETWORK, START, Clock, World, open_world

T = TypeVar("T")

EVENTS = "subscription { events { __typename ... on Suspended { suspension { scope appeal { id } } } } }"
MATCH_EVENTS = "subscription { matchEvents { __typename } }"
ME = """{ me { suspension { id appeal { status } } suspensions { id category appeal { status } }
  warnings { id reason at } } }"""
LIFT = "mutation($input: LiftSuspensionInput!) { liftSuspension(input: $input) { __typename } }"
JOIN = "mutation { joinQueue(input: {}) { __typename } }"


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """A server whose readers are woken."""
    async with streaming(database_url) as world:
        yield world


async def signed_in(world: World, device_token: str | None = None) -> tuple[Caller, SignedIn]:
    """Somebody new on that device, or on one of their own."""
    made = await world.sign_in(device_token=device_token)
    return world.caller(made.grant), made


async def sign_in(world: World, transact: Transact, device_token: str) -> SignedIn:
    """Somebody new on that device, by a transaction of the test's."""
    return await sign_in_anonymously(
        transact,
        world.limits,
        world.secrets,
        uuid4,
        name="Cleo",
        device_token=device_token,
        network=NETWORK,
        now=world.clock(),
    )


# ------------------------------------------------------------------------------------------ live sockets


async def test_a_stream_tells_of_the_suspension_and_of_all_before_it_and_then_ends(world: World) -> None:
    """Whoever is thrown out reads why: a stream that breaks off a moment before would leave them guessing."""
    ada, bob, _ = await world.pair()
    room = await world.open_room(ada, bob)
    everything, matches = await subscribe(world, ada, EVENTS), await subscribe(world, ada, MATCH_EVENTS)
    messages, of_bob = await follow(world, ada, room), await subscribe(world, bob, EVENTS)
    for stream in (everything, matches, of_bob):
        assert await stream.kinds(1) == ["MatchSnapshot"]
    await sentenced(world, ada)
    told = await everything.rest()
    kinds = [event["__typename"] for event in told]
    assert (sorted(kinds[:-1]), kinds[-1]) == (["MatchEnded", "MemberLeft"], "Suspended")
    assert told[-1]["suspension"] == {"scope": "ALL", "appeal": None}
    assert [event["__typename"] for event in await matches.rest()] == ["MatchEnded", "Suspended"]
    assert await messages.rest() == []
    assert sorted(await of_bob.kinds(4)) == ["MatchEnded", "MemberLeft", "MemberLeft", "MemberUpdated"]
    assert await of_bob.quiet()
    await of_bob.close()


async def test_what_lies_unread_in_the_inbox_is_told_before_the_end(world: World) -> None:
    """A slow client is told no less than a quick one, however many pages that takes."""
    ada = await world.user()
    stream = await subscribe(world, ada, EVENTS)
    assert await stream.kinds(1) == ["MatchSnapshot"]
    for _ in range(70):
        await world.join(ada)
        await world.answer("mutation { leaveQueue { __typename } }", ada)
    await sentenced(world, ada)
    told = [event["__typename"] for event in await stream.rest()]
    assert told == ["QueueJoined", "QueueLeft"] * 70 + ["Suspended"]


async def test_a_socket_closes_to_come_back_with_what_is_left(world: World) -> None:
    """4403 asks for fresh tokens: the session that these belong to may appeal, and may have a socket."""
    ada, made = await signed_in(world)
    socket = await world.connect(ada)
    await sentenced(world, ada)
    await world.presence.recheck()
    assert socket.codes == [4403]
    assert socket.patient == [True], "its streams tell of it first"
    grant = await world.refresh(made.grant.refresh_token)
    assert grant.session.scope is SessionScope.APPEAL_ONLY
    again = await world.connect(world.caller(grant))
    await world.presence.recheck()
    assert again.codes == []
    assert (await world.ask(ME, world.caller(grant))).data["me"]["suspension"] is not None
    for forbidden in (JOIN, "{ rooms { id } }"):
        answer = await world.ask(forbidden, world.caller(grant))
        assert [type(failure) for failure in answer.failures] == [Forbidden]


async def test_a_suspension_from_matching_closes_nothing(world: World) -> None:
    """It takes the meeting of strangers, at once, and leaves friends alone."""
    ada, bob, match = await world.pair()
    room = await world.open_room(ada, bob)
    cleo = await world.user("Cleo")
    await world.join(cleo)
    socket, stream = await world.connect(ada), await subscribe(world, ada, EVENTS)
    assert await stream.kinds(1) == ["MatchSnapshot"]
    await sentenced(world, ada, SuspensionScope.MATCHING)
    await sentenced(world, cleo, SuspensionScope.MATCHING)
    await world.presence.recheck()
    assert socket.codes == []
    assert await stream.kinds(2) == ["MatchEnded", "Suspended"]
    assert await stream.quiet()
    await stream.close()
    assert not (await world.room(match.id)).open
    assert (await world.room(room.id)).holds(ada.user_id)
    assert await world.waiting(cleo) is None
    assert [e.reason for e in await world.told(cleo) if isinstance(e, QueueLeft)] == [QueueLeaveReason.SUSPENDED]
    with pytest.raises(Suspended):
        await world.join(ada)


async def test_the_partner_is_not_told_why(world: World) -> None:
    """That somebody was suspended is between them and the operators."""
    ada, bob, match = await world.pair()
    await sentenced(world, ada)
    ended = MatchEndReason.YOU_WERE_SUSPENDED
    assert [event.reason for event in await world.told(ada) if isinstance(event, MatchEnded)] == [ended]
    left, end = await world.told(bob)
    assert left == MemberLeft(match.id, match.members[0].id, MemberLeaveReason.LEFT)
    assert end == MatchEnded(match.id, MatchEndReason.PARTNER_LEFT)


# ------------------------------------------------------------------------------------------ the end


async def test_lifting_gives_everything_back_at_once(world: World) -> None:
    """Who was suspended wrongly does not wait: the socket of the appeal asks for fresh tokens, and these may do everything."""
    ada, made = await signed_in(world)
    suspension = await sentenced(world, ada)
    grant = await world.refresh(made.grant.refresh_token)
    socket = await world.connect(world.caller(grant))
    await world.presence.recheck()
    assert socket.codes == []
    admin = await world.operator(OperatorRole.ADMIN)
    await world.answer(LIFT, admin, input={"suspensionId": str(suspension.id), "reason": "A mistake."})
    await world.presence.recheck()
    assert socket.codes == [4403]
    assert (await world.refresh(grant.refresh_token)).session.scope is SessionScope.FULL


async def test_a_suspension_that_runs_out_gives_everything_back_at_the_next_refresh(world: World) -> None:
    """Nothing has to happen at its end: within fifteen minutes every socket needs a fresh token, and one that comes with an old
    token is sent for it.
    """
    ada, made = await signed_in(world)
    await sentenced(world, ada, hours=1)
    grant = await world.refresh(made.grant.refresh_token)
    appealing = world.caller(grant)
    assert appealing.expires_at - world.clock() <= timedelta(minutes=15)
    world.clock.forward(minutes=60)
    late = await world.connect(appealing)
    await world.presence.recheck()
    assert late.codes == [4403]
    assert (await world.refresh(grant.refresh_token)).session.scope is SessionScope.FULL
    assert (await world.join(ada)).user_id == ada.user_id


async def test_one_that_is_in_force_counts_behind_any_number_of_later_ones(world: World) -> None:
    """Being punished lightly fifty times must not undo the one sentence that was for good."""
    ada = await world.user()
    worst = await sentenced(world, ada)
    for _ in range(51):
        world.clock.forward(hours=2)
        await world.suspend(ada, SuspensionScope.MATCHING, ends_at=world.clock() + timedelta(hours=1))
    world.clock.forward(hours=2)
    in_force = await world.database.read(lambda uow: uow.suspensions.in_force(ada.user_id, world.clock()))
    assert in_force == [worst]
    me = (await world.ask(ME, ada)).data["me"]
    assert me["suspension"]["id"] == str(worst.id)
    assert len(me["suspensions"]) == 50


async def test_it_restricts_on_a_worker_whose_clock_is_behind(world: World) -> None:
    """A hint travels quicker than two clocks agree: the one look at a socket must not find that it lies ahead."""
    ada = await world.user()
    made = await sentenced(world, ada)
    before = START - timedelta(milliseconds=5)
    assert scope_under([made], before) is SessionScope.APPEAL_ONLY
    late = Admission(world.tokens, world.database.read, world.inbox.control_version, lambda: before)
    standing = await late.standing(ada)
    assert standing is not None
    assert standing.scope is SessionScope.APPEAL_ONLY


# ------------------------------------------------------------------------------------------ the device


async def test_it_reaches_every_account_of_the_device(world: World) -> None:
    """A second account is made in a moment, and may wait or sit anywhere already."""
    ada, made = await signed_in(world)
    (waits, _), (talks, _), (sits, again) = [await signed_in(world, made.device_token) for _ in range(3)]
    stranger = await world.user("Stranger")
    await world.attach(talks)
    await world.join(waits)
    match, room = await world.match(talks, stranger), await world.open_room(sits, stranger)
    sockets = [await world.connect(caller) for caller in (waits, talks, sits)]
    suspension = await sentenced(world, ada)
    await world.presence.recheck()
    assert [socket.codes for socket in sockets] == [[4403]] * 3
    assert await world.waiting(waits) is None
    assert not (await world.room(match.id)).open
    assert [member.user_id for member in (await world.room(room.id)).inside] == [stranger.user_id]
    for account in (ada, waits, talks, sits):
        assert [e.suspension.id for e in await world.told(account) if isinstance(e, UserSuspended)] == [suspension.id]
    assert [e.reason for e in await world.told(talks) if isinstance(e, MatchEnded)] == [
        MatchEndReason.YOU_WERE_SUSPENDED
    ]
    newest, _ = await signed_in(world, again.device_token)
    assert newest.scope is SessionScope.APPEAL_ONLY
    assert (await world.ask(ME, newest)).data["me"]["suspension"]["id"] == str(suspension.id)
    elsewhere, _ = await signed_in(world)
    assert elsewhere.scope is SessionScope.FULL


async def test_the_matcher_knows_the_device(world: World) -> None:
    """However a ticket came to wait: nobody is matched from a device that is suspended."""
    ada, made = await signed_in(world)
    cleo, _ = await signed_in(world, made.device_token)
    bob = await world.user("Bob")
    await sentenced(world, ada, SuspensionScope.MATCHING)
    tickets = [await world.queue(who) for who in (cleo, bob)]
    await world.attach(cleo)
    await world.attach(bob)
    assert await world.commit((tickets[0], tickets[1])) == [Refused(Refusal.SUSPENDED)]


async def test_an_account_that_is_made_while_its_device_is_suspended_is_suspended_too(world: World) -> None:
    """The new account is written before the suspension, and committed after it was looked for: it must not slip through."""
    ada, made = await signed_in(world)
    ready = asyncio.Event()

    async def slowly(work: Callable[[UnitOfWork], Awaitable[T]]) -> T:
        async def work_and_wait(uow: UnitOfWork) -> T:
            done = await work(uow)
            ready.set()
            await world.until_blocked()
            return done

        return await world.database.transact(work_and_wait)

    signing_in = asyncio.create_task(sign_in(world, slowly, made.device_token))
    await ready.wait()
    await sentenced(world, ada)
    cleo = world.caller((await signing_in).grant)
    assert cleo.scope is SessionScope.FULL, "when it was made nothing was decided"
    assert [type(event) for event in await world.told(cleo)] == [UserSuspended]
    standing = await world.admission.standing(cleo)
    assert standing is not None
    assert standing.scope is SessionScope.APPEAL_ONLY


async def test_an_account_that_is_made_while_the_suspension_is_written_knows_of_it(world: World) -> None:
    """The other order: signing in waits for what is being decided about the device."""
    ada, made = await signed_in(world)
    signing_in: list[asyncio.Task[SignedIn]] = []

    async def work(uow: UnitOfWork) -> None:
        subject = await lock_subject(uow, ada.user_id, world.clock())
        signing_in.append(asyncio.create_task(sign_in(world, world.database.transact, made.device_token)))
        await world.until_blocked()
        await suspend(uow, subject, sentence(world, ada), now=world.clock())

    await world.database.transact(work)
    assert (await signing_in[0]).grant.session.scope is SessionScope.APPEAL_ONLY


async def flooded(world: World, device_token: str, count: int) -> None:
    """So many more accounts of the device, which nobody uses any more."""
    for _ in range(count):
        await world.sign_in(device_token=device_token, network=str(uuid4()))
    world.clock.forward(minutes=30)


async def test_a_device_with_any_number_of_accounts_is_suspended_by_a_dozen_statements(world: World) -> None:
    """Whoever makes thousands of accounts to hide among them must not be the one who cannot be suspended: only what can do anything
    is locked and told, and the next sign-in or refresh knows of it.
    """
    asked: list[list[str]] = []
    for count in (0, 40):
        ada, made = await signed_in(world)
        idle, of_idle = await signed_in(world, made.device_token)
        await flooded(world, made.device_token, count)
        await world.connect(ada)
        with statements(world.database.engine) as those:
            await sentenced(world, ada)
        asked.append(those)
        assert [type(event) for event in await world.told(ada)] == [UserSuspended]
        assert await world.told(idle) == []
        assert (await world.refresh(of_idle.grant.refresh_token)).session.scope is SessionScope.APPEAL_ONLY
    assert len(asked[0]) == len(asked[1])
    assert len(asked[1]) <= 12


async def test_signing_in_without_end_does_not_put_off_a_suspension(world: World) -> None:
    """Two loops on one device: each waits for its turn, and so does who suspends, who has every account that was made before."""
    ada, made = await signed_in(world)
    over, signed = asyncio.Event(), list[SignedIn]()

    async def loop(number: int) -> None:
        while not over.is_set():
            signed.append(await world.sign_in(device_token=made.device_token, network=f"{number}.{len(signed)}"))

    loops = [asyncio.create_task(loop(number)) for number in range(2)]
    await until(lambda: len(signed) > 5)
    await world.database.transact(partial(_suspended_at_once, world, ada))
    before = len(signed)
    await until(lambda: len(signed) > before + 5)
    over.set()
    await asyncio.gather(*loops)
    for each in signed:
        standing = await world.admission.standing(world.caller(each.grant))
        assert standing is not None
        assert standing.scope is SessionScope.APPEAL_ONLY


async def _suspended_at_once(world: World, who: Caller, uow: UnitOfWork) -> None:
    """By a single attempt."""
    subject = await lock_subject(uow, who.user_id, world.clock())
    await suspend(uow, subject, sentence(world, who), now=world.clock())


async def test_a_session_that_is_renewed_while_the_suspension_is_written_knows_of_it(world: World) -> None:
    """An account that could do nothing, and is not locked for that, comes back in the same moment."""
    ada, made = await signed_in(world)
    _, of_idle = await signed_in(world, made.device_token)
    world.clock.forward(minutes=30)
    renewing: list[asyncio.Task[Grant]] = []

    async def work(uow: UnitOfWork) -> None:
        subject = await lock_subject(uow, ada.user_id, world.clock())
        assert subject.accounts == {ada.user_id}
        renewing.append(asyncio.create_task(world.refresh(of_idle.grant.refresh_token)))
        await world.until_blocked()
        await suspend(uow, subject, sentence(world, ada), now=world.clock())

    await world.database.transact(work)
    assert (await renewing[0]).session.scope is SessionScope.APPEAL_ONLY


async def test_an_account_that_only_has_a_token_takes_no_place_while_the_suspension_is_written(world: World) -> None:
    """It sits nowhere and has no socket, but may join at any moment: it is locked with the others."""
    ada, made = await signed_in(world)
    cleo, _ = await signed_in(world, made.device_token)
    world.clock.forward(minutes=14)
    joining: list[asyncio.Task[object]] = []

    async def work(uow: UnitOfWork) -> None:
        subject = await lock_subject(uow, ada.user_id, world.clock())
        joining.append(asyncio.create_task(world.join(cleo)))
        assert cleo.user_id in subject.accounts
        await suspend(uow, subject, sentence(world, ada), now=world.clock())

    await world.database.transact(work)
    with pytest.raises(Suspended):
        await joining[0]


# ------------------------------------------------------------------------------------------ the matcher's commit


@pytest.mark.parametrize("first", ["suspension", "match"])
async def test_a_suspension_beside_a_match_leaves_nobody_suspended_in_it(database_url: str, first: str) -> None:
    """Whichever of the two has the lock first: the one who is suspended sits in no match afterwards, and the other is free."""
    async with (
        open_world(database_url, Clock(goes=True)) as world,
        open_world(database_url, Clock(goes=True), one_of_several=True) as other,
    ):
        ada, bob = await world.people(2)
        tickets = await world.join(ada), await world.join(bob)

        async def match() -> object:
            (result,) = await other.commit(tickets)
            return result

        async def suspension() -> object:
            return await sentenced(world, ada, SuspensionScope.MATCHING)

        async with held_up(database_url, ada):
            running: list[asyncio.Task[object]] = []
            for race in (match, suspension) if first == "match" else (suspension, match):
                running.append(asyncio.create_task(race()))
                await world.until_blocked(len(running))
        results = [await task for task in running]
        result = results[0 if first == "match" else 1]
        assert isinstance(result, NewMatch) is (first == "match")
        assert await world.open_match(ada) is None
        assert await world.open_match(bob) is None
        assert await world.waiting(ada) is None
        assert (await world.waiting(bob) is None) is (first == "match")


# ------------------------------------------------------------------------------------------ what its subject sees


async def _warned(warning: AccountWarning, uow: UnitOfWork) -> None:
    await uow.cases.warn(warning)


async def test_me_shows_warnings_the_newest_first(world: World) -> None:
    """A warning that nobody can read again warns nobody."""
    ada, bob = await world.user(), await world.user("Bob")
    case_id = await world.case_about(ada, bob)
    for number in range(52):
        warning = AccountWarning(uuid4(), ada.user_id, case_id, f"No {number}.", START + timedelta(seconds=number))
        await world.database.transact(partial(_warned, warning))
    warnings = (await world.ask(ME, ada)).data["me"]["warnings"]
    assert [warning["reason"] for warning in warnings] == [f"No {number}." for number in range(51, 1, -1)]
    assert (await world.ask(ME, bob)).data["me"]["warnings"] == []
