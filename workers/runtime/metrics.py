"""The reconciler's Prometheus metrics: the state of each dataset's pipeline, read at each scrape.

Jobs are rows, so their figures come from the database and are the same whoever ran them; lines and
workers come from Redis. An answer is kept for a few seconds: many who scrape cost as much as one.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from core.adapters.rq_queue import LINES, QUEUES, Queue
from core.adapters.store import Store
from core.adapters.store.job_leases import RUN_RESULTS
from core.adapters.store.metrics_snapshot import MetricsSnapshot
from core.adapters.store.run_counts import BEYOND, BOUNDS_MS, UNTIMED, Tally
from core.domain.errors import DriftdeskError
from core.domain.jobs import JobKind, JobState
from core.rules.drift.batch_verdict import Stand
from core.usecases.batch_facts import verdict_of

_KEPT = 5.0
_SILENT = timedelta(seconds=60)
"""A worker that was not heard for so long is not counted; they report every five seconds."""


class Pipeline(Collector):
    """The figures of every dataset's pipeline; `stores` are those of the datasets by now.

    While the database or Redis is away its figures are missing, and `driftdesk_database_up` or
    `driftdesk_queue_up` is 0: an old figure would look like a new one. So are the figures of a
    dataset whose table does not fit.
    """

    def __init__(
        self,
        stores: Callable[[], Sequence[Store]],
        queue: Queue,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stores = stores
        self._queue = queue
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: list[Metric] = []
        self._read_at = -math.inf

    def collect(self) -> Iterable[Metric]:
        """The figures as they are now, or were a moment ago."""
        with self._lock:
            if self._clock() - self._read_at >= _KEPT:
                families = _Families()
                self._database(families)
                self._line(families)
                self._kept = families.all()
                self._read_at = self._clock()
            return list(self._kept)

    def _database(self, families: _Families) -> None:
        began = time.perf_counter()
        is_up, answered = True, False
        for store in self._stores():
            try:
                with store.read() as work:
                    figures = work.metrics_snapshot()
                    newest = work.batches.newest_stored(1)
                    verdict = verdict_of(work, newest[0]).stand if newest else None
            except DriftdeskError:
                is_up = answered
                continue
            is_up = answered = True
            _Dataset(families, store.dataset.name, figures).tell(verdict)
        families.gauge("database_up", "Whether the database answered.", is_up)
        if is_up:
            took = "How long it took to read these figures from the database."
            families.gauge("figures_seconds", took, time.perf_counter() - began)

    def _line(self, families: _Families) -> None:
        try:
            lengths = self._queue.lengths()
            crew = self._queue.workers()
        except DriftdeskError:
            families.gauge("queue_up", "Whether Redis answered.", 0)
            return
        families.gauge("queue_up", "Whether Redis answered.", 1)
        since = datetime.now(UTC) - _SILENT
        alive = dict.fromkeys(LINES, 0)
        for worker in crew:
            if worker.heartbeat and worker.heartbeat >= since:
                alive[worker.queue] = alive.get(worker.queue, 0) + 1
        entries = "Entries that stand in Redis' line."
        families.gauges("queue_entries", entries, "queue", lengths)
        families.gauges("workers_alive", "Workers heard within a minute.", "queue", alive)


class _Families:
    """The metrics by name, each with the samples of all datasets."""

    def __init__(self) -> None:
        self._found: dict[str, Metric] = {}

    def all(self) -> list[Metric]:
        """Every metric."""
        return list(self._found.values())

    def gauge(self, name: str, says: str, value: float | None, **labels: str) -> None:
        """A figure; what is not known is named all the same, without a value."""
        family = self._family(GaugeMetricFamily, name, says, labels)
        if value is not None:
            family.add_metric(list(labels.values()), float(value))

    def gauges(
        self, name: str, says: str, label: str, values: Mapping[str, float], **labels: str
    ) -> None:
        """A figure for each value of a label."""
        for key, value in values.items():
            self.gauge(name, says, value, **labels, **{label: key})
        if not values:
            self._family(GaugeMetricFamily, name, says, (*labels, label))

    def counter(self, name: str, says: str, value: float, **labels: str) -> None:
        """A number that only grows."""
        family = self._family(CounterMetricFamily, name, says, labels)
        family.add_metric(list(labels.values()), value)

    def histogram(
        self, name: str, says: str, buckets: list[tuple[str, float]], total: float, **labels: str
    ) -> None:
        """A distribution, and the sum of its values."""
        family = self._family(HistogramMetricFamily, name, says, labels)
        family.add_metric(list(labels.values()), buckets, total)

    def _family(self, kind: Any, name: str, says: str, labels: Iterable[str]) -> Any:
        if name not in self._found:
            self._found[name] = kind(f"driftdesk_{name}", says, labels=list(labels))
        return self._found[name]


@dataclass(frozen=True, slots=True)
class _Dataset:
    """Tells the figures of one dataset."""

    families: _Families
    name: str
    figures: MetricsSnapshot

    def tell(self, verdict: Stand | None) -> None:
        """Tell all of them; `verdict` is about the newest batch."""
        self._runs()
        self._open_jobs()
        self._batch()
        stands = {stand.name.lower(): stand is verdict for stand in Stand} if verdict else {}
        stand_of = "The verdict about the newest batch: 1 for the one that holds."
        self._gauges("drift_verdict", stand_of, "verdict", stands)
        self._models()
        undelivered = "Notices that were not delivered: still pending, or given up."
        self._gauges("notifications_undelivered", undelivered, "state", self.figures.undelivered)

    def _gauge(self, name: str, says: str, value: float | None) -> None:
        self.families.gauge(name, says, value, dataset=self.name)

    def _gauges(self, name: str, says: str, label: str, values: Mapping[str, float]) -> None:
        self.families.gauges(name, says, label, values, dataset=self.name)

    def _runs(self) -> None:
        ended = "Runs of jobs that have ended; never goes back, also where a job is retried or "
        ended += "deleted."
        # From the start, as 0: Prometheus sees no increase in what begins with 1.
        totals = {(kind.value, result): 0 for kind in JobKind for result in RUN_RESULTS}
        timed: dict[str, list[Tally]] = defaultdict(list)
        for tally in self.figures.tallies:
            at = (tally.kind, tally.result)
            totals[at] = totals.get(at, 0) + tally.runs
            if tally.up_to_ms != UNTIMED:
                timed[tally.kind].append(tally)
        for (kind, result), runs in sorted(totals.items()):
            self.families.counter("jobs", ended, runs, dataset=self.name, kind=kind, result=result)
        took = "How long runs of jobs took."
        for kind, of_kind in sorted(timed.items()):
            seconds = sum(t.seconds for t in of_kind)
            self.families.histogram(
                "job_seconds", took, _buckets(of_kind), seconds, dataset=self.name, kind=kind
            )

    def _open_jobs(self) -> None:
        running = dict.fromkeys((kind.value for kind in QUEUES), 0)
        waiting = dict.fromkeys(LINES, 0)
        oldest: dict[str, float] = dict.fromkeys(LINES, 0.0)
        for found in self.figures.open_jobs:
            if found.state is JobState.RUNNING:
                running[found.kind.value] += found.number
                continue
            queue = QUEUES[found.kind]
            waiting[queue] += found.number
            waited = (self.figures.now - found.oldest).total_seconds()
            oldest[queue] = max(oldest[queue], waited)
        self._gauges("jobs_running", "Jobs that are being worked on.", "kind", running)
        self._gauges("jobs_waiting", "Jobs that wait for a worker.", "queue", waiting)
        says = "How long the oldest waiting job has waited."
        self._gauges("queue_age_seconds", says, "queue", oldest)

    def _batch(self) -> None:
        figures = self.figures
        says = "Whether the source has no batch left."
        self._gauge("source_exhausted", says, figures.exhausted)
        last, age, outcomes = figures.last_batch, None, dict[str, int]()
        if last:
            age = (figures.now - last.stored_at).total_seconds()
            outcomes = {"stored": last.stored, "quarantined": last.quarantined}
        rejected = "Rows of its whole epoch that are in quarantine."
        newest = "The epoch of the batch that was stored last."
        self._gauge("batch_epoch", newest, last.epoch if last else None)
        self._gauge("batch_number", "Its number within the epoch.", last.number if last else None)
        self._gauge("batch_age_seconds", "How long ago it was stored.", age)
        self._gauges("batch_rows", "What became of its rows.", "outcome", outcomes)
        self._gauge("quarantined_rows", rejected, last.quarantined_in_epoch if last else None)
        says = "Whether the newest comparison with that reference breaks a limit of the drift rule."
        self._gauges("drift_breach", says, "reference", figures.drift)
        says = "Whether the newest window of live traffic drifted from the champion's rows."
        self._gauge("live_window_drifted", says, figures.live_window_drifted)

    def _models(self) -> None:
        figures, since = self.figures, self.figures.live_since
        age = (figures.now - since).total_seconds() if since else None
        self._gauge("candidates_waiting", "Models that await approval.", figures.candidates)
        self._gauge("champion_version", "The version that was decided on.", figures.champion)
        self._gauge("champion_age_seconds", "How long it has been live.", age)
        replicas = {str(version): number for version, number in sorted(figures.replicas.items())}
        says = "Replicas of serving that were heard lately, by their version; 0 is none."
        self._gauges("serving_replicas", says, "version", replicas)


def _buckets(tallies: list[Tally]) -> list[tuple[str, float]]:
    """Runs up to each bound, as Prometheus counts them: each bound with all that are shorter."""
    bounded = [t for t in tallies if t.up_to_ms != BEYOND]
    up_to = {bound: sum(t.runs for t in bounded if t.up_to_ms <= bound) for bound in BOUNDS_MS}
    found = [(f"{bound / 1000:g}", float(runs)) for bound, runs in up_to.items()]
    return [*found, ("+Inf", float(sum(t.runs for t in tallies)))]
