"""Child processes that are measured: started on one core, weighed by /proc, and surely stopped."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]
"""Where the servers run, and where all else does; the same where there is only one."""

COMMON = {"PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true"}
LONGEST_START = 120.0
LAST_LINES = 12


class Trouble(Exception):
    """Something did not start or did not answer; the message is for the person at the terminal."""


class Process:
    """A child in a session of its own, with all that it starts."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        core: int = SERVER_CORE,
        piped: bool = False,
    ) -> None:
        self.name = name
        self.log = folder / f"{name.replace(' ', '-')}.log"
        pipe = subprocess.PIPE if piped else None
        with self.log.open("ab") as log, _pinned(core):
            self.child = subprocess.Popen(
                command,
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or log,
                stderr=log,
                cwd=ROOT,
                env=os.environ
                | {
                    "PYTHONPATH": str(ROOT),
                    "TMPDIR": str(folder),
                    "MLFLOW_DISABLE_TELEMETRY": "true",
                }
                | dict(env or {}),
                start_new_session=True,
                text=piped or None,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it, kindly at first; what it started is killed where that outlives it."""
        if self.child.poll() is None:
            self.child.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.child.wait(15)
        for pid in _session(self.child.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.child.wait()

    def trouble(self, what: str) -> Trouble:
        """An error that shows the end of the log."""
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        tail = "".join(f"\n    {line}" for line in lines) or " (nothing)"
        return Trouble(f"{self.name} {what}; its log ends with:{tail}")

    def ready(self, port: int, path: str, body: Any = None) -> float:
        """Ask until the answer is 200; returns the seconds that this took.

        Raises:
            Trouble: it ended, or did not answer within `LONGEST_START`.
        """
        start = time.perf_counter()
        said = "nothing"
        while time.perf_counter() - start < LONGEST_START:
            if self.child.poll() is not None:
                raise self.trouble(f"ended at its start with {self.child.returncode}")
            with suppress(OSError, http.client.HTTPException):
                status, said = ask(port, path, body)
                if status == 200:
                    return time.perf_counter() - start
            time.sleep(0.005)
        raise self.trouble(f"did not answer within {LONGEST_START:g} s (it said {said:.200})")

    def tree(self) -> set[int]:
        """The child and all that descends from it."""
        parents = {pid: int(fields[1]) for pid, fields in _stats()}
        family = {self.child.pid}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        return family & parents.keys()

    def cpu(self) -> float:
        """Seconds of processor time of the tree since its start, ended children included."""
        family = self.tree()
        return sum(sum(map(int, f[11:15])) for pid, f in _stats() if pid in family) / TICKS

    def rss(self) -> float:
        """Resident memory of the tree in MB."""
        pages = 0
        for pid in self.tree():
            with suppress(OSError):
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * PAGE / 1e6

    def settled(self, seconds: float = 10.0) -> float:
        """Wait until it does nothing any more, such as write a log; its processor time so far."""
        before, deadline = self.cpu(), time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(0.25)
            now = self.cpu()
            if now - before < 1.5 / TICKS:
                break
            before = now
        return self.cpu()


def ask(port: int, path: str, body: Any = None) -> tuple[int, str]:
    """One request: POST where there is a body, GET where there is none; status and answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        if body is None:
            connection.request("GET", path)
        else:
            head = {"Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), head)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    """What is started in here runs on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _stats() -> Iterator[tuple[int, list[str]]]:
    """Of every process: its id, and the fields of /proc/<pid>/stat from its state on."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):
                text = Path(entry.path, "stat").read_text()
                yield int(entry.name), text.rpartition(")")[2].split()


def _session(session: int) -> set[int]:
    return {pid for pid, fields in _stats() if int(fields[3]) == session}
