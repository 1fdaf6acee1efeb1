"""The process that holds SQLite's write lock, as far as Linux tells it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from core.domain.safe_text import printable

_WRITE_LOCK = 120
"""The byte of the `-shm` file that a writer locks (sqlite.org/walformat.html, section 2.3.1)."""

_LOCKS = Path("/proc/locks")
_LONGEST = 120
_STOPPED = {"T", "t"}
"""States of a process that a signal or a debugger has stopped."""


@dataclass(frozen=True, slots=True)
class LockHolder:
    """A process and its program; `is_stopped`: a signal or a debugger has stopped it."""

    pid: int
    program: str
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
        words = (folder / "cmdline").read_text(errors="replace").split("\0")
        state = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return None  # it has ended
    return LockHolder(pid, _program(words), state in _STOPPED)


def _program(words: list[str]) -> str:
    """The program and its module or script; what follows may be a secret."""
    shown = words[:3] if words[1:2] == ["-m"] else [w for w in words[:2] if w[:1] != "-"]
    return printable(" ".join(shown).strip())[:_LONGEST]
