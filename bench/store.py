"""The fixed cost of a transaction: an empty read of the store, beside SQLite's own.

    python bench/store.py [--rounds 2000]

Each round opens a read transaction on an empty SQLite database and closes it again; the bare one
does the same with SQLAlchemy alone. Processor time; the best of five repetitions counts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import timeit
from pathlib import Path

from core.adapters.store import Store
from core.adapters.store.migrate import migrate
from core.platform.database_url import sqlite_url
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS

REPETITIONS = 5


def main() -> None:
    """Measure and print both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2000)
    rounds = parser.parse_args().rounds
    dataset = load(SHIPPED_DATASETS / "real_estate.toml")
    with tempfile.TemporaryDirectory() as folder:
        url = sqlite_url(str(Path(folder) / "bench.db"))
        migrate(url, dataset)
        store = Store.open(url, dataset)

        def empty_read() -> None:
            with store.read():
                pass

        def bare() -> None:
            with store.engine.connect():
                pass

        empty_read()
        seconds = [
            min(timeit.repeat(call, timer=time.process_time, number=rounds, repeat=REPETITIONS))
            / rounds
            for call in (empty_read, bare)
        ]
        store.close()
    ours, theirs = (1e6 * s for s in seconds)
    print(f"empty read {ours:.1f} µs, bare connection {theirs:.1f} µs, ratio {ours / theirs:.1f}")


if __name__ == "__main__":
    main()
