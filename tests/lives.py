"""Somebody who used all that there is, with words in it that are found wherever they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from domain.matchmaking.ticket import ChatMode, Preferences
from domain.safety.appeal import Appeal, AppealStatus
from domain.safety.block import Block
from domain.safety.case import AccountWarning, CaseDecision, CaseStatus
from domain.safety.report import ReportStatus
from domain.safety.suspension import Suspension, SuspensionScope
from tests.keyring import Keyring
from tests.world import World, seat

if TYPE_CHECKING:
    from domain.identity import Caller, Grant
    from domain.ports import UnitOfWork
    from domain.rooms.room import Room

NAME, INTEREST, ROOM = "Quokkaname", "quokkainterest", "Quokkaroom"
CIPHERTEXT, COMMENT, PLAINTEXT = "quokkaciphertext", "quokkacomment", "quokkaplaintext"
STATEMENT, SDP = "quokkastatement", "quokkasdp"
OLD_COMMENT, OLD_PLAINTEXT = "wombatcomment", "wombatplaintext"
MARKS = (NAME, INTEREST, ROOM, CIPHERTEXT, COMMENT, PLAINTEXT, STATEMENT, SDP, OLD_COMMENT, OLD_PLAINTEXT)

SIGNAL = """mutation($input: SendSignalInput!) { sendSignal(input: $input) { __typename } }"""


@dataclass
class Life:
    """Who it is, and whom they met."""

    grant: Grant
    caller: Caller
    device_token: str
    friend: Caller
    partner: Caller
    room: Room
    """In which they sit with the friend, and which they made."""
    left: Room
    """The friend's, which they have left."""

    @property
    def user_id(self) -> UUID:
        """Of their account."""
        return self.caller.user_id


async def a_life(world: World) -> Life:
    """Signs somebody in who says and does all that users can, but for what gets them into trouble. They wait in the queue now."""
    signed_in = await world.sign_in(NAME)
    me = world.caller(signed_in.grant)
    friend, partner, former = await world.user("Friend"), await world.user("Partner"), await world.user("Former")
    for who in (me, friend, partner, former):
        await world.attach(who)
    room = await world.open_room(me, friend, name=ROOM)
    left = await world.open_room(friend, me, name="Elsewhere")
    for each in (room, left):
        await world.sent(me, each, CIPHERTEXT)
    await world.leave(me, left)
    for who, other in ((me, friend), (friend, me)):
        await world.publish(who, Keyring().pqxdh(2, 2))
        await world.claim(other, seat(room, who).id)
    signal = {"offer": {"sdp": SDP}}
    await world.answer(SIGNAL, me, input={"to": str(seat(room, friend).id), "signal": signal})
    for other, comment, plaintext in ((former, OLD_COMMENT, OLD_PLAINTEXT), (partner, COMMENT, PLAINTEXT)):
        match = await world.match(me, other, INTEREST)
        evidence = [await world.disclosed(other, match, plaintext)]
        await world.reported(me, match, other, comment=comment, evidence=evidence)
        if other is former:
            await decide(world, former.user_id, CaseDecision.DISMISS)
        else:
            await block(world, me, other, "Partner")
            await block(world, former, me, NAME)
    await world.join(me, Preferences(ChatMode.TEXT, (INTEREST,), ("en",), 10))
    return Life(signed_in.grant, me, signed_in.device_token, friend, partner, room, left)


async def accuse(world: World, life: Life) -> UUID:
    """Gets them into trouble: warned in one case, suspended from matching in another, against which they appeal, and reported in a
    third, which nobody has decided and which is returned.
    """
    device_id = life.grant.user.device_id
    await world.case_about(life.caller, life.friend)
    warned = await decide(world, life.user_id, CaseDecision.WARN)
    await world.case_about(life.caller, life.partner)
    case_id = await decide(world, life.user_id, CaseDecision.SUSPEND)
    now = world.clock()
    ends_at = now + timedelta(days=1)
    suspension = Suspension(
        id=uuid4(),
        user_id=life.user_id,
        scope=SuspensionScope.MATCHING,
        reason="Be kind.",
        category=None,
        automated=False,
        starts_at=now,
        ends_at=ends_at,
        lifted_at=None,
        case_id=case_id,
    )

    async def work(uow: UnitOfWork) -> None:
        await uow.cases.warn(AccountWarning(uuid4(), life.user_id, warned, "Be kinder.", now))
        await uow.suspensions.add(suspension, device_id)
        await uow.appeals.add(
            Appeal(uuid4(), suspension.id, case_id, life.user_id, STATEMENT, AppealStatus.OPEN, world.clock())
        )

    await world.database.transact(work)
    return await world.case_about(life.caller, life.friend, said=("what they said",))


async def decide(world: World, subject_id: UUID, decision: CaseDecision) -> UUID:
    """Puts a decision there of the undecided case about somebody."""
    dismissed = decision is CaseDecision.DISMISS

    async def work(uow: UnitOfWork) -> UUID:
        case = await uow.cases.undecided(subject_id)
        assert case is not None
        status = CaseStatus.DISMISSED if dismissed else CaseStatus.ACTIONED
        decided = replace(case, status=status, decision=decision, reason="Seen.", decided_at=world.clock())
        await uow.cases.save(decided)
        await uow.reports.close(case.id, ReportStatus.DISMISSED if dismissed else ReportStatus.UPHELD)
        return case.id

    return await world.database.transact(work)


async def decide_appeal(world: World, user_id: UUID) -> None:
    """Puts a decision there of the appeal of somebody."""

    async def work(uow: UnitOfWork) -> None:
        for suspension in await uow.suspensions.of(user_id):
            appeal = await uow.appeals.of_suspension(suspension.id)
            assert appeal is not None
            decided = replace(appeal, status=AppealStatus.UPHELD, reason="Seen.", decided_at=world.clock())
            await uow.appeals.save(decided)

    await world.database.transact(work)


async def block(world: World, blocker: Caller, blocked: Caller, name: str) -> None:
    """Puts a block there."""
    made = Block(uuid4(), blocker.user_id, blocked.user_id, name, world.clock())

    async def work(uow: UnitOfWork) -> None:
        await uow.lock_users((blocker.user_id, blocked.user_id))
        await uow.blocks.add(made)
        await uow.bars.raise_bar(blocker.user_id, blocked.user_id, made.bar, None)

    await world.database.transact(work)
