"""Blocks: keeping apart from somebody, looking at whom one keeps apart from, and thinking better of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry

from domain import errors
from domain.paging import Place
from domain.rooms.holding import persistently
from domain.safety import block, blocking
from domain.safety.acquaintance import REMEMBERED
from schema.context import Info
from schema.cursors import BLOCK, place_cursor, place_of
from schema.errors import NotFoundError, answers
from schema.ids import known_id
from schema.inputs import given
from schema.paging import After, First, PageInfo
from schema.scalars import Cursor

if TYPE_CHECKING:
    from domain.paging import Listed

MET = f"{REMEMBERED.total_seconds() / 3600:.0f} hours"


@strawberry.type(description="Somebody with whom the viewer wants nothing to do any more.")
class Block:
    id: strawberry.ID = strawberry.field(description="Opaque and random; `unblockUser` takes it.")
    display_name: str = strawberry.field(description="As it was when blocked.")
    created_at: datetime = strawberry.field(description="Since when.")

    @classmethod
    def of(cls, made: block.Block) -> Block:
        """The API's form of a block: who was blocked is not told beyond the name that the viewer saw."""
        return cls(id=strawberry.ID(str(made.id)), display_name=made.display_name, created_at=made.created_at)


@strawberry.type(description="A block at its place in the list.")
class BlockEdge:
    """The Relay specification's edge."""

    cursor: Cursor = strawberry.field(description="The place. Goes into `after`, also once the block was lifted.")
    node: Block = strawberry.field(description="The block.")


@strawberry.type(description="Whom the viewer blocks, the newest first.")
class BlockConnection:
    """The Relay specification's connection."""

    edges: list[BlockEdge] = strawberry.field(description="At most as many as were asked for.")
    page_info: PageInfo = strawberry.field(description="Whether there are others before and behind.")

    @classmethod
    def of(cls, page: Listed[block.Block]) -> BlockConnection:
        """A page of the viewer's blocks."""
        places = [Place(0, made.created_at, made.id) for made in page.items]
        return cls(
            edges=[
                BlockEdge(cursor=place_cursor(BLOCK, place), node=Block.of(made))
                for place, made in zip(places, page.items, strict=True)
            ],
            page_info=PageInfo.of(page, BLOCK, places),
        )


async def blocks_of_viewer(info: Info, first: First, after: After) -> BlockConnection:
    """`Viewer.blocks`."""
    services, caller = info.context.services, info.context.signed_in
    place = place_of(given(after), BLOCK)
    with services.paging() as most:
        page = await services.read(lambda uow: blocking.blocks_of(uow, caller.user_id, first, place, most))
    return BlockConnection.of(page)


@strawberry.input(description="Whom to block.")
class BlockUserInput:
    member_id: strawberry.ID = strawberry.field(
        description=f"Somebody in a room that both are in, or were in within the last {MET}."
    )


@strawberry.type(description="The two do not meet again until the block is lifted.")
class BlockUserSuccess:
    block: Block = strawberry.field(description="The block; for a repeat, the first.")


BlockUserPayload = Annotated[
    BlockUserSuccess | NotFoundError,
    strawberry.union("BlockUserPayload", description="What `blockUser` answers."),
]


@strawberry.input(description="Which block to lift.")
class UnblockUserInput:
    block_id: strawberry.ID = strawberry.field(description="A block of the viewer's own.")


@strawberry.type(description="The block is lifted.")
class UnblockUserSuccess:
    block_id: strawberry.ID = strawberry.field(description="Which it was: there is no such block any more.")


UnblockUserPayload = Annotated[
    UnblockUserSuccess | NotFoundError,
    strawberry.union("UnblockUserPayload", description="What `unblockUser` answers."),
]


@strawberry.type
class BlocksMutation:
    """`blockUser` and `unblockUser`."""

    @strawberry.mutation(
        description=(
            "Keeps the viewer and somebody whom they met apart from now on, in both directions: they are not matched with each "
            "other, and an invite code leads neither of them to a room that the other is in. A match of the two ends as if the "
            "viewer had left it; in INVITE rooms that both are in already they stay. The other is not told. Repeating it returns "
            f"the first block. A user may block {blocking.BLOCKS_OF_USER} people at once, and as many an hour from then on: more "
            "are refused with RATE_LIMITED and `retryAfter`."
        )
    )
    @answers(errors.NotFound)
    async def block_user(
        self, info: Info, input: Annotated[BlockUserInput, strawberry.argument(description="Whom to block.")]
    ) -> BlockUserPayload:
        services, viewer = info.context.services, info.context.viewer
        member_id = known_id(input.member_id)
        await services.limits.take(
            f"blocks:{viewer.user_id}", burst=blocking.BLOCKS_OF_USER, period=blocking.BLOCKS_PERIOD
        )
        made = await persistently(
            services.transact,
            lambda uow: blocking.block_user(
                uow, viewer.user_id, member_id, new_id=services.new_id, clock=services.clock
            ),
        )
        return BlockUserSuccess(block=Block.of(made))

    @strawberry.mutation(
        description=(
            "Lifts a block of the viewer's: the two may meet again, unless the other blocks the viewer too. Once more answers "
            "`NotFoundError`: there is no such block any more."
        )
    )
    @answers(errors.NotFound)
    async def unblock_user(
        self, info: Info, input: Annotated[UnblockUserInput, strawberry.argument(description="Which block to lift.")]
    ) -> UnblockUserPayload:
        services, viewer = info.context.services, info.context.viewer
        block_id = known_id(input.block_id)
        await services.transact(lambda uow: blocking.unblock_user(uow, viewer.user_id, block_id, clock=services.clock))
        services.queue_changed()
        return UnblockUserSuccess(block_id=input.block_id)
