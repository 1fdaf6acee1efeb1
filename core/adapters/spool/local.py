"""The spool as a folder, which all workers share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from core.adapters.spool.port import SpoolFile


@dataclass(frozen=True, slots=True)
class LocalSpool:
    """A folder on a disk, which all workers share."""

    local: Path

    def files(self) -> list[SpoolFile]:
        """Every file, in no order."""
        files = []
        for path in self.local.glob("*"):
            with suppress(OSError):  # another process has just deleted it
                about = path.stat()
                if path.is_file():
                    files.append(SpoolFile(path.name, about.st_size, about.st_mtime))
        return files

    def find(self, name: str) -> SpoolFile | None:
        """One file; None if there is none."""
        with suppress(FileNotFoundError):
            about = (self.local / name).stat()
            return SpoolFile(name, about.st_size, about.st_mtime)
        return None

    def announce(self, part: str) -> None:
        """Nothing: the answer's own file tells."""

    def enter(self, part: Path, whole: str) -> None:
        """Give an answer its final name."""
        part.rename(self.local / whole)

    def put(self, name: str) -> None:
        """Nothing: it is there."""

    def touch(self, name: str) -> None:
        """Make an empty file."""
        (self.local / name).touch()

    def rename(self, old: str, new: str) -> None:
        """Give a file another name."""
        (self.local / old).replace(self.local / new)

    def delete(self, name: str) -> None:
        """Delete a file, if it is there."""
        (self.local / name).unlink(missing_ok=True)

    def bring(self, name: str, size: int, content_hash: str) -> Path:  # noqa: ARG002
        """A whole file's path."""
        return self.local / name

    @contextmanager
    def borrowed(self, name: str) -> Iterator[Path]:
        """A path to a file's bytes.

        Raises:
            FileNotFoundError: it is gone.
        """
        path = self.local / name
        path.stat()
        yield path

    def release(self, name: str) -> None:
        """Nothing: there is one copy."""

    def try_write(self) -> None:
        """Nothing: the data folder is tried as such."""
