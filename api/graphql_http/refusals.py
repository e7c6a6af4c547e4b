"""Answers that need no execution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from schema.execution.errors import failure, told

if TYPE_CHECKING:
    from domain.errors import RateLimited
    from schema.execution.execute import Result


class Refused(Exception):
    """Why a request gets no data.

    A `well_formed` one asked for something that cannot run: that is GraphQL's matter, told with status 200 to a classic client and
    as an event to one that takes only streams. All others are HTTP's matter, told by `status`, in JSON.
    """

    def __init__(
        self,
        status: int,
        result: Result,
        *,
        well_formed: bool = False,
        headers: dict[str, str] | None = None,
        limit: str | None = None,
    ) -> None:
        super().__init__()
        self.status = status
        self.result = result
        self.well_formed = well_formed
        self.headers = headers or {}
        self.limit = limit
        """Of what was sent, if that is why."""


def refuse(status: int, message: str, code: str = "BAD_USER_INPUT", **headers: str) -> Refused:
    """A refusal that is HTTP's matter; an underscore in the name of a header stands for a hyphen."""
    return Refused(
        status,
        {"errors": [failure(code, message)]},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


def too_large(limit: str, message: str) -> Refused:
    """413 (RFC 9110, section 15.5.14): more was sent than is read."""
    return Refused(413, {"errors": [failure("BAD_USER_INPUT", message)]}, limit=limit)


def unavailable(message: str) -> Refused:
    """503: the same may be asked again in a second."""
    errors = [failure("INTERNAL_SERVER_ERROR", message, retryAfter=1.0)]
    return Refused(503, {"errors": errors}, headers={"retry-after": "1"})


def too_many(limited: RateLimited, *, well_formed: bool = True) -> Refused:
    """429 (RFC 6585, section 4), with the seconds rounded up that `retryAfter` tells exactly."""
    headers = {"retry-after": str(math.ceil(limited.retry_after))}
    return Refused(429, {"errors": [told(limited)]}, well_formed=well_formed, headers=headers)


def unauthenticated(message: str) -> Refused:
    """401 (RFC 6750, section 3.1): refresh the token, or sign in."""
    return refuse(401, message, "UNAUTHENTICATED", www_authenticate='Bearer error="invalid_token"')
