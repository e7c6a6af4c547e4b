"""Prometheus metrics, read off the parts when somebody scrapes: nothing is counted twice, and no label names a person."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from domain.safety.appeal import AppealStatus
from domain.safety.case import CaseDecision
from domain.safety.suspension import ReportCategory
from persistence.signals import PostgresSignalPost
from schema.execution.execute import PLANNED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.core import Metric

    from api.oversight import Seen
    from api.parts import Parts

CONTENT_TYPE = CONTENT_TYPE_LATEST


def exposition(parts: Parts) -> bytes:
    """All metrics of this process, in Prometheus' text format."""
    return generate_latest(registry_of(parts))


def registry_of(parts: Parts) -> CollectorRegistry:
    """What collects all metrics of this process."""
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(_Parts(parts))
    return registry


class _Parts(Collector):
    """Reads the counters that the parts keep as plain attributes."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        live, documents, matcher = self._parts.live, self._parts.engine.documents, self._parts.matcher
        yield from self._among_workers()
        yield _gauge("sockets", "Open WebSockets, and streams over HTTP, which count as sockets.", len(live))
        yield _gauge("operations", "Operations that run or wait on sockets.", live.operations)
        yield _counter("sockets_accepted", "WebSocket handshakes and streams accepted.", live.accepted)
        yield _counter("origins_refused", "WebSocket handshakes and streams of foreign origins.", live.refused_origins)
        yield _labelled("refusals", "What was refused because it was too much.", "limit", self._refusals())
        yield _counter("results_delivered", "Results written to sockets.", live.delivered)
        yield _counter("sockets_aborted_slow", "Sockets dropped because the client stopped reading.", live.aborted_slow)
        yield _counter(
            "sockets_aborted_silent", "Sockets dropped because the client said nothing.", live.aborted_silent
        )
        yield _labelled("sockets_closed", "Sockets that the server closed.", "code", live.closed)
        yield from self._over_http()
        yield _gauge("documents", "Documents parsed and validated that are kept.", documents.entries)
        yield _gauge("documents_bytes", "Estimated memory of those documents.", documents.bytes)
        yield _counter("documents_hits", "Operations whose document was known.", documents.hits)
        yield _counter("documents_misses", "Operations whose document was not.", documents.misses)
        yield _counter("documents_rejected", "Operations whose document is not valid.", documents.rejections)
        yield self._executed()
        if self._parts.oversight.seen is not None:
            yield from of_safety(self._parts.oversight.seen)
        yield _gauge("inboxes", "Inboxes in memory, whole or their end.", len(self._parts.inbox))
        yield _gauge("rooms_cached", "Rooms in memory.", len(self._parts.rooms))
        yield _gauge("users_watching", "Users with an open socket or subscription.", self._parts.hub.watched)
        yield _gauge(
            "database_connections_in_use", "Connections taken from the pool.", self._parts.database.connections_in_use
        )
        yield _gauge(
            "matcher_available", "Tickets in the matcher's pool that could be proposed.", matcher.pool.available
        )
        yield _gauge("matcher_proposed", "Tickets in a proposal that is being committed.", matcher.pool.proposed)
        yield _gauge("matcher_paused", "Tickets whose users are detached.", matcher.pool.paused)
        yield _counter("matches", "Matches made.", matcher.matches)
        yield _labelled("match_refusals", "Proposed pairs that the commit refused.", "reason", matcher.pool.refusals)
        yield _counter("matches_lost", "Matches ended because a side was not reached.", matcher.lost)
        yield _counter("tickets_expired", "Tickets ended because their users were not there.", matcher.expired)
        yield _counter("matcher_tick_errors", "Ticks of the matcher that failed.", matcher.tick_errors)
        yield _counter("matcher_sweep_errors", "Sweeps of the matcher that failed.", matcher.sweep_errors)
        yield _gauge("sockets_of_users", "Open WebSockets and streams of signed-in users.", len(self._parts.presence))
        yield _gauge(
            "detaches_owed", "Closed sockets that the database has not heard of.", self._parts.presence.leaving
        )

    def _executed(self) -> Metric:
        family = CounterMetricFamily(
            "parley_graphql_operations", "Operations run, and why not by a plan.", labels=["executor", "reason"]
        )
        for reason, count in self._parts.engine.executed.items():
            family.add_metric(["plan", ""] if reason == PLANNED else ["graphql-core", reason], count)
        return family

    def _over_http(self) -> Iterator[Metric]:
        streams, persisted = self._parts.streams, self._parts.engine.persisted
        open_now = GaugeMetricFamily("parley_streams", "Of the sockets, those over HTTP.", labels=["transport"])
        for transport, count in streams.open.items():
            open_now.add_metric([transport], count)
        yield open_now
        yield _labelled("streams_started", "Streams over HTTP that began.", "transport", streams.started)
        yield _labelled("stream_results_delivered", "Results written to streams.", "transport", streams.delivered)
        yield _gauge("persisted_queries", "Texts of persisted queries that are kept.", persisted.entries)
        yield _counter("persisted_queries_hits", "Operations that were found by their hash.", persisted.hits)
        yield _counter("persisted_queries_misses", "Hashes that were not known.", persisted.misses)
        yield _counter("persisted_queries_registered", "Texts that were learnt.", persisted.registered)

    def _refusals(self) -> Mapping[str, int]:
        """By limit, of which there is a fixed number; none counts for two."""
        found: Counter[str] = Counter()
        for refusals in (
            self._parts.engine.documents.refusals,
            self._parts.live.refusals,
            *(part.refusals for part in self._parts.refusing),
        ):
            found.update(refusals)
        return found

    def _among_workers(self) -> Iterator[Metric]:
        leader, bus, hub, signals = self._parts.leader, self._parts.bus, self._parts.hub, self._parts.services.signals
        yield _gauge("workers", "Workers that serve on this host.", 1)
        yield _gauge("leading", "Workers of this host that run the matcher.", int(leader.leading))
        yield _counter("elections", "How often a worker of this host began to lead.", leader.elections)
        yield _counter("workers_reaped", "Workers that were taken for dead by this host.", self._parts.reaper.reaped)
        yield _gauge("bus_connected", "Workers of this host that hear the bus.", int(bus.connected))
        yield _counter("bus_losses", "Connections to the bus that were lost.", bus.losses)
        yield _counter("bus_gaps", "How often hints may have been lost, and all inboxes were looked at.", bus.gaps)
        yield _counter("bus_publishes_failed", "Hints that the bus did not take.", bus.failed_publishes)
        yield _counter("hints", "Messages to other workers about users who have news.", hub.hints)
        yield _counter("inboxes_refreshed", "Inboxes read because there might be something new in them.", hub.refreshed)
        yield _counter("inboxes_swept_up", "Inboxes with news that no hint had told of in time.", hub.swept_up)
        if isinstance(signals, PostgresSignalPost):
            yield _gauge("signals_waiting", "Signals that are not committed yet.", signals.waiting)
        if bus.queue_usage is not None:
            yield _gauge("notification_queue_usage", "Part of PostgreSQL's queue of NOTIFY in use.", bus.queue_usage)


def of_safety(seen: Seen) -> Iterator[Metric]:
    """What whoever leads has seen, and nobody else tells: the sum over all workers is the figure.

    It is counted in the database, where retention deletes: so it is what the last day brought, and not a counter.
    """
    queue, day = seen.queue, seen.day
    cases = {0: 0, **queue.cases}  # Else nothing waiting would look like nothing known.
    yield _gauges("cases_undecided", "Cases that wait for a decision.", ("priority",), cases)
    oldest = queue.oldest.total_seconds() if queue.oldest else 0
    yield _gauge("case_oldest_seconds", "How long the oldest of them has waited.", oldest)
    yield _gauge("appeals_undecided", "Appeals that wait for a decision.", queue.appeals)
    reports: dict[tuple[str, bool], int] = {
        (category, verified): 0 for category in ReportCategory for verified in (False, True)
    }
    for alike in day.reports:
        reports[alike.category, alike.verified] += alike.count
    yield _gauges("reports_last_day", "Reports received.", ("category", "verified"), reports)
    yield _gauge("holds_last_day", "Users whom a rule kept from matching.", day.holds)
    decisions: dict[str, int] = {**dict.fromkeys(CaseDecision, 0), **day.decisions}
    yield _gauges("decisions_last_day", "Cases decided.", ("decision",), decisions)
    quantiles = {"0.5": day.deciding.median, "0.9": day.deciding.slowest_tenth}
    took = {quantile: time.total_seconds() for quantile, time in quantiles.items() if time is not None}
    yield _gauges("decision_seconds_last_day", "From the first report to the decision.", ("quantile",), took)
    yield _gauge("appeals_last_day", "Appeals received.", day.appeals)
    outcomes: dict[str, int] = {AppealStatus.UPHELD: 0, AppealStatus.OVERTURNED: 0, **day.outcomes}
    yield _gauges("appeals_decided_last_day", "Appeals decided.", ("outcome",), outcomes)


def _gauge(name: str, description: str, value: float) -> Metric:
    return GaugeMetricFamily(f"parley_{name}", description, value=value)


def _gauges(name: str, description: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    family = GaugeMetricFamily(f"parley_{name}", description, labels=labels)
    for key, value in values.items():
        family.add_metric([_label(part) for part in (key if isinstance(key, tuple) else (key,))], value)
    return family


def _label(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _counter(name: str, description: str, value: float) -> Metric:
    return CounterMetricFamily(f"parley_{name}", description, value=value)


def _labelled(name: str, description: str, label: str, values: Mapping[Any, int]) -> Metric:
    family = CounterMetricFamily(f"parley_{name}", description, labels=[label])
    for key, value in values.items():
        family.add_metric([str(key.value if hasattr(key, "value") else key)], value)
    return family
