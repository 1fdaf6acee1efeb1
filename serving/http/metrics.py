"""Prometheus metrics: counted as requests are answered, or read from components on a scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

from prometheus_client import Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from core.platform.metrics_endpoint import new_registry
from serving.model.fleet import Fleet
from serving.model.live_model import LiveModel
from serving.prediction_log.spool import Spool
from serving.prediction_log.writer import Writer

_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_PREFIX = "driftdesk_serving_"


DATASET = "dataset"
"""The label of what is about one dataset; empty for a request that is about none."""


class Metrics(Collector):
    """The metrics of one serving process."""

    def __init__(self, fleet: Fleet, spool: Spool, writer: Writer) -> None:
        self._registry = registry = new_registry()
        self._fleet, self._spool, self._writer = fleet, spool, writer
        registry.register(self)
        counter, text = partial(Counter, registry=registry), "Requests by route and status."
        requests = counter(f"{_PREFIX}requests", text, [DATASET, "route", "status"])
        text = "Rows predicted, by model version."
        predictions = counter(f"{_PREFIX}predictions", text, [DATASET, "version"])
        histogram = partial(Histogram, buckets=_BUCKETS, registry=registry)
        text = "Duration of a response, by route."
        durations = histogram(f"{_PREFIX}request_seconds", text, [DATASET, "route"])
        # `labels` takes a lock and formats its values, so each series is looked up once.
        self._counter = cache(
            lambda dataset, route, status: requests.labels(dataset, route, str(status))
        )
        self._duration = cache(durations.labels)
        self._predictions = cache(predictions.labels)

    def request(self, dataset: str, route: str, status: int, seconds: float) -> None:
        """Count a response; `dataset` and `route` are of fixed sets."""
        self._counter(dataset, route, status).inc()
        self._duration(dataset, route).observe(seconds)

    def answered(self, dataset: str, version: int, rows: int = 1) -> None:
        """Count rows that a version predicted."""
        self._predictions(dataset, version).inc(rows)

    def text(self) -> bytes:
        """All metrics, in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The metrics that are read from the components."""
        models = {name: served.live for name, served in self._fleet.served.items()}
        live = {name: model.current for name, model in models.items()}
        yield _family(
            GaugeMetricFamily,
            "model_info",
            "The live model.",
            [((name, m.version, m.digest), 1) for name, m in live.items() if m],
            "version",
            "digest",
        )
        yield _family(
            GaugeMetricFamily,
            "refused_info",
            "The version that could not be loaded, and why.",
            [
                ((name, m.refused["version"], m.refused["reason"]), 1)
                for name, m in models.items()
                if m.refused
            ],
            "version",
            "reason",
        )
        for key, text, kind, value_of in _OF_A_MODEL:
            yield _family(kind, key, text, [((n,), value_of(m)) for n, m in models.items()])
        spool, writer = self._spool, self._writer
        for kind, key, text, value in (
            (GaugeMetricFamily, "database_up", "Whether the database is reachable.",
             not writer.away),
            (GaugeMetricFamily, "spool_bytes", "Bytes of records not in the database yet.",
             spool.size),
            (GaugeMetricFamily, "dataset_problems", "Dataset files that cannot be used.",
             len(self._fleet.problems)),
            (CounterMetricFamily, "records_written", "Records written to the database.",
             writer.written),
            (CounterMetricFamily, "records_rejected", "Records that the database rejected.",
             writer.rejected),
            (CounterMetricFamily, "records_dropped", "Records dropped for lack of disk space.",
             spool.dropped),
        ):  # fmt: skip
            yield kind(_PREFIX + key, text, value=float(value))


_Family = type[GaugeMetricFamily] | type[CounterMetricFamily]

_OF_A_MODEL: tuple[tuple[str, str, _Family, Callable[[LiveModel], float]], ...] = (
    ("model_live", "Whether a model is live.", GaugeMetricFamily,
     lambda m: m.current is not None),
    ("record_confirms", "Whether the record names the live model's file.", GaugeMetricFamily,
     lambda m: m.confirmed),
    ("alias_agrees", "Whether alias, record and live model agree.", GaugeMetricFamily,
     lambda m: not m.notice),
    ("registry_up", "Whether the registry is reachable.", GaugeMetricFamily,
     lambda m: not m.trouble),
    ("swaps", "Models that went live in this process.", CounterMetricFamily,
     lambda m: m.swaps),
    ("refusals", "Models that were refused.", CounterMetricFamily,
     lambda m: m.refusals),
)  # fmt: skip


def _family(
    kind: _Family, key: str, text: str, series: Sequence[tuple[tuple[Any, ...], float]], *more: str
) -> Metric:
    """A metric with a series for each dataset, and these other labels."""
    family = kind(_PREFIX + key, text, labels=[DATASET, *more])
    for labels, value in series:
        family.add_metric([str(label) for label in labels], float(value))
    return family
