"""What can go wrong, as facts: every class names one situation and carries what a front end needs to show it.

Two families, after the contract's kinds of failure. `Failure` is cross-cutting and becomes a top-level GraphQL error with
its `code` in `extensions`. `Outcome` is a result of the domain that a front end shows differently, and becomes a
member of the mutation's payload union.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from domain.rooms.room import Room
    from domain.safety.suspension import Suspension


class DomainError(Exception):
    """Anything that the rules of Parley refuse."""


class Failure(DomainError):
    """A cross-cutting failure; `code` is the contract's `extensions.code`."""

    code: ClassVar[str]


class Unauthenticated(Failure):
    """Nobody is signed in, or the session has ended."""

    code = "UNAUTHENTICATED"

    def __init__(self, message: str = "Sign in first: this needs an access token.") -> None:
        super().__init__(message)


class Forbidden(Failure):
    """Somebody is signed in who may not do this."""

    code = "FORBIDDEN"

    def __init__(self, message: str = "This session may not do that.") -> None:
        super().__init__(message)


class NotFound(Failure):
    """There is no such thing, or the viewer may not know of it: the answer is the same.

    Mutations whose payload has a `NotFoundError` answer with that; elsewhere it is a top-level error.
    """

    code = "NOT_FOUND"

    def __init__(self, message: str = "There is no such thing, or it is not yours.") -> None:
        super().__init__(message)


class BadInput(Failure):
    """The request is well-formed and still cannot be meant, such as a cursor of another kind."""

    code = "BAD_USER_INPUT"


class PageTooLarge(BadInput):
    """More edges were asked for than a page may have."""


class RateLimited(Failure):
    """Too much, too soon. `retry_after` is in seconds."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after: float, message: str = "Too many requests: try again later.") -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Conflict(Failure):
    """Somebody else acted first."""

    code = "CONFLICT"


class Unavailable(Failure):
    """A part that Parley needs does not answer; the request may be repeated with the same client ID after `retry_after` seconds."""

    code = "INTERNAL_SERVER_ERROR"

    def __init__(self, retry_after: float = 1.0, message: str = "The service is not available: try again.") -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Outcome(DomainError):
    """A result that a front end shows differently from success; a member of the mutation's payload union."""


class InvalidInput(Outcome):
    """Well-formed GraphQL and still not acceptable; `field` is the path below `input`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NotAllowed(Outcome):
    """The viewer may see the thing and may not do this to it."""


class AlreadyInMatch(Outcome):
    """The viewer sits in an open match, `room`."""

    def __init__(self, room: Room) -> None:
        super().__init__("You are in a match: skip it first.")
        self.room = room


class RoomFull(Outcome):
    """Every seat of the room is taken; `capacity` is how many there are."""

    def __init__(self, capacity: int) -> None:
        super().__init__("The room is full.")
        self.capacity = capacity


class Muted(Outcome):
    """A moderator of the room stopped the viewer's messages."""

    def __init__(self) -> None:
        super().__init__("You are muted in this room.")


class NoKeys(Outcome):
    """There is no key bundle to take from, or to add to."""


class Suspended(Outcome):
    """A suspension of the viewer forbids this."""

    def __init__(self, suspension: Suspension) -> None:
        super().__init__("Your account is suspended from this.")
        self.suspension = suspension
