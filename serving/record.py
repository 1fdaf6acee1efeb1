"""The prediction log: spooled to this disk before an answer, written to the database behind it.

Rows go through the plain drivers: SQLAlchemy would cost this process a second at its start and
tens of megabytes. `core.tables` owns the tables; a contract test holds the two together.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog

from serving.database import Database, DatabaseAway
from serving.spool import Segment, Spool

log = structlog.get_logger()

HEARTBEAT = timedelta(seconds=4)
"""How often a replica says that it is alive, and what it serves."""

_PAUSE = 0.25
_LONGEST_PAUSE = 5.0
_GENTLY, _AT_ONCE = 100, 500
_BEHIND_BYTES = 1024 * 1024
_REST = 2.0
"""How long the writer rests after a lot, in times of what that took, while it is not behind.

On one core a lot of 500 rows holds up the answers for ten milliseconds; five small ones with rests
between them do not show.
"""

_DRAIN_SECONDS = 5.0

_PREDICTION, _FEEDBACK = "p", "f"


@dataclass(frozen=True, slots=True)
class State:
    """What this replica serves: a version and its file's digest, or what it refused, and why."""

    version: int | None
    digest: str
    refused: str


class _Line(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A record as it stands in the spool: its kind, then the columns of its table."""

    kind: str
    id: str
    second: str
    third: int | str
    inputs: msgspec.Raw
    prediction: float
    answer: msgspec.Raw


def now() -> str:
    """The time as the tables keep it: UTC to the microsecond, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def prediction_lines(version: int, answers: Iterable[tuple[str, Any, float, Any]]) -> bytes:
    """Answers of one version as lines of the spool.

    Each is its id, the request's row as it came, the prediction, and what was said beside it.
    """
    at = now()
    return _encode_lines([(_PREDICTION, id_, at, version, *rest) for id_, *rest in answers])


def feedback_line(id_: str, prediction_id: str, actual: float, at: str, source: str) -> bytes:
    """One actual value as a line of the spool."""
    return _encode_lines([(_FEEDBACK, id_, prediction_id, at, source, actual, None)])


_encode_lines = msgspec.json.Encoder().encode_lines
_lines = msgspec.json.Decoder(_Line)


class Writer:
    """The thread that brings records from the spool to the database, each of them once.

    A record may be sent again after a failure; its id keeps it from being there twice. The same
    thread says every few seconds that this replica is alive. `written`, `lag` and `away` are for
    the metrics: rows written, seconds since the spool was last empty, and why the database is not
    reached.
    """

    def __init__(
        self,
        spool: Spool,
        database: Database,
        state: Callable[[], State],
        url: str,
        *,
        holds_off: Callable[[], bool] = lambda: False,
    ) -> None:
        """`holds_off` says whether there is something more urgent to do than to write."""
        self._holds_off = holds_off
        self._spool = spool
        self._database = database
        self._state = state
        self._url = url
        self._id = self._started = ""
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prediction-log", daemon=True)
        self._told: tuple[datetime, State] | None = None
        self.written = 0
        self.rejected = 0
        self.away = ""

    def start(self, replica_id: str) -> None:
        """Begin to write, as the replica of that id."""
        self._id, self._started = replica_id, now()
        self._thread.start()

    def tell(self) -> None:
        """What is served has changed: say so without waiting for the next heartbeat."""
        self._wake.set()

    def stop(self) -> None:
        """Write what waits, for a few seconds at most; the rest stays on disk."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(_DRAIN_SECONDS)

    def _work(self) -> None:
        pause = _PAUSE
        while True:
            stopping = self._stopping.is_set()
            try:
                self._beat(leaving=False)
                self._drain()
                if stopping:
                    self._beat(leaving=True)
                if self.away:
                    log.info("the database is back")
                self.away, pause = "", _PAUSE
            except DatabaseAway as error:
                if not self.away:
                    log.warning("records wait for the database", reason=str(error))
                self.away, pause = str(error), min(pause * 2, _LONGEST_PAUSE)
            except Exception:
                log.exception("the prediction log stumbled")  # and goes on: it has no other chance
                pause = _LONGEST_PAUSE
            if stopping:
                break
            self._wake.wait(pause)
            self._wake.clear()
        self._database.close()

    def _drain(self) -> None:
        while (segment := self._spool.take()) is not None:
            self._deliver(segment)
            self._spool.done(segment)
            if self._stopping.is_set():
                continue
            self._beat(leaving=False)

    def _deliver(self, segment: Segment) -> None:
        try:
            lines = segment.lines()
        except OSError as error:
            log.warning("records cannot be read", file=segment.path.name, reason=error.strerror)
            return
        while lines:
            while self._holds_off() and not self._stopping.is_set():
                self._stopping.wait(_PAUSE)
            is_behind = self._stopping.is_set() or self._spool.size > _BEHIND_BYTES
            count = _AT_ONCE if is_behind else _GENTLY
            lot, lines = lines[:count], lines[count:]
            began = time.monotonic()
            predictions, feedback = _rows(lot)
            refused = self._database.insert(predictions, feedback)
            written = len(predictions) + len(feedback) - refused
            self.written += written
            self.rejected += len(lot) - written
            if not is_behind:
                self._stopping.wait(_REST * (time.monotonic() - began))

    def _beat(self, *, leaving: bool) -> None:
        state, at = self._state(), datetime.now(UTC)
        if leaving:
            self._database.forget(self._id)
            return
        if self._told and self._told[1] == state and at - self._told[0] < HEARTBEAT:
            return
        told = (self._id, self._url, state.version, state.digest, state.refused)
        self._database.beat((*told, self._started, now()))
        self._told = (at, state)


def _rows(lines: Sequence[bytes]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Lines as rows of the two tables: predictions and feedback."""
    predictions, feedback = [], []
    for line in lines:
        try:
            kept = _lines.decode(line)
            inputs, answer = bytes(kept.inputs).decode(), bytes(kept.answer).decode()
            source = msgspec.json.decode(kept.inputs, type=str) if kept.kind == _FEEDBACK else ""
        except (msgspec.MsgspecError, UnicodeDecodeError):
            log.warning("a record on disk is none", start=line[:40].decode(errors="replace"))
            continue
        if kept.kind == _FEEDBACK:
            feedback.append((kept.id, kept.second, kept.prediction, kept.third, source))
            continue
        said = None if answer == "null" else answer
        predictions.append((kept.id, kept.second, kept.third, inputs, kept.prediction, said))
    return predictions, feedback
