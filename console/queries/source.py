"""The source of the batches, tried by the program that reads it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from threading import Lock

from console.desk import Desk
from core.domain.errors import SourceRefused, SourceUnavailable

_SECONDS = 120
_COMMAND = ("-m", "workers", "check-source")
_checking = Lock()


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source's kind and address, whether a batch is known to be there, and a sentence on it."""

    kind: str
    address: str
    new: bool
    note: str


def check(desk: Desk, seconds: float = _SECONDS) -> SourceState:
    """Ask the source what the next batch would be, in a process of the workers' program.

    Whatever the source and its driver do, the process is ended after `seconds`.

    Raises:
        SourceRefused: the workers' program is not installed here, or the source cannot be used.
        SourceUnavailable: there was no answer in time, or another check of this process is open.
    """
    if not _checking.acquire(blocking=False):
        raise SourceUnavailable("The source is being checked already; try again in a moment.")
    try:
        return _check(desk, seconds)
    finally:
        _checking.release()


def _check(desk: Desk, seconds: float) -> SourceState:
    if find_spec("workers") is None:
        raise SourceRefused("The workers' program is not here. Run this where the workers run.")
    s = desk.settings
    where = {  # what the record of a running system may have told
        "DATASET": s.dataset, "DATABASE_URL": s.database, "DATA_API_URL": s.data_api_url,
    }  # fmt: skip
    command = [sys.executable, *_COMMAND]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command, env=os.environ | where, capture_output=True, timeout=seconds, check=False
        )
        lines = done.stdout.decode().splitlines()
        if done.returncode == 0:
            return SourceState(**json.loads(lines[-1]))
    except subprocess.TimeoutExpired as error:
        raise SourceUnavailable(f"The source did not answer in {seconds:g} s.") from error
    except (ValueError, IndexError, TypeError) as error:
        raise SourceRefused("The check printed no answer; see its log.") from error
    words = done.stderr.decode(errors="replace").strip().splitlines()
    raise SourceRefused(words[-1] if words else "The check ended without a word.")
