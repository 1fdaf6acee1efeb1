"""What Prometheus reads: counted where it happens, or read off the parts when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from serving.record import Writer
from serving.slot import Slot
from serving.spool import Spool

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_PREFIX = "driftdesk_serving_"

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second line for each figure, of its first time, that nobody reads


class Metrics:
    """The figures of one serving process."""

    def __init__(self, slot: Slot, spool: Spool, writer: Writer) -> None:
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._requests = Counter(
            f"{_PREFIX}requests",
            "Requests by route and status.",
            ["route", "status"],
            registry=self._registry,
        )
        self._seconds = Histogram(
            f"{_PREFIX}request_seconds",
            "How long an answer took, by route.",
            ["route"],
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._predictions = Counter(
            f"{_PREFIX}predictions",
            "Rows answered, by the version that answered.",
            ["version"],
            registry=self._registry,
        )
        self._known: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self._by_version: dict[int, Counter] = {}
        self._registry.register(_Parts(slot, spool, writer))

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered; `route` is one of a fixed few."""
        known = self._known.get((route, status))
        if known is None:
            known = self._requests.labels(route, str(status)), self._seconds.labels(route)
            self._known[route, status] = known
        known[0].inc()
        known[1].observe(seconds)

    def answered(self, version: int, rows: int = 1) -> None:
        """Count rows that a version answered."""
        counter = self._by_version.get(version)
        if counter is None:
            counter = self._by_version[version] = self._predictions.labels(str(version))
        counter.inc(rows)

    def text(self) -> bytes:
        """Everything, in Prometheus' text format."""
        return generate_latest(self._registry)


class _Parts(Collector):
    def __init__(self, slot: Slot, spool: Spool, writer: Writer) -> None:
        self._slot = slot
        self._spool = spool
        self._writer = writer

    def collect(self) -> Iterable[Metric]:
        live, refused = self._slot.live, self._slot.refused
        info = GaugeMetricFamily(
            f"{_PREFIX}model_info", "The model that answers.", labels=["version", "digest"]
        )
        if live:
            info.add_metric([str(live.version), live.digest], 1)
        yield info
        took_not = GaugeMetricFamily(
            f"{_PREFIX}refused_info", "The version that was not taken, and why.",
            labels=["version", "reason"],
        )  # fmt: skip
        if refused:
            took_not.add_metric([str(refused["version"]), str(refused["reason"])], 1)
        yield took_not
        gauges = {
            "model_live": ("Whether a model answers.", live is not None),
            "registry_up": ("Whether the registry answered last time.", not self._slot.trouble),
            "database_up": ("Whether the database took the last records.", not self._writer.away),
            "spool_bytes": ("Records on disk that the database lacks.", self._spool.size),
        }
        for name, (says, value) in gauges.items():
            yield GaugeMetricFamily(_PREFIX + name, says, value=float(value))
        counters = {
            "swaps": ("Models that went live in this process.", self._slot.swaps),
            "refusals": ("Models that were refused.", self._slot.refusals),
            "records_written": ("Records that the database has.", self._writer.written),
            "records_rejected": ("Records that the database will not take.", self._writer.rejected),
            "records_dropped": ("Records that found no place on disk.", self._spool.dropped),
        }
        for name, (says, value) in counters.items():
            yield CounterMetricFamily(_PREFIX + name, says, value=float(value))
