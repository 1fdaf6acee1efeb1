"""What the console tells Prometheus: pages drawn, actions by how they ended, and errors.

There is one set of figures for a process, whatever Streamlit clears and draws anew.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from core.errors import DriftdeskError, SettingsError
from core.exposition import expose, new_registry

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

log = structlog.get_logger()


class Metrics:
    """The figures of one console process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._reruns = Histogram(
            "driftdesk_console_rerun_seconds",
            "How long whole pages took to draw; parts that refresh by themselves are not counted.",
            ["page"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._actions = Counter(
            "driftdesk_console_actions",
            "Actions of operators: ok, refused with a reason, or broken off by an error.",
            ["verb", "result"],
            registry=registry,
        )
        self._action_seconds = Histogram(
            "driftdesk_console_action_seconds",
            "How long actions took.",
            ["verb"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._errors = Counter(
            "driftdesk_console_errors",
            "Errors by where they came up: a page, an action, or a question to the stores.",
            ["where", "type"],
            registry=registry,
        )

    @contextmanager
    def rerun(self, page: str) -> Iterator[None]:
        """Count a page that is drawn in the block."""
        began = time.perf_counter()
        try:
            yield
        except Exception as error:
            self._errors.labels("page", type(error).__name__).inc()
            raise
        finally:  # also where Streamlit itself ends the run, which is no error
            self._reruns.labels(page).observe(time.perf_counter() - began)

    @contextmanager
    def action(self, verb: str) -> Iterator[None]:
        """Count an action that is carried out in the block."""
        began, result = time.perf_counter(), "ok"
        try:
            yield
        except DriftdeskError as error:
            result = "refused"
            self._errors.labels("action", type(error).__name__).inc()
            raise
        except Exception as error:
            result = "error"
            self._errors.labels("action", type(error).__name__).inc()
            raise
        finally:
            self._actions.labels(verb, result).inc()
            self._action_seconds.labels(verb).observe(time.perf_counter() - began)

    def unanswered(self, error: DriftdeskError) -> None:
        """Count a question that the stores did not answer."""
        self._errors.labels("question", type(error).__name__).inc()


@functools.cache
def metrics() -> Metrics:
    """The figures of this process."""
    return Metrics(new_registry())


@functools.cache
def offer(host: str, port: int) -> int:
    """Offer them there, once; returns the port, and 0 where that is not wanted or not possible.

    A console without metrics is better than none, so what goes wrong is logged.
    """
    if not port:
        return 0
    try:
        return expose(metrics().registry, host, port)
    except SettingsError as error:
        log.warning("no metrics", reason=str(error))
        return 0
