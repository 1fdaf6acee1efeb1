"""The files of a folder or object store, listed by fsspec.

fsspec and its file systems raise errors of many kinds; they are translated here, once.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from glob import has_magic
from hashlib import sha256
from typing import Any, BinaryIO, cast

from fsspec.implementations.local import LocalFileSystem

from core.adapters.filesystem import bare_etag, open_url
from core.adapters.filesystem import modified as modified_at
from core.domain.errors import SourceRefused, SourceUnavailable
from core.domain.safe_text import printable
from workers.sources.port import LONGEST_ORIGIN, LONGEST_WATERMARK

_VERSIONS = ("ETag", "etag", "md5Hash")
_DIGEST = 64


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as it was listed.

    `origin` is its address, unique among the files; `modified` is in seconds since 1970, None where
    the store does not say it. A file with another `version` may have other content.
    """

    path: str
    origin: str
    size: int
    modified: float | None
    version: str

    @property
    def name(self) -> str:
        """Its name, for a sentence."""
        return printable(self.origin)


class Listing:
    """The files that a pattern or a folder names.

    Raises:
        SourceRefused: no installed file system serves this URL.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            self._fs, self._path = open_url(url)
        except ImportError as error:
            raise SourceRefused(
                f"{url} needs a package that is not installed where the workers run "
                f"({printable(str(error))[:200]})."
            ) from error
        except Exception as error:
            raise SourceRefused(
                f"{url} is no path and no URL that fsspec knows: {words(error)}. Correct url in "
                "the dataset file's [source]."
            ) from error
        self._is_local = isinstance(self._fs, LocalFileSystem)

    def files(self) -> list[RemoteFile]:
        """The regular files, in no order.

        Raises:
            SourceUnavailable: they cannot be listed.
        """
        try:
            self._fs.invalidate_cache()
            if self._is_local:
                self._require_folder()
            is_folder = not has_magic(self._path) or self._fs.isdir(self._path)
            if is_folder and self._fs.isdir(self._path):
                infos = self._fs.ls(self._path, detail=True)
            elif is_folder:
                infos = [self._fs.info(self._path)] if self._fs.isfile(self._path) else []
            else:
                infos = list(self._fs.glob(self._path, detail=True).values())
            return [file for info in infos if (file := self._file(info))]
        except SourceUnavailable:
            raise
        except Exception as error:
            raise SourceUnavailable(
                f"{self._url} cannot be listed: {words(error)}. Check that it can be reached and "
                "read with the worker's credentials; nothing was lost."
            ) from error

    def again(self, file: RemoteFile) -> RemoteFile | None:
        """The file as it is now; None if it is gone.

        Raises:
            OSError: the store does not answer.
        """
        self._fs.invalidate_cache()
        try:
            return self._file(self._fs.info(file.path))
        except FileNotFoundError:
            return None

    def exists(self, path: str) -> bool:
        """Whether there is something at that path.

        Raises:
            SourceUnavailable: the store does not answer.
        """
        try:
            return bool(self._fs.exists(path))
        except Exception as error:
            raise SourceUnavailable(f"{self._url} does not answer: {words(error)}.") from error

    def open(self, file: RemoteFile) -> BinaryIO:
        """Open a file for reading; each store raises errors of its own."""
        return cast("BinaryIO", self._fs.open(file.path, "rb"))

    def _require_folder(self) -> None:
        """Refuse a folder that is not there or not readable; glob would return nothing."""
        folder = self._path
        while has_magic(folder) and not os.path.isdir(folder):  # noqa: PTH112 - fsspec's text
            folder = os.path.dirname(folder)  # noqa: PTH120
        if os.path.isfile(folder):  # noqa: PTH113
            return
        if not os.path.isdir(folder):  # noqa: PTH112
            raise SourceUnavailable(
                f"The folder {printable(folder)} does not exist. Create it, or correct url in the "
                "dataset file's [source]."
            )
        if not os.access(folder, os.R_OK | os.X_OK):
            raise SourceUnavailable(
                f"The folder {printable(folder)} is not readable for the worker. Change its "
                "permissions."
            )

    def _file(self, info: dict[str, Any]) -> RemoteFile | None:
        path = str(info["name"])
        if self._is_local:
            try:
                status = os.stat(path)  # noqa: PTH116 - follows links, which may form a loop
            except OSError:
                return None
            if not stat.S_ISREG(status.st_mode):
                return None
            size, version = status.st_size, str(status.st_mtime_ns)
            modified: float | None = status.st_mtime
        elif info.get("type") != "file":
            return None
        else:
            size, modified = int(info.get("size") or 0), modified_at(info)
            tags = (bare_etag(str(info[key])) for key in _VERSIONS if info.get(key))
            version = next(tags, str(modified))
        address = path if self._is_local else self._fs.unstrip_protocol(path)
        return RemoteFile(path, _origin(address), size, modified, version[:LONGEST_WATERMARK])


def _origin(address: str) -> str:
    """An address that every database can keep, and that stays unique."""
    text = address.encode("utf-8", "backslashreplace").decode()
    if len(text) <= LONGEST_ORIGIN:
        return text
    digest = sha256(text.encode()).hexdigest()
    return f"{text[: LONGEST_ORIGIN - _DIGEST - 1]}#{digest}"


def words(error: Exception) -> str:
    """What an error says in its first line; obstore's others are for programmers."""
    first = str(error).split("\n", 1)[0]
    return f"{type(error).__name__}: {printable(first)[:300]}".rstrip(".: ")
