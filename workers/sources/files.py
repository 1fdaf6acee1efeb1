"""The source `files`: each file of a folder or object store is one batch.

A file is known by its origin, size, version and content. New files come first, in their order; then
those that changed after they were received, which the ledger tells from repeats by their content.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TypeVar

import structlog

from core.adapters.filesystem import bare_etag
from core.domain.batches import Batch
from core.domain.errors import (
    DiskRefused,
    DriftdeskError,
    NothingNew,
    SourceRefused,
    SourceUnavailable,
)
from core.domain.safe_text import printable
from core.domain.sources import NO_RESTART, FileOrder, FilesSource, Format, format_of
from workers.sources.file_listing import Listing, RemoteFile, words
from workers.sources.port import MOST_ORIGINS, Known, Progress, Received

_CHUNK = 1 << 20
_SPARE_DISK = 16_000_000
_NAMED = 3
"""How many files a sentence names."""

T = TypeVar("T")

log = structlog.get_logger()


class _Unsettled(Exception):
    """A file cannot be taken now; the message says why."""


@dataclass(slots=True)
class _LeftAlone:
    """Files that were not taken, with the reason for each kind."""

    known: int = 0
    unsettled: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)

    def sentence(self, url: str) -> str:
        """Why there is no next batch."""
        parts = []
        if self.known:
            parts.append(f"{self.known:,} {_files(self.known)} received before")
        if self.unsettled:
            parts.append(f"not complete yet: {_names(self.unsettled)}")
        if self.strange:
            parts.append(f"no ending that names a format, such as .csv: {_names(self.strange)}")
        return f"No new file at {url}" + (f" ({'; '.join(parts)})." if parts else ": it has none.")


class Files:
    """The files that a `[source]` section names; `now` returns seconds since 1970."""

    asks_once = False
    can_restart = False

    def __init__(self, source: FilesSource, now: Callable[[], float] = time.time) -> None:
        self._source = source
        self._now = now

    def fetch(self, part: Path, known: Known, arrived: Progress) -> Received:
        """Copy the next file to `part`, flushed to disk; a file that changes meanwhile is left.

        Raises:
            NothingNew: there is none; the message says why.
            SourceRefused: the URL cannot be used.
            SourceUnavailable: it cannot be listed, or no file is left but unreadable ones.
            DiskRefused: the disk has no room for the next file.
        """
        try:
            with part.open("wb") as spooled:
                listing = Listing(self._source.url)
                left = _LeftAlone()
                for file in self._next(listing, known, left):
                    try:
                        digest = _copy(listing, file, spooled, arrived)
                    except _Unsettled as error:
                        log.warning("a file was left alone", file=file.name, reason=str(error))
                        left.unsettled.append(f"{file.name} {error}")
                    except PermissionError as error:
                        log.warning("a file is not readable", file=file.name, reason=str(error))
                        left.unreadable.append(file.name)
                    else:
                        written_as, compression = self._format(file) or (Format.JSON, "")
                        return Received(
                            part,
                            file.size,
                            digest,
                            written_as,
                            compression,
                            file.origin,
                            file.version,
                        )
                raise self._nothing(left)
        except BaseException:  # whatever ends it, a cancel too: the file is still at its place
            part.unlink(missing_ok=True)
            raise

    def restart(self, waiting: Progress) -> None:  # noqa: ARG002
        """Refuse.

        Raises:
            SourceRefused: always.
        """
        raise SourceRefused(NO_RESTART)

    def check(self, known: Known) -> str:
        """Name the next file, without reading it.

        Raises:
            NothingNew, SourceRefused, SourceUnavailable: see `fetch`.
        """
        left = _LeftAlone()
        for file in self._next(Listing(self._source.url), known, left):
            written_as, compression = self._format(file) or (Format.JSON, "")
            name = printable(file.origin.rsplit("/", 1)[-1])
            return (
                f"The next batch is {name}: {file.size:,} bytes, {written_as.value}{compression}."
            )
        raise self._nothing(left)

    def _nothing(self, left: _LeftAlone) -> DriftdeskError:
        if left.unreadable:
            return SourceUnavailable(
                f"The worker may not read {_names(left.unreadable)}. Change the permissions; every "
                "other file was received."
            )
        return NothingNew(left.sentence(printable(self._source.url)))

    def _next(self, listing: Listing, known: Known, left: _LeftAlone) -> Iterator[RemoteFile]:
        """The files that may be the next batch, best first; the others are noted in `left`."""
        files = sorted(self._files(listing, left), key=self._order)
        new: list[RemoteFile] = []
        changed: list[RemoteFile] = []
        for start in range(0, len(files), MOST_ORIGINS):
            some = files[start : start + MOST_ORIGINS]
            entries = known.of_origins([file.origin for file in some])
            for file in some:
                of_file = entries.get(file.origin, ())
                if not of_file:
                    new.append(file)
                elif _is_received(file, of_file):
                    left.known += 1
                else:
                    changed.append(file)
        for file in chain(new, changed):
            if reason := self._unsettled(listing, file):
                left.unsettled.append(f"{file.name} {reason}")
            else:
                yield file

    def _files(self, listing: Listing, left: _LeftAlone) -> Iterator[RemoteFile]:
        done = self._source.done_suffix
        for file in listing.files():
            if done and file.path.endswith(done):
                continue
            if self._format(file):
                yield file
            else:
                left.strange.append(file.name)

    def _order(self, file: RemoteFile) -> tuple[float, str]:
        by_time = self._source.order is FileOrder.TIME and file.modified is not None
        return (file.modified or 0.0 if by_time else 0.0, file.origin)

    def _unsettled(self, listing: Listing, file: RemoteFile) -> str:
        """Why a file may still be in the making; empty if it is complete.

        A time far in the future says nothing about that, so it does not hold the file up for good.
        """
        settle, done = self._source.settle_seconds, self._source.done_suffix
        age = None if file.modified is None else self._now() - file.modified
        if age is not None and abs(age) < settle:
            return f"changed within the last {settle:g} s"
        if done and not listing.exists(f"{file.path}{done}"):
            return f"has no {done} file"
        return ""

    def _format(self, file: RemoteFile) -> tuple[Format, str] | None:
        """The format and compression; None where neither the name nor the section says it."""
        named, compression = format_of(file.path.rsplit("/", 1)[-1])
        written_as = self._source.format or named
        return (written_as, compression) if written_as else None


def _is_received(file: RemoteFile, entries: Sequence[Batch]) -> bool:
    # Entries of before ETags were compared bare have them as the store wrote them.
    return any(b.bytes == file.size and bare_etag(b.watermark) == file.version for b in entries)


def _copy(listing: Listing, file: RemoteFile, spooled: BinaryIO, arrived: Progress) -> str:
    """Copy a file that does not change meanwhile, flushed to disk; returns its SHA-256 in hex.

    Raises:
        _Unsettled: it changed or vanished.
        PermissionError: it may not be read.
        SourceUnavailable: the store does not answer.
        DiskRefused: it does not fit on the disk.
    """
    free = shutil.disk_usage(Path(spooled.name).parent).free
    if free < file.size + _SPARE_DISK:
        raise DiskRefused(
            f"{file.name} has {file.size / 1e6:,.0f} MB and the disk of DATA_DIR {free / 1e6:,.0f} "
            "MB free. Make room; the file is still at its place."
        )
    spooled.seek(0)
    spooled.truncate()
    digest, size = sha256(), 0
    for block in _blocks(listing, file):
        size += len(block)
        if size > file.size:
            raise _Unsettled("grew while it was read")
        digest.update(block)
        spooled.write(block)
        arrived(size, file.size)
    now = _reading(file, lambda: listing.again(file))
    if now is None:
        raise _Unsettled("vanished while it was read")
    if (now.size, now.version, size) != (file.size, file.version, file.size):
        raise _Unsettled("changed while it was read")
    spooled.flush()
    os.fsync(spooled.fileno())
    return digest.hexdigest()


def _blocks(listing: Listing, file: RemoteFile) -> Iterator[bytes]:
    with _reading(file, lambda: listing.open(file)) as opened:
        while block := _reading(file, lambda: opened.read(_CHUNK)):
            yield block


def _reading(file: RemoteFile, read: Callable[[], T]) -> T:
    """Read from the store, with its errors translated; errors of our disk stay as they are."""
    try:
        return read()
    except FileNotFoundError as error:
        raise _Unsettled("vanished before it was read") from error
    except PermissionError:
        raise
    except Exception as error:
        raise SourceUnavailable(
            f"{file.name} could not be read ({words(error)}). It is read again with the next "
            "ingest."
        ) from error


def _names(files: Sequence[str]) -> str:
    more = f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else ""
    return ", ".join(files[:_NAMED]) + more


def _files(number: int) -> str:
    return "file" if number == 1 else "files"
