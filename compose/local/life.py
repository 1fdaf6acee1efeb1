"""One child through all its lives: start, gate, watch, start again, stop."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from compose.local import remains
from compose.local.children import Child
from compose.local.errors import CannotStart
from compose.local.output import Log, Terminal, relay


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Every wait, in seconds."""

    look: float = 0.1
    """Between two looks at whether a child has ended, and at a gate that has not passed yet."""
    probe: float = 5.0
    """Between two looks at a gate that has passed."""
    silent: float = 30.0
    """How long a child that was ready may not answer before it is killed."""
    again: float = 1.0
    """Before the first new start; doubles with each crash."""
    longest: float = 30.0
    steady: float = 60.0
    """A life this long is a success: counting crashes starts over."""
    stop: float = 10.0
    """Between asking a child to end and killing it."""
    tries: int = 5
    """Crashes of a child that was never ready before the whole start is called off."""

    def before_start(self, crashes: int) -> float:
        """How long to wait after so many crashes in a row (at least 1)."""
        return float(min(self.longest, self.again * 2 ** min(crashes - 1, 16)))


class Life:
    """A child's process, whether it is ready, and what it has said.

    Only `keep` starts processes; once it is cancelled, `stop` ends the last one for good.
    """

    def __init__(
        self,
        child: Child,
        *,
        marked: str,
        env: Mapping[str, str],
        patience: Patience,
        terminal: Terminal,
        log: Log,
        born: Callable[[], None],
    ) -> None:
        self.child = child
        self.ready = asyncio.Event()
        self.pid: int | None = None
        self.started = ""
        self._marked = marked
        self._env = {**env, **child.env, remains.VARIABLE: marked}
        self._patience = patience
        self._terminal = terminal
        self._log = log
        self._born = born
        self._process: subprocess.Popen[bytes] | None = None
        self._relay: asyncio.Task[None] | None = None

    async def keep(self) -> None:
        """Keep the child alive until cancelled; a one-shot ends well once.

        Raises:
            CannotStart: it crashed too often before it was ever ready, or a one-shot failed.
        """
        crashes = 0
        while True:
            began = time.monotonic()
            ending = await self._live()
            await self._bury()
            if self.child.gate is None and self._code() == 0:
                self.ready.set()
                return
            crashes = 1 if time.monotonic() - began > self._patience.steady else crashes + 1
            if not self.ready.is_set():
                self._judge(ending, crashes)
            wait = self._patience.before_start(crashes)
            self._terminal.say(f"{self.child.name} {ending}; it starts again in {wait:g} s.")
            await asyncio.sleep(wait)

    async def stop(self, hurry: asyncio.Event) -> None:
        """Ask it to end, and kill what has not; `hurry` skips the asking."""
        if self._process and self._process.poll() is None and not hurry.is_set():
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGTERM)
            deadline = time.monotonic() + self._patience.stop
            while self._process.poll() is None and time.monotonic() < deadline:
                with suppress(TimeoutError):
                    await asyncio.wait_for(hurry.wait(), self._patience.look)
                    break
        await self._bury()
        self._log.close()

    async def _live(self) -> str:
        """Start it and watch it until it has ended or must be ended; returns what happened."""
        gate, name = self.child.gate, self.child.name
        if gate:
            gate.prepare()
        process = self._start()
        began = answered = time.monotonic()
        passed, next_look = False, began
        while process.poll() is None:
            now = time.monotonic()
            if gate and now >= next_look and (gate.lasting or not passed):
                if await asyncio.to_thread(gate.passes):
                    answered = time.monotonic()
                    if not passed:
                        passed = True
                        self._terminal.say(f"{name} is ready ({answered - began:.1f} s).")
                        self.ready.set()
                elif passed and time.monotonic() - answered > self._patience.silent:
                    return f"has not answered for {self._patience.silent:g} s and is killed"
                next_look = time.monotonic() + (self._patience.probe if passed else 0)
            if not passed and now - began > self.child.seconds:
                return f"was not ready after {self.child.seconds:g} s and is killed"
            await asyncio.sleep(self._patience.look)
        return _ending(process.returncode)

    def _start(self) -> subprocess.Popen[bytes]:
        read_end, write_end = os.pipe()
        try:
            # Not asyncio's: a start that is cancelled half-way would leave a process unknown.
            self._process = subprocess.Popen(  # noqa: S603 - commands are from our own list
                self.child.command,
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                env=self._env,
                start_new_session=True,
            )
        except OSError as error:
            os.close(read_end)
            raise CannotStart(
                f"{self.child.name} cannot be started: {self.child.command[0]}: {error.strerror}."
            ) from error
        finally:
            os.close(write_end)
        self.pid = self._process.pid
        seen = remains.table().get(self.pid)
        self.started = seen.started if seen else ""
        self._relay = asyncio.create_task(
            relay(read_end, self.child.name, self._terminal, self._log)
        )
        self._born()
        return self._process

    async def _bury(self) -> None:
        """Kill what is left of this life, children's children too, and read its last words."""
        if self._process is None or self.pid is None:
            return
        roots = {self.pid: self.started}
        deadline = time.monotonic() + self._patience.stop
        while (left := remains.family(self._marked, roots)) or self._process.poll() is None:
            remains.send(left, signal.SIGKILL)
            if time.monotonic() > deadline:
                break  # not even SIGKILL helps against a process that hangs in the kernel
            await asyncio.sleep(0.02)
        if self._relay:
            await asyncio.wait({self._relay}, timeout=1)
            self._relay.cancel()
            self._relay = None

    def _judge(self, ending: str, crashes: int) -> None:
        once = self.child.gate is None
        if not once and crashes < self._patience.tries:
            return
        often = "" if once else f" for the {crashes}th time before it was ever ready"
        lines = "\n".join(f"  {line}" for line in self._log.last)
        said = f" It last said:\n{lines}" if lines else " It said nothing."
        raise CannotStart(f"{self.child.name} {ending}{often}; see {self._log.path}.{said}")

    def _code(self) -> int | None:
        return self._process.returncode if self._process else None


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
