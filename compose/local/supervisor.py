"""Starts children in order, restarts them, and leaves no process behind."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from compose.local import remains
from compose.local.children import Child, Surroundings
from compose.local.life import Life, Timing
from compose.local.output import Log, Terminal

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ECHO_SECONDS = 0.5


class Supervisor:
    """One run of the whole.

    However `run` ends, no process that it started survives; if this process itself is killed, a
    second one, the warden, ends them.
    """

    def __init__(
        self,
        children: Sequence[Child],
        around: Surroundings,
        terminal: Terminal,
        timing: Timing,
    ) -> None:
        self._terminal = terminal
        data_dir = around.data_dir
        run = secrets.token_hex(4)
        self._marked = remains.mark(data_dir, run)
        self._run_file = data_dir / "run.json"
        self._hurry = asyncio.Event()
        self._stopping_since: float | None = None
        self._lives = {
            child.name: Life(
                child=child,
                marked=remains.mark(data_dir, run, child.name),
                env=around.env,
                timing=timing,
                terminal=terminal,
                log=Log(data_dir / "logs" / f"{child.name}.log"),
                born=self._write_run,
            )
            for child in children
        }

    @property
    def pids(self) -> dict[str, int]:
        """The process of each child that runs."""
        return {n: pid for n, life in self._lives.items() if life.child.gate for pid in life.roots}

    async def run(self, ready: Callable[[], None]) -> None:
        """Run until asked to stop; `ready` is called once, when every child is.

        Raises:
            CannotStart: a child cannot be brought up; nothing is left running.
        """
        loop = asyncio.get_running_loop()
        # A probe blocks its thread, and a hanging one must not delay the others.
        loop.set_default_executor(ThreadPoolExecutor(len(self._lives) + 1))
        self._write_run()
        with self._warden():
            keeping = asyncio.create_task(self._keep_all(ready))
            for name in _STOPPING:
                if signal.getsignal(name) is not signal.SIG_IGN:  # as under nohup
                    loop.add_signal_handler(name, self._stop, keeping)
            try:
                await keeping
            except asyncio.CancelledError:
                pass  # asked to stop
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None
            finally:
                await self._down()

    async def _keep_all(self, ready: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as group:
            for life in self._lives.values():
                group.create_task(self._keep(life))
            for life in self._lives.values():
                await life.ready.wait()
            ready()
            await asyncio.Event().wait()  # until cancelled

    async def _keep(self, life: Life) -> None:
        for name in life.child.after:
            await self._lives[name].ready.wait()
        await life.keep()

    def _stop(self, keeping: asyncio.Task[None]) -> None:
        now = time.monotonic()
        if self._stopping_since is None:
            self._stopping_since = now
            self._terminal.say("Stopping; Ctrl-C again kills at once.")
            keeping.cancel()
        # One Ctrl-C can come twice: from the terminal, and from the `make` in between.
        elif now - self._stopping_since > _ECHO_SECONDS:
            self._hurry.set()

    async def _down(self) -> None:
        """Stop each child once all that need it have stopped."""
        self._stopping_since = self._stopping_since or time.monotonic()
        gone = {name: asyncio.Event() for name in self._lives}

        async def stop(life: Life) -> None:
            for other in self._lives.values():
                if life.child.name in other.child.after:
                    await gone[other.child.name].wait()
            await life.stop(self._hurry)
            gone[life.child.name].set()

        await asyncio.gather(*map(stop, self._lives.values()))
        roots = {pid: at for life in self._lives.values() for pid, at in life.roots.items()}
        is_over = await asyncio.to_thread(
            remains.end, lambda: remains.family(self._marked, roots), 0.0
        )
        self._terminal.say(
            "Everything has stopped." if is_over else "Some processes cannot be ended."
        )

    def _write_run(self) -> None:
        started = {
            name: {"pid": pid, "started": at}
            for name, life in self._lives.items()
            for pid, at in life.roots.items()
        }
        content = {"pid": os.getpid(), "mark": self._marked, "children": started}
        remains.write_json(self._run_file, content)

    def _warden(self) -> subprocess.Popen[bytes]:
        """The process that outlives this one. Leaving its context ends its input and awaits it."""
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "compose.local.warden", self._marked, str(self._run_file)],
            stdin=subprocess.PIPE,
            # No output: a reader of our output must not wait for the warden.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
