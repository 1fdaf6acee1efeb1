"""What a spool does, wherever its files are."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SpoolFile:
    """A file of the spool: its bytes, and when it was modified in seconds since 1970."""

    name: str
    size: int
    modified: float


class SpoolFolder(Protocol):
    """The files of the spool by name; `local` is the folder in which they are written and parsed.

    Methods raise SpoolUnavailable where the spool is no local folder and does not answer, and
    OSError where the disk refuses.
    """

    @property
    def local(self) -> Path:
        """The folder of this host."""
        ...

    def files(self) -> list[SpoolFile]:
        """Every file, in no order."""
        ...

    def find(self, name: str) -> SpoolFile | None:
        """One file; None if there is none."""
        ...

    def announce(self, part: str) -> None:
        """Tell other workers that an answer is being received; `local / part` is its file."""
        ...

    def enter(self, part: Path, whole: str) -> None:
        """Give an answer that is whole in `local` its final name, durably.

        Raises:
            FileNotFoundError: another run has taken it.
        """
        ...

    def put(self, name: str) -> None:
        """Make a file of `local` durable for every worker; it appears whole or not at all."""
        ...

    def touch(self, name: str) -> None:
        """Make an empty file."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        ...

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        ...

    def bring(self, name: str, size: int, content_hash: str) -> Path:
        """A whole file's path in `local`.

        Raises:
            FileNotFoundError: it is gone.
            SpoolDamaged: it has other bytes than were received.
        """
        ...

    def borrowed(self, name: str) -> AbstractContextManager[Path]:
        """A context with a path to a file's bytes.

        Raises:
            FileNotFoundError: it is gone.
        """
        ...

    def release(self, name: str) -> None:
        """Delete the local copy of a file that other workers can read."""
        ...

    def try_write(self) -> None:
        """Write, read and delete a small file."""
        ...
