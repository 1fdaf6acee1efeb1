"""Retention by the clock: once an hour, a little at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import structlog

from core.retention import Retention

EVERY = 3600.0
"""Seconds between two looks at what is over its time."""

AT_ONCE = 1.0
"""Seconds that one step deletes at most: who reconciles must not be kept from it."""

log = structlog.get_logger()


class Hourly:
    """Retention that is given a moment now and then, and stops after each to go on later."""

    def __init__(self, retention: Retention, clock: Callable[[], float] = time.monotonic) -> None:
        self._retention = retention
        self._clock = clock
        self._next = clock()
        self._lots: Iterator[int] | None = None
        self._gone = 0

    def step(self) -> None:
        """Go on deleting for a moment, if it is time to.

        Raises:
            StoreUnavailable: the database is away; the next step begins anew.
        """
        start = self._clock()
        if self._lots is None and start < self._next:
            return
        lots, self._lots = self._lots or self._retention.run("driftdesk"), None
        for gone in lots:
            self._gone += gone
            if self._clock() - start > AT_ONCE:
                self._lots = lots
                return
        if self._gone:
            log.info("pruned", gone=self._gone)
        self._gone, self._next = 0, self._clock() + EVERY
