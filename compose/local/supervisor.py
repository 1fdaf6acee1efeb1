"""Starts children in their order, keeps them alive, and leaves none behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from compose.local import remains
from compose.local.children import Child
from compose.local.life import Life, Patience
from compose.local.output import Log, Terminal

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ECHO_SECONDS = 0.5
_LAST_SECONDS = 3.0
"""What the warden leaves them: without the order of a real stop, some wait for one another."""


class Supervisor:
    """One run of the whole.

    Whatever way `run` ends, no process that it started is alive afterwards; where this process
    itself is killed, a second one, the warden, sees to that.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        data_dir: Path,
        env: Mapping[str, str],
        terminal: Terminal,
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience or Patience()
        self._terminal = terminal
        self._data_dir = data_dir
        self._run = secrets.token_hex(4)
        self._marked = remains.mark(data_dir, self._run)
        self._file = remains.RunFile(data_dir / "run.json")
        self._asked = asyncio.Event()
        self._hurry = asyncio.Event()
        self._asked_at = 0.0
        self._lives = {
            child.name: Life(
                child,
                marked=remains.mark(data_dir, self._run, child.name),
                env=env,
                patience=self._patience,
                terminal=terminal,
                log=Log(data_dir / "logs" / f"{child.name}.log"),
                born=self._write_run,
            )
            for child in children
        }

    @property
    def pids(self) -> dict[str, int]:
        """The process of each child that runs."""
        return {n: life.pid for n, life in self._lives.items() if life.pid and life.child.gate}

    async def run(self, ready: Callable[[], None]) -> None:
        """Run until asked to stop; `ready` is called once, when every child is.

        Raises:
            CannotStart: a child cannot be brought up; nothing is left running.
        """
        loop = asyncio.get_running_loop()
        # A probe blocks its thread, and one that hangs must not hold the others up.
        loop.set_default_executor(ThreadPoolExecutor(len(self._lives) + 1))
        for name in _STOPPING:
            if signal.getsignal(name) is not signal.SIG_IGN:  # as under nohup
                loop.add_signal_handler(name, self._stop)
        self._write_run()
        with self._warden():
            tasks = {asyncio.create_task(self._keep(life)) for life in self._lives.values()}
            try:
                await self._watch(tasks, ready)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await self._down()

    async def _keep(self, life: Life) -> None:
        for name in life.child.after:
            await self._lives[name].ready.wait()
        await life.keep()

    async def _watch(self, tasks: set[asyncio.Task[None]], ready: Callable[[], None]) -> None:
        asked = asyncio.create_task(self._asked.wait())
        up = asyncio.create_task(self._all_ready(ready))
        pending: set[asyncio.Task[Any]] = {asked, up, *tasks}
        try:
            while not asked.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            asked.cancel()
            up.cancel()

    async def _all_ready(self, ready: Callable[[], None]) -> None:
        for life in self._lives.values():
            await life.ready.wait()
        ready()

    def _stop(self) -> None:
        now = time.monotonic()
        if not self._asked.is_set():
            self._asked.set()
            self._asked_at = now
            self._terminal.say("Stopping; Ctrl-C again kills at once.")
        # One Ctrl-C can come twice: from the terminal, and from the `make` in between.
        elif now - self._asked_at > _ECHO_SECONDS:
            self._hurry.set()

    async def _down(self) -> None:
        """Stop each child once all that need it have stopped."""
        self._asked.set()
        gone = {name: asyncio.Event() for name in self._lives}

        async def stop(life: Life) -> None:
            for other in self._lives.values():
                if life.child.name in other.child.after:
                    await gone[other.child.name].wait()
            await life.stop(self._hurry)
            gone[life.child.name].set()

        await asyncio.gather(*map(stop, self._lives.values()))
        left = await asyncio.to_thread(
            remains.end, lambda: remains.family(self._marked, self._roots()), 0.0
        )
        self._terminal.say("Everything has stopped." if left else "Some processes cannot be ended.")

    def _roots(self) -> dict[int, str]:
        return {life.pid: life.started for life in self._lives.values() if life.pid}

    def _write_run(self) -> None:
        started = {
            name: {"pid": life.pid, "started": life.started}
            for name, life in self._lives.items()
            if life.pid
        }
        self._file.write({"pid": os.getpid(), "mark": self._marked, "children": started})

    def _warden(self) -> _Warden:
        grace = min(self._patience.stop, _LAST_SECONDS)
        return _Warden(self._marked, self._file.path, grace)


class _Warden:
    """The process that outlives us; as long as this is entered, it waits."""

    def __init__(self, marked: str, run_file: Path, grace: float) -> None:
        self._command = [
            sys.executable, "-m", "compose.local.warden", marked, str(run_file), str(grace),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> None:
        # Its output goes nowhere: who waits for the end of ours must not wait for it.
        self._process = subprocess.Popen(  # noqa: S603 - our own module
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def __exit__(self, *_: object) -> None:
        if self._process and self._process.stdin:
            self._process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
