"""The contract's failures of the domain, and the one place where exceptions become members of a payload union."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar
from uuid import UUID

import strawberry

from domain import errors
from domain.rooms.invites import MEMBERS_EVER

# The modules and not the types in them: their mutations answer with the failures of this one.
from schema import rooms, safety

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

_NOBODY = UUID(int=0)

P = ParamSpec("P")
R = TypeVar("R")


@strawberry.interface(description="A result of the domain that a front end shows differently from success.")
class UserError:
    message: str = strawberry.field(description="A sentence in English for developers; show your own to people.")


@strawberry.type(description="The input is well-formed GraphQL and still not acceptable.")
class InvalidInputError(UserError):
    field: str = strawberry.field(
        description="The path of the offending value below `input`, such as `signal.offer.sdp`."
    )


@strawberry.type(description="There is no such thing, or the viewer may not know of it: the answer is the same.")
class NotFoundError(UserError):
    pass


@strawberry.type(description="The viewer may see the thing and may not do this to it.")
class NotAllowedError(UserError):
    pass


@strawberry.type(description="A moderator of the room stopped the viewer's messages; signals still pass.")
class MutedError(UserError):
    pass


@strawberry.type(description=f"Every seat of the room is taken, or {MEMBERS_EVER} different people have been in it.")
class RoomFullError(UserError):
    capacity: int = strawberry.field(description="How many seats there are.")


@strawberry.type(description="There is no key bundle: the member, or the viewer, published none.")
class NoKeysError(UserError):
    pass


@strawberry.type(description="A suspension of the viewer forbids this.")
class SuspendedError(UserError):
    suspension: Annotated[safety.Suspension, strawberry.lazy("schema.safety")] = strawberry.field(
        description="The suspension that restricts the viewer most."
    )


@strawberry.type(description="The viewer is in a match; it ends with `skip`.")
class AlreadyInMatchError(UserError):
    room: Annotated[rooms.Room, strawberry.lazy("schema.rooms")] = strawberry.field(
        description="The room of that match."
    )


@strawberry.type(description="Somebody else acted first: read the current state and decide again.")
class ConflictError(UserError):
    pass


_PLAIN: Mapping[type[errors.DomainError], type[UserError]] = {
    errors.NotFound: NotFoundError,
    errors.NotAllowed: NotAllowedError,
    errors.Conflict: ConflictError,
    errors.Muted: MutedError,
    errors.NoKeys: NoKeysError,
}
"""Those that say nothing but their name and message."""


def _member(error: errors.DomainError, viewer_id: UUID, now: datetime) -> UserError:
    if (plain := _PLAIN.get(type(error))) is not None:
        return plain(message=str(error))
    match error:
        case errors.InvalidInput():
            return InvalidInputError(message=str(error), field=error.field)
        case errors.RoomFull():
            return RoomFullError(message=str(error), capacity=error.capacity)
        case errors.Suspended():
            return SuspendedError(message=str(error), suspension=safety.Suspension.of(error.suspension))
        case errors.AlreadyInMatch():
            return AlreadyInMatchError(message=str(error), room=rooms.Room.of(error.room, viewer_id, now))
    raise error


def answers(*expected: type[errors.DomainError]) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Makes a mutation's resolver answer the expected exceptions with the member of its payload union; others go on up.

    The resolver takes `info` as a keyword, as Strawberry passes it.
    """

    def decorate(resolver: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        @functools.wraps(resolver)
        async def answering(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return await resolver(*args, **kwargs)
            except expected as error:
                context = kwargs["info"].context  # type: ignore[attr-defined]  # a resolver has it
                # An answer that shows a room is an answer to somebody who is signed in.
                viewer_id = context.caller.user_id if context.caller else _NOBODY
                return _member(error, viewer_id, context.services.clock())  # type: ignore[return-value]  # a member of R

        return answering

    return decorate
