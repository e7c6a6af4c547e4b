"""What a chaos run did and counted, for people to read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.chaos.faults import recovery
from tests.chaos.ledger import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.chaos.run import Outcome

WIDTH = 34


def report(outcome: Outcome) -> str:
    """The whole of it; the last line is the verdict."""
    return "\n".join(_lines(outcome))


def _lines(outcome: Outcome) -> Iterator[str]:
    counts, town = outcome.counts, outcome.town
    yield ""
    yield f"Chaos over {outcome.bus}: {outcome.seconds:.0f} s of faults, {outcome.took:.0f} s in all, seed {outcome.seed}"
    yield ""
    yield f"  {'fault':<{WIDTH}}{'times':>7}{'recovery: median':>18}{'longest':>9}"
    for fault, recoveries in sorted(_recoveries(outcome).items()):
        yield f"  {fault:<{WIDTH}}{len(recoveries):>7}{_at(recoveries, 0.5):>16.2f} s{max(recoveries):>7.2f} s"
    yield ""
    yield f"  {'sent':<{WIDTH}}{'acknowledged':>13}{'refused':>9}{'deliveries':>12}{'p50':>8}{'p99':>9}{'longest':>10}"
    for kind in Kind:
        yield _sent(outcome, kind)
    yield ""
    waits = [ended - began for began, ended in town.waits]
    yield f"  {'matches':<{WIDTH}}{outcome.matches:>7}, {outcome.bars} bars, {outcome.suspensions} suspensions"
    if waits:
        half, most = _at(waits, 0.5), _at(waits, 0.99)
        yield f"  {'wait for a match':<{WIDTH}}{half:>7.2f} s p50, {most:.2f} s p99, {max(waits):.2f} s longest"
    yield f"  {'tickets':<{WIDTH}}{len(town.tickets):>7}: {_counted(Counter(str(end) for end in town.tickets.values()))}"
    yield f"  {'hints':<{WIDTH}}{outcome.hints[0]:>7}, {outcome.hints[1]} of them lost"
    yield f"  {'connections':<{WIDTH}}{counts.connections:>7}, {counts.reconnections} of them with a cursor"
    yield f"  {'longest away':<{WIDTH}}{counts.longest_away:>7.2f} s"
    yield f"  {'sockets ended':<{WIDTH}}{counts.closes.total():>7}: {_counted(counts.closes)}"
    yield f"  {'mutations asked again':<{WIDTH}}{counts.retries:>7}; answers that failed: {_counted(counts.failures)}"
    yield f"  {'events':<{WIDTH}}{counts.kinds.total():>7}: {_counted(counts.kinds)}"
    yield f"  {'what people did':<{WIDTH}}{town.done.total():>7}: {_counted(town.done)}"
    yield f"  {'settled after':<{WIDTH}}{outcome.settled:>7.2f} s"
    yield ""
    if not outcome.wrongs:
        yield "Every promise was kept."
        return
    yield from outcome.wrongs.told
    yield ""
    yield f"PROMISES WERE BROKEN (seed {outcome.seed}, {outcome.bus}): {_counted(outcome.wrongs.counted)}"


def _recoveries(outcome: Outcome) -> Mapping[str, list[float]]:
    found: dict[str, list[float]] = {}
    for felt in outcome.felt:
        found.setdefault(str(felt.planned.fault), []).append(recovery(felt, outcome.ledger))
    return found


def _sent(outcome: Outcome, kind: Kind) -> str:
    items = [item for item in outcome.ledger if item.kind is kind]
    latencies = [at - item.asked_at for item in items for at, _ in item.received.values()] or [0.0]
    acknowledged = sum(item.acknowledged_at is not None for item in items)
    refused = sum(item.refused for item in items)
    return (
        f"  {f'{kind}s: {len(items)}':<{WIDTH}}{acknowledged:>13}{refused:>9}{len(latencies):>12}"
        f"{_at(latencies, 0.5) * 1000:>5.0f} ms{_at(latencies, 0.99) * 1000:>6.0f} ms{max(latencies) * 1000:>7.0f} ms"
    )


def _at(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counter.most_common()) or "none"
