"""What members of a room may do to each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

import strawberry

from domain import ports
from domain.errors import NotAllowed, NotFound
from domain.rooms import authority
from domain.rooms import room as rooms
from schema.context import Context, Info
from schema.errors import NotAllowedError, NotFoundError, answers
from schema.ids import known_id
from schema.invites import RATES
from schema.rooms import Member, Room


@strawberry.input(description="Whom to act on. The viewer's rank in that room must be the higher one.")
class MemberActionInput:
    member_id: strawberry.ID = strawberry.field(description="A member who is inside a room that the viewer is in.")


Subject = Annotated[MemberActionInput, strawberry.argument(description="Whom to act on.")]


@strawberry.type
class _Changed:
    """What a change of a member answers."""

    member: Member = strawberry.field(description="The member as they are now.")


@strawberry.type(description="The member is muted.")
class MuteMemberSuccess(_Changed):
    pass


MuteMemberPayload = Annotated[
    MuteMemberSuccess | NotFoundError | NotAllowedError,
    strawberry.union("MuteMemberPayload", description="What `muteMember` answers."),
]


@strawberry.type(description="The member is not muted.")
class UnmuteMemberSuccess(_Changed):
    pass


UnmuteMemberPayload = Annotated[
    UnmuteMemberSuccess | NotFoundError | NotAllowedError,
    strawberry.union("UnmuteMemberPayload", description="What `unmuteMember` answers."),
]


@strawberry.type(description="The member is out of the room, and its invites do not let them in any more.")
class KickMemberSuccess:
    room: Room = strawberry.field(description="The room without the member.")


KickMemberPayload = Annotated[
    KickMemberSuccess | NotFoundError | NotAllowedError,
    strawberry.union("KickMemberPayload", description="What `kickMember` answers."),
]


@strawberry.type(description="The member is a MODERATOR.")
class PromoteMemberSuccess(_Changed):
    pass


PromoteMemberPayload = Annotated[
    PromoteMemberSuccess | NotFoundError | NotAllowedError,
    strawberry.union("PromoteMemberPayload", description="What `promoteMember` answers."),
]


@strawberry.type(description="The member is a MEMBER.")
class DemoteMemberSuccess(_Changed):
    pass


DemoteMemberPayload = Annotated[
    DemoteMemberSuccess | NotFoundError | NotAllowedError,
    strawberry.union("DemoteMemberPayload", description="What `demoteMember` answers."),
]


Change = Callable[[ports.Directory, ports.Transact, UUID, UUID], Awaitable[tuple[rooms.Room, rooms.Member]]]
"""One of the use cases that change a member: the acting user and the member come in, the room and the changed seat come out."""


async def _change(context: Context, change: Change, input: MemberActionInput) -> Member:
    services, viewer = context.services, context.viewer
    services.throttle.room(viewer.user_id)
    room, seat = await change(services.directory, services.transact, viewer.user_id, known_id(input.member_id))
    return Member.of(seat, room, viewer.user_id, services.clock())


@strawberry.type
class AuthorityMutation:
    """`muteMember`, `unmuteMember`, `kickMember`, `promoteMember` and `demoteMember`."""

    @strawberry.mutation(
        description=(
            "Stops a member's messages; their signals still pass. Moderators may do it to members, the owner to everybody else. "
            "Repeating it changes nothing. " + RATES
        )
    )
    @answers(NotFound, NotAllowed)
    async def mute_member(self, info: Info, input: Subject) -> MuteMemberPayload:
        return MuteMemberSuccess(member=await _change(info.context, authority.mute, input))

    @strawberry.mutation(
        description=(
            "Lets a member's messages pass again. Moderators may do it to members, the owner to everybody else. Repeating it "
            "changes nothing. " + RATES
        )
    )
    @answers(NotFound, NotAllowed)
    async def unmute_member(self, info: Info, input: Subject) -> UnmuteMemberPayload:
        return UnmuteMemberSuccess(member=await _change(info.context, authority.unmute, input))

    @strawberry.mutation(
        description=(
            "Puts a member out of the room for good: their streams of it end, and its invites do not let them in any more. "
            "Moderators may do it to members, the owner to everybody else. Once they are out, `NotFoundError`. " + RATES
        )
    )
    @answers(NotFound, NotAllowed)
    async def kick_member(self, info: Info, input: Subject) -> KickMemberPayload:
        services, viewer = info.context.services, info.context.viewer
        services.throttle.room(viewer.user_id)
        member_id, now = known_id(input.member_id), services.clock()
        room = await authority.kick(services.directory, services.transact, viewer.user_id, member_id, now=now)
        return KickMemberSuccess(room=Room.of(room, viewer.user_id, now))

    @strawberry.mutation(
        description="Makes a member a MODERATOR. Only the owner may. Repeating it changes nothing. " + RATES
    )
    @answers(NotFound, NotAllowed)
    async def promote_member(self, info: Info, input: Subject) -> PromoteMemberPayload:
        return PromoteMemberSuccess(member=await _change(info.context, authority.promote, input))

    @strawberry.mutation(
        description="Makes a moderator a MEMBER. Only the owner may. Repeating it changes nothing. " + RATES
    )
    @answers(NotFound, NotAllowed)
    async def demote_member(self, info: Info, input: Subject) -> DemoteMemberPayload:
        return DemoteMemberSuccess(member=await _change(info.context, authority.demote, input))
