"""Prediction log on local disk, from before an answer is sent until the database has the record.

A record is one line, written by a single system call before its answer is sent, so a crash of this
process loses no record of a sent answer (there is no fsync: a power failure may lose the last
seconds). A partial line belongs to an answer that was never sent.

Each process locks and writes a folder of its own, and adopts the folders of dead processes.
"""

from __future__ import annotations

import os
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from core.platform.owned_file import names, own, own_new

log = structlog.get_logger()

SEGMENT_BYTES = 4 * 1024 * 1024
"""Size at which a segment is closed and the next one started."""

_LOCK = "lock"
_SEGMENTS = "*.ndjson"


@dataclass(frozen=True, slots=True)
class Segment:
    """A closed file of records."""

    path: Path
    size: int

    def lines(self) -> list[bytes]:
        """Its records; a trailing partial line is dropped.

        Raises:
            OSError: the file cannot be read.
        """
        return self.path.read_bytes().split(b"\n")[:-1]


class Spool:
    """The unwritten records of this process and of dead ones.

    `add` is thread-safe. At most `most_bytes` are stored; `dropped` counts the records beyond that,
    and `trouble` is the reason for the last drop.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._own = folder
        self._most = most_bytes
        self._mutex = threading.Lock()
        self._next = 0
        self._file: int | None = None
        self._file_size = 0
        self._path = self._own
        self._closed: list[Segment] = []
        self._locks: list[int] = []
        self._own_lock: int | None = None
        self.size = 0
        self.dropped = 0
        self.trouble = ""

    def open(self) -> None:
        """Create and lock a folder, and adopt those of dead processes; log if the disk fails."""
        try:
            self._claim()
        except OSError as error:
            self.trouble = _reason(error)
            log.warning("the prediction log cannot be written to disk", reason=self.trouble)
        self._adopt()

    def add(self, lines: bytes, count: int = 1) -> bool:
        """Store complete lines; False if they were dropped."""
        with self._mutex:
            try:
                if self.size + len(lines) > self._most:
                    raise OSError(0, "the spool is full")
                self._write(lines)
            except OSError as error:
                self.dropped += count
                if self.trouble != _reason(error):
                    log.warning("records dropped", reason=_reason(error))
                self.trouble = _reason(error)
                return False
            self.trouble = ""
            return True

    @property
    def has_room(self) -> bool:
        """Whether at least three quarters are free."""
        return self.size * 4 < self._most

    def take(self) -> Segment | None:
        """The oldest unwritten records, as a closed segment; None if there are none."""
        with self._mutex:
            if not self._closed and self._file_size:
                self._close()
            return self._closed[0] if self._closed else None

    def done(self, segment: Segment) -> None:
        """Delete a segment that the database has."""
        with suppress(OSError):
            segment.path.unlink(missing_ok=True)
        with self._mutex:
            self._closed.remove(segment)
            self.size -= segment.size
        if segment.path.parent != self._own:
            _remove_if_empty(segment.path.parent)

    def _adopt(self) -> None:
        """Adopt the folders of dead processes."""
        try:
            others = sorted(p for p in self._folder.iterdir() if p.is_dir() and p != self._own)
        except OSError:
            return
        for other in others:
            try:
                self._locks.append(own(other / _LOCK, os.O_CREAT))
            except OSError:
                continue  # its process is alive
            segments = [Segment(p, p.stat().st_size) for p in sorted(other.glob(_SEGMENTS))]
            with self._mutex:
                self._closed = segments + self._closed
                self.size += sum(s.size for s in segments)
            if segments:
                log.info("adopted records of a dead process", files=len(segments))
            _remove_if_empty(other)

    def close(self) -> None:
        """Release the folder; unwritten records stay for the next process."""
        with self._mutex:
            self._close()
        if not self._closed:
            _remove_if_empty(self._own)
        for lock in self._locks:
            os.close(lock)
        self._locks.clear()

    def _claim(self) -> None:
        """Make and lock a folder of our own, unless we have one that nobody deleted."""
        if self._own_lock is not None and names(self._own / _LOCK, self._own_lock):
            return
        path, self._own_lock = own_new(self._candidate)
        self._own = path.parent
        self._locks.append(self._own_lock)

    def _candidate(self) -> Path:
        folder = self._folder / str(uuid.uuid4())
        folder.mkdir(parents=True)
        return folder / _LOCK

    def _write(self, lines: bytes) -> None:
        if self._file is None:
            self._claim()
            self._path = self._own / f"{self._next:08d}.ndjson"
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._file = os.open(self._path, flags, 0o600)
            self._next += 1
        try:
            written = os.write(self._file, lines)
            if written < len(lines):
                raise OSError(0, "the disk is full")
        except OSError:
            with suppress(OSError):  # a partial line must not prefix the next record
                os.ftruncate(self._file, self._file_size)
            raise
        self._file_size += written
        self.size += written
        if self._file_size >= SEGMENT_BYTES:
            self._close()

    def _close(self) -> None:
        if self._file is None:
            return
        os.close(self._file)
        self._file = None
        if self._file_size:
            self._closed.append(Segment(self._path, self._file_size))
        else:
            self._path.unlink(missing_ok=True)
        self._file_size = 0


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        if not any(folder.glob(_SEGMENTS)):
            (folder / _LOCK).unlink(missing_ok=True)
            folder.rmdir()
