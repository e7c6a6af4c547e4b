"""GraphQL over Server-Sent Events, in distinct connections mode: one operation, one response.

The protocol: https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md. Line ends are LF alone, because urql looks for two
of them. The last event has an empty `data`, without which browsers' EventSource would not tell of it, and no space after the
colon, which urql would take for JSON.
"""

from __future__ import annotations

from api.graphql_http.framing import Framing

EVENT_STREAM = "text/event-stream"

EVENTS = Framing(
    name="sse",
    media_type=f"{EVENT_STREAM}; charset=utf-8",
    opening=b":\n\n",
    before=b"event: next\ndata: ",
    after=b"\n\n",
    heartbeat=b":\n\n",
    closing=b"event: complete\ndata:\n\n",
)
