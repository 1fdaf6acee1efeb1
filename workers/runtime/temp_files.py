"""Temporary files of a worker or the reconciler, which are deleted also when it is killed.

A job that is killed leaves what it had in its temporary folder: a model on its way to MLflow, rows
on their way to the database. So each worker has a folder of its own below the system's temporary
folder, empties it after each job, and deletes the folders of workers that are gone. The reconciler
fetches models to score them, and has such a folder as well.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from pathlib import Path

import structlog

from core.platform.owned_file import names, own, own_new

_PREFIX = "driftdesk-worker-"
_LOCK = ".lock"

log = structlog.get_logger()


class Scratch:
    """The temporary folder of one worker and of the jobs that it forks.

    The lock on it is shared with forked jobs, so a folder is deleted by another worker only when
    neither the worker nor a job of it is left.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or Path(tempfile.gettempdir())
        self.folder = self._root
        self._held: int | None = None

    def open(self) -> None:
        """Make the folder, let `tempfile` use it in this process and its children, and tidy up.

        A disk that is full or read-only leaves everything as it was: temporary files then go
        where the system puts them.
        """
        if self._make():
            self._delete_abandoned()

    def keep(self) -> None:
        """Make the folder again if somebody deleted it, as systems do with old temporary files."""
        if self._held is not None and not names(self.folder / _LOCK, self._held):
            self._release(self._held)
            self._make()

    def empty(self) -> None:
        """Delete what the last job left, and the folders of workers that are gone.

        Call it when no job of this worker runs.
        """
        self.keep()
        if self._held is None:
            return
        for path in self.folder.iterdir():
            if path.name != _LOCK:
                _delete(path)
        self._delete_abandoned()

    def close(self) -> None:
        """Delete the folder, and let `tempfile` choose again."""
        if self._held is None:
            return
        shutil.rmtree(self.folder, ignore_errors=True)
        self._release(self._held)

    def _make(self) -> bool:
        """Whether there is a folder of our own now."""
        try:
            lock, self._held = own_new(self._candidate)
        except OSError as error:
            log.warning("no temporary folder of our own", below=str(self._root), reason=str(error))
            return False
        self.folder = lock.parent
        tempfile.tempdir = os.environ["TMPDIR"] = str(self.folder)
        return True

    def _candidate(self) -> Path:
        folder = self._root / f"{_PREFIX}{uuid.uuid4().hex}"
        folder.mkdir(mode=0o700)
        return folder / _LOCK

    def _release(self, lock: int) -> None:
        os.close(lock)
        self._held = None
        self.folder = self._root
        tempfile.tempdir = None
        os.environ["TMPDIR"] = str(self._root)

    def _delete_abandoned(self) -> None:
        for other in self._root.glob(f"{_PREFIX}*"):
            if other == self.folder:
                continue
            try:
                lock = own(other / _LOCK, os.O_CREAT)
            except OSError:  # its worker, or a job of it, runs; or it is another user's
                continue
            shutil.rmtree(other, ignore_errors=True)
            os.close(lock)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    try:
        path.unlink()
    except OSError as error:
        log.warning("a temporary file cannot be deleted", file=path.name, reason=str(error))
