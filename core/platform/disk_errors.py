"""Translates disk errors into sentences for the operator."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from core.domain.errors import DiskRefused

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BY_DISK = _FULL | {errno.EROFS, errno.EIO}
"""Errors of disks only; others, such as ECONNRESET, may come from a network."""


@contextmanager
def disk_errors(consequence: str, *, all_errors: bool = True) -> Iterator[None]:
    """Translate an `OSError` into a sentence with its `consequence`.

    Without `all_errors`, only errors that only disks raise are translated.

    Raises:
        DiskRefused: the disk is full or not writable.
    """
    try:
        yield
    except OSError as error:
        if not all_errors and error.errno not in _BY_DISK:
            raise
        place = f" at {error.filename}" if error.filename else ""
        reason = os.strerror(error.errno) if error.errno else error
        if error.errno in _FULL:
            message = (
                f"The disk is full ({reason}{place}); {consequence}. Free some space and try again."
            )
        else:
            message = f"The disk refused ({reason}{place}); {consequence}. Check the folder."
        raise DiskRefused(message) from error
