"""How long a page of the prediction log takes to find, with a hundred thousand on record.

    python bench/history.py [--count 100000]

Fills a SQLite store of its own, then asks each question of the Predict page's history, the last
page included, and prints the median of twenty runs.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from core.adapters.store import Store
from core.adapters.store.migrate import migrate
from core.adapters.store.tables import predictions
from core.domain.predictions import Place, Search
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS

START = datetime(2026, 1, 1, tzinfo=UTC)
RUNS = 20


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=100_000)
    count = options.parse_args().count
    dataset = load(SHIPPED_DATASETS / "real_estate.toml")
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        migrate(url, dataset)
        store = Store.open(url, dataset)
        last = fill(store, count)
        end = START + timedelta(seconds=count)
        ask(store, "newest page", Search())
        ask(store, "oldest page", Search(), Place(START + timedelta(seconds=30), "g"))
        ask(store, "one version", Search(version=3))
        ask(store, "one hour", Search(since=end - timedelta(hours=2), until=end))
        ask(store, "start of an id", Search(id_prefix=last[:6]))
        ask(store, "a value that is common", Search(value="state=State 7"))
        ask(store, "a value that is nowhere", Search(value="city=Nowhere"))
        times = [timed(lambda: get(store, last)) for _ in range(RUNS)]
        print(f"{'one prediction by its id':28} {np.median(times):6.1f} ms")
        store.close()


def fill(store: Store, count: int) -> str:
    draw = random.Random(1)
    effects = [{"field": f"field_{n}", "effect": draw.gauss(0, 0.1)} for n in range(8)]
    answer = {"low": 1.0, "high": 2.0, "contributions": {"scale": "log", "baseline": 1.0,
              "fields": effects}}  # fmt: skip
    rows = [
        {
            "id": str(uuid.UUID(int=draw.getrandbits(128), version=4)),
            "at": START + timedelta(seconds=n),
            "model_version": 1 + n * 60 // count,
            "inputs": {
                "status": "for_sale", "bed": n % 6, "bath": n % 4, "acre_lot": 0.25,
                "house_size": 900 + n % 3000, "city": f"City {n % 5000}",
                "state": f"State {n % 50}", "zip_code": f"{n % 90000:05d}",
            },
            "prediction": 1000.0 + n,
            "answer": answer,
        }
        for n in range(count)
    ]  # fmt: skip
    with store.engine.begin() as connection:
        connection.execute(sa.insert(predictions), rows)
    return str(rows[-1]["id"])


def get(store: Store, wanted: str) -> None:
    with store.read() as work:
        assert work.predictions.get(wanted)


def ask(store: Store, name: str, search: Search, before: Place | None = None) -> None:
    def once() -> None:
        with store.read() as work:
            work.predictions.search(search, 25, before)

    times = [timed(once) for _ in range(RUNS)]
    print(f"{name:28} {np.median(times):6.1f} ms")


def timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    main()
