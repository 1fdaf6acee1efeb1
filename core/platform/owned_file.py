"""Files that a living process owns by a lock, so that others delete only what dead ones left."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_ATTEMPTS = 5


def own_new(candidate: Callable[[], Path]) -> tuple[Path, int]:
    """Make a file that this process owns; `candidate` gives a new path each time.

    Returns:
        The path and the descriptor that holds the lock.

    Raises:
        OSError: the file cannot be made.
    """
    for _ in range(_ATTEMPTS - 1):
        with suppress(BlockingIOError, FileExistsError, FileNotFoundError):
            path = candidate()
            return path, own(path, os.O_CREAT | os.O_EXCL)
    path = candidate()
    return path, own(path, os.O_CREAT | os.O_EXCL)


def own(path: Path, flags: int = 0) -> int:
    """Open the file with `flags`, lock it, and return its descriptor; the lock ends with that.

    A file is made before it can be locked, and in between another process may take it for one
    that a dead process left, and delete it. So the file counts as owned only if `path` still names
    it when the lock is held.

    Raises:
        BlockingIOError: another process owns the file.
        FileNotFoundError: there is no such file, or another process deleted it meanwhile.
        OSError: the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not names(path, descriptor):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def names(path: Path, descriptor: int) -> bool:
    """Whether the path is still that of the open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False
