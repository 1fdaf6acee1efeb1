"""Which processes are ours, whoever their parent is by now, and how to end them.

Every child carries `DRIFTDESK_RUN=<data folder>#<run>#<child>` in its environment, and all that
it starts inherits it: neither a process group of its own, nor a parent that died, hides one.
Where a process's environment cannot be read, what is left to go by is its session, its group,
its ancestors, and the file that names each child with its time of start.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VARIABLE = "DRIFTDESK_RUN"

_PROC = Path("/proc")
_DEAD = ("Z", "X")
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Process:
    """A living process; `started` is comparable with itself only."""

    pid: int
    parent: int
    leaders: frozenset[int]
    """The process group and, where the system tells, the session."""
    started: str


def mark(data_dir: Path, run: str = "", child: str = "") -> str:
    """What `VARIABLE` holds for a child; without the later parts, how it starts."""
    return "#".join([str(data_dir), *([run] if run else []), *([child] if child else [])]) + "#"


def table() -> dict[int, Process]:
    """Every living process of this machine; a zombie is not one."""
    if (_PROC / "self" / "stat").exists():
        found = [_from_proc(entry) for entry in _PROC.iterdir() if entry.name.isdecimal()]
    else:
        # The full path: what is on PATH is not ours to trust while we send signals.
        command = ["/bin/ps", "-axo", "pid=,ppid=,pgid=,stat=,lstart="]
        listed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        found = [_from_ps(line) for line in listed.stdout.splitlines()]
    return {process.pid: process for process in found if process}


def _from_proc(entry: Path) -> Process | None:
    try:
        text = (entry / "stat").read_text(errors="replace")
    except OSError:
        return None  # it ended while we looked
    # proc(5): the name stands in brackets and may hold anything, so count from its end.
    state, parent, group, session, *rest = text.rpartition(")")[2].split()
    if state in _DEAD:
        return None
    leaders = frozenset({int(group), int(session)})
    return Process(int(entry.name), int(parent), leaders, rest[15])


def _from_ps(line: str) -> Process | None:
    pid, parent, group, state, *started = line.split()
    if state.startswith(_DEAD):
        return None
    return Process(int(pid), int(parent), frozenset({int(group)}), " ".join(started))


def family(marked: str, roots: Mapping[int, str]) -> set[int]:
    """The living processes that carry a mark or come from one of the roots; never ourselves.

    `roots` maps a child's pid to its time of start: a pid that meanwhile belongs to somebody
    else does not count.
    """
    processes = table()
    true_roots = {
        pid for pid, at in roots.items() if pid not in processes or processes[pid].started == at
    }
    found = {
        process.pid
        for process in processes.values()
        if process.pid in true_roots
        or process.leaders & true_roots
        or _carries(process.pid, marked)
    }
    while more := {p.pid for p in processes.values() if p.parent in found} - found:
        found |= more
    return found - {os.getpid()}


def _carries(pid: int, marked: str) -> bool:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"\0{VARIABLE}={marked}".encode() in b"\0" + environment


def send(pids: Iterable[int], name: signal.Signals) -> None:
    """Signal each; one that has ended meanwhile needs none."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, name)


def end(find: Callable[[], set[int]], grace: float) -> bool:
    """Ask all that `find` finds to end, and kill what has not after `grace` seconds.

    Returns whether none is left; what starts meanwhile is found too.
    """
    send(find(), signal.SIGTERM)
    asked = time.monotonic()
    while left := find():
        waited = time.monotonic() - asked
        if waited > grace:
            send(left, signal.SIGKILL)
        if waited > grace + 5:
            return False
        time.sleep(_LOOK_SECONDS)
    return True


@dataclass(frozen=True, slots=True)
class RunFile:
    """The file that names what one run has started, for whoever cleans up after it."""

    path: Path

    def write(self, content: Mapping[str, Any]) -> None:
        """Replace it as a whole."""
        write_json(self.path, content)

    def roots(self, marked: str) -> dict[int, str]:
        """Each child's pid and time of start, where the file is of the run that was marked so."""
        try:
            content = json.loads(self.path.read_text())
            if not content["mark"].startswith(marked):
                return {}  # the next run has begun, and its children are not ours to end
            return {int(c["pid"]): str(c["started"]) for c in content["children"].values()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write so that a reader sees the old content or the new, never a part."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=2) + "\n")
    fresh.replace(path)
