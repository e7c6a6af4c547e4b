"""What holds for the whole API and stands at no single type: the page "Conventions"."""

from __future__ import annotations

CONVENTIONS: tuple[tuple[str, str, str], ...] = (
    (
        "transports",
        "Where to send what",
        """Everything is served at `/graphql`: queries and mutations over HTTP and WebSocket, subscriptions over
WebSocket (the protocol `graphql-transport-ws`), Server-Sent Events or multipart.

* Over HTTP send the access token as `Authorization: Bearer …`.
* Over WebSocket send it as `authorization` in the payload of `connection_init`.
* Never put it into a URL.""",
    ),
    (
        "signing-in",
        "Who may ask",
        """`stats`, `signInAnonymously`, `signInOperator` and `refreshSession` are open to everybody; `me` is null
without signing in. Everything else needs a session. While an account is suspended from everything its session is
`APPEAL_ONLY`: see `SessionScope`.

People meet as a `Member` of a `Room`. A member's ID means nothing outside that room, so nobody can follow a stranger
from one match to the next. A `User` is seen only by themselves and by operators.""",
    ),
    (
        "failures",
        "Three kinds of failure",
        """Each has one place.

* What can go wrong anywhere is an error at the top, beside `data`, with a code in `extensions.code` (below).
* An outcome that a front end shows differently, such as a full room, is a member of the mutation's payload union.
Such types implement `UserError`: select `__typename`, the success, and `... on UserError { message }`, so that
members that are added later do no harm.
* What happens to somebody who listens is an event of a subscription: see `Event`.""",
    ),
    (
        "codes",
        "Codes",
        """* `UNAUTHENTICATED`: there is no token, or it is not good any more. Refresh the session, or sign in.
* `FORBIDDEN`: the session may not do this.
* `NOT_FOUND`: there is no such thing, or not for the viewer.
* `BAD_USER_INPUT`: an argument or a variable is malformed, or too large.
* `RATE_LIMITED`: too often. `extensions.retryAfter` says in how many seconds it may succeed.
* `CONFLICT`: it contradicts how things stand.
* `GRAPHQL_PARSE_FAILED` and `GRAPHQL_VALIDATION_FAILED`: the document is not GraphQL, does not fit this schema, or
asks for too much at once.
* `PERSISTED_QUERY_NOT_FOUND`: send the document once along with its hash.
* `INTERNAL_SERVER_ERROR`: our mistake. `extensions.correlationId` finds it in the server's log.""",
    ),
    (
        "ids",
        "IDs",
        """\
An `ID` is opaque and random, has no time in it, and is unique over all types. Compare IDs for equality, and do
nothing else with them.""",
    ),
    (
        "values",
        "Dates and bytes",
        """A `DateTime` is in UTC with exactly three decimals: `2026-11-21T09:30:00.000Z`.

`Base64` is the standard alphabet, padded and canonical: there is one way to write the same bytes, and any other is
refused.""",
    ),
    (
        "cursors",
        "Cursors, pages and coming back",
        """A `Cursor` is a place: in a connection (`edges.cursor`) or among the events of a viewer (`Event.cursor`).
Give it as `after` to go on behind it. It carries its kind, and one of another kind is `BAD_USER_INPUT`. Only
`Subscription.messages` takes two kinds: its own, and those of `Query.messages`.

After a lost connection subscribe again with the cursor of the last event that was handled: what was missed comes
first. Where that is no longer kept, `ResyncRequired` comes instead: query the state anew.

A client that sends its first variables again when it reconnects, as graphql-ws does, may put `"after": "<cursor>"`
into the payload of `connection_init`: for `Subscription.events` it wins over the argument.""",
    ),
    (
        "left",
        "Rooms that were left",
        """Somebody who has left a room, and a room that the viewer has left, remain as tombstones where something
still refers to them: a name and the status LEFT; no members, and no invite code.""",
    ),
    (
        "changes",
        "What may change",
        """Types, fields, nullable inputs and members of unions may be added. Nothing is removed or
renamed, and the addresses and anchors of these pages stay.""",
    ),
)
"""Anchor, heading and text, in the form of descriptions."""
