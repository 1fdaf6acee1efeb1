"""The reconciler's Prometheus metrics: the state of the pipeline, read at each scrape.

Jobs are rows, so their figures come from the database and are the same whoever ran them; lines and
workers come from Redis. An answer is kept for a few seconds: many who scrape cost as much as one.
"""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from core.adapters.rq_queue import DESK, QUEUES, WORK, Queue
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
    """The figures of the whole pipeline.

    While the database or Redis is away its figures are missing, and `driftdesk_database_up` or
    `driftdesk_queue_up` is 0: an old figure would look like a new one.
    """

    def __init__(
        self, store: Store, queue: Queue, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._queue = queue
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: list[Metric] = []
        self._read_at = -math.inf

    def collect(self) -> Iterable[Metric]:
        """The figures as they are now, or were a moment ago."""
        with self._lock:
            if self._clock() - self._read_at >= _KEPT:
                self._kept = [*self._database(), *self._line()]
                self._read_at = self._clock()
            return list(self._kept)

    def _database(self) -> Iterator[Metric]:
        began = time.perf_counter()
        try:
            with self._store.read() as work:
                figures = work.metrics_snapshot()
                newest = work.batches.newest_stored(1)
                verdict = verdict_of(work, newest[0]).stand if newest else None
        except DriftdeskError:
            yield _gauge("database_up", "Whether the database answered.", 0)
            return
        yield _gauge("database_up", "Whether the database answered.", 1)
        took = "How long it took to read these figures from the database."
        yield _gauge("figures_seconds", took, time.perf_counter() - began)
        yield from _runs(figures.tallies)
        yield from _open_jobs(figures)
        yield from _batch(figures)
        stands = {stand.name.lower(): stand is verdict for stand in Stand} if verdict else {}
        stand_of = "The verdict about the newest batch: 1 for the one that holds."
        yield _labelled("drift_verdict", stand_of, "verdict", stands)
        yield from _models(figures)
        undelivered = "Notices that were not delivered: still pending, or given up."
        yield _labelled("notifications_undelivered", undelivered, "state", figures.undelivered)

    def _line(self) -> Iterator[Metric]:
        try:
            lengths = self._queue.lengths()
            crew = self._queue.workers()
        except DriftdeskError:
            yield _gauge("queue_up", "Whether Redis answered.", 0)
            return
        yield _gauge("queue_up", "Whether Redis answered.", 1)
        yield _labelled("queue_entries", "Entries that stand in Redis' line.", "queue", lengths)
        since = datetime.now(UTC) - _SILENT
        alive = dict.fromkeys((WORK, DESK), 0)
        for worker in crew:
            if worker.heartbeat and worker.heartbeat >= since:
                alive[worker.queue] = alive.get(worker.queue, 0) + 1
        yield _labelled("workers_alive", "Workers heard within a minute.", "queue", alive)


def _gauge(name: str, says: str, value: float | None) -> GaugeMetricFamily:
    """A figure; what is not known is named all the same, without a value."""
    value = None if value is None else float(value)
    return GaugeMetricFamily(f"driftdesk_{name}", says, value=value)


def _labelled(
    name: str, says: str, label: str, values: dict[str, int] | dict[str, float] | dict[str, bool]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"driftdesk_{name}", says, labels=[label])
    for key, value in values.items():
        family.add_metric([key], float(value))
    return family


def _runs(tallies: list[Tally]) -> Iterator[Metric]:
    ended = CounterMetricFamily(
        "driftdesk_jobs",
        "Runs of jobs that have ended; never goes back, also where a job is retried or deleted.",
        labels=["kind", "result"],
    )
    took = HistogramMetricFamily(
        "driftdesk_job_seconds", "How long runs of jobs took.", labels=["kind"]
    )
    # From the start, as 0: Prometheus sees no increase in what begins with 1.
    totals = {(kind.value, result): 0 for kind in JobKind for result in RUN_RESULTS}
    timed: dict[str, list[Tally]] = defaultdict(list)
    for tally in tallies:
        at = (tally.kind, tally.result)
        totals[at] = totals.get(at, 0) + tally.runs
        if tally.up_to_ms != UNTIMED:
            timed[tally.kind].append(tally)
    for (kind, result), runs in sorted(totals.items()):
        ended.add_metric([kind, result], runs)
    for kind, of_kind in sorted(timed.items()):
        took.add_metric([kind], _buckets(of_kind), sum(t.seconds for t in of_kind))
    yield ended
    yield took


def _buckets(tallies: list[Tally]) -> list[tuple[str, float]]:
    """Runs up to each bound, as Prometheus counts them: each bound with all that are shorter."""
    bounded = [t for t in tallies if t.up_to_ms != BEYOND]
    up_to = {bound: sum(t.runs for t in bounded if t.up_to_ms <= bound) for bound in BOUNDS_MS}
    found = [(f"{bound / 1000:g}", float(runs)) for bound, runs in up_to.items()]
    return [*found, ("+Inf", float(sum(t.runs for t in tallies)))]


def _open_jobs(figures: MetricsSnapshot) -> Iterator[Metric]:
    running = dict.fromkeys((kind.value for kind in QUEUES), 0)
    waiting = dict.fromkeys((WORK, DESK), 0)
    oldest: dict[str, float] = dict.fromkeys((WORK, DESK), 0.0)
    for found in figures.open_jobs:
        if found.state is JobState.RUNNING:
            running[found.kind.value] += found.number
            continue
        queue = QUEUES[found.kind]
        waiting[queue] += found.number
        oldest[queue] = max(oldest[queue], (figures.now - found.oldest).total_seconds())
    yield _labelled("jobs_running", "Jobs that are being worked on.", "kind", running)
    yield _labelled("jobs_waiting", "Jobs that wait for a worker.", "queue", waiting)
    waited = "How long the oldest waiting job has waited."
    yield _labelled("queue_age_seconds", waited, "queue", oldest)


def _batch(figures: MetricsSnapshot) -> Iterator[Metric]:
    yield _gauge("source_exhausted", "Whether the source has no batch left.", figures.exhausted)
    last, age, outcomes = figures.last_batch, None, dict[str, int]()
    if last:
        age = (figures.now - last.stored_at).total_seconds()
        outcomes = {"stored": last.stored, "quarantined": last.quarantined}
    rejected = "Rows of its whole epoch that are in quarantine."
    newest = "The epoch of the batch that was stored last."
    yield _gauge("batch_epoch", newest, last.epoch if last else None)
    yield _gauge("batch_number", "Its number within the epoch.", last.number if last else None)
    yield _gauge("batch_age_seconds", "How long ago it was stored.", age)
    yield _labelled("batch_rows", "What became of its rows.", "outcome", outcomes)
    yield _gauge("quarantined_rows", rejected, last.quarantined_in_epoch if last else None)
    breach = "Whether the newest comparison with that reference breaks a limit of the drift rule."
    yield _labelled("drift_breach", breach, "reference", figures.drift)
    drifted = "Whether the newest window of live traffic drifted from the champion's rows."
    yield _gauge("live_window_drifted", drifted, figures.live_window_drifted)


def _models(figures: MetricsSnapshot) -> Iterator[Metric]:
    since = figures.live_since
    age = (figures.now - since).total_seconds() if since else None
    yield _gauge("candidates_waiting", "Models that await approval.", figures.candidates)
    yield _gauge("champion_version", "The version that was decided on.", figures.champion)
    yield _gauge("champion_age_seconds", "How long it has been live.", age)
    replicas = {str(version): number for version, number in sorted(figures.replicas.items())}
    heard = "Replicas of serving that were heard lately, by their version; 0 is none."
    yield _labelled("serving_replicas", heard, "version", replicas)
