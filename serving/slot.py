"""The one place that says which model answers, and the thread that keeps it at the alias."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from core import trace
from core.errors import DriftdeskError, Missing
from serving.champion import Champion
from serving.model import LiveModel, Shelf, Source, load

log = structlog.get_logger()

_LONGEST_REASON = 500
_ASK_AGAIN = 30.0
"""Seconds after which a version that was refused is looked at once more."""


class Slot:
    """Which model answers.

    `live` is read once per request and swapped by a single assignment, so every request is
    answered whole by one version. `refused` tells which version was not taken, and why; `trouble`
    why the registry cannot be asked. `swaps` and `refusals` count for the metrics.
    """

    def __init__(self, source: Source, shelf: Shelf, dataset: str) -> None:
        self._source = source
        self._shelf = shelf
        self._dataset = dataset
        self._refused: tuple[Champion, float] | None = None
        self.live: LiveModel | None = None
        self.refused: dict[str, object] | None = None
        self.trouble = ""
        self.swaps = 0
        self.refusals = 0

    def warm_start(self) -> None:
        """Answer with the kept model until the registry has been asked."""
        self.live = self._shelf.get()
        if self.live:
            log.info("serving the kept model", version=self.live.version)

    def refresh(self) -> None:
        """Follow the alias. Whatever goes wrong, the live model stays and the reason is kept.

        When the alias names what is live already, one small question is all that is asked.
        """
        try:
            champion = self._source.champion()
        except Missing as error:
            # Before the first training that is as it should be; later the live model stays.
            self._note(str(error) if self.live else "")
            return
        except DriftdeskError as error:
            self._note(str(error))
            return
        self._note("")
        if champion is None:
            self._empty()
        elif self.live and (self.live.version, self.live.digest) == (
            champion.version,
            champion.digest,
        ):
            self.refused = self._refused = None
        elif not self._refused_lately(champion):
            self._swap(champion)

    def _empty(self) -> None:
        if self.live:
            log.warning("the registry names no champion any more", version=self.live.version)
            self._shelf.clear()
        self.live = self.refused = self._refused = None

    def _swap(self, champion: Champion) -> None:
        with trace.span("swap", parent=champion.trace, version=champion.version):
            self._swap_to(champion)

    def _swap_to(self, champion: Champion) -> None:
        before = self.live
        try:
            model = self._source.download(champion)
            live = load(model, champion, self._dataset)
        except DriftdeskError as error:
            self._refuse(champion, error)
            return
        self.live = live
        self.refused = self._refused = None
        self.swaps += 1
        log.info("live", version=champion.version, before=before.version if before else None)
        try:
            self._shelf.put(model, champion)
        except OSError as error:
            log.warning("the model cannot be kept on this disk", reason=str(error))

    def _refused_lately(self, champion: Champion) -> bool:
        if self._refused is None:
            return False
        which, at = self._refused
        return which == champion and time.monotonic() - at < _ASK_AGAIN

    def _refuse(self, champion: Champion, error: DriftdeskError) -> None:
        reason = _readable(str(error))
        trace.fail(reason)
        if error.retryable:
            self._note(reason)
            return
        if self.refused != {"version": champion.version, "reason": reason}:
            log.error("refused", version=champion.version, reason=reason)
            self.refusals += 1
        self.refused = {"version": champion.version, "reason": reason}
        self._refused = (champion, time.monotonic())

    def look_again(self) -> None:
        """Forget that a version was refused, so that it is looked at once more."""
        self._refused = None

    def _note(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            log.warning("registry trouble", reason=trouble)
        self.trouble = trouble


def _readable(reason: str) -> str:
    """A reason that fits a page and a log line, whatever a file put into it."""
    text = reason.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "…"


class Follower:
    """The thread that looks at the alias every so often, and at once when it is told to.

    It is apart from the event loop: a registry that hangs, or a model that takes seconds to load,
    holds up no answer.
    """

    def __init__(self, slot: Slot, seconds: float, changed: Callable[[], None]) -> None:
        self._slot = slot
        self._seconds = seconds
        self._changed = changed
        self._look = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name="follower", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def look_now(self) -> None:
        """Look without waiting for the next turn."""
        self._slot.look_again()
        self._look.set()

    def stop(self) -> None:
        """Look no more; one that hangs is left behind with the process."""
        self._stopping = True
        self._look.set()

    def _work(self) -> None:
        while not self._stopping:
            before = (self._slot.live, self._slot.refused)
            try:
                self._slot.refresh()
            except Exception:
                log.exception("following the alias stumbled")  # and goes on with the next look
            if (self._slot.live, self._slot.refused) != before:
                self._changed()
            self._look.wait(self._seconds)
            self._look.clear()
