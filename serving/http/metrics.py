"""Prometheus metrics: counted as requests are answered, or read from components on a scrape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any

from prometheus_client import Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.platform.metrics_endpoint import new_registry
from serving.model.live_model import LiveModel
from serving.prediction_log.spool import Spool
from serving.prediction_log.writer import Writer

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_PREFIX = "driftdesk_serving_"


class Metrics(Collector):
    """The metrics of one serving process."""

    def __init__(self, live_model: LiveModel, spool: Spool, writer: Writer) -> None:
        self._registry = registry = new_registry()
        self._live_model, self._spool, self._writer = live_model, spool, writer
        registry.register(self)
        counter, text = partial(Counter, registry=registry), "Requests by route and status."
        requests = counter(f"{_PREFIX}requests", text, ["route", "status"])
        text = "Rows predicted, by model version."
        predictions = counter(f"{_PREFIX}predictions", text, ["version"])
        histogram = partial(Histogram, buckets=_BUCKETS, registry=registry)
        text = "Duration of a response, by route."
        durations = histogram(f"{_PREFIX}request_seconds", text, ["route"])
        # `labels` takes a lock and formats its values, so each series is looked up once.
        self._counter = cache(lambda route, status: requests.labels(route, str(status)))
        self._duration = cache(durations.labels)
        self._predictions = cache(predictions.labels)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Count a response; `route` is one of a fixed set."""
        self._counter(route, status).inc()
        self._duration(route).observe(seconds)

    def answered(self, version: int, rows: int = 1) -> None:
        """Count rows that a version predicted."""
        self._predictions(version).inc(rows)

    def text(self) -> bytes:
        """All metrics, in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The metrics that are read from the components."""
        model, spool, writer = self._live_model, self._spool, self._writer
        live = model.current
        digest = {"version": live.version, "digest": live.digest} if live else {}
        yield _info("model_info", "The live model.", ("version", "digest"), digest)
        refused_help = "The version that could not be loaded, and why."
        yield _info("refused_info", refused_help, ("version", "reason"), model.refused or {})
        for name, help_text, value in (
            ("model_live", "Whether a model is live.", live is not None),
            ("record_confirms", "Whether the record names the live model's file.", model.confirmed),
            ("alias_agrees", "Whether alias, record and live model agree.", not model.notice),
            ("registry_up", "Whether the registry is reachable.", not model.trouble),
            ("database_up", "Whether the database is reachable.", not writer.away),
            ("spool_bytes", "Bytes of records not in the database yet.", spool.size),
        ):
            yield GaugeMetricFamily(_PREFIX + name, help_text, value=float(value))
        for name, help_text, value in (
            ("swaps", "Models that went live in this process.", model.swaps),
            ("refusals", "Models that were refused.", model.refusals),
            ("records_written", "Records written to the database.", writer.written),
            ("records_rejected", "Records that the database rejected.", writer.rejected),
            ("records_dropped", "Records dropped for lack of disk space.", spool.dropped),
        ):
            yield CounterMetricFamily(_PREFIX + name, help_text, value=float(value))


def _info(name: str, help_text: str, labels: Sequence[str], values: Mapping[str, Any]) -> Metric:
    """A metric of value 1 with these labels; without values it has no series."""
    info = GaugeMetricFamily(_PREFIX + name, help_text, labels=labels)
    if values:
        info.add_metric([str(values[label]) for label in labels], 1)
    return info
