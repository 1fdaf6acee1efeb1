"""Records on this disk, from before an answer is given until the database has them.

A record is one line, written whole by one system call before its answer is sent. So whatever
happens to this process, an answer that somebody got is on disk (the disk of a machine that loses
power may lose its last seconds: nothing is flushed for one answer). A line that was cut off
belongs to an answer that was never sent.

Each process writes into a folder of its own, which it holds by a lock; the folders of processes
that are gone are taken over by whoever finds them.
"""

from __future__ import annotations

import fcntl
import os
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger()

SEGMENT_BYTES = 4 * 1024 * 1024
"""A file takes records up to here; then the next one begins."""

_LOCK = "lock"
_ENDING = ".ndjson"


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of records that nobody writes to any more."""

    path: Path
    size: int

    def lines(self) -> list[bytes]:
        """Its records; what stands behind the last line's end was cut off, and is none.

        Raises:
            OSError: the file cannot be read.
        """
        return self.path.read_bytes().split(b"\n")[:-1]


class Spool:
    """The records of this process, and those that gone ones left here.

    `add` may be called from any thread. At most `most_bytes` are kept; `dropped` counts the records
    that found no place, and `trouble` says why the last of them did not.
    """

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._own = folder / str(uuid.uuid4())
        self._most = most_bytes
        self._mutex = threading.Lock()
        self._next = 0
        self._file: int | None = None
        self._good = 0
        self._path = self._own
        self._closed: list[Segment] = []
        self._locks: list[int] = []
        self.size = 0
        self.dropped = 0
        self.trouble = ""

    def open(self) -> None:
        """Take a folder, and take over what gone processes left; without a disk nothing is kept."""
        try:
            self._own.mkdir(parents=True, exist_ok=True)
            self._hold(self._own)
        except OSError as error:
            self._cannot(error)
        self.adopt()

    def add(self, lines: bytes, count: int = 1) -> bool:
        """Keep whole lines, or count them as dropped; says which."""
        with self._mutex:
            if self.size + len(lines) > self._most:
                self._drop(count, "the spool is full")
                return False
            try:
                self._write(lines)
            except OSError as error:
                self._drop(count, error.strerror or type(error).__name__)
                return False
            self.trouble = ""
            return True

    @property
    def has_room(self) -> bool:
        """Whether most of it is free."""
        return self.size * 4 < self._most

    def take(self) -> Segment | None:
        """The oldest records that are not written yet, as a closed file; None without any."""
        with self._mutex:
            if not self._closed and self._good:
                self._close()
            return self._closed[0] if self._closed else None

    def done(self, segment: Segment) -> None:
        """Forget records that the database has."""
        with suppress(OSError):
            segment.path.unlink(missing_ok=True)
        with self._mutex:
            self._closed.remove(segment)
            self.size -= segment.size
        if segment.path.parent != self._own:
            _remove_if_empty(segment.path.parent)

    def adopt(self) -> None:
        """Take over the folders of processes that are gone."""
        try:
            others = sorted(p for p in self._folder.iterdir() if p.is_dir() and p != self._own)
        except OSError:
            return
        for other in others:
            try:
                self._hold(other)
            except OSError:
                continue  # somebody is at work there
            found = [Segment(p, p.stat().st_size) for p in sorted(other.glob(f"*{_ENDING}"))]
            with self._mutex:
                self._closed = found + self._closed
                self.size += sum(s.size for s in found)
            if found:
                log.info("found records of a process that is gone", files=len(found))
            _remove_if_empty(other)

    def close(self) -> None:
        """Let go; what is not written stays for the next process."""
        with self._mutex:
            if self._file is not None:
                self._close()
        if not self._closed:
            _remove_if_empty(self._own)
        for lock in self._locks:
            os.close(lock)
        self._locks.clear()

    def _hold(self, folder: Path) -> None:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise
        self._locks.append(lock)

    def _write(self, lines: bytes) -> None:
        if self._file is None:
            self._own.mkdir(parents=True, exist_ok=True)
            self._path = self._own / f"{self._next:08d}{_ENDING}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._file = os.open(self._path, flags, 0o600)
            self._next += 1
        try:
            written = os.write(self._file, lines)
            if written < len(lines):
                raise OSError(0, "the disk is full")
        except OSError:
            with suppress(OSError):  # half a line must not be the start of the next one
                os.ftruncate(self._file, self._good)
            raise
        self._good += written
        self.size += written
        if self._good >= SEGMENT_BYTES:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
            if self._good:
                self._closed.append(Segment(self._path, self._good))
            else:
                self._path.unlink(missing_ok=True)
            self._good = 0

    def _drop(self, count: int, why: str) -> None:
        self.dropped += count
        if self.trouble != why:
            log.warning("records are dropped", reason=why)
        self.trouble = why

    def _cannot(self, error: OSError) -> None:
        self.trouble = error.strerror or type(error).__name__
        log.warning("no record can be kept on this disk", reason=self.trouble)


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        if not any(folder.glob(f"*{_ENDING}")):
            (folder / _LOCK).unlink(missing_ok=True)
            folder.rmdir()
