"""Private servers for tests: each on a free port, in a folder of its own, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import uvicorn

ROOT = Path(__file__).parent.parent
REAL_ROWS = ROOT.parent / "shared" / "realtor"


def lacking(what: str) -> None:
    """Skip with one line; under REQUIRE_ALL `conftest.py` makes a failure of it."""
    pytest.skip(f"{what} is not on this machine")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for(what: str, ready: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until a state is reached; says which one was not."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} after {seconds:g} s")
        time.sleep(0.05)


def answers(url: str) -> Callable[[], bool]:
    def look() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    return look


@contextmanager
def process(
    command: list[str], log: Path, env: dict[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a process group of its own; killed at the end, with all that it started."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            command,
            stdout=out,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env=os.environ | (env or {}),
            start_new_session=True,
        )
    try:
        yield child
    finally:
        stop(child)


def stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextmanager
def mariadb(folder: Path) -> Iterator[str]:
    """A MariaDB as an ordinary user; yields the URL of its root, without a database."""
    with mariadb_process(folder) as (url, _):
        yield url


@contextmanager
def mariadb_process(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The same with its process, for tests that stop and kill it."""
    install = shutil.which("mariadb-install-db")
    if not _mariadbd() or not install:
        lacking("MariaDB (mariadb-server-core)")
    folder.mkdir(exist_ok=True)
    user = ["--user=root"] if os.geteuid() == 0 else []
    subprocess.run(
        [
            str(install), "--no-defaults", f"--datadir={folder / 'data'}",
            "--auth-root-authentication-method=normal", "--skip-test-db", *user,
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    with _mariadb_on(folder, free_port()) as found:
        yield found


@contextmanager
def mariadb_again(folder: Path, url: str) -> Iterator[str]:
    """One that was killed, on its data and its port."""
    with _mariadb_on(folder, int(url.rsplit(":", 1)[1])) as (same, _):
        yield same


def _mariadbd() -> str | None:
    return shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


@contextmanager
def _mariadb_on(folder: Path, port: int) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    command = [
        str(_mariadbd()), "--no-defaults", f"--datadir={folder / 'data'}",
        f"--socket={folder / 's'}", f"--port={port}", "--bind-address=127.0.0.1",
        "--character-set-server=utf8mb4", "--local-infile=1", f"--pid-file={folder / 'pid'}",
        *(["--user=root"] if os.geteuid() == 0 else []),
    ]  # fmt: skip
    with process(command, folder / "log") as child:

        def up() -> bool:
            assert child.poll() is None, (folder / "log").read_text()
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0

        wait_for("MariaDB was not up", up)
        yield f"mysql+pymysql://root@127.0.0.1:{port}", child


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """A Redis-compatible server that keeps nothing; yields its URL."""
    from compose.local.children import queue_server  # the way that `make run` finds one

    port = free_port()
    command = [queue_server(), "--port", str(port), "--bind", "127.0.0.1", "--save", "",
               "--dir", str(folder)]  # fmt: skip
    with process(command, folder / "log"):

        def up() -> bool:
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0

        wait_for("the queue's server was not up", up)
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def empty_redis(url: str) -> Iterator[None]:
    """A Redis that somebody gave for tests: refused where it holds anything, emptied afterwards."""
    with redis.Redis.from_url(url) as connection:
        assert connection.dbsize() == 0, "TEST_REDIS_URL names a database that is not empty."
        try:
            yield
        finally:
            connection.flushdb()


@contextmanager
def mlflow(folder: Path, port: int = 0) -> Iterator[str]:
    """An MLflow server on SQLite; yields its URL."""
    port = port or free_port()
    command = [
        sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1",
        "--port", str(port), "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"), "--serve-artifacts",
    ]  # fmt: skip
    env = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    url = f"http://127.0.0.1:{port}"
    with process(command, folder / "log", env):
        wait_for("MLflow was not up", answers(f"{url}/health"), 120)
        yield url


@contextmanager
def serve(app: Any, port: int = 0) -> Iterator[str]:
    """An ASGI app under a real uvicorn, on a free port unless one is named; yields its URL."""
    server = uvicorn.Server(
        uvicorn.Config(
            app, port=port or free_port(), log_level="warning", timeout_graceful_shutdown=5
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for("the app did not start", lambda: server.started or not thread.is_alive(), 20)
    assert thread.is_alive(), "the app ended at its start"
    try:
        yield f"http://127.0.0.1:{server.config.port}"
    finally:
        server.should_exit = True
        thread.join(20)
