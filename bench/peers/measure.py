"""One server under load: how it is asked, and what is measured while it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from peers.processes import CORES, LOAD_CORE, Process

from tests.stacks import free_port

MANY = 16
OPEN_CONNECTIONS = 64
SHARE = 0.8
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
GENERATOR = Path(__file__).parent / "load.py"

Row = dict[str, Any]


@dataclass
class Loop:
    """What one run of the load generator found; times in milliseconds."""

    cpu: float
    p50: float
    p99: float
    rate: float


@dataclass
class Round:
    """One server in one round."""

    cold: float
    one: Loop
    many: Loop
    open: Loop
    rss: float


@dataclass
class Server:
    """A server: how it is started and asked, and what was measured so far."""

    name: str
    command: Callable[[int], list[str]]
    env: Callable[[int], dict[str, str]] = lambda _port: ONE_THREAD
    path: str = "/predict"
    body: Callable[[Row], Any] = lambda row: row
    prediction: Callable[[Any], float] | None = lambda answer: answer["prediction"]
    paths: tuple[str, ...] = ()
    process: Process | None = None
    port: int = 0
    cold: float = 0.0
    answers: int = 0
    rounds: list[Round] = field(default_factory=list)

    def start(self, folder: Path, row: Row) -> None:
        """Start it anew; `cold` is the seconds to its first answer."""
        self.stop()
        self.port = free_port()
        self.process = Process(self.name, self.command(self.port), folder, env=self.env(self.port))
        self.cold = self.process.ready(self.port, self.path, self.body(row))
        self.answers += 1

    def stop(self) -> None:
        if self.process:
            self.process.stop()
        self.process = None


class Load:
    """The load generator, and the tasks that it is given."""

    def __init__(self, folder: Path, seconds: float, *, random_gaps: bool) -> None:
        command = [sys.executable, str(GENERATOR)]
        self.process = Process("load generator", command, folder, core=LOAD_CORE, piped=True)
        self.folder = folder
        self.seconds = seconds
        self.random_gaps = random_gaps

    def run(self, server: Server, connections: int, seconds: float, rate: float = 0.0) -> Loop:
        """Ask a server and weigh it; errors are printed.

        Raises:
            Trouble: the server or the generator gave up.
        """
        assert server.process
        task = {
            "port": server.port,
            "path": server.path,
            "paths": server.paths,
            "bodies": str(self.folder / f"{server.name}.json"),
            "connections": connections,
            "seconds": seconds,
            "rate": rate,
            "random_gaps": self.random_gaps,
            "spins": len(CORES) > 1,
        }
        before = server.process.cpu()
        pipes = self.process.child
        assert pipes.stdin
        assert pipes.stdout
        pipes.stdin.write(json.dumps(task) + "\n")
        pipes.stdin.flush()
        found = json.loads(pipes.stdout.readline() or "null")
        if found is None:
            raise self.process.trouble("ended")
        if "failed" in found or not found["answers"]:
            why = found.get("failed") or found["error"]
            raise server.process.trouble(f"did not bear the load ({why})")
        if found["errors"]:
            print(f"{server.name}: {found['errors']} errors, such as {found['error']}")
        server.answers += found["answers"]
        cpu = (server.process.settled() - before) / (found["answers"] + found["errors"])
        rate = found["answers"] / found["seconds"]
        return Loop(1e6 * cpu, 1e3 * found["p50"], 1e3 * found["p99"], rate)

    def measure(self, server: Server) -> Round:
        """One server's part of a round."""
        assert server.process
        self.run(server, MANY, self.seconds / 4)  # warms up
        one = self.run(server, 1, self.seconds)
        many = self.run(server, MANY, self.seconds)
        open_ = self.run(server, OPEN_CONNECTIONS, self.seconds, SHARE * many.rate)
        return Round(server.cold, one, many, open_, server.process.rss())
