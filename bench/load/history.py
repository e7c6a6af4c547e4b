"""Somebody who reads a long and a short room over HTTP, on one connection: the last page of each, and one from the middle.

The long room is filled in the database and not by sending, for what is measured is reading. The pages take turns, so that what
disturbs one disturbs all of them.
"""

from __future__ import annotations

import asyncio
import time
from http.client import HTTPConnection
from typing import TYPE_CHECKING

import asyncpg
import orjson

from bench.load.people import JSON, Person, sign_in
from bench.load.watching import Usage, percentiles
from tests.acceptance import documents

if TYPE_CHECKING:
    import argparse

SHORT_ROOM = 100
PAGE = 50
"""What a query gives that asks for no number."""
LONGEST_PAGE = 100
FILL = """
INSERT INTO message (room_id, seq, id, sender_id, client_message_id,
                     ciphertext, commitment, tag_key_id, ciphertext_hash, tag, sent_at)
SELECT $1, n, gen_random_uuid(), $2, 'filled ' || n,
       decode(repeat(md5(n::text), 32), 'hex'), sha256('c'), 'filled', sha256('h'), sha256('t'),
       date_trunc('milliseconds', now()) - ($3::int - n) * interval '1 second'
FROM generate_series(1, $3::int) AS n
"""
"""Ciphertexts of 512 bytes, none like another."""


async def history(options: argparse.Namespace) -> JSON:
    """Fills the rooms, walks from the beginning of the long one to its middle, then reads pages for so many seconds."""
    (token,) = await sign_in(options.port, 1)
    person = await Person.arrive(options.port, token)  # A seat is held only for those who are connected.
    long, short = [await _room(person, options.dsn, length) for length in (options.messages, SHORT_ROOM)]
    # In a thread: the socket has to answer pings meanwhile.
    found = await asyncio.to_thread(_read, options, token, long, short)
    person.wire.close()
    return found


async def _room(person: Person, dsn: str, length: int) -> str:
    made = await person.ask(documents.CREATE_ROOM, {"input": {"name": f"{length} messages", "capacity": 2}})
    room_id = str(made["room"]["id"])
    connection = await asyncpg.connect(dsn)
    await connection.execute(FILL, room_id, made["room"]["me"]["id"], length)
    await connection.execute("UPDATE room SET message_seq = $2 WHERE id = $1", room_id, length)
    await connection.execute("VACUUM ANALYZE message")  # As autovacuum will have done to a room that grew slowly.
    await connection.execute("CHECKPOINT")
    await connection.close()
    return room_id


class Reader:
    """One kept-alive HTTP connection."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=30)
        self._headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/graphql-response+json",
        }
        self.bytes = 0

    def page(self, room_id: str, **where: object) -> JSON:
        """One page of the room. Raises `RuntimeError` when there is none."""
        payload = {
            "query": documents.MESSAGES,
            "operationName": "Messages",
            "variables": {"roomId": room_id, **where},
        }
        self._connection.request("POST", "/graphql", orjson.dumps(payload), self._headers)
        body = self._connection.getresponse().read()
        self.bytes = len(body)
        found = orjson.loads(body)
        if found.get("errors") or found["data"]["messages"] is None:
            raise RuntimeError(f"no page: {found.get('errors')}")
        return dict(found["data"]["messages"])


def _read(options: argparse.Namespace, token: str, long: str, short: str) -> JSON:
    failures: dict[str, int] = {}
    reader = Reader(options.port, token)
    middle, walked = _middle(reader, long, options.messages, failures)
    pages: dict[str, JSON] = {
        "long": {"room_id": long},
        "short": {"room_id": short},
        "middle": {"room_id": long, "first": PAGE, "after": middle},
    }

    def turns(seconds: float) -> dict[str, list[float]]:
        waits: dict[str, list[float]] = {name: [] for name in pages}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for name, where in pages.items():
                asked_at = time.monotonic()
                found = reader.page(**where)
                waits[name].append(time.monotonic() - asked_at)
                if len(found["edges"]) != PAGE:
                    failures["pages of another length"] = failures.get("pages of another length", 0) + 1
        return waits

    turns(options.warm_up)
    before = Usage.now(options.watch)
    waits = turns(options.seconds)
    return {
        **Usage.now(options.watch).since(before),
        "page_ms": {name: percentiles(values) for name, values in waits.items()},
        "page_bytes": reader.bytes,
        "walked_messages_per_second": walked,
        "failures": failures,
    }


def _middle(reader: Reader, room_id: str, length: int, failures: dict[str, int]) -> tuple[str, float]:
    """The cursor of the message in the middle, found as a client finds it, and how many messages a second that was."""
    began = time.monotonic()
    seen: list[str] = []
    cursor = None
    while len(seen) < length // 2:
        page = reader.page(room_id, first=min(LONGEST_PAGE, length // 2 - len(seen)), after=cursor)
        seen += [edge["node"]["clientMessageId"] for edge in page["edges"]]
        cursor = page["pageInfo"]["endCursor"]
    if seen != [f"filled {number}" for number in range(1, length // 2 + 1)]:
        failures["messages left out, repeated or out of order"] = 1
    return str(cursor), len(seen) / (time.monotonic() - began)
