"""Duties: what the reconciler does again and again, each apart from the others.

A duty has a thread of its own. One that fails is tried again at its next turn; one that is slow,
because MLflow or a receiver of webhooks is, holds up no other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from core.domain.errors import DriftdeskError

EVERY = 2.0
"""Seconds between two turns of a duty."""

STUCK = 240.0
"""Seconds after which a turn that has not ended counts as stuck: no wait in it is that long."""

log = structlog.get_logger()


@dataclass(eq=False)
class Duty:
    """One thing that is done again and again; `act` does one turn and may raise anything.

    `act` returns False where it is not its time yet: such a turn is neither well done nor failed.
    """

    name: str
    act: Callable[[], bool | None]
    clock: Callable[[], float] = time.monotonic
    _since: float | None = None
    _failure: str = ""

    def turn(self) -> bool:
        """Do one turn; says whether it did not fail. A failure is logged, once while it lasts."""
        self._since = self.clock()
        try:
            acted = self.act()
        except DriftdeskError as error:
            self._fails(str(error))
            return False
        except Exception as error:  # noqa: BLE001 - logged; the other duties go on, and so does this
            self._fails(f"{type(error).__name__}: {error}", unforeseen=True)
            return False
        finally:
            self._since = None
        if acted is False:
            return not self._failure
        if self._failure:
            log.info("duty done again", duty=self.name)
        self._failure = ""
        return True

    def _fails(self, reason: str, *, unforeseen: bool = False) -> None:
        if reason == self._failure:
            return
        self._failure = reason
        log.warning("duty not done", duty=self.name, reason=reason, exc_info=unforeseen)

    @property
    def is_stuck(self) -> bool:
        """Whether the present turn has lasted longer than any wait in it may."""
        since = self._since
        return since is not None and self.clock() - since > STUCK


class Rota:
    """Duties at work, each in its own thread, until told to stop."""

    def __init__(self, duties: Sequence[Duty], stop: threading.Event) -> None:
        self._duties = duties
        self._stop = stop
        self._threads = [
            threading.Thread(target=self._attend, args=(duty,), name=duty.name, daemon=True)
            for duty in duties
        ]

    def start(self) -> None:
        """Begin each duty's turns."""
        for thread in self._threads:
            thread.start()

    def _attend(self, duty: Duty) -> None:
        while not self._stop.wait(EVERY):
            duty.turn()

    def stuck(self) -> list[str]:
        """The duties whose turn does not end. A duty that fails is not stuck: it is tried again."""
        return [duty.name for duty in self._duties if duty.is_stuck]

    def join(self, seconds: float) -> None:
        """Wait for the present turns to end, for so many seconds in all."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
