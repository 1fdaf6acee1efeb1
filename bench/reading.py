"""Reading and checking the same rows from each format, in one run.

    python bench/reading.py --rows 361457

The rows are batch 5 of the stand-in data API at that size. Each format is read `--rounds` times in
turn by `core.adapters.readers.parse.chunks`, and the fastest time counts. Memory is the peak of a
process that reads one file.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from compose.data_api.generator import Generator
from compose.data_api.options import parse as parse_options
from core.adapters.readers import parse
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from core.rules.data.profile import Profiler

BATCH = 5


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=361_457)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = rows_of(chosen.rows)
        files = [write(Path(folder) / f"batch.{ending}", rows) for ending, write in WRITERS.items()]
        count = len(rows)
        del rows
        seconds = {path.name: [] for path in files}
        for _ in range(chosen.rounds):
            for path in files:
                seconds[path.name].append(read(path))
        json_rate = count / min(seconds["batch.json"])
        print(f"{count:,} rows, best of {chosen.rounds}")
        print(f"{'file':<16}{'MB':>8}{'rows/s':>12}{'of JSON':>9}{'peak MB':>9}")
        for path in files:
            rate = count / min(seconds[path.name])
            size, peak = path.stat().st_size / 1e6, peak_of(path)
            share = rate / json_rate
            print(f"{path.name:<16}{size:>8.1f}{rate:>12,.0f}{share:>9.2f}{peak:>9.0f}")


def rows_of(count: int) -> list[dict[str, Any]]:
    """The first `count` rows of the batch at real size, repeated if there are fewer."""
    batch = Generator(parse_options([])).batch(BATCH)
    rows: list[dict[str, Any]] = []
    while len(rows) < count:
        for block in batch.blocks():
            rows += [dict(zip(batch.names, row, strict=True)) for row in zip(*block, strict=True)]
    return rows[:count]


def read(path: Path) -> float:
    """Seconds to read a file whole, profile included."""
    dataset = load(SHIPPED_DATASETS / "real_estate.toml")
    start = time.perf_counter()
    profiler = Profiler(dataset)
    stored = sum(c.rows.num_rows for c in parse.chunks(path, dataset, profiler, lambda _: None))
    profiler.finish()
    assert stored
    return time.perf_counter() - start


def peak_of(path: Path) -> float:
    """The peak memory in MB of a new process that reads a file."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (path,))


def _peak(path: Path) -> float:
    read(path)
    (peak,) = [s for s in Path("/proc/self/status").read_text().split("\n") if "VmHWM" in s]
    return int(peak.split()[1]) / 1e3


def as_json(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps({"batch_number": BATCH, "data": rows}))
    return path


def as_lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def as_csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    pa_csv.write_csv(pa.Table.from_pylist(rows), path)
    return path


def as_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


WRITERS: dict[str, Callable[[Path, list[dict[str, Any]]], Path]] = {
    "json": as_json,
    "jsonl": as_lines,
    "csv": as_csv,
    "parquet": as_parquet,
}


if __name__ == "__main__":
    main()
