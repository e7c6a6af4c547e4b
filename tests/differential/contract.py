"""The production schema with other root resolvers: they answer from a `World`. All below them is the production code."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from copy import copy
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import create_type
from strawberry.types.field import StrawberryField
from strawberry.types.fields.resolver import StrawberryResolver

from domain import errors
from schema.api import Mutation, Query, Subscription
from schema.scalars import SCALARS
from tests.differential.world import World


class Context:
    """What production resolvers below the root use of `schema.context.Context`, out of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.caller = SimpleNamespace(user_id=UUID(int=1))
        self.services = SimpleNamespace(read=world.read, directory=self, invites=self)

    @property
    def signed_in(self) -> Any:  # noqa: ANN401 - stands for a `Caller`
        """Somebody, or nobody."""
        if self.world.coin("nobody", "", 0.1):
            raise errors.Unauthenticated
        return self.caller

    async def room(self, room_id: UUID) -> None:
        """As a directory: it finds no room, or fails."""
        await self.world.rest(f"directory {room_id}")
        if self.world.coin("directory", str(room_id), 0.3):
            raise errors.Unavailable(3)

    def code(self, room_id: UUID, invite: object) -> str:
        """As invites: a code."""
        return f"{room_id}/{invite}"


def contract(*, waits: bool) -> strawberry.Schema:
    """The contract, each root resolver a coroutine function as in production, or none of them one."""
    query, mutation, subscription = (_root(root, waits=waits) for root in (Query, Mutation, Subscription))
    return strawberry.Schema(
        query=query, mutation=mutation, subscription=subscription, config=StrawberryConfig(scalar_map=SCALARS)
    )


def _root(of: type, *, waits: bool) -> type:
    fields = []
    for field in of.__strawberry_definition__.fields:  # type: ignore[attr-defined]
        again = copy(field)
        again.base_resolver = StrawberryResolver(_fake(field, waits=waits))
        fields.append(again)
    return create_type(of.__name__, fields)


def _fake(field: StrawberryField, *, waits: bool) -> Callable[..., Any]:
    """A resolver that has the signature of the field's own."""
    own = field.base_resolver
    assert own is not None
    unwrapped: Any = own.wrapped_func

    async def later(_self: object, info: strawberry.Info[Context, None], **arguments: object) -> Any:  # noqa: ANN401
        world = info.context.world
        return await (_sourced(world, info, arguments) if field.is_subscription else world.later(info, arguments))

    def now(_self: object, info: strawberry.Info[Context, None], **arguments: object) -> Any:  # noqa: ANN401
        world = info.context.world
        return world.source(info, arguments) if field.is_subscription else world.answer(info, arguments)

    async def events(_self: object, info: strawberry.Info[Context, None], **_: object) -> Any:  # noqa: ANN401
        async for event in info.context.world.events(info):
            yield event

    fake = events if inspect.isasyncgenfunction(unwrapped) else later if waits else now
    return functools.wraps(unwrapped)(fake)


async def _sourced(world: World, info: strawberry.Info[Context, None], arguments: dict[str, Any]) -> Any:  # noqa: ANN401
    await world.rest(info.field_name)
    return world.source(info, arguments)
