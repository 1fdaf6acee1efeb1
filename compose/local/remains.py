"""Finding the processes of a run, even after their parent died, and ending them.

Every child has `DRIFTDESK_RUN=<data folder>#<run>#<child>` in its environment, and its
descendants inherit it, whatever their process group or parent. If a process's environment cannot be
read, it is found by its session, its group, its ancestors, and the file that records each child
with its start time.
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
    """A living process; `started` is only compared with other values of the same system."""

    pid: int
    parent: int
    leaders: frozenset[int]
    """The process group and, where the system tells, the session."""
    started: str


def mark(data_dir: Path, run: str = "", child: str = "") -> str:
    """The value of `VARIABLE` for a child; without the later parts, its prefix."""
    return "#".join([str(data_dir), *([run] if run else []), *([child] if child else [])]) + "#"


def table() -> dict[int, Process]:
    """Every living process of this machine, without zombies."""
    if (_PROC / "self" / "stat").exists():
        processes = [_from_proc(entry) for entry in _PROC.iterdir() if entry.name.isdecimal()]
    else:
        # The full path, because PATH is not trusted when signals are sent.
        command = ["/bin/ps", "-axo", "pid=,ppid=,pgid=,stat=,lstart="]
        listed = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        processes = [_from_ps(line) for line in listed.stdout.splitlines()]
    return {process.pid: process for process in processes if process}


def _from_proc(entry: Path) -> Process | None:
    try:
        text = (entry / "stat").read_text(errors="replace")
    except OSError:
        return None  # it ended while we looked
    # proc(5): the name is in brackets and may contain anything, so count from its end.
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
    """The living processes with a mark or descending from a root, except this one.

    `roots` maps a child's pid to its start time: a reused pid does not count.
    """
    processes = table()
    true_roots = {
        pid for pid, at in roots.items() if pid not in processes or processes[pid].started == at
    }
    members = {
        p.pid
        for p in processes.values()
        if p.pid in true_roots or p.leaders & true_roots or _carries(p.pid, marked)
    }
    while more := {p.pid for p in processes.values() if p.parent in members} - members:
        members |= more
    return members - {os.getpid()}


def _carries(pid: int, marked: str) -> bool:
    try:
        environment = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"\0{VARIABLE}={marked}".encode() in b"\0" + environment


def send(pids: Iterable[int], name: signal.Signals) -> None:
    """Signal each process; ended ones are ignored."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, name)


def end(find: Callable[[], set[int]], grace: float) -> bool:
    """Terminate the processes of `find`, and kill those left after `grace` seconds.

    Returns whether none is left; processes that start meanwhile are included.
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


def recorded_roots(run_file: Path, marked: str) -> dict[int, str]:
    """Each child's pid and start time by the record of a run, if that is the marked one."""
    try:
        content = json.loads(run_file.read_text())
        if not content["mark"].startswith(marked):
            return {}  # a later run has started: its children are not touched
        return {int(c["pid"]): str(c["started"]) for c in content["children"].values()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a JSON file atomically."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=2) + "\n")
    fresh.replace(path)
