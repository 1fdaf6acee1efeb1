"""The first rows of a file are read as an ingest reads them, and within bounds."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.adapters.readers import first_rows as module
from core.adapters.readers import parse
from core.adapters.readers.first_rows import MOST_ROWS, FirstRows, first_rows
from core.domain.errors import BatchUnreadable
from core.domain.sources import Format, format_of
from core.platform.dataset_file import parse as parse_dataset
from core.rules.data.profile import Profiler

Rows = list[dict[str, Any]]

ORDERS = parse_dataset(
    {
        "name": "orders",
        "fit_on": "value",
        "columns": [
            {"name": "day", "type": "date", "role": "feature"},
            {"name": "shop", "type": "category", "role": "feature"},
            {"name": "amount", "type": "number", "role": "target", "nullable": False},
        ],
    },
    "orders.toml",
)


def orders(number: int, *, bad: tuple[int, ...] = ()) -> Rows:
    return [
        {"day": f"2026-03-{n % 28 + 1:02}", "shop": "North", "amount": None if n in bad else n / 2}
        for n in range(number)
    ]


def jsonl(rows: Rows) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def document(rows: Rows) -> bytes:
    return json.dumps({"batch_number": 3, "data": rows}).encode()


def table(rows: Rows, mark: str = ",") -> bytes:
    lines = [mark.join("" if v is None else str(v) for v in row.values()) for row in rows]
    return "\n".join([mark.join(rows[0]), *lines]).encode()


def parquet(rows: Rows) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=4_000)
    return sink.getvalue()


def packed(write: Callable[[Rows], bytes], ending: str) -> Callable[[Rows], bytes]:
    if ending == ".gz":
        return lambda rows: gzip.compress(write(rows), 1)
    return lambda rows: bytes(pa.compress(write(rows), codec="zstd", asbytes=True))


PLAIN = {
    ".csv": table, ".tsv": lambda rows: table(rows, "\t"), ".jsonl": jsonl, ".ndjson": jsonl,
    ".json": document,
}  # fmt: skip
FORMATS: dict[str, Callable[[Rows], bytes]] = {
    **PLAIN,
    **{f"{e}{c}": packed(w, c) for e, w in PLAIN.items() for c in (".gz", ".zst")},
    ".parquet": parquet,
    ".pq": parquet,
}


def read(content: bytes, ending: str, **bounds: Any) -> FirstRows:
    written_as, compression = format_of(f"orders{ending}")
    assert written_as is not None
    file = io.BytesIO(content)
    try:
        return first_rows(file, written_as, compression, ORDERS, **bounds)
    finally:
        assert not file.closed


def values(first: FirstRows) -> Rows:
    return [row for rows in first.valid for row in rows.to_pylist()]


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_is_read_as_an_ingest_reads_it(tmp_path: Path, ending: str) -> None:
    content = FORMATS[ending](orders(40, bad=(3, 17)))
    written_as, compression = format_of(f"orders{ending}")
    assert written_as
    path = tmp_path / f"batch.{written_as.value}{compression}"
    path.write_bytes(content)
    chunks = list(parse.chunks(path, ORDERS, Profiler(ORDERS), lambda _: None))
    first = read(content, ending)
    assert first.is_all
    assert first.count == 40
    assert values(first) == [row for chunk in chunks for row in chunk.rows.to_pylist()]
    assert first.quarantined == [row for chunk in chunks for row in chunk.quarantined]
    assert [row.reason for row in first.quarantined] == ["amount: must be given"] * 2
    assert first.note == parse.note(path, ORDERS)


@pytest.mark.parametrize("ending", FORMATS)
def test_rows_are_bounded(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 500)
    first = read(FORMATS[ending](orders(900, bad=(499, 500, 700))), ending)
    assert (first.count, first.is_all) == (500, False)
    assert [row.row_number for row in first.quarantined] == [499]
    assert values(first)[-1]["row_number"] == 498


def test_the_last_row_within_the_bound_may_be_the_last_of_the_file() -> None:
    assert read(table(orders(MOST_ROWS)), ".csv").count == MOST_ROWS


@pytest.mark.parametrize("ending", [*PLAIN, ".csv.gz", ".jsonl.zst", ".json.gz"])
def test_bytes_are_bounded_and_no_row_is_cut(ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = orders(9_000)
    for reader in ("csv_reader", "json_rows"):
        monkeypatch.setattr(f"core.adapters.readers.{reader}.BLOCK", 1 << 14)
    monkeypatch.setattr(module, "MOST_BYTES", 100_000)
    first = read(FORMATS[ending](rows), ending)
    assert 500 < first.count < 9_000
    assert (first.is_all, first.quarantined) == (False, [])


def test_a_row_without_an_end_is_not_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 4_000_000)
    bombs = {
        ".csv": b"day,shop,amount\n" + b"x" * 9_000_000,
        ".jsonl": b'{"day": "' + b"x" * 9_000_000,
        ".json": b'{"batch_number": 1, "data": [{"day": "' + b"x" * 9_000_000,
    }
    for ending, content in bombs.items():
        for compression in ("", ".gz", ".zst"):
            packing = packed(lambda _, c=content: c, compression)  # type: ignore[misc]
            data = packing([]) if compression else content
            first = read(data, ending + compression)
            assert (first.count, first.is_all) == (0, False), ending + compression


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".jsonl.zst", ".json", ".parquet"])
def test_time_is_bounded(ending: str) -> None:
    seconds: Iterator[int] = count(0, 6)
    first = read(FORMATS[ending](orders(9_000)), ending, now=lambda: next(seconds))
    assert not first.is_all


def test_parquet_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PARQUET_BYTES", 10)
    first = read(parquet(orders(9_000)), ".parquet")
    assert (first.count, first.is_all) == (0, False)


def test_the_bound_of_an_ingest_is_no_end_but_a_refusal() -> None:
    for ending in (".csv.gz", ".parquet"):
        with pytest.raises(BatchUnreadable, match="FILE_MAX_MB"):
            read(FORMATS[ending](orders(900)), ending, most_bytes=5_000)


@pytest.mark.parametrize(
    ("ending", "content", "says"),
    [
        (".csv", b"", "is empty"),
        (".csv", b"a,b\n1,2\n", "no header of this dataset"),
        (".csv.gz", gzip.compress(table(orders(50)))[:-20], "no whole gzip file"),
        (".json", jsonl(orders(2)), "not the JSON document"),
        (".json", json.dumps({"data": orders(2)}).encode(), "carries no batch_number"),
        (".jsonl", b"a,b\n1,2\n", "not JSON Lines"),
        (".parquet", b"PAR1", "no whole Parquet file"),
        (".parquet", parquet([{"a": 1}]), "has no column day, shop, amount"),
        (".parquet.gz", b"x", "compressed inside"),
    ],
    ids=range(9),
)
def test_what_an_ingest_would_not_read_is_refused(ending: str, content: bytes, says: str) -> None:
    with pytest.raises(BatchUnreadable, match=says):
        read(content, ending)


def test_formats_are_all_tried() -> None:
    assert {format_of(f"x{ending}")[0] for ending in FORMATS} == set(Format)
