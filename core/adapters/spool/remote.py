"""The spool as objects at a URL, which workers of every host can read."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog

from core.adapters.filesystem import ObjectStore, modified, open_url
from core.adapters.spool.port import SpoolFile
from core.domain.errors import DiskRefused, DriftdeskError, SpoolDamaged, SpoolUnavailable
from core.domain.safe_text import printable
from core.platform.disk_errors import disk_errors

_BLOCK = 1 << 20
_SPARE_DISK = 16_000_000
_ARRIVING = ".arriving"
_PROBE = ".probe"

log = structlog.get_logger()


class RemoteSpool:
    """Objects at a URL, with a folder of this host in which they are written and parsed."""

    def __init__(self, url: str, local: Path) -> None:
        self.local = local
        self._url = url.rstrip("/")
        self._own: set[str] = set()
        """Names whose bytes in `local` were written or verified by this process."""

    def files(self) -> list[SpoolFile]:
        """Every object, in no order."""
        with self._asking("be listed"):
            try:
                self._fs.invalidate_cache()
                infos = self._fs.ls(self._root, detail=True)
            except FileNotFoundError:  # a folder, on other file systems than object stores
                return []
        return [_spool_file(info) for info in infos if info["type"] == "file"]

    def find(self, name: str) -> SpoolFile | None:
        """One object; None if there is none."""
        with self._asking("be read"):
            try:
                self._fs.invalidate_cache()
                return _spool_file(self._fs.info(self._path(name)))
            except FileNotFoundError:
                return None

    def announce(self, part: str) -> None:
        """Make an object that other workers find if this one dies before the answer is whole."""
        self.touch(part)

    def enter(self, part: Path, whole: str) -> None:
        """Give an answer its final name, here and there; the local one first, for the next run."""
        part.rename(self.local / whole)
        self.put(whole)
        self.delete(part.name)

    def put(self, name: str) -> None:
        """Copy a file of `local` there."""
        source, target = str(self.local / name), self._path(name)
        (self.local / name).stat()
        with self._asking("be written"):
            if isinstance(self._fs, ObjectStore):  # an object appears when its last part arrived
                self._fs.put_file(source, target)
            else:
                self._fs.makedirs(self._root, exist_ok=True)
                self._fs.put_file(source, target + _ARRIVING)
                self._fs.mv(target + _ARRIVING, target)
        self._own.add(name)

    def touch(self, name: str) -> None:
        """Make an empty object."""
        with self._asking("be written"):
            if not isinstance(self._fs, ObjectStore):
                self._fs.makedirs(self._root, exist_ok=True)
            self._fs.pipe_file(self._path(name), b"")

    def rename(self, old: str, new: str) -> None:
        """Give an object another name."""
        with self._asking("be written"):
            self._fs.cp_file(self._path(old), self._path(new))
            self._fs.rm_file(self._path(old))

    def delete(self, name: str) -> None:
        """Delete an object and its local copy, if they are there."""
        with self._asking("be written"), suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))
        self.release(name)

    def bring(self, name: str, size: int, content_hash: str) -> Path:
        """A local copy of an object, whose bytes are verified.

        Raises:
            FileNotFoundError: it is gone.
            SpoolDamaged: it has other bytes than were received.
            DiskRefused: there is no room for it.
        """
        path = self.local / name
        if name in self._own and path.exists():
            return path
        free = shutil.disk_usage(self.local).free
        if free < size + _SPARE_DISK:
            raise DiskRefused(
                f"The batch {name} has {size / 1e6:,.0f} MB, and the disk of DATA_DIR has "
                f"{free / 1e6:,.0f} MB free. Make room; it waits in the spool."
            )
        arriving = path.with_name(f"{name}.arrow")  # the ending of files that are cleared away
        try:
            came, digest = self._download(name, arriving)
            if (came, digest) != (size, content_hash):
                raise SpoolDamaged(
                    f"The spool at {self._shown} has {came:,} other bytes as {name} than the "
                    f"{size:,} that were received (SHA-256 {content_hash[:12]}…). Find out who "
                    "writes to SPOOL_URL."
                )
            arriving.replace(path)
        finally:
            arriving.unlink(missing_ok=True)
        self._own.add(name)
        return path

    @contextmanager
    def borrowed(self, name: str) -> Iterator[Path]:
        """A copy of an object in a folder of its own, deleted afterwards.

        Raises:
            FileNotFoundError: it is gone.
        """
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            self._download(name, path)
            yield path

    def release(self, name: str) -> None:
        """Delete the local copy."""
        self._own.discard(name)
        (self.local / name).unlink(missing_ok=True)

    def try_write(self) -> None:
        """Write, read and delete a small object.

        Raises:
            SpoolUnavailable: one of them fails.
        """
        name = f"{time.time_ns()}{_PROBE}"
        content = b"driftdesk doctor"
        with self._asking("be written"):
            if not isinstance(self._fs, ObjectStore):
                self._fs.makedirs(self._root, exist_ok=True)
            self._fs.pipe_file(self._path(name), content)
        with self._asking("be read"):
            came = self._fs.cat_file(self._path(name))
        self.delete(name)
        if came != content:
            raise SpoolUnavailable(
                f"The spool at {self._shown} returned other bytes than were written."
            )

    def _download(self, name: str, target: Path) -> tuple[int, str]:
        """Copy an object to a file; returns its bytes and SHA-256."""
        digest, size = sha256(), 0
        with self._asking("be read", missing=True):
            opened = self._fs.open(self._path(name), "rb")
        with opened, target.open("wb") as sink:
            while True:
                with self._asking("be read", missing=True):
                    block = opened.read(_BLOCK)
                if not block:
                    return size, digest.hexdigest()
                digest.update(block)
                size += len(block)
                with disk_errors("the batch waits in the spool"):
                    sink.write(block)

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        return open_url(self._url)

    @property
    def _fs(self) -> Any:
        return self._opened[0]

    @property
    def _root(self) -> str:
        return self._opened[1]

    @property
    def _shown(self) -> str:
        return printable(self._url)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _asking(self, what: str, *, missing: bool = False) -> Iterator[None]:
        """Translate what a file system raises; with `missing`, FileNotFoundError passes."""
        try:
            yield
        except DriftdeskError:
            raise
        except ImportError as error:
            raise SpoolUnavailable(
                f"The spool at {self._shown} needs a package that is not installed here "
                f"({printable(str(error))[:200]}). Install it, or correct SPOOL_URL."
            ) from error
        except Exception as error:
            if missing and isinstance(error, FileNotFoundError):
                raise
            log.warning("the spool failed", error=f"{type(error).__name__}: {str(error)[:1000]}")
            reason = printable(str(error).split("\n", 1)[0])[:300]
            raise SpoolUnavailable(
                f"The spool at {self._shown} cannot {what} ({type(error).__name__}: {reason}). "
                "Check SPOOL_URL, that its bucket exists, and the credentials in the environment."
            ) from error


def _spool_file(info: dict[str, Any]) -> SpoolFile:
    name = str(info["name"]).rsplit("/", 1)[-1]
    return SpoolFile(name, int(info.get("size") or 0), modified(info) or time.time())
