"""The context, permissions and field extensions of `everything`."""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry.extensions import FieldExtension
from strawberry.permission import BasePermission

from tests.differential.world import World


class Context:
    """What resolvers are given."""

    def __init__(self, world: World) -> None:
        self.world = world


Info = strawberry.Info[Context, None]


class Allowed(BasePermission):
    """Refuses one path in three, with extensions of its own."""

    message = "Not for you."
    error_extensions = {"code": "NOT_ALLOWED"}  # noqa: RUF012 - as Strawberry declares it

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:  # noqa: ANN401
        return not info.context.world.coin("allowed", str(info.path.as_list()), 0.3)


class AllowedLater(BasePermission):
    """Knows only after a turn; fails itself now and then."""

    message = "Not for you, on reflection."

    async def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:  # noqa: ANN401
        path = str(info.path.as_list())
        await info.context.world.rest(f"permission {path}")
        if info.context.world.coin("permission fails", path, 0.1):
            msg = "no permission to be had"
            raise LookupError(msg)
        return not info.context.world.coin("allowed", path, 0.3)


class Doubling(FieldExtension):
    """Changes the arguments on the way in and the value on the way out."""

    def resolve(self, next_: Any, source: Any, info: Info, **kwargs: Any) -> Any:  # noqa: ANN401
        kwargs["number"] = kwargs.get("number", 0) * 2
        value = next_(source, info, **kwargs)
        return value * 2 if isinstance(value, int) else value


class Waiting(FieldExtension):
    """Waits before and after."""

    async def resolve_async(self, next_: Any, source: Any, info: Info, **kwargs: Any) -> Any:  # noqa: ANN401
        await info.context.world.rest(f"before {info.path.as_list()}")
        value = await next_(source, info, **kwargs)
        await info.context.world.rest(f"after {info.path.as_list()}")
        return value
