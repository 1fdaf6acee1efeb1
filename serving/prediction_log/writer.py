"""Background writer of the prediction log: from the spool to the database."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import msgspec
import structlog

from core.domain.serving_tables import FEEDBACK, PREDICTIONS
from serving.database import Database, DatabaseAway, Row
from serving.prediction_log.spool import Segment, Spool

log = structlog.get_logger()

HEARTBEAT = timedelta(seconds=4)
"""Interval of the row that says that a replica is alive and what it serves."""

_PAUSE = 0.25
_MAX_PAUSE = 5.0
_SMALL_BATCH, _LARGE_BATCH = 100, 500
_BACKLOG_BYTES = 1024 * 1024
_REST_FACTOR = 2.0
"""Pause after a small batch, as a multiple of its duration, while there is no backlog.

On one core a batch of 500 rows delays responses by 10 ms; five small ones with pauses between them
cause no measurable delay.
"""

_DRAIN_SECONDS = 5.0

State = tuple[int | None, str, str]
"""What this replica serves, version and digest, and what it refused, with the reason."""

States = Mapping[str, State]
"""The state of each dataset."""


class _Prediction(msgspec.Struct, tag="p", array_like=True):
    """A prediction in the spool: an array of the letter "p" and these values.

    Files of older versions have no dataset and no caller.
    """

    id: str
    at: str
    model_version: int
    inputs: msgspec.Raw
    prediction: float
    answer: msgspec.Raw
    dataset: str = ""
    caller: str | None = None


class _Feedback(msgspec.Struct, tag="f", array_like=True):
    """A reported actual value, or label, in the spool: an array of the letter "f" and these values.

    Files of older versions have no label and no dataset.
    """

    id: str
    prediction_id: str
    at: str
    source: str
    actual: float | None
    label: str | None = None
    dataset: str = ""


_encode_lines = msgspec.json.Encoder().encode_lines
_decode = msgspec.json.Decoder(_Prediction | _Feedback).decode
_prediction_values = attrgetter(*PREDICTIONS.columns)
_feedback_values = attrgetter(*FEEDBACK.columns)


def now() -> str:
    """The current time as the tables store it: UTC, in microseconds, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def prediction_lines(
    dataset: str, version: int, answers: Iterable[tuple[str, Any, float, Any]], caller: str
) -> bytes:
    """Answers of one version to one caller as lines of the spool.

    Each is its id, the row as received, the prediction, and the rest of the answer.
    """
    at = now()
    return _encode_lines(
        [("p", id_, at, version, *rest, dataset, caller) for id_, *rest in answers]
    )


def feedback_lines(
    dataset: str, entries: Iterable[tuple[str, str, float | None, str | None]], source: str
) -> bytes:
    """Reported actual values as lines of the spool.

    Each is its id, the prediction's id, and the value or the label.
    """
    at = now()
    return _encode_lines(
        [
            _Feedback(id_, of, at, source, actual, label, dataset)
            for id_, of, actual, label in entries
        ]
    )


@dataclass(eq=False)
class Writer:
    """A thread that writes records from the spool to the database, exactly once.

    A record may be inserted again after a failure; its id makes that idempotent. The thread also
    writes the heartbeat of this replica for each dataset of `states()`, and pauses while
    `holds_off()` is true. `first()` is the dataset of records that name none; while there is no
    dataset at all, they wait. `written`, `rejected` and `away` are for the metrics: rows written
    and rejected, and why the database is unreachable.
    """

    spool: Spool
    database: Database
    states: Callable[[], States]
    first: Callable[[], str]
    url: str
    holds_off: Callable[[], bool]
    written: int = 0
    rejected: int = 0
    away: str = ""
    _id: str = ""
    _started: str = ""
    _heartbeat: tuple[datetime, States] | None = None
    _wake: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._thread = threading.Thread(target=self._work, name="prediction-log", daemon=True)

    def start(self, replica_id: str) -> None:
        """Start writing, as the replica of that id."""
        self._id, self._started = replica_id, now()
        self._thread.start()

    def announce(self) -> None:
        """Write a heartbeat now, because the live model has changed."""
        self._wake.set()

    def stop(self) -> None:
        """Write the backlog for a few seconds at most; the rest stays on disk."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(_DRAIN_SECONDS)

    def _work(self) -> None:
        pause = _PAUSE
        while True:
            stopping = self._stopping.is_set()
            try:
                self._write_heartbeat()
                self._drain()
                if stopping:
                    self.database.delete_replica(self._id)
                if self.away:
                    log.info("database reachable again")
                self.away, pause = "", _PAUSE
            except DatabaseAway as error:
                if not self.away:
                    log.warning("database unreachable; records stay on disk", reason=str(error))
                self.away, pause = str(error), min(pause * 2, _MAX_PAUSE)
            except Exception:  # the thread must survive; the records are on disk until written
                log.exception("prediction log writer failed; retrying")
                pause = _MAX_PAUSE
            if stopping:
                break
            self._wake.wait(pause)
            self._wake.clear()
        self.database.close()

    def _drain(self) -> None:
        while (first := self.first()) and (segment := self.spool.take()) is not None:
            self._write_segment(segment, first)
            self.spool.done(segment)
            if not self._stopping.is_set():
                self._write_heartbeat()

    def _write_segment(self, segment: Segment, first: str) -> None:
        try:
            lines = segment.lines()
        except OSError as error:
            log.warning("spool file cannot be read", file=segment.path.name, reason=error.strerror)
            return
        while lines:
            while self.holds_off() and not self._stopping.is_set():
                self._stopping.wait(_PAUSE)
            has_backlog = self._stopping.is_set() or self.spool.size > _BACKLOG_BYTES
            count = _LARGE_BATCH if has_backlog else _SMALL_BATCH
            batch, lines = lines[:count], lines[count:]
            started = time.monotonic()
            predictions, feedback = _rows(batch, first)
            refused = self.database.insert(predictions, feedback)
            written = len(predictions) + len(feedback) - refused
            self.written += written
            self.rejected += len(batch) - written
            if not has_backlog:
                self._stopping.wait(_REST_FACTOR * (time.monotonic() - started))

    def _write_heartbeat(self) -> None:
        states, at = self.states(), datetime.now(UTC)
        last, before = self._heartbeat or (None, {})
        if last and before == states and at - last < HEARTBEAT:
            return
        heard = now()
        self.database.upsert_replica(
            [
                (dataset, self._id, self.url, *state, self._started, heard)
                for dataset, state in states.items()
            ]
        )
        for dataset in before.keys() - states.keys():
            self.database.delete_replica(self._id, dataset)
        self._heartbeat = (at, states)


def _rows(lines: Sequence[bytes], first: str) -> tuple[list[Row], list[Row]]:
    """Lines as rows of the two tables: predictions and feedback."""
    predictions: list[Row] = []
    feedback: list[Row] = []
    for line in lines:
        try:
            record = _decode(line)
            record.dataset = record.dataset or first
            if isinstance(record, _Prediction):
                values = _prediction_values(record)
                row = [_text(v) if type(v) is msgspec.Raw else v for v in values]
                predictions.append(tuple(row))
            else:
                feedback.append(_feedback_values(record))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            log.warning("invalid record in the spool", start=line[:40].decode(errors="replace"))
    return predictions, feedback


def _text(json: msgspec.Raw) -> str | None:
    """JSON as text, and its null as None."""
    text = str(json, "utf-8")
    return None if text == "null" else text
