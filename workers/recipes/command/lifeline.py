"""Runs a command, and kills all its processes when it ends or standard input is closed.

Standard input is the lifeline: a pipe whose other end is held by the job's process. It closes when
the job is stopped, and also when the job's process is killed and cannot clean up. This is a
separate program (`python lifeline.py COMMAND...`), so that it outlives that process.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil

_CHILD_SUBREAPER = 36
"""prctl(2): orphaned descendants become children of this process, which can then find them."""

_TRIES = 200
_PAUSE = 0.01

_GAVE_UP = 125
"""The exit code when the lifeline closed."""


def main() -> None:
    """Run the command of the arguments, and exit with its code (128 + n after signal n)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = subprocess.Popen(  # noqa: S603 - the dataset file names the command
        sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True
    )
    threading.Thread(target=_watch_input, args=(child.pid,), daemon=True).start()
    code = child.wait()
    _end_all(child.pid)
    os._exit(code if code >= 0 else 128 - code)


def _watch_input(group: int) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    _end_all(group)
    os._exit(_GAVE_UP)


def _end_all(group: int) -> None:
    """Kill the command's process group and every descendant, until none is left."""
    me = psutil.Process()
    for _ in range(_TRIES):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        alive = [c for c in me.children(recursive=True) if _is_alive(c)]
        if not alive:
            return
        for process in alive:
            with suppress(psutil.Error):
                process.kill()
        time.sleep(_PAUSE)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


if __name__ == "__main__":
    main()
