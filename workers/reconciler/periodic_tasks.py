"""Duties: what the reconciler does again and again, each apart from the others.

Each kind of duty has threads of its own, which its datasets share. One that fails is tried again
at its next turn; one that is slow, because MLflow or a receiver of webhooks is, holds up no other
kind, and no other dataset.
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

UNHURRIED = 10
"""With more datasets than that the pause grows, so that the database is not asked more often."""

CREW = 3
"""How many datasets one kind of duty attends to at once."""

STUCK = 240.0
"""Seconds after which a turn that has not ended counts as stuck: no wait in it is that long."""

log = structlog.get_logger()


@dataclass(eq=False)
class Duty:
    """One thing that is done again and again; `act` does one turn and may raise anything.

    `dataset` is the one that it is done for; empty for the whole desk.

    `act` returns False where it is not its time yet: such a turn is neither well done nor failed.
    """

    name: str
    act: Callable[[], bool | None]
    clock: Callable[[], float] = time.monotonic
    dataset: str = ""
    _since: float | None = None
    _failure: str = ""

    def __str__(self) -> str:
        return f"{self.name} of {self.dataset}" if self.dataset else self.name

    def turn(self) -> bool:
        """Do one turn; says whether it did not fail. A failure is logged, once while it lasts."""
        about = {"dataset": self.dataset} if self.dataset else {}
        with structlog.contextvars.bound_contextvars(**about):
            return self._turn()

    def _turn(self) -> bool:
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


class _Line:
    """The duties of one name, one for each dataset: they take turns, the longest unattended first.

    Safe to share between the threads that attend to it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[Duty, float] = {}
        self._busy: set[Duty] = set()
        self.threads: list[threading.Thread] = []

    def cover(self, duties: Sequence[Duty], now: float) -> None:
        """Have these duties from now on; a turn of another that is under way comes to its end."""
        with self._lock:
            self._due = {duty: self._due.get(duty, now + EVERY) for duty in duties}

    def begin(self, now: float) -> tuple[Duty | None, float]:
        """The duty to attend to, or None and the seconds until one is due."""
        with self._lock:
            free = [duty for duty in self._due if duty not in self._busy]
            if not free:
                return None, EVERY
            duty = min(free, key=self._due.__getitem__)
            if self._due[duty] > now:
                return None, min(self._due[duty] - now, EVERY)
            self._busy.add(duty)
            return duty, 0.0

    def end(self, duty: Duty, now: float) -> None:
        """A turn is over; the next one is later where there are many datasets."""
        with self._lock:
            self._busy.discard(duty)
            if duty in self._due:
                self._due[duty] = now + EVERY * max(1.0, len(self._due) / UNHURRIED)

    def duties(self) -> list[Duty]:
        """Those that it has, and those whose turn is under way."""
        with self._lock:
            return list(self._due | dict.fromkeys(self._busy, 0.0))


class Rota:
    """Duties at work until told to stop; those of one name, of several datasets, share threads.

    A duty of another name is never held up, and of the same name at most `CREW` at once: each turn
    has an end.
    """

    def __init__(self, duties: Sequence[Duty], stop: threading.Event) -> None:
        self._stop = stop
        self._lines: dict[str, _Line] = {}
        self._always = tuple(duties)
        self._started = False
        self.cover(())

    def cover(self, duties: Sequence[Duty]) -> None:
        """Attend to these from now on, and to those that were given at first."""
        by_name: dict[str, list[Duty]] = {name: [] for name in self._lines}
        for duty in (*self._always, *duties):
            by_name.setdefault(duty.name, []).append(duty)
        for name, of_name in by_name.items():
            line = self._lines.setdefault(name, _Line())
            line.cover(of_name, time.monotonic())
            while len(line.threads) < min(CREW, len(of_name)):
                worker = threading.Thread(target=self._attend, args=(line,), name=name, daemon=True)
                line.threads.append(worker)
                if self._started:
                    worker.start()

    def start(self) -> None:
        """Begin each duty's turns."""
        self._started = True
        for line in self._lines.values():
            for thread in line.threads:
                thread.start()

    def _attend(self, line: _Line) -> None:
        while not self._stop.is_set():
            duty, pause = line.begin(time.monotonic())
            if duty is None:
                self._stop.wait(pause)
                continue
            try:
                duty.turn()
            finally:
                line.end(duty, time.monotonic())

    def stuck(self) -> list[str]:
        """The duties whose turn does not end. A duty that fails is not stuck: it is tried again."""
        lines = list(self._lines.values())
        return [str(duty) for line in lines for duty in line.duties() if duty.is_stuck]

    def join(self, seconds: float) -> None:
        """Wait for the present turns to end, for so many seconds in all."""
        deadline = time.monotonic() + seconds
        for line in list(self._lines.values()):
            for thread in line.threads:
                thread.join(max(deadline - time.monotonic(), 0.0))
