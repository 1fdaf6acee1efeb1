"""The programs of a campaign: each in its own process, started again whenever it has ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.stacks import ROOT

MARK = "DRIFTDESK_CAMPAIGN"
"""The variable by which a process of this campaign is recognised, whoever its parent is."""

_LOOK = 0.1


@dataclass
class Program:
    """One program, the command that runs it, and the process that runs now."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    child: subprocess.Popen[bytes] | None = None
    starts: int = 0

    @property
    def pids(self) -> list[int]:
        """The process and all that descend from it, parents first; empty when it has ended."""
        if self.child is None or self.child.poll() is not None:
            return []
        return family(self.child.pid)


class Programs:
    """Runs programs and starts again what has ended, until it is closed."""

    def __init__(self, folder: Path, env: Mapping[str, str], mark: str) -> None:
        self._folder = folder
        self._env = os.environ | dict(env) | {MARK: mark}
        self._mark = mark
        self._all: dict[str, Program] = {}
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name="programs", daemon=True)
        folder.mkdir(parents=True, exist_ok=True)

    def __getitem__(self, name: str) -> Program:
        return self._all[name]

    @property
    def names(self) -> list[str]:
        return list(self._all)

    def log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def start(self, program: Program) -> None:
        """Run it from now on."""
        with self._lock:
            self._all[program.name] = program
            self._run(program)
        if not self._thread.is_alive():
            self._thread.start()

    def _run(self, program: Program) -> None:
        with self.log(program.name).open("ab") as out:
            program.child = subprocess.Popen(
                list(program.command),
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env=self._env | dict(program.env),
                start_new_session=True,
            )
        program.starts += 1

    def _keep(self) -> None:
        while not self._closed.wait(_LOOK):
            with self._lock:
                if self._closed.is_set():
                    return  # it was closed while this waited for the lock
                for program in self._all.values():
                    if program.child is not None and program.child.poll() is not None:
                        self._run(program)

    def strays(self) -> list[int]:
        """Processes of this campaign that belong to no program which runs."""
        ours = {pid for program in self._all.values() for pid in program.pids}
        return sorted(marked(self._mark) - ours)

    def close(self) -> None:
        """End everything, strays included."""
        self._closed.set()
        with self._lock:
            for program in self._all.values():
                if program.child and program.child.poll() is None:
                    send(program.pids, signal.SIGCONT)
                    program.child.terminate()
        deadline = time.monotonic() + 15
        for program in self._all.values():
            if program.child:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    program.child.wait(max(deadline - time.monotonic(), 0.1))
        send(sorted(marked(self._mark)), signal.SIGKILL)
        for program in self._all.values():
            if program.child:
                program.child.wait(15)


def send(pids: Sequence[int], what: signal.Signals) -> None:
    """Send a signal to those that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)


def family(pid: int) -> list[int]:
    """A process and its descendants, parents first."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            after = stat.read_text().rsplit(")", 1)[1].split()
            if after[0] != "Z":
                parents.setdefault(int(after[1]), []).append(int(stat.parent.name))
    members = [pid]
    for member in members:
        members += parents.get(member, [])
    return members


def marked(mark: str) -> set[int]:
    """Every living process that carries the mark in its environment."""
    wanted = f"{MARK}={mark}".encode()
    carriers = set()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in environ.read_bytes().split(b"\0"):
                carriers.add(int(environ.parent.name))
    return carriers
