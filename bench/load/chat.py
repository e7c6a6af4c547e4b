"""People who write to each other in rooms, each of them as fast as their messages are acknowledged.

Every room is checked: each member is told of every message exactly once, all of them in the same order, and of nothing that was
not acknowledged. What is not so is counted under `failures`.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from typing import TYPE_CHECKING

from bench.load.people import JSON, Person, seated
from bench.load.watching import Usage, percentiles
from tests.acceptance import documents

if TYPE_CHECKING:
    import argparse

CIPHERTEXT_BYTES = 512
COMMITMENT_BYTES = 32
VIEWS = ("messages", "events")
"""What members may follow."""
DELIVERY_DEADLINE = 10.0
"""Seconds after the last acknowledgement in which everything has to have reached everybody."""


class Talk:
    """All rooms together: what was measured, and what went wrong."""

    def __init__(self) -> None:
        self.going_on = True
        self.measuring = False
        self.acknowledged = 0
        self.deliveries = 0
        self.waits: list[float] = []
        self.failures: dict[str, int] = {}

    def failed(self, what: str, count: int = 1) -> None:
        """Counts a failure; one that repeats is one line."""
        self.failures[what] = self.failures.get(what, 0) + count


class Table:
    """One room, and what its members have heard so far."""

    def __init__(self, talk: Talk, room_id: str, members: int) -> None:
        self.talk = talk
        self.room_id = room_id
        self.members = members
        self.order: list[str] = []
        """The client IDs of its messages, in the order in which they were first told to anybody."""
        self.acknowledged: set[str] = set()
        self._missing: dict[str, tuple[int, float | None]] = {}
        """Of each message under way, how many have yet to hear of it, and when it was sent if that is measured."""

    def says(self, id: str) -> None:
        """A message is about to be sent."""
        self._missing[id] = (self.members, time.monotonic() if self.talk.measuring else None)

    def heard(self, id: str) -> None:
        """A member was told of a message."""
        self.talk.deliveries += self.talk.measuring
        missing, sent_at = self._missing.pop(id, (0, None))
        if missing > 1:
            self._missing[id] = (missing - 1, sent_at)
        elif missing == 1 and sent_at is not None:
            self.talk.waits.append(time.monotonic() - sent_at)


class Writer:
    """One member: writes, waits for the acknowledgement, writes again; and follows the room meanwhile."""

    def __init__(self, person: Person, table: Table, name: str) -> None:
        self.person = person
        self.heard = 0
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._table = table
        self._name = name

    def take(self, event: JSON) -> None:
        """One event of what the member follows."""
        match event["__typename"]:
            case "MessageSent":
                self._hear(event["edge"]["node"]["clientMessageId"])
            case "MatchSnapshot":
                self.started.set_result(None)
            case "Failure" if not self.started.done():
                self.started.set_exception(RuntimeError(f"nothing can be followed: {event}"))
            case "ResyncRequired" | "Failure" as what:
                self._table.talk.failed(what)

    def _hear(self, id: str) -> None:
        order = self._table.order
        if self.heard == len(order):
            order.append(id)
        elif order[self.heard] != id:
            self._table.talk.failed("out of order, repeated or left out")
        self.heard += 1
        self._table.heard(id)

    async def write(self) -> None:
        """Until the talk is over."""
        talk, table = self._table.talk, self._table
        commitment = base64.b64encode(os.urandom(COMMITMENT_BYTES)).decode()
        number = 0
        while talk.going_on:
            number += 1
            id = f"{self._name} {number}"
            given = {
                "roomId": table.room_id,
                "clientMessageId": id,
                "ciphertext": base64.b64encode(os.urandom(CIPHERTEXT_BYTES)).decode(),
                "commitment": commitment,
            }
            table.says(id)
            try:
                await self.person.ask(documents.SEND_MESSAGE, {"input": given})
            except (RuntimeError, TimeoutError) as error:
                talk.failed(str(error) or "no answer")
                continue
            table.acknowledged.add(id)
            talk.acknowledged += talk.measuring


async def chat(options: argparse.Namespace) -> JSON:
    """All members of all rooms write; measured for so many seconds after a warm-up."""
    talk = Talk()
    tables: list[tuple[Table, list[Writer]]] = []
    for room_id, people in await seated(options.port, options.rooms, options.members):
        table = Table(talk, room_id, options.members)
        writers = [Writer(person, table, f"writer {number}") for number, person in enumerate(people)]
        await _listen(table, writers, options.view)
        tables.append((table, writers))
    everybody = [writer for _, writers in tables for writer in writers]
    writing = [asyncio.create_task(writer.write()) for writer in everybody]
    await asyncio.sleep(options.warm_up)
    before = Usage.now(options.watch)
    talk.measuring = True
    await asyncio.sleep(options.seconds)
    talk.measuring = False
    usage = Usage.now(options.watch).since(before)
    talk.going_on = False
    await asyncio.gather(*writing)
    await _until_all_heard(tables)
    for table, writers in tables:
        _check(table, writers)
    lost = sum(writer.person.wire.lost.done() for writer in everybody)
    if lost:
        talk.failed("sockets lost", lost)
    for writer in everybody:
        writer.person.wire.close()
    return {
        **usage,
        "messages_per_second": talk.acknowledged / usage["seconds"],
        "deliveries_per_second": talk.deliveries / usage["seconds"],
        "last_ms": percentiles(talk.waits),
        "checked": sum(len(table.order) for table, _ in tables),
        "failures": talk.failures,
    }


async def _listen(table: Table, writers: list[Writer], view: str) -> None:
    """Everybody follows the room from one place on: behind the first message, or from their own snapshot."""
    if view == "events":
        for writer in writers:
            await writer.person.follow(documents.EVENTS, {}, writer.take)
            await asyncio.wait_for(writer.started, DELIVERY_DEADLINE)
        return
    given = {"roomId": table.room_id, "clientMessageId": "first", "ciphertext": base64.b64encode(b"first").decode()}
    first = await writers[0].person.ask(documents.SEND_MESSAGE, {"input": given})
    for writer in writers:
        writer.started.set_result(None)
        variables = {"roomId": table.room_id, "after": first["edge"]["cursor"]}
        await writer.person.follow(documents.MESSAGES_LIVE, variables, writer.take)


async def _until_all_heard(tables: list[tuple[Table, list[Writer]]]) -> None:
    deadline = time.monotonic() + DELIVERY_DEADLINE
    while time.monotonic() < deadline:
        if all(w.heard >= len(table.acknowledged) for table, writers in tables for w in writers):
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)  # What is told twice would come now.


def _check(table: Table, writers: list[Writer]) -> None:
    for writer in writers:
        if writer.heard != len(table.order):
            table.talk.failed("not told, or told twice", abs(len(table.order) - writer.heard))
    if set(table.order) != table.acknowledged or len(set(table.order)) != len(table.order):
        table.talk.failed("told is not what was acknowledged")
