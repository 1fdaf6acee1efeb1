"""Serving as a process of its own, for tests that kill, fill and measure it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from core.adapters.mlflow.registry import digest_of
from core.rules.model.contract import Contract
from serving.model.loaded import ModelCache
from serving.model.mlflow_rest import Champion
from tests.models import tiny_model
from tests.stacks import answers, free_port, process, stop, wait_for

ROW = {"bed": 3, "bath": 2, "acre_lot": 0.5, "house_size": 1000, "city": "a", "zip_code": 6016}
SUM = 1005.5
"""What a tiny model of factor 1 answers to it."""

PATIENCE = 10.0
"""How long a client waits for its prediction, in seconds."""

DEAD = "http://127.0.0.1:9"
"""An address where nobody listens."""


class Replica:
    """One process of serving, which may be ended and started again on the same folder and port."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "log"
        self._env = {
            "DATA_DIR": str(folder),
            "DATABASE_URL": f"sqlite:///{folder / 'none.db'}",
            "MLFLOW_TRACKING_URI": DEAD,
            "SERVING_PORT": str(self.port),
            "SERVING_POLL": "0.05",
        } | {name.upper(): str(value) for name, value in settings.items()}
        self._ends: list[Any] = []
        self.child: subprocess.Popen[bytes]

    def shelve(self, model: bytes, version: int = 1, dataset: str = "real_estate") -> None:
        """Keep this model for its next start, as serving itself does."""
        champion = Champion(version, digest_of(model))
        ModelCache(self.folder / "serving", dataset).put(model, champion)

    def start(self, *, ready: bool = True, **settings: Any) -> None:
        """Start it, and wait until it answers."""
        self._env |= {name.upper(): str(value) for name, value in settings.items()}
        end = process([sys.executable, "-m", "serving"], self.log, self._env)
        self.child = end.__enter__()
        self._ends.append(end)
        path = "/health/ready" if ready else "/health/live"

        def up() -> bool:
            assert self.child.poll() is None, self.said()
            return answers(self.url + path)()

        wait_for("serving was not up", up)

    def kill(self) -> None:
        """Kill it as the machine would: without a word."""
        self.child.send_signal(signal.SIGKILL)
        self.child.wait(10)

    def close(self) -> None:
        for end in self._ends:
            end.__exit__(None, None, None)

    def stop(self) -> int:
        """Ask it to end; how it did."""
        stop(self.child)
        return self.child.returncode

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def rss_mb(self) -> float:
        """The memory that it holds, in megabytes."""
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.child.pid}/status").read_text())
        assert found
        return int(found[1]) / 1024

    def ask(self, row: Any = None, **more: Any) -> requests.Response:
        return requests.post(f"{self.url}/predict", json=row or ROW, timeout=30, **more)

    def model(self) -> dict[str, Any]:
        found: dict[str, Any] = requests.get(f"{self.url}/model", timeout=30).json()
        return found

    def figure(self, name: str) -> float:
        """The sum of a figure of /metrics over its labels."""
        text = requests.get(f"{self.url}/metrics", timeout=30).text
        lines = re.findall(rf"^driftdesk_serving_{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
        return sum(map(float, lines))


@contextmanager
def replica(
    folder: Path, contract: Contract | None = None, *, ready: bool = True, **settings: Any
) -> Iterator[Replica]:
    """A running one, which serves a tiny model of factor 1 where a contract is given."""
    made = Replica(folder, **settings)
    if contract:
        made.shelve(tiny_model(contract))
    try:
        made.start(ready=ready and contract is not None)
        yield made
    finally:
        made.close()


def recorded(database_url: str) -> list[str]:
    """The ids of the predictions that are on record, as often as they are there."""
    engine = sa.create_engine(database_url)
    try:
        with engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT id FROM predictions")
            return [row[0] for row in found]
    finally:
        engine.dispose()


def wait_for_records(database_url: str, ids: set[str], seconds: float = 60) -> list[str]:
    """Wait until all of them are on record; all that is there then."""
    kept: list[str] = []

    def there() -> bool:
        kept[:] = recorded(database_url)
        return ids <= set(kept)

    wait_for("records are missing", there, seconds)
    return kept


@contextmanager
def asking(replica: Replica, clients: int = 4) -> Iterator[Asked]:
    """Ask for predictions from several threads until the block ends; what came of each."""
    asked = Asked()
    threads = [
        threading.Thread(target=asked.go_on, args=(replica.url,), daemon=True)
        for _ in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        asked.stop.set()
        for thread in threads:
            thread.join(60)


class Asked:
    """Predictions that were asked for: the ids that were given, and everything that was not 200.

    A connection that is refused, cut or given up is `broken`: no answer was given, and none may be
    on record.
    """

    def __init__(self) -> None:
        self.stop = threading.Event()
        self.ids: list[str] = []
        self.other: list[int] = []
        self.broken = 0

    def go_on(self, url: str) -> None:
        session = requests.Session()
        while not self.stop.is_set():
            try:
                answer = session.post(f"{url}/predict", json=ROW, timeout=PATIENCE)
            except requests.RequestException:
                self.broken += 1
                session = requests.Session()
                self.stop.wait(0.05)
                continue
            if answer.status_code == 200:
                self.ids.append(answer.json()["prediction_id"])
            else:
                self.other.append(answer.status_code)

    def more(self, count: int) -> None:
        """Wait until so many more were answered."""
        wanted = len(self.ids) + count
        wait_for(f"{count} more answers did not come", lambda: len(self.ids) >= wanted)
