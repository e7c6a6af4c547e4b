"""Metrics of several workers in one answer."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from api.siblings import STALE_SECONDS, Siblings


class Figures:
    """What one worker counts, and its place among the others."""

    def __init__(self, file: Path) -> None:
        registry = CollectorRegistry()
        self.made = Counter("made", "Things made.", ["kind"], registry=registry)
        self.open = Gauge("open", "Open things.", registry=registry)
        self.took = Histogram("took", "Seconds.", buckets=(1, 2), registry=registry)
        self.began = Gauge("process_start_time_seconds", "Start.", registry=registry)
        self.siblings = Siblings(file, registry.collect)

    def seen(self) -> dict[str, float]:
        """What a scrape of this one shows, by name and labels."""
        families: list[Metric] = list(text_string_to_metric_families(self.siblings.exposition().decode()))
        return {
            sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }


def test_whoever_is_asked_tells_of_all(tmp_path: Path) -> None:
    """A scrape reaches one worker by chance: two scrapes in a row must not jump between two workers' figures."""
    one, other = Figures(tmp_path / "1.json"), Figures(tmp_path / "2.json")
    one.made.labels("cup").inc(3)
    other.made.labels("cup").inc(4)
    other.made.labels("jug").inc()
    one.open.set(5)
    other.open.set(6)
    one.took.observe(0.5)
    other.took.observe(1.5)
    for figures in (one, other):
        figures.siblings.write()
    for seen in (one.seen(), other.seen()):
        assert seen["made_total cup"] == 7
        assert seen["made_total jug"] == 1
        assert seen["open"] == 11
        assert [seen[f"took_bucket {limit}"] for limit in ("1.0", "2.0", "+Inf")] == [1, 2, 2]
        assert seen["took_sum"] == 2


def test_what_no_sum_tells_is_not_summed(tmp_path: Path) -> None:
    """Two processes did not start in the year 2083."""
    one, other = Figures(tmp_path / "1.json"), Figures(tmp_path / "2.json")
    one.began.set(1_790_000_000)
    other.began.set(1_780_000_000)
    other.siblings.write()
    assert one.seen()["process_start_time_seconds"] == 1_780_000_000


def test_a_scrape_shows_what_this_worker_counted_a_moment_ago(tmp_path: Path) -> None:
    """And so does the next one, of a sibling: a counter never goes back."""
    one, other = Figures(tmp_path / "1.json"), Figures(tmp_path / "2.json")
    one.siblings.write()
    one.made.labels("cup").inc()
    assert one.seen()["made_total cup"] == 1
    assert other.seen()["made_total cup"] == 1


@pytest.mark.parametrize("leave", ["killed", "stopped"])
def test_who_has_gone_has_counted_all_the_same(tmp_path: Path, leave: str) -> None:
    """Prometheus takes a counter that drops for a restart, and adds everything that is left once more to the rate."""
    file = tmp_path / "2.json"
    one, gone = Figures(tmp_path / "1.json"), Figures(file)
    gone.made.labels("cup").inc(4)
    gone.open.set(6)
    gone.siblings.write(last=leave == "stopped")
    if leave == "killed":
        assert one.seen()["open"] == 6, "it is taken for alive for a while"
        long_ago = time.time() - STALE_SECONDS - 1
        os.utime(file, (long_ago, long_ago))
    seen = one.seen()
    assert seen["made_total cup"] == 4
    assert seen["open"] == 0, "but what it had open is closed"

    successor = Figures(file)
    successor.made.labels("cup").inc()
    successor.siblings.write()
    assert one.seen()["made_total cup"] == 5


def test_a_file_that_cannot_be_read_or_written_hurts_nobody(tmp_path: Path) -> None:
    """Figures are no reason not to serve."""
    (tmp_path / "2.json").write_bytes(b'[["made"')
    one = Figures(tmp_path / "1.json")
    one.open.set(1)
    assert one.seen()["open"] == 1
    lost = Figures(tmp_path / "away" / "1.json")
    lost.open.set(2)
    assert lost.seen()["open"] == 2
