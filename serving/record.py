"""The prediction log: written behind the answer, by a thread of its own.

Rows go through the plain drivers: SQLAlchemy would cost this process a second at its start and
tens of megabytes. `core.tables.predictions` owns the table; a contract test holds the two together.
"""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote, urlsplit

import pymysql
import structlog

log = structlog.get_logger()

COLUMNS = ("id", "at", "model_version", "inputs", "prediction", "answer")

_CAPACITY = 20_000
_AT_ONCE = 500
_RETRY_SECONDS = 2.0
_DRAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Record:
    """One answer: `inputs` is the request's row as it came; `beside` is what was said with it."""

    id: str
    at: datetime
    model_version: int
    inputs: dict[str, Any]
    prediction: float
    beside: dict[str, Any]


class PredictionLog:
    """A bounded queue and the thread that empties it into the database.

    While the database is away records wait; when the queue is full new ones are dropped and
    counted in `dropped`. An answer never waits.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._queue: queue.Queue[Record] = queue.Queue(_CAPACITY)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="prediction-log", daemon=True)
        self.dropped = 0

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def add(self, record: Record) -> None:
        """Take a record, or count it as dropped."""
        try:
            self._queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1

    def stop(self) -> None:
        """Write what waits, for a few seconds at most."""
        self._stopping.set()
        self._thread.join(_DRAIN_SECONDS)

    def _work(self) -> None:
        waiting: list[Record] = []
        connection: Any = None
        while waiting or not self._stopping.is_set() or not self._queue.empty():
            waiting = waiting or self._take()
            if not waiting:
                continue
            try:
                connection = connection or _connect(self._url)
                _insert(connection, waiting)
                waiting = []
            except (sqlite3.Error, pymysql.err.Error, OSError) as error:
                log.warning("predictions wait", count=len(waiting), reason=str(error))
                connection = None
                if self._stopping.wait(_RETRY_SECONDS):
                    return
        if connection is not None:
            connection.close()

    def _take(self) -> list[Record]:
        try:
            taken = [self._queue.get(timeout=0.2)]
        except queue.Empty:
            return []
        while len(taken) < _AT_ONCE:
            try:
                taken.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return taken


def _connect(url: str) -> Any:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return sqlite3.connect(parts.path[1:], timeout=30)
    return pymysql.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=parts.path.lstrip("/"),
        charset="utf8mb4",
        connect_timeout=5,
        read_timeout=30,
        write_timeout=30,
    )


def _insert(connection: Any, records: Sequence[Record]) -> None:
    """Insert records once each: one that is there already is passed over."""
    is_sqlite = isinstance(connection, sqlite3.Connection)
    verb, mark = ("INSERT OR IGNORE", "?") if is_sqlite else ("INSERT IGNORE", "%s")
    marks = ", ".join([mark] * len(COLUMNS))
    statement = f"{verb} INTO predictions ({', '.join(COLUMNS)}) VALUES ({marks})"
    rows = [
        (
            r.id,
            r.at.replace(tzinfo=None).isoformat(" ", "microseconds"),
            r.model_version,
            json.dumps(r.inputs),
            r.prediction,
            json.dumps(r.beside) if r.beside else None,
        )
        for r in records
    ]
    cursor = connection.cursor()
    try:
        cursor.executemany(statement, rows)
        connection.commit()
    finally:
        cursor.close()
