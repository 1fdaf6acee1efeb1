"""What files contain by mistake, in every format.

Each time the sentence names the thing, the good rows are read, and the next batch is not held up.
`pytest --collect-only -q` prints the list.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.job_results import BatchStored
from core.domain.jobs import JobState
from tests.contract.test_reader_formats import FORMATS as BYTES
from tests.contract.test_reader_formats import Read, json_bytes
from tests.contract.test_reader_ingest import ROWS, ingest

FORMATS = ("json", "jsonl", "csv", "parquet")
LARGE = 2**53 + 1

SQLITE = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
"""What is read is the same."""


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def write(path: Path, rows: list[dict[str, Any]], number: int = 0) -> None:
    ending = path.suffix[1:]
    path.write_bytes(json_bytes(rows, number) if ending == "json" else BYTES[ending](rows))


def with_value(column: str, value: Any) -> list[dict[str, Any]]:
    """Four rows, the last with another value; Parquet has one type for a column."""
    if isinstance(value, dict | list):
        return [row | {column: None} for row in ROWS[:3]] + [ROWS[3] | {column: value}]
    if isinstance(value, str):
        return [row | {column: row[column] and str(row[column])} for row in ROWS[:3]] + [
            ROWS[3] | {column: value}
        ]
    return [*ROWS[:3], ROWS[3] | {column: value}]


CASES = {
    "text over the limit": ("city", "x" * 201, "city: .*200 characters"),
    "a nested object in a number": ("bed", {"a": 1}, "bed: must be a number"),
    "a nested object in a category": ("city", {"a": 1}, "city: must be text"),
    "a list in a number": ("bed", [1, 2], "bed: must be a number"),
    "a list in a code": ("street", ["a"], "street: must be text"),
    "words in a number": ("bed", "three", "bed: must be a number"),
    "a day/month/year date without parse": (
        "prev_sold_date", "31/12/2020", "prev_sold_date: must be a date",
    ),
    "the columns of a row shifted by one": ("price", "for_sale", "price: must be a number"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "ending"),
    [
        (case, ending)
        for case, (column, value, _) in CASES.items()
        for ending in FORMATS
        # A cell of a CSV is text, which a category or a code takes.
        if ending != "csv" or isinstance(value, str) or column == "bed"
    ],
)
def test_a_bad_value_costs_its_row_and_is_named(
    dataset: Dataset, tmp_path: Path, ending: str, case: str
) -> None:
    column, value, reason = CASES[case]
    write(tmp_path / f"a.{ending}", with_value(column, value))
    read = Read(tmp_path / f"a.{ending}", dataset)
    assert (len(read.rows), list(read.why)) == (3, [3])
    assert re.search(reason, read.why[3]), read.why


@SQLITE
@pytest.mark.parametrize("ending", FORMATS)
def test_a_row_that_breaks_a_rule_is_quarantined_and_the_next_file_is_stored(
    store: Store, tmp_path: Path, inbox: Path, ending: str
) -> None:
    write(inbox / f"a.{ending}", with_value("bed", "three"))
    write(inbox / f"b.{ending}", ROWS, 1)
    job, _ = ingest(store, tmp_path)
    assert isinstance(job.result, BatchStored), job.error
    assert (job.result.stored, job.result.quarantined) == (3, 1)
    with store.read() as work:
        (bad,) = work.batches.quarantined(job.result.batch_id, 5)
    assert (bad.row_number, bad.reason) == (3, "bed: must be a number")
    after, _ = ingest(store, tmp_path)
    assert isinstance(after.result, BatchStored), after.error
    assert after.result.stored == 4


@pytest.mark.parametrize("ending", FORMATS)
def test_an_id_beyond_2_to_the_53_is_kept_exactly_or_refused(
    dataset: Dataset, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"a.{ending}"
    write(path, [row | {"street": LARGE + n} for n, row in enumerate(ROWS)])
    read = Read(path, dataset)
    assert {row["street"] for row in read.rows} <= {str(LARGE + n) for n in range(4)}
    assert len(read.rows) + len(read.why) == 4
    rule = f"street: must be text or a whole number below {2**53:,}"
    assert set(read.why.values()) <= {rule}


@SQLITE
@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("case", ["empty", "a column is gone", "a column is renamed"])
def test_a_file_that_changed_its_shape_is_named_and_the_next_is_stored(
    store: Store, tmp_path: Path, inbox: Path, ending: str, case: str
) -> None:
    path = inbox / f"a.{ending}"
    if case == "empty":
        path.write_bytes(b"")
    else:
        renamed = {"beds": 1} if case == "a column is renamed" else {}
        write(path, [{k: v for k, v in row.items() if k != "bed"} | renamed for row in ROWS])
    write(inbox / f"b.{ending}", ROWS, 1)
    job, _ = ingest(store, tmp_path)
    if isinstance(job.result, BatchStored):  # in JSON each row has its own names
        assert (job.result.stored, job.result.quarantined) == (0, 4)
        with store.read() as work:
            reasons = {q.reason for q in work.batches.quarantined(job.result.batch_id, 5)}
        assert reasons == {"bed: not in the row"}
    else:
        assert job.state is JobState.FAILED
        assert "Traceback" not in job.error
        assert job.error.endswith("Its bytes are kept in the spool.")
        assert re.search("empty|0 bytes" if case == "empty" else "bed", job.error), job.error
    after, _ = ingest(store, tmp_path)
    assert isinstance(after.result, BatchStored), after.error
    assert after.result.stored == 4
