"""The threads that keep everything in line that changes outside of this process.

Each follower (a live model, the folder of dataset files, the desk's record) is refreshed again and
again, by one thread at a time. There are few threads for all of them, so that one unresponsive
registry call or one slow load delays no other follower, and many models cost few threads.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog

log = structlog.get_logger()

MOST_THREADS = 4


class Follower(Protocol):
    """Something that follows what others change."""

    @property
    def name(self) -> str:
        """The dataset for its log lines; empty if it is for all."""

    def refresh(self) -> None:
        """Look at what it follows; this may block, and may raise."""

    def seconds(self) -> float:
        """Seconds until the next look."""


@dataclass(eq=False)
class Followers:
    """A bounded pool of threads; `ended` is called by each before it ends."""

    ended: Callable[[], None]
    _due: dict[Follower, float] = field(default_factory=dict)
    _busy: set[Follower] = field(default_factory=set)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _threads: int = 0
    _running: bool = False

    def start(self) -> None:
        """Start refreshing; all of them are due at once."""
        with self._changed:
            self._running = True
            self._add_threads()

    def add(self, follower: Follower) -> None:
        """Refresh this one, too, at once."""
        with self._changed:
            self._due[follower] = 0.0
            self._add_threads()
            self._changed.notify()

    def remove(self, follower: Follower) -> None:
        """Refresh this one no more; a refresh that is under way is not waited for."""
        with self._changed:
            self._due.pop(follower, None)

    def hurry(self, follower: Follower) -> None:
        """Refresh this one at once, and again if it is being refreshed now."""
        with self._changed:
            if follower in self._due:
                self._due[follower] = 0.0
                self._changed.notify()

    def stop(self) -> None:
        """Stop refreshing; an unresponsive registry does not delay the exit."""
        with self._changed:
            self._running = False
            self._changed.notify_all()

    def _add_threads(self) -> None:
        while self._running and self._threads < min(len(self._due), MOST_THREADS):
            self._threads += 1
            name = f"follower-{self._threads}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        while (follower := self._next()) is not None:
            with structlog.contextvars.bound_contextvars(**_bound(follower)):
                try:
                    follower.refresh()
                except Exception:  # the thread must survive, else no later version is served
                    log.exception("refreshing failed; retrying")
            with self._changed:
                self._busy.discard(follower)
                if self._due.get(follower) == math.inf:
                    self._due[follower] = time.monotonic() + follower.seconds()
                self._changed.notify()  # another may be waiting for a later one
        self.ended()

    def _next(self) -> Follower | None:
        """Wait for the follower that is due first, and take it; None at the end."""
        with self._changed:
            while self._running:
                idle = self._due.keys() - self._busy
                follower = min(idle, key=self._due.__getitem__, default=None)
                wait = self._due[follower] - time.monotonic() if follower else None
                if follower and wait is not None and wait <= 0:
                    self._due[follower] = math.inf
                    self._busy.add(follower)
                    return follower
                self._changed.wait(wait)
            return None


def _bound(follower: Follower) -> dict[str, str]:
    return {"dataset": follower.name} if follower.name else {}
