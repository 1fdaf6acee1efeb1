"""The peak memory of ingesting files much larger than memory should be, on SQLite.

    python bench/memory.py --parquet-mb 2000 --csv-mb 500

The files are made of generated rows in a temporary folder: a million different ones again and
again, whose streets never repeat: they have 200 characters of three bytes in the Parquet files, 100
of one byte in the CSV. One Parquet file has one row group, one has many. The last file, CSV, has as
many rows as may be quarantined. Each file is ingested by a new process into a new SQLite database
and compared, as a worker does it. Peak memory is that of the process, RSS; `at rest` is what it has
before it opens the file. `--only NAME` makes one of them.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from core.adapters.readers.parse import MOST_QUARANTINED
from core.adapters.store import Store
from core.adapters.store.migrate import migrate
from core.domain.jobs import JobKind
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from core.rules.data.profile import EXACT_ROWS
from core.rules.data.typed_values import LONGEST_TEXT
from workers.jobs import run_to_its_end
from workers.runtime.job_run import Run
from workers.sources.upload import Uploads
from workers.steps.drift import CheckDrift
from workers.steps.ingest import Ingest

BLOCK = 100_000
BLOCKS = 10


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--parquet-mb", type=int, default=2_000)
    options.add_argument("--csv-mb", type=int, default=500)
    options.add_argument("--quarantined", type=int, default=MOST_QUARANTINED)
    options.add_argument("--only", default="", help="such as large.csv")
    options.add_argument("--folder", type=Path, help="where the files are made and deleted")
    chosen = options.parse_args()
    print(f"{'file':<24}{'MB':>8}{'rows':>14}{'s':>8}{'at rest':>9}{'peak MB':>9}")
    makers: list[tuple[str, Callable[[Path], object]]] = [
        ("one_group.parquet", lambda path: as_parquet(path, chosen.parquet_mb, many=False)),
        ("many_groups.parquet", lambda path: as_parquet(path, chosen.parquet_mb, many=True)),
        ("large.csv", lambda path: as_csv(path, chosen.csv_mb)),
        ("quarantined.csv", lambda path: as_bad_csv(path, chosen.quarantined)),
    ]
    for name, make in makers:
        if chosen.only not in ("", name):
            continue
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            path = Path(folder) / name
            make(path)
            size = path.stat().st_size / 1e6
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                rows, seconds, rest, peak = pool.apply(ingest, (path,))
            print(f"{name:<24}{size:>8.0f}{rows:>14,}{seconds:>8.0f}{rest:>9.0f}{peak:>9.0f}")


def blocks(*, longest: bool = False) -> Iterator[pa.RecordBatch]:
    """Rows of the real-estate dataset without end; only the streets are new after `BLOCKS`."""
    made = [_block(start * BLOCK) for start in range(BLOCKS)]
    place = made[0].schema.names.index("street")
    for n, block in enumerate(cycle(made)):
        yield block.set_column(place, "street", _streets(n, longest=longest))


def _streets(seed: int, *, longest: bool) -> pa.Array:
    """Texts that never repeat, of 100 characters of one byte or of 200 of three."""
    length, *begin = (LONGEST_TEXT, 0xE4, 0xB8, 0x80) if longest else (100, ord("a"))
    content = np.empty((BLOCK, length, len(begin)), np.uint8)
    content[:] = begin
    content[:, :, -1] += np.random.default_rng(seed).integers(0, 16, (BLOCK, length), np.uint8)
    ends = np.arange(BLOCK + 1, dtype=np.int32) * (length * len(begin))
    return pa.StringArray.from_buffers(BLOCK, pa.py_buffer(ends), pa.py_buffer(content))


def _block(start: int) -> pa.RecordBatch:
    rng = np.random.default_rng(start)
    cities = np.array([f"City {n}" for n in range(5_000)])
    days = rng.integers(3_000, 20_000, BLOCK).astype(np.int32)
    return pa.RecordBatch.from_pydict(
        {
            "brokered_by": rng.integers(0, 110_000, BLOCK).astype(str),
            "status": rng.choice(["for_sale", "ready_to_build"], BLOCK),
            "price": rng.lognormal(12.7, 1.0, BLOCK),
            "bed": rng.integers(1, 9, BLOCK).astype(float),
            "bath": rng.integers(1, 7, BLOCK).astype(float),
            "acre_lot": pa.array(rng.lognormal(-1, 2.5, BLOCK), mask=rng.random(BLOCK) < 0.2),
            "street": np.arange(start, start + BLOCK).astype(str),
            "city": cities[rng.zipf(1.4, BLOCK) % len(cities)],
            "state": rng.choice(["Ohio", "Utah", "Texas", "Maine"], BLOCK),
            "zip_code": np.char.zfill(rng.integers(501, 99_950, BLOCK).astype(str), 5),
            "house_size": rng.lognormal(7.5, 0.6, BLOCK),
            "prev_sold_date": pa.array(days, pa.int32()).cast(pa.date32()),
        }
    )


def as_parquet(path: Path, megabytes: int, *, many: bool) -> None:
    """In one row group nothing but its pages can be read in parts."""
    source = blocks(longest=True)
    pq.write_table(pa.Table.from_batches([next(source)]), path, compression="none")
    times = math.ceil(megabytes * 1e6 / path.stat().st_size)
    table = pa.Table.from_batches(list(islice(source, times)))
    rows = BLOCK if many else table.num_rows
    pq.write_table(table, path, row_group_size=rows, compression="none")


def as_csv(path: Path, megabytes: int) -> None:
    with path.open("wb") as file:
        for n, block in enumerate(blocks()):
            pa_csv.write_csv(block, file, pa_csv.WriteOptions(include_header=n == 0))
            if file.tell() > megabytes * 1e6:
                return


def as_bad_csv(path: Path, count: int) -> None:
    """Every second row breaks a rule, until `count` do."""
    with path.open("w") as file:
        file.write(",".join(next(blocks()).schema.names) + "\n")
        for n in range(count):
            good = f"{n % 99},for_sale,{n + 2000}.5,3,2,0.12,{n},Adjuntas,Ohio,00601,920,\n"
            file.write(good + good.replace("920", f"{n} square feet, or so"))


def ingest(path: Path) -> tuple[int, float, float, float]:
    """Rows and seconds of an ingest and the comparison after it, memory before and at its peak."""
    dataset = load(SHIPPED_DATASETS / "real_estate.toml")
    database = f"sqlite:///{path.parent / 'bench.db'}"
    migrate(database, dataset)
    store = Store.open(database, dataset)
    spool = path.parent / "spool"
    spool.mkdir()
    path.rename(spool / f"e1-0{path.suffix}")
    take_in = Ingest(
        Uploads(), spool, dataset, False, _nothing, lambda _job: False, most_bytes=1 << 40
    )
    at_rest = memory("VmRSS")
    start = time.perf_counter()
    for kind, step in (
        (JobKind.INGEST, take_in),
        (JobKind.DRIFT, CheckDrift(dataset, False, _nothing)),
    ):
        with store.begin() as work:
            job, _ = work.jobs.request(kind, {}, "bench")
            work.commit()
        run = Run.claim(store, job.id, 1, timedelta(minutes=5))
        assert run
        run_to_its_end(run, type("Container", (), {"step": lambda _self, _kind, step=step: step})())
    seconds = time.perf_counter() - start
    with store.read() as work:
        (batch,) = work.batches.ledger(1)
        profile = work.batches.profile("batch", batch.id)
    assert batch.stored, batch.note
    assert batch.rows < EXACT_ROWS or any(p.error for p in profile)
    return batch.rows, seconds, at_rest, memory("VmHWM")


def _nothing(_job: int) -> None:
    """Jobs that follow are not run."""


def memory(kind: str) -> float:
    """A figure of this process's memory in MB."""
    (line,) = [s for s in Path("/proc/self/status").read_text().split("\n") if s.startswith(kind)]
    return int(line.split()[1]) / 1e3


if __name__ == "__main__":
    main()
