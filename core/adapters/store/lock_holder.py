"""The process that holds SQLite's write lock, as far as Linux tells it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_WRITE_LOCK = 120
"""The byte of the `-shm` file that a writer locks (sqlite.org/walformat.html, section 2.3.1)."""

_LOCKS = Path("/proc/locks")
_STOPPED = {"T", "t"}
"""States of a process that a signal or a debugger has stopped."""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A process with its command; `is_stopped` says that a signal or a debugger has stopped it."""

    pid: int
    command: str
    is_stopped: bool


def write_lock_holder(database: str) -> LockHolder | None:
    """Who holds the write lock of a database file in WAL mode.

    None: nobody, this process itself, or it cannot be told. The lock is read from the kernel's
    list: to open the file here would give up the locks that this process holds on it.
    """
    try:
        inode = Path(f"{database}-shm").stat().st_ino
        held = _LOCKS.read_text(encoding="ascii")
    except OSError:
        return None
    for line in held.splitlines():
        pid = _writer(line.split()[1:], inode)
        if pid and pid != os.getpid():
            return _process(pid)
    return None


def _writer(lock: list[str], inode: int) -> int:
    """The process of a line of /proc/locks if it holds the write lock, else 0."""
    if lock[:1] != ["POSIX"] or lock[2] != "WRITE" or lock[4].rpartition(":")[2] != str(inode):
        return 0
    first, last = lock[5:7]
    if int(first) <= _WRITE_LOCK and (last == "EOF" or int(last) >= _WRITE_LOCK):
        return max(int(lock[3]), 0)  # one of another container has no number here
    return 0


def _process(pid: int) -> LockHolder | None:
    folder = Path("/proc") / str(pid)
    try:
        command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        state = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return None  # it has ended
    return LockHolder(pid, command.strip(), state in _STOPPED)
