"""Concurrent health checks of all services, each with a timeout."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from threading import Condition, Thread

from console.desk import Desk
from console.queries import local_logs
from console.queries.service_checks import Check, Service, checks, shared_checks

_REST = 1.0
"""Seconds for which an answer is reused, however many tabs ask."""

_KEPT = 15.0
"""Seconds for which "healthy" is shown while the next answer is awaited."""

_LOOK_SECONDS = 10.0
"""How long the command line waits for all services."""


def look(desk: Desk, *, shared: bool = False) -> list[Service]:
    """Check every service at once; one that has not answered after a while counts as silent.

    With `shared`, only those that all datasets of the desk share.
    """
    return Watch(desk, shared=shared).look(_LOOK_SECONDS)


class Answers:
    """The last answer to each check, and the checks that are running, shared by threads.

    A service that hangs occupies one thread and is not checked again until that one returns; its
    previous answer is shown for at most `service_checks.HANGS`, and an old "healthy" not at all.
    """

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Service]] = {}
        self._asking: dict[str, float] = {}
        self._changed = Condition()

    def look(self, checks: Mapping[str, Check], seconds: float) -> list[Service]:
        """Start the checks that are due, wait at most so many seconds, and return every state."""
        with self._changed:
            for key, check in checks.items():
                self._start(key, check)
            self._changed.wait_for(lambda: self._asking.keys().isdisjoint(checks), seconds)
            return [self._service(key, check) for key, check in checks.items()]

    def _start(self, key: str, check: Check) -> None:
        now = time.monotonic()
        at, _ = self._known.get(key, (now - 2 * _REST, None))
        if key in self._asking or now - at < _REST:
            return
        self._asking[key] = now
        thread = Thread(target=self._run, args=(key, check), name=f"ask {check.name}", daemon=True)
        thread.start()

    def _run(self, key: str, check: Check) -> None:
        service = check.run()
        with self._changed:
            self._known[key] = (time.monotonic(), service)
            del self._asking[key]
            self._changed.notify_all()

    def _service(self, key: str, check: Check) -> Service:
        now = time.monotonic()
        started = self._asking.get(key)
        asking = now - started if started is not None else 0.0
        at, service = self._known.get(key, (None, None))
        if service and service.healthy and at and started is not None and now - at > _KEPT:
            at, service = None, None  # that it was healthy says nothing of now
        service = service or Service(check.name, None, "", 0.0, check.link, "")
        service = replace(service, asking=asking, age=None if at is None else now - at)
        if not service.is_silent:
            return service
        says = f"No answer since {asking:,.0f} s"
        return replace(
            service, healthy=False, says=says, milliseconds=0.0, advice=check.advice, version=""
        )


class Watch:
    """The state of every service of a dataset, refreshed by threads of its own.

    Watches with the same `answers` check a service that datasets share only once. `shared`
    leaves out what belongs to the dataset.
    """

    def __init__(self, desk: Desk, answers: Answers | None = None, *, shared: bool = False) -> None:
        self._desk, self._answers = desk, answers or Answers()
        self._checks = {
            f"{desk.dataset.name if check.of_dataset else ''}/{check.name}": check
            for check in (shared_checks(desk) if shared else checks(desk))
        }

    def look(self, seconds: float, *names: str) -> list[Service]:
        """Start the checks that are due, wait at most so many seconds, and return every state.

        With `names` only those services are checked.
        """
        wanted = {k: check for k, check in self._checks.items() if not names or check.name in names}
        return [self._advised(service) for service in self._answers.look(wanted, seconds)]

    def _advised(self, service: Service) -> Service:
        """The service with what to do on this deployment."""
        here = local_logs.remedy(self._desk, service.name) if service.advice else ""
        return replace(service, advice=here) if here else service
