"""Metrics of all workers of a host in one: Prometheus scrapes a port, and any of them may answer.

Each worker writes its figures to a file of its own every second, and before it answers a scrape; who is scraped adds up all files.
So a worker that hangs delays nobody, and the counters of one that was killed stay in the sum: a sum that drops looks to Prometheus
like a restart of everything, and shows as a peak in every rate.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import orjson
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

WRITE_SECONDS = 1.0
STALE_SECONDS = 5.0
"""What a worker measures now counts for so long after it was written: then it hangs, or is dead. What it has counted counts on."""

CUMULATIVE = frozenset({"counter", "histogram", "summary"})
APART: dict[str, Callable[[float, float], float]] = {
    "process_start_time_seconds": min,
    "python_info": max,
    "parley_notification_queue_usage": max,
}
"""Samples of which a sum would say nothing, and what says something. The queue of notifications is one of the whole PostgreSQL."""


class Siblings:
    """This worker's figures and those of the others. `file` is the worker's own, in a folder that holds nothing but such files; one
    that is there already is a dead predecessor's, whose counts are kept.
    """

    def __init__(self, file: Path, collect: Callable[[], Iterable[Metric]]) -> None:
        self._file = file
        self._collect = collect
        self._inherited = [metric for metric in _read(file) if metric.type in CUMULATIVE]

    def exposition(self) -> bytes:
        """The metrics of all workers, in Prometheus' text format."""
        own = self.write()
        others = [file for file in self._file.parent.glob("*.json") if file != self._file]
        return _text(total([own, *(_current(file) for file in others)]))

    def write(self, *, last: bool = False) -> list[Metric]:
        """Brings the file up to date, and returns what it wrote; `last` when the worker ends: only what it has counted remains."""
        metrics = total([self._inherited, self._collect()])
        if last:
            metrics = [metric for metric in metrics if metric.type in CUMULATIVE]
        draft = self._file.with_suffix(".draft")
        with suppress(OSError):  # The folder goes with the parent, and a full disk is no reason not to serve.
            draft.write_bytes(orjson.dumps([_plain(metric) for metric in metrics]))
            draft.replace(self._file)
        return metrics


def total(lists: Iterable[Iterable[Metric]]) -> list[Metric]:
    """One list of metrics: samples of equal name and labels are added, those of `APART` as it says."""
    found: dict[str, Metric] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for metric in (metric for metrics in lists for metric in metrics):
        found.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
        samples = values.setdefault(metric.name, {})
        for sample in metric.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            combine = APART.get(sample.name, float.__add__)
            value = float(sample.value)
            samples[key] = combine(samples[key], value) if key in samples else value
    for metric in found.values():
        for (name, labels), value in values[metric.name].items():
            metric.add_sample(name, dict(labels), value)
    return list(found.values())


class _Given(Collector):
    """Metrics as they are."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def _text(metrics: list[Metric]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(metrics))
    return generate_latest(registry)


def _plain(metric: Metric) -> list[object]:
    samples = [[sample.name, sample.labels, float(sample.value)] for sample in metric.samples]
    return [metric.name, metric.documentation, metric.type, samples]


def _current(file: Path) -> list[Metric]:
    """What a file says of now: of a stale one what it has counted."""
    try:
        fresh = time.time() - file.stat().st_mtime < STALE_SECONDS
    except OSError:
        return []
    return [metric for metric in _read(file) if fresh or metric.type in CUMULATIVE]


def _read(file: Path) -> list[Metric]:
    try:
        content = orjson.loads(file.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return []
    metrics = []
    for name, documentation, kind, samples in content:
        metric = Metric(name, documentation, kind)
        for sample, labels, value in samples:
            metric.add_sample(sample, labels, value)
        metrics.append(metric)
    return metrics
