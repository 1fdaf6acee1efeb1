"""One child: start, readiness, monitoring, restart, stop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from compose.local import remains
from compose.local.children import CannotStart, Child
from compose.local.output import Log, Terminal, relay


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Every wait, in seconds."""

    look: float = 0.1
    """Between two looks at whether a child has ended, and at a gate that has not passed yet."""
    probe: float = 5.0
    """Between two looks at a gate that has passed."""
    silent: float = 30.0
    """How long a child that was ready may not answer before it is killed."""
    again: float = 1.0
    """Before the first restart; doubles with each crash."""
    longest: float = 30.0
    """Before any restart."""
    steady: float = 60.0
    """A child that ran this long did not crash at its start: the count of crashes starts over."""
    stop: float = 10.0
    """Between the request to end and the kill."""
    tries: int = 5
    """Crashes of a child that was never ready before the whole start is called off."""

    def before_start(self, crashes: int) -> float:
        """How long to wait after so many crashes in a row (at least 1)."""
        return float(min(self.longest, self.again * 2 ** min(crashes - 1, 16)))


@dataclass(kw_only=True, eq=False)
class Life:
    """A child's process, its readiness and its output.

    Only `keep` starts processes; once it is cancelled, `stop` ends the last one for good. `born` is
    called after each start.
    """

    child: Child
    marked: str
    env: Mapping[str, str]
    timing: Timing
    terminal: Terminal
    log: Log
    born: Callable[[], None]
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    roots: dict[int, str] = field(default_factory=dict)
    """The pid of the last process, and its start time."""
    _process: subprocess.Popen[bytes] | None = None
    _relay: threading.Thread | None = None

    async def keep(self) -> None:
        """Keep the child alive until cancelled; a one-shot runs until it succeeds.

        Raises:
            CannotStart: it crashed too often before it was ever ready, or a one-shot failed.
        """
        crashes = 0
        while True:
            began = time.monotonic()
            process = self._start()
            ending = await self._monitor(process)
            await self._clean_up()
            if self.child.gate is None and process.returncode == 0:
                self.ready.set()
                return
            crashes = 1 if time.monotonic() - began > self.timing.steady else crashes + 1
            if not self.ready.is_set():
                self._judge(ending, crashes)
            wait = self.timing.before_start(crashes)
            self.terminal.say(f"{self.child.name} {ending}; it starts again in {wait:g} s.")
            await asyncio.sleep(wait)

    async def stop(self, hurry: asyncio.Event) -> None:
        """Terminate it, then kill what is left; `hurry` kills at once."""
        if self._process and self._process.poll() is None and not hurry.is_set():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGTERM)
            deadline = time.monotonic() + self.timing.stop
            while self._process.poll() is None and time.monotonic() < deadline:
                with suppress(TimeoutError):
                    await asyncio.wait_for(hurry.wait(), self.timing.look)
                    break
        await self._clean_up()
        self.log.close()

    def _start(self) -> subprocess.Popen[bytes]:
        if self.child.gate and self.child.gate.file:
            self.child.gate.file.unlink(missing_ok=True)
        try:
            # Not asyncio's: a start that is cancelled half-way would leave a process unknown.
            process = self._process = subprocess.Popen(  # noqa: S603 - commands are our own
                self.child.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**self.env, **self.child.env, remains.VARIABLE: self.marked},
                start_new_session=True,
            )
        except OSError as error:
            raise CannotStart(
                f"{self.child.name} cannot be started: {self.child.command[0]}: {error.strerror}."
            ) from error
        seen = remains.table().get(process.pid)
        self.roots = {process.pid: seen.started if seen else ""}
        self._relay = threading.Thread(
            target=relay,
            args=(process.stdout, self.child.name, self.terminal, self.log),
            daemon=True,
        )
        self._relay.start()
        self.born()
        return process

    async def _monitor(self, process: subprocess.Popen[bytes]) -> str:
        """Wait until it has ended or must be ended; returns the reason."""
        gate, name, timing = self.child.gate, self.child.name, self.timing
        began = answered = next_look = time.monotonic()
        passed = False
        while process.poll() is None:
            if gate and time.monotonic() >= next_look and (gate.lasting or not passed):
                if await asyncio.to_thread(gate.passes):
                    answered = time.monotonic()
                    if not passed:
                        passed = True
                        self.terminal.say(f"{name} is ready ({answered - began:.1f} s).")
                        self.ready.set()
                elif passed and time.monotonic() - answered > timing.silent:
                    return f"has not answered for {timing.silent:g} s and is killed"
                next_look = time.monotonic() + (timing.probe if passed else 0)
            if not passed and time.monotonic() - began > self.child.seconds:
                return f"was not ready after {self.child.seconds:g} s and is killed"
            await asyncio.sleep(timing.look)
        return _ending(process.returncode)

    async def _clean_up(self) -> None:
        """Kill what is left of the process and its descendants, and read the rest of its output."""
        if self._process is None:
            return
        deadline = time.monotonic() + self.timing.stop
        while (left := remains.family(self.marked, self.roots)) or self._process.poll() is None:
            remains.send(left, signal.SIGKILL)
            if time.monotonic() > deadline:
                break  # not even SIGKILL helps against a process that hangs in the kernel
            await asyncio.sleep(0.02)
        if self._relay:
            await asyncio.to_thread(self._relay.join, 1)

    def _judge(self, ending: str, crashes: int) -> None:
        if self.child.gate and crashes < self.timing.tries:
            return
        often = f" for the {crashes}th time before it was ever ready" if self.child.gate else ""
        lines = "".join(f"\n  {line}" for line in self.log.last)
        output = f"Its last lines:{lines}" if lines else "It printed nothing."
        raise CannotStart(f"{self.child.name} {ending}{often}; see {self.log.path}. {output}")


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
