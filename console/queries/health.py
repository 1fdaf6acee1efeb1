"""Concurrent health checks of all services, each with a timeout."""

from __future__ import annotations

import time
from dataclasses import replace
from threading import Condition, Thread

from console.desk import Desk
from console.queries.service_checks import Check, Service, checks, shared_checks

_REST = 1.0
"""Seconds for which an answer is reused, however many tabs ask."""

_LOOK_SECONDS = 10.0
"""How long the command line waits for all services."""


def look(desk: Desk, *, shared: bool = False) -> list[Service]:
    """Check every service at once; one that has not answered after a while counts as silent.

    With `shared`, only those that all datasets of the desk share.
    """
    return Watch(desk, shared=shared).look(_LOOK_SECONDS)


class Watch:
    """The state of every service, refreshed by threads of its own.

    A service that hangs occupies one thread and is not checked again until that one returns; its
    previous answer is shown for at most `service_checks.HANGS`.
    """

    def __init__(self, desk: Desk, *, shared: bool = False) -> None:
        self._checks = shared_checks(desk) if shared else checks(desk)
        self._known: dict[str, tuple[float, Service]] = {}
        self._asking: dict[str, float] = {}
        self._changed = Condition()

    def look(self, seconds: float) -> list[Service]:
        """Start the checks that are due, wait at most so many seconds, and return every state."""
        with self._changed:
            for check in self._checks:
                self._start(check)
            self._changed.wait_for(lambda: not self._asking, seconds)
            return [self._service(check) for check in self._checks]

    def _start(self, check: Check) -> None:
        now = time.monotonic()
        at, _ = self._known.get(check.name, (now - 2 * _REST, None))
        if check.name in self._asking or now - at < _REST:
            return
        self._asking[check.name] = now
        Thread(target=self._run, args=(check,), name=f"ask {check.name}", daemon=True).start()

    def _run(self, check: Check) -> None:
        service = check.run()
        with self._changed:
            self._known[check.name] = (time.monotonic(), service)
            del self._asking[check.name]
            self._changed.notify_all()

    def _service(self, check: Check) -> Service:
        now = time.monotonic()
        started = self._asking.get(check.name)
        asking = now - started if started is not None else 0.0
        at, service = self._known.get(check.name, (None, None))
        service = service or Service(check.name, None, "", 0.0, check.link, "")
        service = replace(service, asking=asking, age=None if at is None else now - at)
        if not service.is_silent:
            return service
        says = f"No answer since {asking:,.0f} s"
        return replace(
            service, healthy=False, says=says, milliseconds=0.0, advice=check.advice, version=""
        )
