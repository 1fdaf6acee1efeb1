"""The console's Prometheus metrics: page runs, actions by result, and errors.

One set of metrics for each process, independent of Streamlit's reruns.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from core.domain.errors import DriftdeskError, SettingsError
from core.platform.metrics_endpoint import expose, new_registry

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

log = structlog.get_logger()


class Metrics:
    """The metrics of one console process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        counter = functools.partial(Counter, registry=registry)
        histogram = functools.partial(Histogram, buckets=_SECONDS, registry=registry)
        text = "Duration of whole page runs, without fragment reruns."
        self._reruns = histogram("driftdesk_console_rerun_seconds", text, ["page"])
        text = "Actions of operators by result: ok, refused, or error."
        self._actions = counter("driftdesk_console_actions", text, ["verb", "result"])
        text = "Duration of actions."
        self._action_seconds = histogram("driftdesk_console_action_seconds", text, ["verb"])
        text = "Errors by place: a page, an action, or a query of the stores."
        self._errors = counter("driftdesk_console_errors", text, ["where", "type"])

    @contextmanager
    def rerun(self, page: str) -> Iterator[None]:
        """Measure a page run in the block."""
        with self._reruns.labels(page).time():  # also if Streamlit stops the run
            try:
                yield
            except Exception as error:
                self._errors.labels("page", type(error).__name__).inc()
                raise

    @contextmanager
    def action(self, verb: str) -> Iterator[None]:
        """Measure an action in the block."""
        result = "ok"
        with self._action_seconds.labels(verb).time():
            try:
                yield
            except Exception as error:
                result = "refused" if isinstance(error, DriftdeskError) else "error"
                self._errors.labels("action", type(error).__name__).inc()
                raise
            finally:
                self._actions.labels(verb, result).inc()

    def unanswered(self, error: DriftdeskError) -> None:
        """Count a failed query of the stores."""
        self._errors.labels("question", type(error).__name__).inc()


@functools.cache
def metrics() -> Metrics:
    """The metrics of this process."""
    return Metrics(new_registry())


@functools.cache
def expose_metrics(host: str, port: int) -> int:
    """Expose the metrics once; returns the port, or 0 if disabled or impossible.

    A failure is logged, since the console works without metrics.
    """
    if not port:
        return 0
    try:
        return expose(metrics().registry, host, port)
    except SettingsError as error:
        log.warning("no metrics", reason=str(error))
        return 0
