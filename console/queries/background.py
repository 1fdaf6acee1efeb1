"""Questions to services that may be slow or hang, each asked in a thread of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any

_MOST_ASKING = 64
"""The most questions that run at once; the next ones wait for one of them to end."""

_MOST_KNOWN = 1_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known of a question: its last outcome, if it has one, and whether it is being asked.

    `error` is what the question raised instead of returning a `value`. `age` is the number of
    seconds since the outcome, None without one; `asking` the number of seconds that the question
    has been running, None if it is not.
    """

    value: Any = None
    error: BaseException | None = None
    age: float | None = None
    asking: float | None = None


class Questions:
    """The last answer to each question, and the questions that are running, shared by threads.

    A question that hangs occupies one thread, and is not asked again until that one returns.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, tuple[float, Any, BaseException | None]] = {}
        self._asking: dict[Hashable, tuple[float, object]] = {}
        self._running = 0
        self._changed = Condition()

    def ask(self, name: str, key: Hashable, question: Callable[[], Any], rest: float) -> None:
        """Ask the question, unless it is being asked or answered at most `rest` seconds ago.

        `name` says in the thread's name what is asked.
        """
        with self._changed:
            now = time.monotonic()
            at, _, error = self._known.get(key, (-math.inf, None, None))
            is_fresh = error is None and now - at < rest
            if key in self._asking or is_fresh or self._running >= _MOST_ASKING:
                return
            turn = object()
            run = Thread(
                target=self._run, args=(key, question, turn), name=f"ask {name}", daemon=True
            )
            run.start()
            self._asking[key] = now, turn
            self._running += 1

    def wait(self, keys: Collection[Hashable], seconds: float) -> None:
        """Wait until none of these questions runs, at most so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._asking.keys().isdisjoint(keys), seconds)

    def answer(self, key: Hashable) -> Answer:
        """What is known of a question now."""
        with self._changed:
            now = time.monotonic()
            asking = now - self._asking[key][0] if key in self._asking else None
            if key not in self._known:
                return Answer(asking=asking)
            at, value, error = self._known[key]
            return Answer(value, error, now - at, asking)

    def forget(self) -> None:
        """Drop every answer, also those to come of questions that are being asked."""
        with self._changed:
            self._known.clear()
            self._asking.clear()

    def _run(self, key: Hashable, question: Callable[[], Any], turn: object) -> None:
        value, error = None, None
        try:
            value = question()
        except BaseException as raised:  # noqa: BLE001 - it is for whoever asks
            error = raised
        with self._changed:
            self._running -= 1
            if self._asking.get(key, (0.0, None))[1] is turn:
                del self._asking[key]
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[key] = time.monotonic(), value, error
            self._changed.notify_all()
