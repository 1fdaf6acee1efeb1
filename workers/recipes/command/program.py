"""One run of a training command: its output, its limits, and its termination."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NoReturn, cast

import psutil

from core.domain.errors import RecipeFailed
from core.domain.safe_text import printable
from workers.recipes.command import lifeline
from workers.recipes.port import JobContext

_LOOK_EVERY = 0.2
"""Seconds between checks of the program: whether it must stop, its memory, its output."""

_ENDS_WITHIN = 3.0
"""Seconds to wait until a stopped program has ended; all its processes are killed."""

_LONGEST_LINE = 300
_MOST_LINES = 150
"""The maximum number of the program's lines in the job's log."""

_LAST = 5
"""The number of last lines that an error quotes."""

_AT_ONCE = 20
"""The maximum number of lines waiting for the job's log; lines beyond that are dropped."""

_PROGRESS = re.compile(r"progress\s+(\d*\.?\d+)\s*(.*)")
_BY_SIGNAL = 128


@dataclass(slots=True)
class Lines:
    """A program's output, read in a thread so that the program never blocks on it."""

    source: IO[bytes]
    last: deque[str] = field(default_factory=lambda: deque(maxlen=_LAST))
    _new: deque[str] = field(default_factory=lambda: deque(maxlen=_AT_ONCE))
    _progress: tuple[float, str] | None = None
    _logged: int = 0

    def read(self) -> None:
        """Read until the program and all that it started have closed their output."""
        while line := self.source.readline(_LONGEST_LINE):
            text = printable(line.decode("utf-8", "replace").strip())
            if progress := _PROGRESS.fullmatch(text):
                self._progress = min(float(progress[1]), 1.0), progress[2] or "training"
            elif text.strip("^~ "):  # not a line of a traceback that only points
                self.last.append(text)
                self._new.append(text)

    def pass_on(self, context: JobContext) -> None:
        """Give the job the latest progress and the lines that are new."""
        if self._progress:
            latest, self._progress = self._progress, None
            context.progress(*latest)
        while self._new and self._logged < _MOST_LINES:
            self._logged += 1
            context.say(self._new.popleft())
            if self._logged == _MOST_LINES:
                context.say(f"Only {_MOST_LINES} lines of the training command are logged.")

    def quoted(self) -> str:
        """The last lines, as the end of a sentence about a failure."""
        if not self.last:
            return "It printed nothing."
        return f"Its last lines: {' | '.join(self.last)}"


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    context: JobContext,
    *,
    name: str = "",
    setting: str = "TRAINING_SECONDS",
) -> Lines:
    """Run a command to its end; all processes it started have ended when this returns or raises.

    Errors call it `name`; `setting` is the one that has its time limit.

    Raises:
        RecipeFailed: it cannot be started, fails, or exceeds a limit; the message quotes its last
            lines.
        JobCancelled, LeaseLost: the job must stop.
    """
    name = name or named(command)
    _require_startable(command, folder, environment)
    process = subprocess.Popen(  # noqa: S603 - the dataset file names the command
        [sys.executable, "-I", str(lifeline.__file__), *command],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    lifeline_end, output = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    lines = Lines(output)
    reader = threading.Thread(target=lines.read, name="training command", daemon=True)
    reader.start()
    deadline = time.monotonic() + context.seconds
    try:
        while not _has_ended(process):
            context.check()
            lines.pass_on(context)
            if time.monotonic() > deadline:
                _fail(
                    f"did not end within {context.seconds:g} s and was stopped; make it faster, or "
                    f"raise {setting}",
                    name, lines,
                )  # fmt: skip
            if (used := _memory(process.pid, context.memory)) > context.memory:
                _fail(
                    f"used {used / 1e6:,.0f} MB of memory with all that it started and was "
                    f"stopped; use less, or raise TRAINING_MEMORY_MB from "
                    f"{context.memory / 1e6:,.0f}",
                    name, lines,
                )  # fmt: skip
    finally:
        lifeline_end.close()  # the lifeline
        try:
            process.wait(_ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        reader.join(_ENDS_WITHIN)
        if not reader.is_alive():
            output.close()
    lines.pass_on(context)
    if code := process.returncode:
        ended = f"was killed by signal {code - _BY_SIGNAL}" if code > _BY_SIGNAL else ""
        _fail(ended or f"ended with exit code {code}", name, lines)
    return lines


def _fail(what: str, name: str, lines: Lines) -> NoReturn:
    raise failure(name, what, lines)


def named(command: Sequence[str]) -> str:
    """A training command as errors call it."""
    return f"training command {printable(' '.join(command))[:_LONGEST_LINE]}"


def failure(name: str, what: str, lines: Lines) -> RecipeFailed:
    """The error that says what a program did wrong, with its last lines."""
    return RecipeFailed(f"The {name} {what}. {lines.quoted()}")


def _require_startable(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> None:
    """Raise RecipeFailed if the folder or the program is missing."""
    if not folder.is_dir():
        raise RecipeFailed(
            f"training.folder is {printable(str(folder))}, and there is no such folder where the "
            "workers run. Put the training code there, or correct the dataset file."
        )
    program = command[0]
    where = str(folder / program) if "/" in program else program
    if shutil.which(where, path=environment.get("PATH")) is None:
        raise RecipeFailed(
            f"training.command begins with {printable(program)}, and there is no such program "
            "where the workers run. Install it there, or put its folder on PATH."
        )


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has; waits for it a moment."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(_LOOK_EVERY)
        return True
    return False


def _memory(pid: int, limit: int) -> int:
    """The memory of all descendants of a process together, in bytes.

    Resident sets count a shared page once for each process. So where it matters the proportional
    set size (PSS) is used, which divides shared pages among their processes.
    """
    resident, shares = 0, []
    with suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.Error):
                resident += child.memory_info().rss
                shares.append(child)
    if resident <= limit:
        return resident
    used = 0
    for child in shares:
        with suppress(psutil.Error):
            full = child.memory_full_info()
            used += getattr(full, "pss", full.rss)
    return used
