"""Why we close: the codes of WebSockets, for the reasons of which streams over HTTP end too."""

from __future__ import annotations

from enum import IntEnum


class Close(IntEnum):
    """Why a socket was closed. graphql-ws retries EXPIRED, INIT_TIMEOUT, RESTART and TRY_AGAIN, and gives up on the
    rest.
    """

    FAULT = 1011
    RESTART = 1012
    TRY_AGAIN = 1013
    MALFORMED = 4400
    UNAUTHORIZED = 4401
    EXPIRED = 4403
    SUBPROTOCOL = 4406
    INIT_TIMEOUT = 4408
    DUPLICATE_ID = 4409
    TOO_MANY = 4429
