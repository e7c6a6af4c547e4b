"""A storm over the queue: several matchers at once on processes of their own, people who do everything at the wrong moment, and
connections that are killed. What was committed is written down by triggers, in the order in which it happened.

Every write about a user happens under the lock of the user's head, so the numbers of the history are drawn in the order of the
commits of each user, and the history of a pair can be replayed.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from domain.errors import AlreadyInMatch, Conflict, NotFound, Suspended, Unavailable
from domain.events import Matched, QueueJoined
from domain.matchmaking.commit import commit_pairs
from domain.matchmaking.losses import expire_ticket
from domain.matchmaking.pool import Pair
from domain.matchmaking.queue import leave_queue
from domain.matchmaking.ticket import ChatMode, Preferences
from domain.safety.suspension import SuspensionScope
from tests.world import Clock, World, open_world

MATCHERS = 3
PEOPLE = 30
SECONDS = 8.0
ENOUGH_MATCHES = 50
"""Of the matchers: on a machine that is busy the storm goes on until there are more, for `LONGEST_SECONDS` at most."""
LONGEST_SECONDS = 40.0
COOLDOWN = timedelta(milliseconds=300)

HISTORY = """
    CREATE TABLE history (seq bigserial PRIMARY KEY, kind text NOT NULL, op text NOT NULL, old jsonb, new jsonb);
    CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO history (kind, op, old, new) VALUES (TG_TABLE_NAME, TG_OP,
            CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END, CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
        RETURN NULL;
    END $$;
"""
REMEMBERED = ("ticket", "pair_bar", "connection", "suspension", "member", "room")


@dataclass(frozen=True)
class Change:
    """A row that was written: what it was, and what it is; None for what there is not."""

    kind: str
    old: dict[str, Any] | None
    new: dict[str, Any] | None


@dataclass(frozen=True)
class Storm:
    """What is left after it."""

    history: list[Change]
    told: list[tuple[UUID, Matched]]
    joined: set[UUID]
    """IDs of the tickets that somebody was told of."""
    renewed: set[UUID]
    """Users whose inbox began anew because the outcome of a commit was unknown."""
    killed: int
    refusals: int
    by_matcher: list[int]

    def tickets_matched(self) -> list[dict[str, Any]]:
        """Every ticket at the moment when it was matched."""
        return [
            change.new
            for change in self.history
            if change.kind == "ticket" and change.new and change.new["status"] == "MATCHED"
        ]

    def matches(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """The two tickets of every match."""
        rooms: dict[str, list[dict[str, Any]]] = {}
        for ticket in self.tickets_matched():
            rooms.setdefault(ticket["room_id"], []).append(ticket)
        return [(one, other) for one, other in rooms.values()]


async def storm(dsn: str, seed: int) -> Storm:
    """Runs one."""
    watcher = await asyncpg.connect(dsn)
    await watcher.execute(HISTORY)
    for table in REMEMBERED:
        await watcher.execute(
            f"CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION remember()"
        )
    async with AsyncExitStack() as stack:
        opened = [open_world(dsn, Clock(goes=True), one_of_several=True, pool_size=6) for _ in range(MATCHERS)]
        servers = [await stack.enter_async_context(server) for server in opened]
        people = await servers[0].people(PEOPLE)
        for each in servers:
            await each.matcher.start()
        began = asyncio.get_running_loop().time()

        def lasts() -> bool:
            age = asyncio.get_running_loop().time() - began
            few = sum(each.matcher.matches for each in servers) <= ENOUGH_MATCHES
            return age < SECONDS or (few and age < LONGEST_SECONDS)

        chances = random.Random(seed)
        lives = [_life(user_id, people, servers, random.Random(chances.random()), lasts) for user_id in people]
        killing = asyncio.create_task(_kill(watcher, random.Random(chances.random()), lasts))
        blind = [_lead_blindly(place, random.Random(chances.random()), lasts) for place in servers]
        await asyncio.gather(killing, *blind, *lives)
        for each in servers:
            await each.matcher.stop()
        for user_id in people:
            await _stubborn(lambda user_id=user_id: _end_of(servers[0], user_id))  # type: ignore[misc]  # its type is not inferred
        rows = await watcher.fetch("SELECT kind, old, new FROM history ORDER BY seq")
        await watcher.close()
        told = [entry for each in servers for entry in each.inbox.told]
        return Storm(
            history=[Change(row["kind"], *(row[c] and json.loads(row[c]) for c in ("old", "new"))) for row in rows],
            told=[(user_id, event) for user_id, event in told if isinstance(event, Matched)],
            joined={event.ticket.id for _, event in told if isinstance(event, QueueJoined)},
            renewed=set().union(*(each.inbox.renewed for each in servers)),
            killed=killing.result(),
            refusals=sum(each.matcher.pool.refusals.total() for each in servers),
            by_matcher=[each.matcher.matches for each in servers],
        )


async def _life(
    user_id: UUID, people: list[UUID], servers: list[World], chances: random.Random, lasts: Callable[[], bool]
) -> None:
    """One person, on any of the servers, until the end."""
    home = chances.choice(servers)
    await _stubborn(lambda: home.attach(user_id))
    while lasts():
        place = chances.choice(servers)
        with suppress(AlreadyInMatch, NotFound, Suspended, Conflict, Unavailable):
            match chances.choices(("join", "skip", "leave", "detach", "block", "suspend"), (60, 60, 10, 12, 0.7, 0.5))[
                0
            ]:
                case "join":
                    await place.join(user_id, _wishes(chances))
                case "skip":
                    room = await place.open_match(user_id)
                    if room is not None:
                        await place.skip(user_id, room.id, cooldown=COOLDOWN)
                case "leave":
                    await place.database.transact(partial(leave_queue, user_id=user_id))
                case "detach":
                    await home.detach(user_id)
                    await asyncio.sleep(chances.random() * 0.4)
                    await _stubborn(lambda: home.attach(user_id))
                case "block":
                    await place.bar(user_id, chances.choice([other for other in people if other != user_id]))
                case "suspend":
                    await place.suspend(user_id, SuspensionScope.MATCHING)
        chances.choice(servers).matcher.poke()
        await asyncio.sleep(chances.random() * 0.03)


def _wishes(chances: random.Random) -> Preferences:
    interests = tuple(chances.sample(("chess", "go", "tea"), chances.randint(0, 2)))
    languages = tuple(chances.sample(("en", "de"), chances.randint(0, 1)))
    return Preferences(chances.choice((ChatMode.TEXT, ChatMode.VIDEO)), interests, languages, chances.randint(0, 2))


async def _kill(watcher: asyncpg.Connection, chances: random.Random, lasts: Callable[[], bool]) -> int:
    """Kills connections in the middle of whatever they do; as many as it returns."""
    killed = 0
    while lasts():
        await asyncio.sleep(chances.random())
        killed += len(
            await watcher.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND (state <> 'idle' OR $1) ORDER BY random() LIMIT 1",
                chances.random() < 0.2,
            )
        )
    return killed


async def _lead_blindly(place: World, chances: random.Random, lasts: Callable[[], bool]) -> None:
    """One more leader, who was frozen: knows nothing of bars, sockets and suspensions, and of tickets what was true a while ago."""
    while lasts():
        with suppress(Unavailable, Conflict):
            _, tickets, _ = await place.database.read(lambda uow: uow.tickets.changed_since(None))
            believed = chances.sample(tickets, len(tickets))
            await asyncio.sleep(chances.random() * chances.choice((0.0, 0.1)))
            pairs = [Pair(*pair) for pair in zip(believed[::2], believed[1::2], strict=False)]
            await place.database.transact(partial(commit_pairs, pairs=pairs, new_id=uuid4, clock=place.clock))


async def _end_of(place: World, user_id: UUID) -> None:
    """Everybody's ticket ends: those who are gone expire, the others leave."""
    later = place.clock() + timedelta(minutes=5)
    await place.database.transact(lambda uow: expire_ticket(uow, user_id, now=later))
    await place.database.transact(lambda uow: leave_queue(uow, user_id))


async def _stubborn(act: Callable[[], Awaitable[object]]) -> None:
    """Does it until the database lets it."""
    while True:
        with suppress(Unavailable, Conflict):
            await act()
            return
        await asyncio.sleep(0.01)


def moment(text: str | None) -> datetime | None:
    """A time of the history."""
    return None if text is None else datetime.fromisoformat(text)
