"""Private servers for tests: each on a free port, in a folder of its own, gone afterwards."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
import uvicorn

ROOT = Path(__file__).parent.parent
THOROUGH = bool(os.environ.get("THOROUGH"))
"""Whether generated inputs are tried in full numbers, as before a release."""

WITHOUT_FSYNC = (
    "--innodb-flush-method=nosync", "--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0",
    "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--skip-name-resolve",
)  # fmt: skip
"""A commit reaches the system's memory: it outlives a killed server, not a power cut."""

NEVER_KILLED = ("--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite")

STAND_IN_ROWS = ROOT / "tests" / "datasets" / "stand_in"
REAL_ROWS = ROOT.parent / "shared" / "realtor"
"""Outside of the repository: only tests marked `real_rows` may read it."""


def lacking(what: str) -> None:
    """Skip with one line; under REQUIRE_ALL `conftest.py` makes a failure of it."""
    pytest.skip(f"{what} is not on this machine")


class _SharedStarts:
    """How long the servers took to start that tests share, since the last look."""

    def __init__(self) -> None:
        self._seconds = 0.0

    @contextmanager
    def __call__(self, server: AbstractContextManager[str]) -> Iterator[str]:
        begun = time.monotonic()
        with server as url:
            self._seconds += time.monotonic() - begun
            yield url

    def pop(self) -> float:
        seconds, self._seconds = self._seconds, 0.0
        return seconds


shared_starts = _SharedStarts()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for(what: str, ready: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until a state is reached; says which one was not.

    A look that starts a program takes time from the processes that are waited for: it rests as long
    as it took.
    """
    deadline = time.monotonic() + seconds
    begun = time.monotonic()
    while not ready():
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError(f"{what} after {seconds:g} s")
        time.sleep(min(max(0.05, now - begun), 1.0))
        begun = time.monotonic()


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


def install_mariadb(folder: Path) -> None:
    """Make the files of a MariaDB that has nobody but root."""
    install = shutil.which("mariadb-install-db")
    if not _mariadbd() or not install:
        lacking("MariaDB (mariadb-server-core)")
    folder.mkdir(exist_ok=True)
    command = [
        str(install), "--no-defaults", f"--datadir={folder / 'data'}",
        "--auth-root-authentication-method=normal", "--skip-test-db",
        *(["--user=root"] if os.geteuid() == 0 else []),
    ]  # fmt: skip
    for _ in range(3):  # on a machine full of servers one was once broken off
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if not done.returncode:
            return
        shutil.rmtree(folder / "data", ignore_errors=True)
    pytest.fail(f"MariaDB's files could not be made: {done.stdout} {done.stderr}")


@contextmanager
def memory_folder(factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is room for a database, else on disk."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < 2 << 30:
        yield factory.mktemp("mariadb")
        return
    with tempfile.TemporaryDirectory(prefix="driftdesk-", dir=memory) as folder:
        yield Path(folder)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of this size at a new folder, which can be filled without harm to anybody else."""
    folder.mkdir(parents=True)
    as_root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    options = f"size={size},uid={os.geteuid()},gid={os.getegid()}"
    mount = [*as_root, "mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if (
        not shutil.which(mount[0])
        or subprocess.run(mount, check=False, capture_output=True).returncode
    ):
        lacking("the right to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run([*as_root, "umount", "-l", str(folder)], check=False)


@contextmanager
def mariadb(folder: Path) -> Iterator[str]:
    """A MariaDB as an ordinary user; yields the URL of its root, without a database."""
    install_mariadb(folder)
    with _mariadb_on(folder, free_port(), *NEVER_KILLED) as (url, _):
        yield url


@contextmanager
def mariadb_process(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The same with its process, for tests that stop and kill it."""
    install_mariadb(folder)
    with _mariadb_on(folder, free_port()) as found:
        yield found


@contextmanager
def mariadb_again(folder: Path, url: str) -> Iterator[str]:
    """One that was killed, on its data and its port."""
    with _mariadb_on(folder, int(url.rsplit(":", 1)[1])) as (same, _):
        yield same


def _mariadbd() -> str | None:
    return shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def mariadb_command(folder: Path, port: int) -> list[str]:
    """What runs the MariaDB of this folder."""
    return [
        str(_mariadbd()), "--no-defaults", f"--datadir={folder / 'data'}",
        f"--socket={folder / 's'}", f"--port={port}", "--bind-address=127.0.0.1",
        "--character-set-server=utf8mb4", "--local-infile=1", f"--pid-file={folder / 'pid'}",
        *WITHOUT_FSYNC,
        *(["--user=root"] if os.geteuid() == 0 else []),
    ]  # fmt: skip


@contextmanager
def _mariadb_on(
    folder: Path, port: int, *more: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    command = [*mariadb_command(folder, port), *more]
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
    with process(command, folder / "log") as child:

        def up() -> bool:
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0

        wait_for("the queue's server was not up", up)
        yield f"redis://127.0.0.1:{port}/0"
        child.kill()  # one that cannot save would refuse to stop


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
def serve(app: Any, port: int = 0, **more: Any) -> Iterator[str]:
    """An ASGI app under a real uvicorn, on a free port unless one is named; yields its URL.

    `more` is for uvicorn's configuration.
    """
    server = uvicorn.Server(
        uvicorn.Config(
            app, port=port or free_port(), log_level="warning", timeout_graceful_shutdown=5, **more
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
