"""Hourly retention, in small steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import structlog

from core.domain.audit_event import ITSELF
from core.usecases.retention import Retention

EVERY = 3600.0
"""Seconds between two runs."""

AT_ONCE = 1.0
"""The most seconds that one step takes, so that the reconciler's other duties go on."""

log = structlog.get_logger()


class Hourly:
    """Retention that runs in short steps and resumes where it stopped."""

    def __init__(self, retention: Retention, clock: Callable[[], float] = time.monotonic) -> None:
        self._retention = retention
        self._clock = clock
        self._next = clock()
        self._lots: Iterator[int] | None = None
        self._gone = 0

    def step(self) -> bool:
        """Delete for at most `AT_ONCE` seconds, if a run is due or unfinished; says whether it was.

        Raises:
            StoreUnavailable: the database is unavailable; the next step starts over.
        """
        start = self._clock()
        if self._lots is None and start < self._next:
            return False
        lots, self._lots = self._lots or self._retention.run(ITSELF), None
        for gone in lots:
            self._gone += gone
            if self._clock() - start > AT_ONCE:
                self._lots = lots
                return True
        if self._gone:
            log.info("pruned", gone=self._gone)
        self._gone, self._next = 0, self._clock() + EVERY
        return True
