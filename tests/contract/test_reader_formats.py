"""What every reader keeps, whatever the format: rows, reasons, profile, bounds."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.adapters.readers import csv_reader, json_rows, parse
from core.adapters.readers.choice import reader_of
from core.adapters.readers.port import KEPT, Wanted
from core.domain.dataset import Dataset
from core.domain.errors import BatchUnreadable
from core.domain.profiles import ColumnProfile
from core.domain.sources import CsvOptions, FilesSource, UploadSource
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
            {"name": "article", "type": "code", "role": "feature", "width": 5},
            {"name": "weight", "type": "number", "role": "feature"},
            {"name": "amount", "type": "number", "role": "target", "nullable": False},
        ],
    },
    "orders.toml",
)


def orders(count: int) -> Rows:
    return [
        {
            "day": None if n % 11 == 5 else f"2026-03-{n % 28 + 1:02d}",
            "shop": None if n % 7 == 3 else ["North", 'Süd, "alt"', "West\nEnd"][n % 3],
            "article": 100 + n % 13,
            "weight": None if n % 5 == 2 else round(20 + n * 0.37, 2),
            "amount": 10.5 + n,
            "trace": {"not": [n]} if n % 2 else None,
        }
        for n in range(count)
    ]


def json_bytes(rows: Rows, number: int = 4) -> bytes:
    return json.dumps({"batch_number": number, "data": rows}).encode()


def jsonl_bytes(rows: Rows) -> bytes:
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def csv_text(rows: Rows, delimiter: str = ",") -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def parquet_bytes(rows: Rows) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink, row_group_size=20)
    return sink.getvalue()


def zst_bytes(content: bytes) -> bytes:
    return pa.compress(content, codec="zstd", asbytes=True)


FORMATS: dict[str, Callable[[Rows], bytes]] = {
    "json": json_bytes,
    "jsonl": jsonl_bytes,
    "csv": lambda rows: csv_text(rows).encode(),
    "parquet": parquet_bytes,
    "json.gz": lambda rows: gzip.compress(json_bytes(rows)),
    "jsonl.gz": lambda rows: gzip.compress(jsonl_bytes(rows)),
    "jsonl.zst": lambda rows: zst_bytes(jsonl_bytes(rows)),
    "csv.gz": lambda rows: gzip.compress(csv_text(rows).encode()),
    "csv.zst": lambda rows: zst_bytes(csv_text(rows).encode()),
}
TEXTS = [ending for ending in FORMATS if not ending.startswith(("json.", "parquet"))]


class Read:
    """What became of a file."""

    def __init__(
        self, path: Path, dataset: Dataset = ORDERS, most_bytes: int = 1_000_000_000
    ) -> None:
        profiler = Profiler(dataset)
        shares: list[float] = []
        chunks = list(parse.chunks(path, dataset, profiler, shares.append, most_bytes))
        self.rows: Rows = [row for chunk in chunks for row in chunk.rows.to_pylist()]
        self.quarantined = [row for chunk in chunks for row in chunk.quarantined]
        self.why = {row.row_number: row.reason for row in self.quarantined}
        self.profiles: tuple[ColumnProfile, ...] = profiler.finish()
        assert shares == sorted(shares)
        assert all(0 <= share <= 1 for share in shares)


def put(folder: Path, ending: str, content: bytes) -> Path:
    path = folder / f"batch.{ending}"
    path.write_bytes(content)
    return path


@pytest.fixture(params=[64, 1 << 20])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many bytes are read at a time: a row may stand in many blocks."""
    monkeypatch.setattr(json_rows, "BLOCK", request.param)
    monkeypatch.setattr(csv_reader, "BLOCK", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_gives_the_rows_and_the_profile_that_json_gives(
    tmp_path: Path, ending: str
) -> None:
    rows = orders(60)
    expected = Read(put(tmp_path, "json", json_bytes(rows)))
    assert (len(expected.rows), expected.why) == (60, {})
    assert expected.rows[0]["article"] == "00100"
    read = Read(put(tmp_path, ending, FORMATS[ending](rows)))
    assert (read.rows, read.why, read.profiles) == (expected.rows, {}, expected.profiles)


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_gives_the_reasons_that_json_gives(tmp_path: Path, ending: str) -> None:
    rows = orders(12)
    rows[2] |= {"amount": None, "shop": "x" * 201}
    rows[7] |= {"amount": None}
    rows[9] |= {"shop": "y" * 201}
    read = Read(put(tmp_path, ending, FORMATS[ending](rows)))
    assert read.why == {
        2: "shop: must be at most 200 characters; amount: must be given",
        7: "amount: must be given",
        9: "shop: must be at most 200 characters",
    }
    assert "xxx" in read.quarantined[0].content
    assert all(len(row.content) <= 2_000 for row in read.quarantined)
    assert [row["row_number"] for row in read.rows] == [0, 1, 3, 4, 5, 6, 8, 10, 11]


@pytest.mark.parametrize("ending", FORMATS)
def test_a_whole_number_beyond_2_to_the_53_is_rounded_alike(tmp_path: Path, ending: str) -> None:
    numbers = [2**53 - 1, 2**53 + 1, -(2**53) - 1, 2**60 + 1]
    rows = [row | {"weight": n} for row, n in zip(orders(4), numbers, strict=True)]
    read = Read(put(tmp_path, ending, FORMATS[ending](rows)))
    assert [row["weight"] for row in read.rows] == [2.0**53 - 1, 2.0**53, -(2.0**53), 2.0**60]
    assert read.why == {}


@pytest.mark.parametrize("ending", FORMATS)
def test_only_json_carries_a_number(tmp_path: Path, ending: str) -> None:
    path = put(tmp_path, ending, FORMATS[ending](orders(3)))
    assert parse.batch_number(path) == (
        4 if ending.startswith("json.") or ending == "json" else None
    )


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_that_breaks_off_is_no_batch(tmp_path: Path, ending: str) -> None:
    whole = FORMATS[ending](orders(40))
    path = put(tmp_path, ending, whole[: len(whole) * 2 // 3])
    if ending in ("csv", "jsonl"):  # a line is lost, and nothing says so but its own end
        assert list(Read(path).why) == [len(Read(path).rows)]
        return
    with pytest.raises(BatchUnreadable, match=r"Deliver the file again, complete\.$|breaks off"):
        Read(path)


@pytest.mark.parametrize("ending", FORMATS)
def test_a_file_of_another_kind_is_refused_with_a_sentence(tmp_path: Path, ending: str) -> None:
    for content in (b"", b"<html><p>502, Bad Gateway</p></html>", b"%PDF-1.7 text", b"\x00" * 900):
        with pytest.raises(BatchUnreadable, match=r"^The batch .*\.$"):
            Read(put(tmp_path, ending, content))


@pytest.mark.parametrize("ending", [e for e in FORMATS if e.endswith((".gz", ".zst"))])
def test_decompressed_bytes_are_bounded(tmp_path: Path, ending: str) -> None:
    path = put(tmp_path, ending, FORMATS[ending](orders(400)))
    with pytest.raises(BatchUnreadable, match=r"more than 5,000 bytes .*FILE_MAX_MB"):
        Read(path, most_bytes=5_000)


def test_an_ending_that_no_reader_has_is_named(tmp_path: Path) -> None:
    for ending, says in [
        ("xlsx", "end in '.xlsx' are not read"),
        ("parquet.gz", "compressed inside"),
        ("tar.gz", "not read"),
    ]:
        with pytest.raises(BatchUnreadable, match=says):
            Read(put(tmp_path, ending, b"x"))


# JSON Lines


def test_a_line_that_is_no_row_costs_itself(tmp_path: Path) -> None:
    good = [json.dumps(row) for row in orders(4)]
    lines = [good[0], "{", "", "[1, 2]", '{"amount": NaN}', good[1], "null", good[2] + good[3], "]"]
    read = Read(put(tmp_path, "jsonl", "\r\n".join(lines).encode()))
    assert len(read.rows) == 2
    assert read.why == {
        1: "the row is not JSON",
        2: "a row of 5 values was expected",
        3: "day, shop, article, weight: not in the row",
        5: "a row of 5 values was expected",
        6: "the row is not JSON",
        7: "the row is not JSON",
    }


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    body = b"\xef\xbb\xbf" + jsonl_bytes(orders(2))
    assert len(Read(put(tmp_path, "jsonl", body)).rows) == 2


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_a_line_without_end_costs_one_row_and_no_memory(tmp_path: Path, ending: str) -> None:
    import tracemalloc

    rows = orders(2)
    lines = FORMATS[ending](rows).split(b"\n")
    path = put(tmp_path, ending, b"\n".join(lines) + b"\n" + b"z" * 16_000_000 + b"\n" + lines[-1])
    tracemalloc.start()
    read = Read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "16,000,000 bytes, and at most 1,048,576 are read" in "".join(read.why.values())
    assert read.quarantined[0].content == "z" * KEPT
    assert peak < 60_000_000


# Parquet


def parquet_of(folder: Path, **columns: Any) -> Path:
    """Three orders as Parquet, some of whose columns are replaced."""
    plain: dict[str, Any] = {
        "day": [date(2026, 3, 1)] * 3,
        "shop": ["North"] * 3,
        "article": [1, 2, 3],
        "weight": [1.5, 2.5, 3.5],
        "amount": [1.0, 2.0, 3.0],
    }
    path = folder / "batch.parquet"
    pq.write_table(pa.table(plain | columns), path)
    return path


DAYS = pa.array([0, 86_399, 86_400], pa.timestamp("s"))


@pytest.mark.parametrize(
    ("column", "values", "stored"),
    [
        ("weight", pa.array([1, None, 2**60], pa.int64()), [1.0, None, 2.0**60]),
        ("weight", pa.array([1, 2, 2**64 - 1], pa.uint64()), [1.0, 2.0, 2.0**64]),
        ("weight", pa.array([1, 2, 3], pa.float32()), [1.0, 2.0, 3.0]),
        ("weight", pa.array(["1.5", "", " 2 "]), [1.5, None, 2.0]),
        ("weight", pa.array([1, 2, 3]).cast(pa.decimal128(21, 2)), [1.0, 2.0, 3.0]),
        ("article", pa.array([7, 8, 9], pa.int8()), ["00007", "00008", "00009"]),
        ("article", pa.array([7.0, None, 9.0]), ["00007", None, "00009"]),
        ("article", pa.array(["7", "A1", "7.0"]), ["00007", "A1", "00007"]),
        ("article", pa.array([7, 8, 9]).cast(pa.decimal128(21, 2)), ["00007", "00008", "00009"]),
        ("shop", pa.array(["b", None, "b"]).dictionary_encode(), ["b", None, "b"]),
        ("shop", pa.array([True, None, False]), ["true", None, "false"]),
        ("shop", pa.array([b"b", b" a", None], pa.binary()), ["b", "a", None]),
        ("shop", pa.array(["b", "a", "a"], pa.large_string()), ["b", "a", "a"]),
        ("day", pa.array([0, None, 1], pa.date32()), ["1970-01-01", None, "1970-01-02"]),
        ("day", DAYS, ["1970-01-01", "1970-01-01", "1970-01-02"]),
        ("day", DAYS.cast(pa.timestamp("ns")), ["1970-01-01", "1970-01-01", "1970-01-02"]),
        (
            "day",
            DAYS.cast(pa.timestamp("us", "America/Lima")),
            ["1969-12-31", "1970-01-01", "1970-01-01"],
        ),
        ("day", pa.array(["2026-01-02", None, "2026-01-03T10:00"]),
         ["2026-01-02", None, "2026-01-03"]),
    ],
)  # fmt: skip
def test_arrow_types_are_stored_as_their_json_would_be(
    tmp_path: Path, column: str, values: pa.Array, stored: list[Any]
) -> None:
    read = Read(parquet_of(tmp_path, **{column: values}))
    assert read.why == {}
    assert [v.isoformat() if column == "day" and v else v for v in
            (row[column] for row in read.rows)] == stored  # fmt: skip


STAYS = parse_dataset(
    {
        "name": "stays",
        "fit_on": "value",
        "columns": [
            {"name": "opened", "type": "date", "role": "feature", "parse": "%d/%m/%Y",
             "source": "Opened on"},
            {"name": "arrived", "type": "timestamp", "role": "feature", "zone": "UTC"},
            {"name": "seen", "type": "timestamp", "role": "feature", "epoch": "s"},
            {"name": "pets", "type": "boolean", "role": "feature"},
            {"name": "nights", "type": "number", "role": "feature", "default": 0},
            {"name": "paid", "type": "number", "role": "target"},
        ],
    },
    "stays.toml",
)  # fmt: skip


def test_arrow_types_of_columns_with_options_equal_their_text(tmp_path: Path) -> None:
    times = ["2026-03-01T10:00:00.250000+00:00", None, "1969-12-31T23:59:59+00:00"]
    text = [
        {
            "Opened on": "28/03/2026",
            "arrived": times[0],
            "seen": 5,
            "pets": "yes",
            "nights": "2",
            "paid": 1,
        },
        {"Opened on": None, "arrived": None, "seen": None, "pets": None, "nights": None, "paid": 1},
        {
            "Opened on": "1/1/1970",
            "arrived": times[2],
            "seen": -1,
            "pets": "no",
            "nights": 1.5,
            "paid": 1,
        },
    ]
    expected = Read(put(tmp_path, "jsonl", jsonl_bytes(text)), STAYS)
    assert (len(expected.rows), expected.why) == (3, {})
    stamps = pa.array([datetime.fromisoformat(t) if t else None for t in times])
    native: dict[str, Any] = {
        "Opened on": pa.array([date(2026, 3, 28), None, date(1970, 1, 1)]),
        "arrived": stamps,
        "seen": pa.array([5, None, -1]),
        "pets": pa.array([True, None, False]),
        "nights": pa.array([2.0, None, 1.5]),
        "paid": pa.array([1, 1, 1]),
    }
    path = tmp_path / "batch.parquet"
    for zone in ("UTC", None, "Asia/Tokyo"):
        seen = pa.array([5, None, -1], pa.timestamp("s", zone or "UTC"))
        for columns in (native, native | {"seen": seen}):
            arrived = stamps.cast(pa.timestamp("ns", zone))
            pq.write_table(pa.table(columns | {"arrived": arrived}), path)
            read = Read(path, STAYS)
            assert (read.rows, read.why, read.profiles) == (expected.rows, {}, expected.profiles)


NUMBER = "must be text or a whole number below 9,007,199,254,740,992"
BROKEN_TEXT = pa.Array.from_buffers(
    pa.string(),
    3,
    [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\3\0\0\0\4\0\0\0"), pa.py_buffer(b"a\xff\xfeb")],
)


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("weight", pa.array([1.0, float("nan"), 2.0]), "weight: must be finite"),
        ("weight", pa.array([1.0, float("inf"), 2.0]), "weight: must be finite"),
        ("weight", pa.array(["1", "1,5", "2"]), "weight: must be a number"),
        ("weight", pa.array([[1.0], [2.0, 3.0], None]), "weight: must be a number"),
        ("amount", pa.array([1.0, None, 2.0]), "amount: must be given"),
        ("article", pa.array([1, 1234567890123456701, 2]), f"article: {NUMBER}"),
        ("article", pa.array([1.0, 1.5, 2.0]), f"article: {NUMBER}"),
        ("shop", pa.array(["a", "x" * 201, "b"]), "shop: must be at most 200 characters"),
        ("shop", pa.array(["a", "\x00", "b"]), "shop: must not contain NUL"),
        ("shop", BROKEN_TEXT, "shop: is not UTF-8"),
        ("shop", pa.array([b"a", b"\xff", b"b"]), "shop: is not UTF-8"),
        ("shop", pa.array([None, {"a": 1}, None]), "shop: must be text"),
        ("day", pa.array([0, 2**31 - 1, 1], pa.date32()), "day: is outside the years 1 to 9999"),
        ("day", pa.array([None, 20260301, None]), "day: must be a date as YYYY-MM-DD"),
        ("day", pa.array([None, "1/2/2026", None]), "day: must be a date as YYYY-MM-DD"),
    ],
)
def test_a_parquet_value_of_a_wrong_type_costs_its_row(
    tmp_path: Path, column: str, values: pa.Array, rule: str
) -> None:
    read = Read(parquet_of(tmp_path, **{column: values}))
    assert read.why[1] == rule
    assert json.loads(read.quarantined[0].content).keys() == set(ORDERS.names)
    assert len(read.rows) == 3 - len(read.why)


def test_a_parquet_file_without_a_column_or_with_two_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "batch.parquet"
    table = pq.read_table(parquet_of(tmp_path))
    pq.write_table(table.drop_columns(["shop"]), path)
    with pytest.raises(BatchUnreadable, match=r"no column shop; its columns are day, article"):
        Read(path)
    pq.write_table(pa.table([*table.columns, table["shop"]], [*table.column_names, " shop"]), path)
    with pytest.raises(BatchUnreadable, match="has shop twice"):
        Read(path)
    pq.write_table(table.rename_columns([f" {name} " for name in table.column_names]), path)
    assert len(Read(path).rows) == 3


def test_a_parquet_file_is_bounded_before_it_is_read(tmp_path: Path) -> None:
    path = put(tmp_path, "parquet", parquet_bytes(orders(400)))
    with pytest.raises(BatchUnreadable, match=r"at most 500 are read \(FILE_MAX_MB\)"):
        Read(path, most_bytes=500)


def test_repeated_values_are_bounded_too(tmp_path: Path) -> None:
    path = tmp_path / "batch.parquet"
    columns = {name: pa.repeat(1.0, 200_000) for name in ORDERS.names}
    pq.write_table(pa.table(columns), path)
    assert path.stat().st_size < 100_000
    with pytest.raises(BatchUnreadable, match="1,000,000 bytes or values once decompressed"):
        Read(path, most_bytes=999_999)


def test_an_empty_table_is_a_batch_without_rows(tmp_path: Path) -> None:
    path = parquet_of(tmp_path)
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    assert Read(path).rows == []


def test_damaged_pages_are_one_sentence(tmp_path: Path) -> None:
    whole = bytearray(parquet_bytes(orders(400)))
    whole[40:90] = b"\xff" * 50
    with pytest.raises(BatchUnreadable, match=r"no whole Parquet file: .*complete\.$"):
        Read(put(tmp_path, "parquet", bytes(whole)))


def test_a_long_text_in_many_rows_takes_memory_once(tmp_path: Path) -> None:
    count = 50_000
    path = tmp_path / "batch.parquet"
    shops = pa.DictionaryArray.from_arrays(pa.array([0] * count), pa.array(["x" * 100_000]))
    columns = {name: [1] * count for name in ORDERS.names} | {"day": [None] * count, "shop": shops}
    pq.write_table(pa.table(columns), path)
    before = pa.total_allocated_bytes()
    refused = 0
    for chunk in parse.chunks(path, ORDERS, Profiler(ORDERS), lambda _: None):
        refused += len(chunk.quarantined)
        assert pa.total_allocated_bytes() - before < 100_000_000
    assert refused == count


# CSV


def csv_of(folder: Path, *lines: str, encoding: str = "utf-8", header: str = "") -> Path:
    first = header or "day,shop,article,weight,amount"
    return put(folder, "csv", "\n".join([first, *lines, ""]).encode(encoding))


GOOD = "2026-03-01,North,1,1.5,2"
HEADER_AGAIN = (
    "day: must be a date as YYYY-MM-DD; weight: must be a number; amount: must be a number"
)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("2026-03-01,North,1,1.5", "the row has 4 cells where the header has 5"),
        ("2026-03-01,North,1,1.5,2,", "the row has 6 cells where the header has 5"),
        ("2026-03-01,1,North,x,1.5", "weight: must be a number"),
        ("x", "the row has 1 cell where the header has 5"),
        ('2026-03-01,"North,1,1.5,2', "the row is no CSV: a quote does not close"),
        ('2026-03-01,"North"x,1,1.5,2', "the row is no CSV: ',' expected after '\"'"),
        ("2026-03-01,Nor\rth,1,1.5,2",
         "the row is no CSV: a carriage return stands outside quotes"),
        ("2026-03-01,Nor\x00th,1,1.5,2", "shop: must not contain NUL"),
        ("2026-03-01,North,1,1\x00,2", "weight: must be a number"),
        ("1/3/2026,North,1,1.5,2", "day: must be a date as YYYY-MM-DD"),
        ("2026-03-01,North,1,nan,2", "weight: must be finite"),
        ("2026-03-01,North,1,1.5,", "amount: must be given"),
        ("day,shop,article,weight,amount", HEADER_AGAIN),
        (f"2026-03-01,{'x' * 140_000},1,1.5,2",
         "the row is no CSV: field larger than field limit (131072)"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("block")
def test_a_csv_row_costs_itself_and_no_other(tmp_path: Path, line: str, rule: str) -> None:
    read = Read(csv_of(tmp_path, GOOD, line, GOOD, GOOD))
    assert (len(read.rows), read.why) == (3, {1: rule})
    shown = line.replace("\x00", "\ufffd")
    if not rule.startswith("the row"):  # its values are kept by their names, to be read again
        shown = json.dumps(dict(zip(ORDERS.source_names, line.split(","), strict=True)))
    assert read.quarantined[0].content == shown[:KEPT]


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.usefixtures("block")
def test_a_quote_that_never_closes_costs_its_line(tmp_path: Path, last: bool) -> None:  # noqa: FBT001
    torn = '2026-03-01,"North,1,1.5,2'
    after = [] if last else [GOOD] * 6_000  # longer than the longest field
    read = Read(csv_of(tmp_path, GOOD, torn, *after))
    assert (len(read.rows), list(read.why)) == (1 + len(after), [1])


def test_quotes_that_never_close_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.rules.data import csv_records

    monkeypatch.setattr(csv_records, "MOST_REREAD", 10_000_000)
    line = 'b",c"x,"d'  # inside of a quoted cell and outside, it ends within one
    with pytest.raises(BatchUnreadable, match="Too many rows of the batch have a quote"):
        Read(csv_of(tmp_path, *[line] * 50_000))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\n , \n", "The batch is empty. Its first line must name the columns: day, shop"),
        (GOOD.encode(), "no header of this dataset: its first line is 2026-03-01, North, 1"),
        (b"day,shop,article,weight\n", "lacks amount"),
        (b"day,shop,article,weight,amount, shop \n", "names shop twice"),
        (b'"day,shop\n', "has no header: the row is no CSV"),
        (b"PK\x03\x04...", "an Excel or zip file"),
        (b"PAR1", "a Parquet file"),
    ],
)
def test_a_csv_without_its_header_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes, says: str
) -> None:
    with pytest.raises(BatchUnreadable, match=says):
        Read(put(tmp_path, "csv", content))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
)
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_how_a_csv_is_written_is_detected(
    tmp_path: Path, delimiter: str, encoding: str, newline: str
) -> None:
    rows = [row | {"shop": "Süd Zürich Köln"} for row in orders(50)]
    text = csv_text(rows, delimiter).replace("\r\n", newline)
    read = Read(put(tmp_path, "csv", text.encode(encoding)))
    assert (len(read.rows), read.why) == (50, {})
    assert {row["shop"] for row in read.rows} == {"Süd Zürich Köln"}


def test_a_decimal_comma_is_detected_and_an_ambiguous_one_is_not_guessed(tmp_path: Path) -> None:
    header = "day;shop;article;weight;amount"
    read = Read(csv_of(tmp_path, ";a;1;1,5;2", ";a;1;-0,25;1.000", ";a;1;2.5;3,5", header=header))
    assert [(row["weight"], row["amount"]) for row in read.rows] == [(1.5, 2.0)]
    assert read.why == {1: "amount: must be a number", 2: "weight: must be a number"}
    read = Read(csv_of(tmp_path, ";a;1;1,500;2", header=header))
    assert read.why == {0: "weight: must be a number"}


def test_what_was_detected_is_said(tmp_path: Path) -> None:
    path = csv_of(tmp_path, ";a;1;1,5;2", header="day;shop;article;weight;amount")
    assert parse.note(path, ORDERS) == (
        "Read as CSV in utf-8, separated by semicolons, with a decimal comma."
    )
    assert parse.note(put(tmp_path, "jsonl", b"{}"), ORDERS) == ""


def test_what_is_stated_is_not_detected(tmp_path: Path) -> None:
    options = CsvOptions(delimiter="|", decimal=",", encoding="latin-1")
    stated = replace(ORDERS, source=FilesSource("in/*.csv", csv=options))
    path = csv_of(
        tmp_path, "|\xfc,;|1|1,500|2", header="day|shop|article|weight|amount", encoding="latin-1"
    )
    (row,) = Read(path, stated).rows
    assert (row["shop"], row["weight"]) == ("ü,;", 1.5)
    unknown = replace(ORDERS, source=UploadSource(CsvOptions(encoding="klingon")))
    with pytest.raises(BatchUnreadable, match=r"no encoding 'klingon'.*Correct `encoding`"):
        Read(path, unknown)


def test_a_byte_that_is_no_character_costs_its_row_or_nothing(tmp_path: Path) -> None:
    head = b"day,shop,article,weight,amount,note\n"
    body = "\n".join(f",Süd {n},1,1,2,ok" for n in range(5)).encode()
    path = put(tmp_path, "csv", head + body + b"\n,a\xff,1,1,2,ok\n,a,1,1,2,\xff\n")
    read = Read(path)
    assert (len(read.rows), read.why) == (6, {5: "shop: must be valid Unicode"})


def test_forty_thousand_columns_are_read(tmp_path: Path) -> None:
    extra = [f"c{n}" for n in range(40_000)]
    header = ",".join(["day", *extra, "shop,article,weight,amount"])
    line = ",".join(["", *["7"] * 40_000, "a,1,1,2"])
    read = Read(csv_of(tmp_path, line, line, header=header))
    assert (len(read.rows), read.why) == (2, {})


def test_rows_without_a_value_are_left_out(tmp_path: Path) -> None:
    read = Read(csv_of(tmp_path, GOOD, "", ",,,,", " , ,,,", GOOD, "", ""))
    assert [row["row_number"] for row in read.rows] == [0, 1]


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False, "row_group_size": 50_000}])
def test_texts_of_earlier_rows_take_no_memory_in_a_parquet_file(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    count = 400_000
    path = parquet_of(tmp_path)
    first = pq.read_table(path).slice(0, 1)
    table = first.take(pa.array([0] * count))
    shops = pa.array([f"shop {n:060d}" for n in range(count)])
    pq.write_table(table.set_column(1, "shop", shops), path, **options)
    del table, shops
    before, most = pa.total_allocated_bytes(), 0
    for block, _ in reader_of(path, Wanted(ORDERS.source_names)).blocks():
        assert len(block)
        most = max(most, pa.total_allocated_bytes() - before)
    assert most < 30_000_000  # the texts have 26 MB, and a table of all of them takes twice that


@pytest.mark.parametrize("ending", ["json", "csv", "parquet"])
def test_parsed_values_may_be_forgotten_at_any_time(
    tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path, ending, FORMATS[ending](orders(400)))
    expected = Read(path)
    monkeypatch.setattr(parse, "_MEMO_BYTES", 0)
    read = Read(path)
    assert (read.rows, read.why, read.profiles) == (expected.rows, expected.why, expected.profiles)
