"""Operations have a rate, of whoever asks and of where they are: more aliases are more operations, and hostile texts are many."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from api.buckets import SWEEP_AT_LEAST, LocalThrottle
from api.operation_rates import NEW_CHARACTERS, OperationRates, Rates, Requester
from api.rate import Rate
from api.shared_rates import ConfiguredRateLimits, SharedRates
from domain.errors import RateLimited
from schema.execution.documents import Prepared, Rejected, Unknown
from schema.execution.execute import Engine
from tests.toy_server import schema, toy_server

LARGE = Rate(1_000_000, 1)
ADA, BOB = UUID(int=1), UUID(int=2)


def refused(rates: Rates, user_id: UUID | None, network: str, cost: float = 1) -> float:
    """How long to wait; 0 when it was taken."""
    try:
        rates.spend(user_id, network, cost)
    except RateLimited as limited:
        return limited.retry_after
    return 0


def test_a_user_has_a_burst_and_then_a_rate() -> None:
    """`retryAfter` is true: after it, and not before, there is one more."""
    now = 0.0
    rates = OperationRates(Rate(3, 2), LARGE, lambda: now)
    assert [refused(rates, ADA, "n") for _ in range(4)] == [0, 0, 0, 0.5]
    assert refused(rates, BOB, "n") == 0
    now = 0.4
    assert refused(rates, ADA, "n") == pytest.approx(0.1)
    now = 0.5
    assert refused(rates, ADA, "n") == 0
    assert rates.refusals == {"operations_of_user": 2, "operations_of_network": 0}


def test_accounts_of_one_network_share_its_rate_with_its_strangers() -> None:
    """Accounts cost nothing, so a script makes many: together they get no more than their address."""
    rates = OperationRates(Rate(3, 1), Rate(4, 1), lambda: 0.0)
    assert [refused(rates, uuid4(), "school") for _ in range(2)] == [0, 0]
    assert [refused(rates, None, "school") for _ in range(3)] == [0, 0, 1]
    assert refused(rates, uuid4(), "elsewhere") == 0
    assert rates.refusals == {"operations_of_user": 0, "operations_of_network": 1}


def test_what_is_refused_takes_nothing() -> None:
    """Whoever asks again and again while they wait must not wait for longer, nor pay for their neighbours' flood."""
    now = 0.0
    rates = OperationRates(Rate(2, 1), Rate(2, 1), lambda: now)
    assert refused(rates, None, "n", 2) == 0
    assert [refused(rates, ADA, "n") for _ in range(50)] == [1] * 50
    assert [refused(rates, ADA, "other") for _ in range(3)] == [0, 0, 1]
    now = 1.0
    assert refused(rates, BOB, "n") == 0


def test_buckets_that_are_full_again_take_no_memory() -> None:
    """Whoever has a /48 has 65,536 networks to come from."""
    now = 0.0
    rates = OperationRates(monotonic=lambda: now)
    for number in range(20 * SWEEP_AT_LEAST):
        now += 0.01
        rates.spend(UUID(int=number), str(number), 1)
    assert len(rates._users) <= SWEEP_AT_LEAST + 1
    assert len(rates._networks) <= SWEEP_AT_LEAST + 1


def asked(requester: Requester, engine: Engine, text: str) -> Prepared | Rejected:
    """As a transport asks."""
    found = requester.find(engine, text, None, None, None)
    return asyncio.run(requester.learn(engine, found, None, None, held=0)) if isinstance(found, Unknown) else found


def cost_of(text: str, *, known: bool = True) -> float:
    """How many operations the text takes out of a user's share."""
    engine, now = Engine(schema), 0.0
    if known:
        engine.documents.prepare(text)
    rates = OperationRates(LARGE, LARGE, lambda: now)
    asked(Requester(rates, ADA, "n"), engine, text)
    return rates._users._full_at[ADA.int]


@pytest.mark.parametrize("kind", ["query", "mutation"])
def test_as_many_aliases_cost_as_much_as_so_many_operations(kind: str) -> None:
    """Sixteen guesses in one request are sixteen guesses."""
    field = 'note(name: "x")' if kind == "mutation" else "hello"
    assert cost_of(f"{kind} {{ {field} }}") == 1
    assert cost_of(f"{kind} {{ " + " ".join(f"a{n}: {field}" for n in range(16)) + " }") == 16
    root = kind.capitalize()
    assert cost_of(f"{kind} {{ ...A ...A a: {field} }} fragment A on {root} {{ a: {field} b: {field} }}") == 2


def test_a_text_that_was_not_known_costs_by_its_length_valid_or_not() -> None:
    """A thousand different documents of 64 KiB are the dearest that anybody can send: 20 s of a core."""
    comment = "#" + "x" * (10 * NEW_CHARACTERS - len("{ hello } #"))
    assert cost_of("{ hello } " + comment) == 1
    assert cost_of("{ hello } " + comment, known=False) == 11
    assert cost_of("{ hullo } " + comment, known=False) == 11
    assert cost_of("{ hello } " + "#" * 1_000_000, known=False) == 1 + 65_536 / NEW_CHARACTERS


def test_work_that_was_done_is_owed() -> None:
    """The last operation of a burst may be the dearest text: it counts all the same."""
    engine, now = Engine(schema), 0.0
    rates = OperationRates(Rate(2, 1), LARGE, lambda: now)
    requester = Requester(rates, ADA, "n")
    assert isinstance(asked(requester, engine, "{ hello } #" + "x" * 640), Prepared)
    with pytest.raises(RateLimited) as limited:
        asked(requester, engine, "{ hello }")
    assert limited.value.retry_after > 9


async def test_a_socket_that_asks_too_often_is_told_when_to_ask_again() -> None:
    """The error is the operation's own: the socket stays, and everybody else's."""
    async with (
        toy_server(rates=OperationRates(Rate(20, 50), LARGE)) as toy,
        toy.client("ok:ada") as ada,
        toy.client("ok:bob") as bob,
    ):
        text = "mutation {" + " ".join(f'a{n}: note(name: "{n}")' for n in range(16)) + "}"
        toy.engine.documents.prepare(text)
        await ada.subscribe("1", text)
        await ada.subscribe("2", text)
        answers = {}
        for _ in range(3):
            message = await ada.receive()
            answers[message["id"], message["type"]] = message
        extensions = answers["2", "error"]["payload"][0]["extensions"]
        assert extensions["code"] == "RATE_LIMITED"
        assert 0 < extensions["retryAfter"] < 1
        assert len(toy.state.finished) == 16
        await bob.subscribe("1", "{ hello }")
        assert (await bob.receive())["type"] == "next"
        await asyncio.sleep(extensions["retryAfter"])  # what we were told, and it must be true
        await ada.subscribe("2", text)
        assert (await ada.receive())["type"] == "next"


async def test_over_http_too_many_are_429_and_a_network_is_one() -> None:
    """Status, header and extension say the same: to clients that know what a status of GraphQL means."""
    modern = {"accept": "application/graphql-response+json"}
    async with (
        toy_server(rates=OperationRates(LARGE, Rate(30, 0.5))) as toy,
        httpx.AsyncClient(trust_env=False) as http,
    ):
        text = "{" + " ".join(f"a{n}: hello" for n in range(16)) + "}"
        assert (await http.post(toy.url, json={"query": text})).json()["data"]["a15"] == "world"
        ada = {"authorization": "Bearer ok:ada"}
        refused = await http.post(toy.url, json={"query": text}, headers=modern | ada)
        extensions = refused.json()["errors"][0]["extensions"]
        assert (refused.status_code, extensions["code"]) == (429, "RATE_LIMITED")
        assert extensions["retryAfter"] <= int(refused.headers["retry-after"]) < extensions["retryAfter"] + 1
        assert "data" not in refused.json()
        classic = await http.post(toy.url, json={"query": text}, headers=ada)
        assert (classic.status_code, classic.json()["errors"][0]["extensions"]["code"]) == (200, "RATE_LIMITED")


def test_a_throttle_counts_what_it_refused_by_limit() -> None:
    """An operator sees which limit is hit; whichever of two was not there is meant."""
    throttle = LocalThrottle(lambda: 0.0)
    for _ in range(256):
        throttle.signal(ADA, 10)
    for size in (10, 10, 10_000_000):
        with pytest.raises(RateLimited):
            throttle.signal(ADA, size)
    assert {name: count for name, count in throttle.refusals.items() if count} == {"signals": 3, "signal_bytes": 1}


class Taken:
    """`ports.RateLimits` that notes what was asked, and refuses what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, timedelta]] = []
        self.empty = False

    async def take(self, key: str, *, burst: int, period: timedelta) -> None:
        self.asked.append((key, burst, period))
        if self.empty:
            raise RateLimited(1)

    check = take


async def test_what_is_set_takes_the_place_of_what_a_use_case_asks() -> None:
    """Limits across workers are counted by PostgreSQL with the operator's figures."""
    taken = Taken()
    limits = ConfiguredRateLimits(taken, SharedRates(accounts=Rate(100, 50, timedelta(minutes=1))))
    await limits.take("accounts:x", burst=60, period=timedelta(minutes=10))
    await limits.check("claims:a:b", burst=20, period=timedelta(hours=1))
    await limits.take("others:x", burst=3, period=timedelta(hours=2))
    assert taken.asked == [
        ("accounts:x", 100, timedelta(minutes=2)),
        ("claims:a:b", 20, timedelta(hours=1)),
        ("others:x", 3, timedelta(hours=2)),
    ]
    taken.empty = True
    for _ in range(2):
        with pytest.raises(RateLimited):
            await limits.take("accounts:x", burst=60, period=timedelta(minutes=10))
    assert +limits.refusals == {"accounts": 2}
