"""Concurrent health checks of all services, each with a timeout."""

from __future__ import annotations

import time
from dataclasses import replace

from console.desk import Desk
from console.queries import local_logs
from console.queries.background import Answer, Questions
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


class Checks(Questions):
    """The checks of services, and since when each service has been down, shared by threads."""

    def __init__(self) -> None:
        super().__init__()
        self._down: dict[str, float] = {}

    def down_for(self, key: str, service: Service) -> float | None:
        """Seconds since somebody first saw it down, in a row; None if it is not."""
        now = time.monotonic()
        if service.healthy is not False:
            self._down.pop(key, None)
            return None
        return now - self._down.setdefault(key, now - service.asking)


class Watch:
    """The state of every service of a dataset, each checked in a thread of its own.

    Watches with the same `known` answers check a service that datasets share only once. `shared`
    leaves out what belongs to the dataset.
    """

    def __init__(self, desk: Desk, known: Checks | None = None, *, shared: bool = False) -> None:
        self._desk, self._known = desk, known or Checks()
        self._checks = {
            f"{desk.dataset.name if check.of_dataset else ''}/{check.name}": check
            for check in (shared_checks(desk) if shared else checks(desk))
        }

    def look(self, seconds: float, *names: str) -> list[Service]:
        """Start the checks that are due, wait at most so many seconds, and return every state.

        With `names` only those services are checked.
        """
        wanted = {k: check for k, check in self._checks.items() if not names or check.name in names}
        for key, check in wanted.items():
            self._known.ask(check.name, key, check.run, _REST)
        self._known.wait(wanted.keys(), seconds)
        return [self._state(key, check) for key, check in wanted.items()]

    def _state(self, key: str, check: Check) -> Service:
        """The service, with what to do on this deployment if it is down, and since when it is."""
        service = _service(check, self._known.answer(key))
        here = local_logs.remedy(self._desk, service.name) if service.advice else ""
        return replace(
            service, advice=here or service.advice, down_for=self._known.down_for(key, service)
        )


def _service(check: Check, answer: Answer) -> Service:
    """The state of a service whose check hangs is not its last one, and an old "healthy" none."""
    service: Service | None = answer.value
    age, asking = answer.age, answer.asking or 0.0
    is_old = answer.asking is not None and age is not None and age > _KEPT
    if service is None or (service.healthy and is_old):  # that it was healthy says nothing of now
        service, age = Service(check.name, None, "", 0.0, check.link, ""), None
    service = replace(service, asking=asking, age=age)
    if not service.is_silent:
        return service
    says = f"No answer since {asking:,.0f} s"
    return replace(
        service, healthy=False, says=says, milliseconds=0.0, advice=check.advice, version=""
    )
