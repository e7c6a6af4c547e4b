"""Documents that nobody asked for before are prepared one in a turn of the loop, and nobody's flood keeps anybody else waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from api.connections import preparing, spreading
from api.connections.preparing import OF_EACH, Preparing, preparing_of
from domain.errors import RateLimited
from schema.execution.documents import Documents, Prepared, Rejected
from schema.execution.execute import Engine
from tests.stream_client import EVENTS, PARTS, PAYLOADS
from tests.toy_server import Toy, schema, toy_server
from tests.waiting import DEADLINE, until

ADA, BOB, EVE = UUID(int=1), UUID(int=2), UUID(int=3)
LATER = Rejected([])


@pytest.fixture(autouse=True)
def one_in_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with documents that each take longer than the share of a turn."""
    monkeypatch.setattr(spreading, "SECONDS_A_TURN", 0.0)


class Line:
    """What waits on this loop; `done` are the texts that were prepared, in order, each with the turn in which that was."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.preparing = preparing_of(loop)
        self.documents = Engine(schema).documents
        self.done: list[str] = []
        self.turns: list[int] = []
        self._turn = 0
        loop.call_soon(self._next)

    def _next(self) -> None:
        self._turn += 1
        asyncio.get_running_loop().call_soon(self._next)

    def ask(self, text: str, network: str, user_id: UUID | None = None, held: int = 0) -> asyncio.Task[object]:
        """A request that waits."""

        def make() -> Rejected:
            self.done.append(text)
            self.turns.append(self._turn)
            return LATER

        outcome = self.preparing.outcome(self.documents, text, make, (network, user_id), held)
        return asyncio.ensure_future(outcome)


async def test_one_is_prepared_in_a_turn_of_the_loop_in_the_order_of_asking() -> None:
    """Thirty connections with a document of 15 ms each kept everybody on the worker for 0.4 s."""
    line = Line()
    asked = [line.ask(f"{n}", "n") for n in range(30)]
    await asyncio.gather(*asked)
    assert line.done == [f"{n}" for n in range(30)]
    assert len(set(line.turns)) == 30


async def test_small_ones_share_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a restart there are many, of a millisecond each."""
    monkeypatch.setattr(spreading, "SECONDS_A_TURN", DEADLINE)
    line = Line()
    await asyncio.gather(*[line.ask(f"{n}", "n") for n in range(30)])
    assert len(set(line.turns)) == 1


async def test_a_flood_waits_for_itself() -> None:
    """Somebody's first waits for one of each other network, and in its own for one of each other user, however many these have."""
    line = Line()
    flood = [line.ask(f"flood {n}", "school", EVE) for n in range(50)]
    await asyncio.sleep(0)
    others = [line.ask("neighbour", "school", ADA), line.ask("stranger", "school"), line.ask("elsewhere", "home", BOB)]
    await asyncio.gather(*flood, *others)
    firsts = [text for text in line.done if not text.startswith("flood")]
    assert set(firsts) == {"neighbour", "stranger", "elsewhere"}
    begun = line.done.index("flood 1")
    assert {line.done.index(text) - begun for text in firsts} <= set(range(-1, 6))
    assert [text for text in line.done if text.startswith("flood")] == [f"flood {n}" for n in range(50)]


async def test_what_many_ask_for_is_prepared_once_in_the_turn_of_whoever_is_first() -> None:
    """After a restart everybody asks for the same; and nobody may hide it behind a flood of their own."""
    line = Line()
    flood = [line.ask(f"flood {n}", "n", EVE) for n in range(20)]
    shared = [line.ask("shared", "n", user_id) for user_id in (EVE, ADA, ADA, BOB)]
    assert await asyncio.gather(*shared) == [LATER] * 4
    assert line.done.index("shared") < 5
    await asyncio.gather(*flood)
    assert line.done.count("shared") == 1


async def test_what_waits_is_bounded_for_each_and_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is refused, told when to come again, and has a place once others have gone; of all that nothing is left."""
    monkeypatch.setattr(preparing, "OF_USER", 3 * OF_EACH + 900)
    monkeypatch.setattr(preparing, "OF_NETWORK", 5 * OF_EACH + 900)
    monkeypatch.setattr(preparing, "MOST", 8 * OF_EACH + 900)
    line = Line()

    async def refused(count: int, network: str, user_id: UUID, held: int = 0) -> int:
        """How many of so many are refused at once."""
        asked = [line.ask(f"{network} {user_id} {n}", network, user_id, held) for n in range(count)]
        everything.extend(asked)
        await asyncio.sleep(0)
        gone = [task for task in asked if task.done() and isinstance(task.exception(), RateLimited)]
        for task in gone:
            error = task.exception()
            assert isinstance(error, RateLimited)
            assert error.retry_after == 1
        return len(gone)

    everything: list[asyncio.Task[object]] = []
    monkeypatch.setattr(Preparing, "_come", lambda _: None)
    assert await refused(4, "a", ADA) == 1
    assert await refused(1, "a", ADA, held=500) == 0, "it waits already: its bytes alone count"
    assert await refused(3, "a", EVE) == 1, "of the network"
    assert await refused(5, "b", BOB) == 2, "of the user"
    assert await refused(3, "c", EVE) == 3, "of all"
    assert line.preparing.refusals == {"documents_waiting": 7}
    for task in everything:
        task.cancel()
    await asyncio.wait(everything)
    monkeypatch.undo()
    while line.preparing._lines:
        line.preparing._come()
    assert not len(line.preparing)
    assert not line.preparing._sizes
    assert line.done == [], "nobody wanted them any more"
    assert await line.ask("again", "a", ADA) is LATER


async def test_what_one_gave_up_is_prepared_for_the_others() -> None:
    """Each waits for themselves."""
    line = Line()
    first, second = line.ask("x", "n", ADA), line.ask("x", "n", BOB)
    await asyncio.sleep(0)
    first.cancel()
    assert await second is LATER
    assert first.cancelled()


async def test_a_fault_is_told_to_whoever_waits_and_the_next_one_comes() -> None:
    """A bug in one document must not stop all others."""
    line = Line()

    def fails() -> Rejected:
        raise ZeroDivisionError

    broken = line.preparing.outcome(line.documents, "broken", fails, ("n", None), 0)
    good = line.ask("good", "n")
    with pytest.raises(ZeroDivisionError):
        await broken
    assert await good is LATER


def test_what_takes_no_time_is_found_without_waiting() -> None:
    """What is known, valid or not, and what is too long to be looked at."""
    documents: Documents = Engine(schema).documents
    for text in ("{ hello }", "{ hullo }"):
        assert documents.find(text) is None
        assert documents.find(text) is None
        outcome = documents.prepare(text)
        assert documents.find(text) is outcome
    assert isinstance(documents.find("#" * 100_000), Rejected)
    assert (documents.hits, documents.misses) == (1, 4)


# --- over each transport ------------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def toy() -> AsyncIterator[Toy]:
    """A server that knows one document of each kind."""
    async with toy_server() as toy:
        for text in ("{ hello }", NOTE):
            assert isinstance(toy.engine.documents.prepare(text), Prepared)
        yield toy


NOTE = "mutation($name: String!) { note(name: $name) }"


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Nothing is prepared until this is called."""
    held: list[Preparing] | None = []
    come = Preparing._come

    def hold(waiting: Preparing) -> None:
        if held is None:
            come(waiting)
        else:
            held.append(waiting)

    monkeypatch.setattr(Preparing, "_come", hold)

    def released() -> None:
        nonlocal held
        came, held = held or [], None
        for waiting in came:
            come(waiting)

    return released


async def waits(count: int) -> None:
    """Until so many documents do."""
    await until(lambda: len(preparing_of(asyncio.get_running_loop())) == count)


async def test_known_documents_overtake_what_waits(toy: Toy, release: Callable[[], None]) -> None:
    """Calls go on while a front end that was released today is met for the first time."""
    async with toy.client("ok:ada") as ada, toy.client("ok:bob") as bob, httpx.AsyncClient(trust_env=False) as http:
        await ada.subscribe("1", "{ new: hello }")
        await waits(1)
        await bob.subscribe("1", "{ hello }")
        assert (await bob.receive())["payload"] == {"data": {"hello": "world"}}
        assert (await http.post(toy.url, json={"query": "{ hello }"})).json() == {"data": {"hello": "world"}}
        release()
        assert (await ada.receive())["payload"] == {"data": {"new": "world"}}


async def test_on_one_socket_nothing_overtakes(toy: Toy, release: Callable[[], None]) -> None:
    """A candidate that overtakes its offer breaks the call, also when the offer is of a new document."""
    async with toy.client("ok:ada") as ada:
        await ada.subscribe("1", 'mutation { note(name: "offer") }')
        await waits(1)
        for number in range(3):
            await ada.subscribe(f"c{number}", NOTE, variables={"name": f"candidate {number}"})
        async with toy.client("ok:bob") as bob:
            await bob.subscribe("1", NOTE, variables={"name": "other"})
            assert (await bob.receive())["type"] == "next"
        assert toy.state.started == ["other"]
        release()
        await until(lambda: len(toy.state.finished) == 5)
        assert toy.state.started == ["other", "offer", "candidate 0", "candidate 1", "candidate 2"]
        assert [(await ada.receive())["id"] for _ in range(8)][::2] == ["1", "c0", "c1", "c2"]


@pytest.mark.parametrize("accept", ["application/json", EVENTS, PAYLOADS, PARTS])
async def test_whatever_comes_over_http_waits_too(toy: Toy, release: Callable[[], None], accept: str) -> None:
    """There are as many connections as anybody likes to open."""
    async with httpx.AsyncClient(trust_env=False, headers={"accept": accept}) as http:
        kind = (
            "query { new: hello }" if accept == "application/json" else "subscription { new: count(to: 1) { number } }"
        )
        answer = asyncio.create_task(http.post(toy.url, json={"query": kind}, timeout=DEADLINE))
        await waits(1)
        release()
        assert b'"new"' in (await answer).content


async def test_one_too_many_is_told_when_to_ask_again(
    toy: Toy, release: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a socket as the operation's own error, over HTTP with 429; what is known is answered all the same."""
    monkeypatch.setattr(preparing, "OF_USER", OF_EACH + 1_000)
    modern = {"accept": "application/graphql-response+json", "authorization": "Bearer ok:ada"}
    async with toy.client("ok:ada") as one, toy.client("ok:ada") as other, httpx.AsyncClient(trust_env=False) as http:
        await one.subscribe("1", "{ new: hello }")
        await waits(1)
        await other.subscribe("2", "{ newer: hello }")
        refused = await other.receive()
        assert (refused["id"], refused["type"]) == ("2", "error")
        assert refused["payload"][0]["extensions"] == {"code": "RATE_LIMITED", "retryAfter": 1.0}
        answer = await http.post(toy.url, json={"query": "{ newest: hello }"}, headers=modern)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        await other.subscribe("2", "{ hello }")
        assert (await other.receive())["type"] == "next"
        release()
        assert (await one.receive())["type"] == "next"


async def test_a_socket_that_ends_meanwhile_does_so_at_once_and_costs_nothing(
    toy: Toy, release: Callable[[], None]
) -> None:
    """Whoever's session was revoked is out within 2 s, whatever they wait for."""
    async with toy.client("ok:eve") as eve:
        await eve.subscribe("1", "{ new: hello }")
        await waits(1)
        misses = toy.engine.documents.misses
        toy.sockets.opened_sockets[0].close(4401, "The session was revoked.")
        assert await eve.closed() == (4401, "The session was revoked.")
        await until(lambda: not len(toy.live))
        release()
        assert toy.engine.documents.misses == misses
        await waits(0)
