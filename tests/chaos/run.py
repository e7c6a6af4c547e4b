"""One chaos run: people move in, things fail, everything settles, and the accounts are closed."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx

from tests.acceptance.client import Api
from tests.chaos import invariants
from tests.chaos.client import Client, Counts, Doors
from tests.chaos.faults import Chaos, Felt
from tests.chaos.judge import Judge
from tests.chaos.ledger import Ledger, Wrongs
from tests.chaos.people import LATEST, Friend, Person, Roamer, Town, befriend
from tests.chaos.schedule import schedule
from tests.chaos.stage import COOLDOWN_SECONDS, Bus, Stage, complaints

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PEOPLE: Final = 200
FRIENDS_IN_A_ROOM: Final = 4
WORKERS: Final = 3
AT_ONCE: Final = 16
"""People who move in at the same time."""
PULSE_SECONDS: Final = 5.0
SETTLED_WITHIN: Final = 90.0
"""Seconds after the last fault in which everything must have come to rest."""


@dataclass
class Outcome:
    """What a run did and found."""

    bus: Bus
    seed: int
    seconds: float
    ledger: Ledger
    counts: Counts
    town: Town
    felt: list[Felt] = field(default_factory=list)
    matches: int = 0
    bars: int = 0
    suspensions: int = 0
    hints: tuple[int, int] = (0, 0)
    """Sent, and lost of these."""
    settled: float = 0.0
    """Seconds from the end of the last fault until everything had come that was due."""
    took: float = 0.0

    @property
    def wrongs(self) -> Wrongs:
        """What must not have been."""
        return self.ledger.wrongs


async def run(folder: Path, bus: Bus, *, seed: int, seconds: float, tell: Callable[[str], None]) -> Outcome:
    """Runs one, in that folder. What it tells meanwhile is for a person who waits."""
    began = time.monotonic()
    ledger, counts = Ledger(Wrongs()), Counts()
    town = Town(ledger, ledger.wrongs)
    outcome = Outcome(bus, seed, seconds, ledger, counts, town)
    chances = random.Random(f"{seed} stage")
    async with Stage(folder, bus, WORKERS, chances) as stage:
        connection = await stage.connect()
        await invariants.remember(connection)
        await connection.close()
        async with AsyncExitStack() as stack:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
            http = await stack.enter_async_context(httpx.AsyncClient(timeout=10, limits=limits, trust_env=False))
            doors = Doors([link.port for link in stage.to_workers], http, random.Random(f"{seed} doors"))
            api = await stack.enter_async_context(Api(stage.workers[0].url))
            adding = ("operator", "add", "Judge", "--role", "moderator")
            printed = await asyncio.to_thread(stage.workers[0].command, *adding)
            people = await _moved_in(api, doors, town, stack, counts=counts, seed=seed, judge=printed.strip())
            tell(f"{len(people)} people have moved in, {time.monotonic() - began:.0f} s after the start.")
            chaos = Chaos(stage, tell)
            lives = [asyncio.create_task(person.live()) for person in people]
            for life in lives:
                stack.push_async_callback(_cancelled, life)
            planned = schedule(seed, seconds, len(stage.workers), separate_bus=bus is Bus.REDIS)
            pulse = asyncio.create_task(_pulse(people, ledger, tell))
            stack.push_async_callback(_cancelled, pulse)
            _, _ = await asyncio.gather(chaos.run(planned, ledger.flows), asyncio.sleep(seconds))
            outcome.felt = chaos.felt
            tell("Nothing fails any more.")
            await _settle(people, lives, town, outcome)
        await stage.stop_workers()
        connection = await stage.connect()
        changes = await invariants.history(connection)
        await connection.close()
    replay = invariants.Replay(outcome.wrongs)
    replay.all(changes)
    outcome.matches, outcome.bars = len(replay.matches), replay.bars_in_force
    outcome.suspensions = replay.suspensions
    _compare(people, town, replay)
    outcome.hints = stage.hints
    _inspect(stage, outcome.wrongs)
    outcome.took = time.monotonic() - began
    return outcome


async def _moved_in(
    api: Api, doors: Doors, town: Town, stack: AsyncExitStack, *, counts: Counts, seed: int, judge: str
) -> list[Person]:
    """Everybody with an account and a socket, the friends in their rooms, and who has the operator's token `judge`. Their sockets
    live as long as `stack`.
    """
    permits = asyncio.Semaphore(AT_ONCE)

    async def move_in(number: int) -> Person:
        async with permits:
            chances = random.Random(f"{seed} person {number}")
            name = f"Person {number}"
            judges = number == PEOPLE
            somebody = await (api.sign_in_operator(name, judge) if judges else api.sign_in(name))
            client = Client(name, somebody.token, doors=doors, counts=counts, wrongs=town.wrongs, chances=chances)
            match number % 10:
                case _ if judges:
                    person: Person = Judge(client, town)
                case 0 | 1:
                    person = Friend(client, town)
                case 2 | 3 | 4 | 5:
                    # Two people of a pair follow each other in the list of those who hold out for somebody.
                    topic = f"pair {number // 10} {(number % 10 - 2) // 2}"
                    person = Roamer(client, town, interests=[topic], stays=20.0)
                case _:
                    person = Roamer(client, town, interests=[], stays=8.0)
            task = asyncio.create_task(client.run())
            stack.push_async_callback(_cancelled, task)
            async with asyncio.timeout(LATEST):
                await client.arrived.wait()
            return person

    people = await asyncio.gather(*(move_in(number) for number in range(PEOPLE + 1)))
    friends = [person for person in people if isinstance(person, Friend)]
    for first in range(0, len(friends), FRIENDS_IN_A_ROOM):
        await befriend(friends[first : first + FRIENDS_IN_A_ROOM])
    return list(people)


async def _pulse(people: list[Person], ledger: Ledger, tell: Callable[[str], None]) -> None:
    """Tells every few seconds how people are."""
    began, deliveries = time.monotonic(), 0
    while True:
        await asyncio.sleep(PULSE_SECONDS)
        connected = sum(person.client.arrived.is_set() for person in people)
        tell(f"{time.monotonic() - began:6.1f} s  {connected} connected, {ledger.deliveries - deliveries} deliveries")
        deliveries = ledger.deliveries


async def _settle(people: list[Person], lives: Iterable[asyncio.Task[None]], town: Town, outcome: Outcome) -> None:
    """Lets everything come to rest: what was sent arrives, who waits is matched, everybody leaves, and is told so."""
    began = time.monotonic()

    async def within(what: str, condition: Callable[[], Iterable[object]], seconds: float = SETTLED_WITHIN) -> None:
        """Waits until nothing is left of what the condition gives. Wrong: what is left then."""
        with suppress(TimeoutError):
            async with asyncio.timeout(min(town.patience, max(5.0, began + seconds - time.monotonic()))):
                while any(True for _ in condition()):
                    await asyncio.sleep(0.05)
        for left in condition():
            town.wrongs.add(what, left)

    await within("not connected", lambda: (p.client.name for p in people if not p.client.arrived.is_set()))
    strangers = [person for person in people if isinstance(person, Roamer)]
    free = [person for person in strangers if person.free]
    # Whoever met last does not meet again within the cooldown; all others who wait are a legal pair, and lives go on meanwhile.
    longest = COOLDOWN_SECONDS + 15.0
    await within("waits for a match", lambda: (p.client.name for p in free if p.waits_for(longest)), longest + 30.0)
    town.closing.set()
    done, pending = await asyncio.wait(lives, timeout=2 * town.patience)
    for task in done:
        if (error := task.exception()) is not None:
            raise error
    for task in pending:
        town.wrongs.add("waits for ever", task.get_coro())
        task.cancel()
    await within("not heard", lambda: (f"{item} by {member[:8]}" for item, member in town.ledger.missing()))
    outcome.settled = time.monotonic() - began
    town.ledger.close()
    # What comes after this is behind all else in everybody's inbox: once it is there, nothing of before can still come.
    everybody = asyncio.gather(*(person.say_goodbye() for person in people), return_exceptions=True)
    with suppress(TimeoutError):
        for result in await asyncio.wait_for(everybody, 2 * town.patience):
            if isinstance(result, BaseException):
                raise result
    await within("still seated", lambda: (p.client.name for p in strangers if p.seats))
    await within("ticket still waits", lambda: (ticket for ticket, end in town.tickets.items() if end is None))


def _compare(people: list[Person], town: Town, replay: invariants.Replay) -> None:
    """What people were told, and what the database did: the same."""
    for person, room in town.refusals:
        if room not in person.ended:
            town.wrongs.add("said to be gone, and is not", f"{room} of {person.client.name}")
    for ticket, row in replay.tickets.items():
        told = town.tickets.get(ticket)
        if told is None or (row["status"] == "MATCHED") != (told == "MATCHED"):
            town.wrongs.add("told otherwise", f"ticket {ticket} is {row['status']}, its owner was told {told}")
    for ticket in town.tickets.keys() - replay.tickets.keys():
        town.wrongs.add("7: a ticket vanished", ticket)


def _inspect(stage: Stage, wrongs: Wrongs) -> None:
    """What the processes left: nothing but clean logs."""
    for worker in stage.workers:
        for line in complaints(worker.output()):
            wrongs.add("logged", f"{worker.data_dir.name}: {line}")
    for code in stage.ends:
        if code != 0:
            wrongs.add("did not end well", "a worker did not stop" if code is None else f"exit code {code}")
    for process in stage.leftovers():
        wrongs.add("left behind", process)


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Whatever it raised, whoever waited for it knows."""
    task.cancel()
    await asyncio.wait((task,))
