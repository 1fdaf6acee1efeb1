"""A whole driftdesk on private stores, with a wire before each neighbour."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
import requests
import sqlalchemy as sa

from compose.local.children import queue_server
from console.desk import Desk
from core.adapters.store.migrate import migrate
from core.platform.settings import Settings
from tests import stacks
from tests.campaign.programs import Program, Programs, marked
from tests.campaign.wires import Wire
from tests.stacks import answers, free_port, wait_for

SCALE = 0.004
"""The share of the real batches' sizes: about 16 to 1,400 rows each."""

DISK_MB = 192
LEASE_SECONDS = 4
MAX_ATTEMPTS = 3
WORKERS = ("work1", "work2", "train1", "train2", "desk1", "desk2")
"""Two on each queue, so that an attempt can be overtaken while the one before it is frozen."""

REPLICAS = ("serving1", "serving2")


@dataclass(frozen=True, slots=True)
class System:
    """Everything that a campaign drives and disturbs.

    `disk` is the small disk that holds the data folder, and on SQLite the database; the
    replicas of serving keep their files elsewhere, because a full disk makes serving drop
    records by design (ADR 0014), and then no record could be asked for.
    """

    desk: Desk
    programs: Programs
    wires: dict[str, Wire]
    api: str
    disk: Path
    data: Path
    redis: redis.Redis
    serving: tuple[str, ...]

    def api_sizes(self) -> list[int]:
        """How many rows each batch of the data API has, by its number."""
        parameters = {"group_number": 3}
        requests.get(f"{self.api}/restart_data_generation", params=parameters, timeout=30)
        return [
            len(requests.get(f"{self.api}/data", params=parameters, timeout=60).json()["data"])
            for _ in range(6)
        ]


@contextmanager
def running(folder: Path, database: str, seed: int) -> Iterator[System]:
    """The system on `sqlite` or `mariadb`, up and empty; everything is ended afterwards."""
    mark = uuid.uuid4().hex
    with ExitStack() as stack:
        disk = stack.enter_context(stacks.small_disk(folder / "disk", f"{DISK_MB}m"))
        ports = {name: free_port() for name in ("redis", "mlflow", "api", *REPLICAS)}
        wires = {
            name: stack.enter_context(Wire(name, ports[name]))
            for name in ("redis", "mlflow", "api")
        }
        if database == "mariadb":
            ports["database"] = free_port()
            wires["database"] = stack.enter_context(Wire("database", ports["database"]))
            far = f"mysql+pymysql://root@127.0.0.1:{wires['database'].port}/campaign"
        else:
            far = f"sqlite:///{disk / 'data' / 'driftdesk.db'}"
        env = _settings(disk, wires, ports, far)
        settings = Settings(_env_file=None, **{k.lower(): v for k, v in env.items()})  # type: ignore[arg-type]
        desk = Desk.make(settings)
        stack.callback(desk.store.close)
        programs = Programs(folder / "logs", env | _manners(disk), mark)
        stack.callback(programs.close)
        if database == "mariadb":
            _start_mariadb(programs, folder / "mariadb", ports["database"])
        migrate(settings.database, desk.dataset)
        _start(programs, folder, ports, seed)
        system = System(
            desk,
            programs,
            wires,
            f"http://127.0.0.1:{ports['api']}",
            disk,
            disk / "data",
            redis.Redis(port=ports["redis"], socket_timeout=5),
            tuple(f"http://127.0.0.1:{ports[name]}" for name in REPLICAS),
        )
        yield system
    assert not marked(mark), "the campaign left processes behind"


def _start_mariadb(programs: Programs, folder: Path, port: int) -> None:
    folder.mkdir()
    stacks.install_mariadb(folder)
    programs.start(Program("mariadb", stacks.mariadb_command(folder, port)))
    engine = sa.create_engine(f"mysql+pymysql://root@127.0.0.1:{port}")

    def made() -> bool:
        try:
            with engine.begin() as connection:
                connection.exec_driver_sql("CREATE DATABASE campaign CHARACTER SET utf8mb4")
        except sa.exc.OperationalError:
            return False
        return True

    wait_for("MariaDB was not up", made)
    engine.dispose()


def _settings(
    disk: Path, wires: dict[str, Wire], ports: dict[str, int], database: str
) -> dict[str, str]:
    return {
        "DATA_DIR": str(disk / "data"),
        "DATABASE_URL": database,
        "REDIS_URL": f"redis://127.0.0.1:{wires['redis'].port}/0",
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{wires['mlflow'].port}",
        "DATA_API_URL": f"http://127.0.0.1:{wires['api'].port}",
        "DATA_API_TIMEOUT": "10",
        "SERVING_URL": ",".join(f"http://127.0.0.1:{ports[name]}" for name in REPLICAS),
        "SERVING_PUSH_SECRET": uuid.uuid4().hex,
        "SERVING_SECONDS": "20",
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "MAX_ATTEMPTS": str(MAX_ATTEMPTS),
        "MODEL_NAME": f"campaign-{disk.parent.name}",
    }


def _manners(disk: Path) -> dict[str, str]:
    """What a program gets beside its settings."""
    temporary = disk / "tmp"
    temporary.mkdir()
    return {
        "TMPDIR": str(temporary),
        "OMP_NUM_THREADS": "1",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "LOG_FORMAT": "json",
    }


def _start(programs: Programs, folder: Path, ports: dict[str, int], seed: int) -> None:
    python = sys.executable
    programs.start(
        Program(
            "redis",
            [queue_server(), "--port", str(ports["redis"]), "--bind", "127.0.0.1", "--save", "",
             "--dir", str(folder), "--set-proc-title", "no"],
        )
    )  # fmt: skip
    programs.start(
        Program(
            "api",
            [python, "-m", "compose.data_api", "--host", "127.0.0.1", "--port", str(ports["api"]),
             "--scale", str(SCALE), "--seed", str(seed), "--faults", "--bad-rows", "0.01",
             "--state", str(folder / "api.json")],
        )
    )  # fmt: skip
    programs.start(
        Program(
            "mlflow",
            [python, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1",
             "--port", str(ports["mlflow"]),
             "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
             "--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts",
             "--uvicorn-opts", "--log-level warning"],
            {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "TMPDIR": str(folder)},
        )
    )  # fmt: skip
    for name in WORKERS:
        queue = name[:-1]
        programs.start(Program(name, [python, "-m", "workers", "run", "--queue", queue]))
    programs.start(Program("reconcile", [python, "-m", "workers", "reconcile"]))
    for name in REPLICAS:
        own = {"SERVING_PORT": str(ports[name]), "DATA_DIR": str(folder / name)}
        programs.start(Program(name, [python, "-m", "serving"], own))
    wait_for("MLflow was not up", answers(f"http://127.0.0.1:{ports['mlflow']}/health"), 180)
    for name in ("api", *REPLICAS):
        path = "/health" if name == "api" else "/health/live"
        wait_for(f"{name} was not up", answers(f"http://127.0.0.1:{ports[name]}{path}"), 120)
