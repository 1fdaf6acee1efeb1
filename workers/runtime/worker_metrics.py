"""What a worker tells Prometheus: the runs that its children did for it, seen from the parent.

RQ forks a child for each job, and what a child counts is gone with it. So the parent counts, and
asks Redis what the child has said of its end.
"""

from __future__ import annotations

import resource
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.adapters.store.run_counts import BOUNDS_MS

RESULTS = ("succeeded", "failed", "cancelled", "lost", "left_alone", "died", "unknown")
"""How a run may end; what a child says otherwise counts as unknown, so that labels stay few."""

_BUCKETS = tuple(bound / 1000 for bound in BOUNDS_MS)


class Runs:
    """The figures of one worker process."""

    def __init__(self, registry: CollectorRegistry, queue: str) -> None:
        name, labels = "driftdesk_worker_runs", ["queue", "dataset", "kind", "result"]
        text = "Runs that this worker process has seen to their end."
        self._ended = Counter(name, text, labels, registry=registry)
        name, text = "driftdesk_worker_run_seconds", "How long they took, with the fork."
        labels = ["queue", "dataset", "kind"]
        self._seconds = Histogram(name, text, labels, buckets=_BUCKETS, registry=registry)
        name, text = "driftdesk_worker_busy", "Whether this worker process has a job."
        self._busy = Gauge(name, text, ["queue"], registry=registry).labels(queue)
        self._queue = queue
        registry.register(_Children())

    @contextmanager
    def working(self) -> Iterator[None]:
        """Say that there is a job while the block runs."""
        self._busy.set(1)
        try:
            yield
        finally:
            self._busy.set(0)

    def ended(self, dataset: str, kind: str, result: str, seconds: float) -> None:
        """Count a run."""
        result = result if result in RESULTS else "unknown"
        self._ended.labels(self._queue, dataset, kind, result).inc()
        self._seconds.labels(self._queue, dataset, kind).observe(seconds)


class _Children(Collector):
    """What all children that have ended took together, as the system tells it."""

    def collect(self) -> Iterable[Metric]:
        """CPU and the largest memory."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        yield CounterMetricFamily(
            "driftdesk_worker_children_cpu_seconds",
            "CPU time of the runs that have ended.",
            value=used.ru_utime + used.ru_stime,
        )
        yield GaugeMetricFamily(
            "driftdesk_worker_children_max_memory_bytes",
            "The most memory that one of them held.",
            value=used.ru_maxrss * 1024,  # Linux counts in kilobytes
        )
