"""A file's bytes as they were before it was compressed, as a stream with a bound."""

from __future__ import annotations

import gzip
import os
import zlib
from contextlib import ExitStack
from types import TracebackType
from typing import IO, Any, Self

import pyarrow as pa

from core.adapters.readers.port import BatchFile
from core.domain.errors import BatchUnreadable

PACKED = {".gz": "gzip", ".zst": "Zstandard"}
"""The endings of compressed files, and what the formats are called."""


class DecompressedTooLarge(BatchUnreadable):
    """A compressed file has more bytes once decompressed than are read."""


class ByteStream:
    """Reads a file in blocks; one that ends in `.gz` or `.zst` is decompressed on the way."""

    def __init__(self, file: BatchFile, most_bytes: int) -> None:
        """Open the file; decompressed, it may have at most `most_bytes`."""
        self._packed = PACKED.get(file.suffix)
        self._most = most_bytes
        self._read = 0
        self._open = ExitStack()
        self._raw = self._open.enter_context(file.open("rb"))
        self._size = self._raw.seek(0, os.SEEK_END)
        self._raw.seek(0)
        self._file: IO[bytes] | Any = self._raw
        if file.suffix == ".gz":
            self._file = self._open.enter_context(gzip.GzipFile(fileobj=self._raw))
        elif file.suffix == ".zst" and self._size:
            source = pa.PythonFile(self._raw, mode="r")
            self._file = self._open.enter_context(pa.CompressedInputStream(source, "zstd"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    @property
    def share(self) -> float:
        """The share of the file that has been read, from 0 to 1."""
        return min(self._raw.tell() / self._size, 1.0) if self._size else 1.0

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end.

        Raises:
            BatchUnreadable: the compressed data are damaged or break off, or exceed the bound.
        """
        if not self._packed:
            return self._raw.read(size)
        try:
            block = bytes(self._file.read(size))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise self._damaged(error) from error
        except OSError as error:
            if error.errno is not None:
                raise  # the disk's fault, not the file's
            raise self._damaged(error) from error
        self._read += len(block)
        if self._read > self._most:
            raise DecompressedTooLarge(
                f"The batch has more than {self._most:,} bytes once decompressed "
                "(FILE_MAX_MB). Split the file, or raise the setting."
            )
        return block

    def _damaged(self, error: Exception) -> BatchUnreadable:
        return BatchUnreadable(
            f"The batch is no whole {self._packed} file: after {self._read:,} decompressed bytes, "
            f"{str(error).rstrip('.')[:200]}. Deliver the file again, complete."
        )
