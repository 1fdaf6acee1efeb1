"""A screenshot of each page in each state, into shots/STATE/: empty, normal, alarming, broken.

It starts a desk of its own. The first argument may name one state to stop after; the others pick
pages and looks, as those of `tests.shots` do.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.adapters.serving.client import Client
from tests.e2e.test_day import houses
from tests.house import House
from tests.shots import take
from tests.stacks import ROOT, wait_for

ROW = {"bed": 3, "bath": 2, "acre_lot": 0.3, "house_size": 1500, "state": "Ohio"}


def empty(house: House) -> None:
    """Nothing has come yet."""


def normal(house: House) -> None:
    """A live model without drift, a few answers, and what became of them."""
    house.cli("ingest", "--wait")
    house.cli("train", "--wait")
    house.cli("approve", "1", "--wait")
    ask(house, 40, lambda answer: answer * 1.05)


def alarming(house: House) -> None:
    """A batch with drift, a candidate that waits, and a live model that is far off."""
    house.cli("ingest", "--wait", "--train")
    wait_for("no second candidate", lambda: house.proposed() == [2, 1], 120)
    ask(house, 60, lambda answer: answer * 3)


def broken(house: House) -> None:
    """Redis, MLflow and serving are there and do not answer: the caller stops them."""


def ask(house: House, many: int, actual: Callable[[float], float]) -> None:
    client = Client(house.cli_env["SERVING_URL"])
    for n in range(many):
        answer = client.predict(ROW | {"house_size": 1000 + 60 * n, "bed": 1 + n % 5})
        assert isinstance(answer.prediction, float)
        client.feedback(answer.prediction_id, actual(answer.prediction))


@contextmanager
def frozen(house: House) -> Iterator[None]:
    """Stop the services and what would restart them; afterwards all go on, so the desk can end."""
    ports = [house.env[name] for name in ("REDIS_PORT", "MLFLOW_PORT", "SERVING_PORT")]
    listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in listening.splitlines() if any(f":{port} " in line for port in ports)]
    services = {pid for line in lines for pid in re.findall(r"pid=(\d+)", line)}
    asked = ["ps", "-o", "ppid=", "-p", ",".join(services)]
    parents = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
    supervisors = {int(pid) for pid in parents if pid not in services}
    pids = [*supervisors, *map(int, services)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):  # the supervisor has replaced it
                os.kill(pid, signal.SIGCONT)


STATES = {state.__name__: state for state in (empty, normal, alarming, broken)}


def main() -> int:
    last = next((name for name in sys.argv[1:2] if name in STATES), "broken")
    only = {name for name in sys.argv[1:] if name not in STATES}
    shots = Path(os.environ.get("SHOTS", ROOT / "shots"))
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder) / "data", f"--folder {houses(Path(folder) / 'batches')}")
        with house.running():
            for name, state in STATES.items():
                state(house)
                print(name, flush=True)
                if name == "broken":
                    with frozen(house):
                        take(house.console, shots / name, only, settles=False)
                else:
                    take(house.console, shots / name, only)
                if name == last:
                    break
    print(f"Look at {shots}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
