"""The next batch of each group."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, TypeAdapter

if TYPE_CHECKING:
    from pathlib import Path

_FORM = TypeAdapter(dict[int, Annotated[int, Field(ge=0, strict=True)]])


class StateError(Exception):
    """The file of cursors cannot be used; the message has the reason."""


class Cursors:
    """The number of the next batch by group, persisted if a file is given.

    Invariants: a move is on disk before `move` returns; the file is replaced as a whole.

    Raises:
        StateError: the file is invalid, or its folder does not exist.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Start from the file, or at batch 0 for every group."""
        self._path = path
        self._next: dict[int, int] = {}
        if path and not path.absolute().parent.is_dir():
            raise StateError(f"The folder of {path} does not exist.")
        try:
            if path and path.exists():
                self._next = _FORM.validate_json(path.read_bytes())
        except (OSError, ValueError) as error:
            raise StateError(f"{path} must give each group a batch number, 0 or above.") from error

    def at(self, group: int) -> int:
        """The number of the group's next batch."""
        return self._next.get(group, 0)

    def move(self, group: int, to: int) -> None:
        """Set the group's next batch."""
        self._next[group] = to
        if self._path:
            draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.new")
            draft.write_bytes(_FORM.dump_json(self._next))
            draft.replace(self._path)
