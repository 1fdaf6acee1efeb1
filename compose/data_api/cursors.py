"""Which batch each group gets next."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class StateError(Exception):
    """The file of cursors cannot be used; the message says why."""


class Cursors:
    """The number of the next batch by group, kept in a file where one is given.

    Invariants: a move is on disk before `move` returns; the file is replaced as a whole.

    Raises:
        StateError: the file is there, and holds no cursors; or its folder is not there.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Start from the file, or at batch 0 for every group."""
        self._path = path
        self._next: dict[int, int] = {}
        if path is None:
            return
        if not path.absolute().parent.is_dir():
            raise StateError(f"The folder of {path} is not there.")
        if path.exists():
            self._next = _read(path)

    def at(self, group: int) -> int:
        """The number of the batch that group gets next."""
        return self._next.get(group, 0)

    def move(self, group: int, to: int) -> None:
        """Give that group the batch `to` next."""
        self._next[group] = to
        if self._path is not None:
            text = json.dumps({str(group): self._next[group] for group in sorted(self._next)})
            draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
            draft.write_text(text + "\n", encoding="utf-8")
            draft.replace(self._path)


def _read(path: Path) -> dict[int, int]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        cursors = {int(group): cursor for group, cursor in document.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise StateError(f"The cursors in {path} cannot be read: {error}.") from error
    if not all(type(cursor) is int and cursor >= 0 for cursor in cursors.values()):
        raise StateError(f"{path} must give each group a batch number of 0 or above.")
    return cursors
