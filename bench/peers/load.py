"""The load generator: a process of its own that asks one server over kept connections.

    python bench/peers/load.py

Reads one task as JSON from each line of its input and answers it with one line. A task names the
port, the path, a file with a list of bodies, and how many `connections` ask for how many
`seconds`. Without a `rate` the loop is closed: each connection asks again as soon as it is
answered. With one it is open: requests fall due `rate` times a second whatever the server does,
take any free connection, and are timed from when they fell due, so that a server which stalls
pays for all that came meanwhile. A request that is under way at the end is waited for and counted.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import random
import re
import sys
import time
from collections import deque
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any, cast

import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
LONGEST_WAIT = 60.0
SEED = 20261124


class Run:
    """One task under way: its connections, what they wait for, and how long answers took."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.port = int(task["port"])
        self.rate = float(task.get("rate") or 0)
        self.seconds = float(task["seconds"])
        self.random_gaps = bool(task.get("random_gaps"))
        self.spins = bool(task.get("spins"))
        self.connections = int(task["connections"])
        self.requests = cycle(requests(task))
        self.took: list[float] = []
        self.errors: list[str] = []
        self.idle: deque[Connection] = deque()
        self.due: deque[float] = deque()
        self.busy = 0
        self.ends = math.inf
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def measure(self) -> dict[str, Any]:
        for _ in range(self.connections):
            await self.open()
        start = time.perf_counter()
        self.ends = start + self.seconds
        if self.rate:
            await self.fall_due(start)
        else:
            while self.idle:
                self.ask(self.idle.popleft(), time.perf_counter())
        self.settle()
        await asyncio.wait_for(self.done, LONGEST_WAIT)
        took = sorted(self.took)
        for connection in self.idle:
            connection.transport.close()
        return {
            "answers": len(took),
            "errors": len(self.errors),
            "error": self.errors[0] if self.errors else "",
            "seconds": time.perf_counter() - start,
            "p50": quantile(took, 0.5),
            "p99": quantile(took, 0.99),
        }

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port)
        self.idle.append(made)

    async def fall_due(self, at: float) -> None:
        """Let requests fall due until the end. Timers tick in milliseconds, so this one spins."""
        for gap in self.gaps():
            while (now := time.perf_counter()) < at:  # noqa: ASYNC110
                await asyncio.sleep(0 if self.spins else at - now)
            if at >= self.ends:
                return
            if self.idle:
                self.ask(self.idle.popleft(), at)
            else:
                self.due.append(at)
            at += gap

    def gaps(self) -> Iterator[float]:
        dice = random.Random(SEED)
        while True:
            yield dice.expovariate(self.rate) if self.random_gaps else 1 / self.rate

    def ask(self, connection: Connection, since: float) -> None:
        self.busy += 1
        connection.since = since
        connection.transport.write(next(self.requests))

    def answered(self, connection: Connection, problem: str) -> None:
        now = time.perf_counter()
        self.busy -= 1
        if problem:
            self.errors.append(problem)
        else:
            self.took.append(now - connection.since)
        connection.since = 0.0
        if self.due:
            self.ask(connection, self.due.popleft())
        elif self.rate or now >= self.ends:
            self.idle.append(connection)
            self.settle()
        else:
            self.ask(connection, now)

    def lost(self, connection: Connection) -> None:
        """A connection ended: an error where it was asking, and opened anew in either case."""
        if connection.since:
            self.busy -= 1
            self.errors.append("the server closed a connection on which it was asked")
        elif connection in self.idle:
            self.idle.remove(connection)
        if not self.done.done():
            asyncio.get_running_loop().create_task(self.reopen())

    async def reopen(self) -> None:
        try:
            await self.open()
        except OSError as error:
            if not self.done.done():
                self.done.set_exception(error)
            return
        if self.due or (not self.rate and time.perf_counter() < self.ends):
            self.ask(self.idle.pop(), self.due.popleft() if self.due else time.perf_counter())
        self.settle()

    def settle(self) -> None:
        over = time.perf_counter() >= self.ends and not self.busy and not self.due
        if over and not self.done.done():
            self.done.set_result(None)


class Connection(asyncio.Protocol):
    """One kept connection with at most one request on its way; `since` is 0 when there is none."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.since = 0.0
        self.read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.read += data
        head = self.read.find(b"\r\n\r\n") + 4
        if head < 4:
            return
        length = LENGTH.search(self.read, 0, head)
        if length is None:
            self.run.errors.append("an answer does not tell its length")
            self.transport.close()
            return
        if len(self.read) < head + int(length[1]):
            return
        right = self.read[9:12] == b"200"
        problem = "" if right else self.read[:300].decode(errors="replace").splitlines()[0]
        self.read = b""
        self.run.answered(self, problem)

    def connection_lost(self, _error: Exception | None) -> None:
        self.run.lost(self)


def requests(task: dict[str, Any]) -> list[bytes]:
    """A request for each body; several `paths` are asked in turn."""
    bodies = [json.dumps(b).encode() for b in json.loads(Path(task["bodies"]).read_bytes())]
    paths = task.get("paths") or [task["path"]]
    return [
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{task['port']}\r\n"
        "Accept: */*\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
        for body, path in zip(bodies, cycle(paths), strict=False)
    ]


def quantile(ordered: list[float], share: float) -> float:
    """The value that this share of them does not exceed; NaN of none."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else math.nan


async def work(task: dict[str, Any]) -> dict[str, Any]:
    try:
        return await Run(task).measure()
    except (OSError, TimeoutError) as error:
        return {"failed": str(error) or "the last answers did not come"}


def main() -> None:
    gc.disable()  # a collection would be timed as the server's
    for line in sys.stdin:
        print(json.dumps(uvloop.run(work(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
