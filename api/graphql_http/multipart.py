"""Results as parts of one response (RFC 2046, section 5.1): Apollo's protocol for subscriptions, and the plain form of it.

Apollo's: https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol. A part counts as arrived
once the boundary after it has, so each is followed by one at once. Nothing in the header is quoted: Python's gql compares texts.
"""

from __future__ import annotations

from api.graphql_http.framing import Framing

MULTIPART = "multipart/mixed"
SPECIFICATION = "1.0"

_BOUNDARY = b"\r\n--graphql"
_PART = b"\r\nContent-Type: application/json\r\n\r\n"
# aiohttp, and so gql, would give a part of unknown length only with the next one.
_COUNTED = b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

PAYLOADS = Framing(
    name="multipart",
    media_type=f"{MULTIPART};boundary=graphql;subscriptionSpec={SPECIFICATION}",
    opening=_BOUNDARY,
    before=_COUNTED + b'{"payload":',
    after=b"}" + _BOUNDARY,
    heartbeat=_COUNTED % 2 + b"{}" + _BOUNDARY,
    closing=b"--\r\n",
    envelope=len(b'{"payload":}'),
)
"""For clients that ask for `subscriptionSpec`."""

PARTS = Framing(
    name="multipart",
    media_type=f"{MULTIPART};boundary=graphql",
    opening=_BOUNDARY,
    before=_PART,
    after=_BOUNDARY,
    # urql takes any part for a result. Until the next result comes, the head of its part grows by a line now and then.
    heartbeat=b"\r\nX-Heartbeat: 1",
    closing=b"--\r\n",
)
"""For clients that do not, as urql: a part is a result, as it is."""
