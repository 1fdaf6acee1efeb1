"""`driftdesk dataset init` and `check`: from a table to a dataset file, and back."""

from __future__ import annotations

import csv
import gzip
import json
import random
import re
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from console.cli.main import app
from core.adapters.readers import parse
from core.adapters.readers.first_rows import MOST_ROWS
from core.domain.errors import DatasetError
from core.platform.dataset_file import load, parse_text
from core.rules.data.profile import Profiler

HEADER = ["Order No", "Sold At", "Color", "Gift", "Zip", "Weight (kg)", "Total"]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which nothing runs."""
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))


def run(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["dataset", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.output


def orders(path: Path, count: int = 300, **how: Any) -> Path:
    dice = random.Random(5)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, **how)
        out.writerow(HEADER)
        for n in range(count):
            weight = f"{dice.uniform(0.1, 9):.2f}"
            out.writerow(
                [1000 + n, f"{n % 28 + 1:02}/02/2026 {n % 24:02}:15",
                 dice.choice(["red", "green", ""]), dice.choice("YN").replace("Y", "Yes").replace(
                     "N", "No"), f"{dice.randrange(1000, 99999):05}",
                 weight if how.get("delimiter") != ";" else weight.replace(".", ","), 5 + n % 90]
            )  # fmt: skip
    return path


def test_a_table_becomes_a_dataset_file_that_its_rows_fit(tmp_path: Path) -> None:
    file, out = orders(tmp_path / "orders.csv"), tmp_path / "orders.toml"
    told = run("init", file, "--target", "Total", "-o", out)
    assert "7 columns guessed from 300 rows; doubtful: 2; the target is total" in told
    assert "order_no: counts the rows" in told
    assert "sold_at: names no zone; UTC is assumed" in told
    assert f"start with DATASET={out}." in told
    made = load(out)
    assert made.name == "orders"
    assert [(c.name, c.type, c.role) for c in made.columns] == [
        ("order_no", "code", "identifier"),
        ("sold_at", "timestamp", "feature"),
        ("color", "category", "feature"),
        ("gift", "boolean", "feature"),
        ("zip", "code", "feature"),
        ("weight_kg", "number", "feature"),
        ("total", "number", "target"),
    ]
    assert made.source_names == tuple(HEADER)
    assert made.column("sold_at").parse == "%d/%m/%Y %H:%M"
    told = run("check", file, "--dataset", out)
    assert "300 of the 300 rows that were read are valid rows of orders." in told


def test_semicolons_and_decimal_commas_are_read_as_ingest_reads_them(tmp_path: Path) -> None:
    file, out = orders(tmp_path / "orders.csv", delimiter=";"), tmp_path / "orders.toml"
    run("init", file, "--target", "total", "-o", out)
    assert load(out).column("weight_kg").type == "number"
    assert "separated by semicolons, with a decimal comma" in run("check", file, "--dataset", out)


def test_columns_that_share_a_doubt_share_a_line(tmp_path: Path) -> None:
    file = tmp_path / "wide.csv"
    flags = [f"Flag {n}" for n in range(60)]
    with file.open("w", encoding="utf-8", newline="") as opened:
        out = csv.writer(opened)
        out.writerow([*flags, "size", "total"])
        out.writerows([[n % 2] * 60 + [n / 8, n / 4] for n in range(80)])
    told = run("init", file, "--target", "total", "-o", tmp_path / "wide.toml").splitlines()
    assert told[0].endswith("62 columns guessed from 80 rows; doubtful: 60; the target is total.")
    assert told[1] == (
        "  flag_0, flag_1, flag_2, flag_3, flag_4 and 55 more: each is a number if 0 and 1 are "
        "counts"
    )
    assert told[2].startswith("Next: ")


def test_a_task_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    file = orders(tmp_path / "orders.csv")
    regression = run("init", file, "--target", "Total", "--task", "regression")
    assert regression == run("init", file, "--target", "Total")
    said = run("init", file, "--task", "ranking", code=1)
    assert "There is no task 'ranking'" in said
    assert "(regression), one of two" in " ".join(said.split())


@pytest.mark.parametrize(
    ("task", "target", "classes", "positive"),
    [
        ("binary", "", "category", "Yes"),
        ("binary", "gift", "category", "Yes"),
        ("multiclass", "Kind", "number", ""),
        ("multiclass", "", "number", ""),
    ],
)
def test_a_table_with_classes_becomes_a_dataset_file_that_its_rows_fit(
    tmp_path: Path, task: str, target: str, classes: str, positive: str
) -> None:
    file, made = tmp_path / "sold.csv", tmp_path / "sold.toml"
    lines = [f"{n % 7},{'Yes' if n % 3 else 'No'},{n % 4},{n / 7:.2f}" for n in range(200)]
    file.write_text("\n".join(["Day,Gift,Kind,Weight", *lines]), encoding="utf-8")
    run("init", file, "--task", task, *(["--target", target] if target else []), "-o", made)
    dataset = load(made)
    assert (dataset.task, dataset.target.type, dataset.positive) == (task, classes, positive)
    assert dataset.primary_metric == "log_loss"
    assert "200 of the 200 rows that were read are valid" in run("check", file, "--dataset", made)


def test_check_counts_classes_and_says_why_no_model_can_tell_them_apart(tmp_path: Path) -> None:
    file, made = tmp_path / "sold.csv", tmp_path / "sold.toml"
    lines = [f"{n % 4},{n / 7:.2f}" for n in range(200)]
    file.write_text("\n".join(["Kind,Weight", *lines]), encoding="utf-8")
    run("init", file, "--task", "multiclass", "--target", "Kind", "-o", made)
    told = run("check", file, "--dataset", made)
    assert "Rows of each class: '0' 50, '1' 50, '2' 50, '3' 50." in told
    file.write_text("\n".join(["Kind,Weight", *["7,1.5"] * 30, "2.5,1", "?,1"]), encoding="utf-8")
    told = " ".join(run("check", file, "--dataset", made, code=1).split())
    assert "31 of the 32 rows" in told
    assert "No model can be trained on rows like these: Kind must have at least two" in told


@pytest.mark.parametrize(
    ("task", "target", "says"),
    [
        ("binary", "Kind", "it has 4 different values in the rows that were read, and needs two"),
        ("multiclass", "Gift", "it has 2 different values in the rows that were read, and needs 3"),
        ("multiclass", "Weight", "a class is a text or a whole number. Give --task regression"),
        (
            "regression",
            "Gift",
            "If its values are classes, give --task binary or --task multiclass",
        ),
        ("binary", "Nothing", "has no column 'Nothing'"),
    ],
)
def test_a_target_that_does_not_fit_the_task_is_refused(
    tmp_path: Path, task: str, target: str, says: str
) -> None:
    file = tmp_path / "sold.csv"
    lines = [f"{'Yes' if n % 3 else 'No'},{n % 4},{n / 7:.2f}" for n in range(200)]
    file.write_text("\n".join(["Gift,Kind,Weight", *lines]), encoding="utf-8")
    said = run("init", file, "--task", task, "--target", target, code=1)
    assert says in " ".join(said.split())


def test_without_out_the_file_is_printed(tmp_path: Path) -> None:
    told = run("init", orders(tmp_path / "orders.csv"), "--target", "Total", "--name", "shop")
    (tmp_path / "shop.toml").write_text(told, encoding="utf-8")
    assert load(tmp_path / "shop.toml").name == "shop"


def test_the_sections_that_the_file_offers_can_be_taken_as_they_stand(tmp_path: Path) -> None:
    told = run("init", orders(tmp_path / "orders.csv"), "--target", "Total", "--name", "shop")
    offered = re.sub(r"^# (\[|\w+ = )", r"\1", told, flags=re.MULTILINE)
    assert offered != told
    (tmp_path / "shop.toml").write_text(offered, encoding="utf-8")
    before = parse_text(told, "shop.toml")
    dataset = load(tmp_path / "shop.toml")
    assert dataset.evaluation.by_time
    assert replace(dataset, evaluation=before.evaluation) == before, "the others are the defaults"


def test_what_check_says_is_what_ingest_does(tmp_path: Path) -> None:
    file, out = orders(tmp_path / "orders.csv"), tmp_path / "orders.toml"
    run("init", file, "--target", "Total", "-o", out)
    with file.open("a", encoding="utf-8") as more:
        more.write("9,31/02/2026 10:00,red,perhaps,01001,1,5\n9,01/02/2026 10:00,red\n\n")
        more.write("9,01/02/2026 10:00,red,no,01001,heavy,\n" * 3)
        more.write('"9,01/02/2026 10:00,red,no,01001,1,5\n')  # the quote does not close
    told = json.loads(run("check", file, "--dataset", out, "--json", code=1))
    made = load(out)
    found = list(parse.chunks(file, made, Profiler(made), lambda _: None))
    assert (told["rows"], told["valid"]) == (306, 300)
    assert told["valid"] == sum(chunk.rows.num_rows for chunk in found)
    rules = Counter(rule for c in found for q in c.quarantined for rule in q.reason.split("; "))
    assert {r["rule"]: r["rows"] for r in told["reasons"]} == rules
    lines = run("check", file, "--dataset", out, code=1).splitlines()
    assert "      3  weight_kg: must be a number (first in row 302, such as 'heavy')" in lines
    assert "      3  total: must be given (first in row 302)" in lines


def test_only_the_first_rows_are_read(tmp_path: Path) -> None:
    file, out = orders(tmp_path / "orders.csv", MOST_ROWS + 5), tmp_path / "orders.toml"
    assert f"guessed from {MOST_ROWS:,} rows" in run("init", file, "--target", "Total", "-o", out)
    with file.open("a", encoding="utf-8") as more:
        more.write('"' * 3)
    assert f"{MOST_ROWS:,} of the {MOST_ROWS:,} rows" in run("check", file, "--dataset", out)


def test_check_reads_every_format_and_prints_rows_as_they_would_be_stored(tmp_path: Path) -> None:
    file, out = orders(tmp_path / "orders.csv"), tmp_path / "orders.toml"
    run("init", file, "--target", "Total", "-o", out)
    with file.open(encoding="utf-8", newline="") as opened:
        lines = [json.dumps(row) for row in csv.DictReader(opened)]
    packed = tmp_path / "orders.jsonl.gz"
    packed.write_bytes(gzip.compress("\n".join(lines).encode()))
    told = run("check", packed, "--dataset", out, "--rows", 2).splitlines()
    assert told[0] == "300 of the 300 rows that were read are valid rows of orders."
    assert told[1].startswith("row 0: order_no=1000, sold_at=2026-02-01 00:15:00+00:00, color=")
    assert told[2].startswith("row 1: ")
    assert len(told) == 3
    as_json = json.loads(run("check", packed, "--dataset", out, "--json"))
    assert as_json["first"][1]["sold_at"] == "2026-02-02T01:15:00+00:00"
    assert run("check", tmp_path / "gone.csv", "--dataset", out, code=1).endswith(
        "cannot be read: No such file or directory.\n"
    )


def test_a_compressed_table_is_read(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv.gz"
    file.write_bytes(gzip.compress(orders(tmp_path / "orders.csv").read_bytes()))
    assert 'name = "orders"' in run("init", file, "--target", "Total")


def test_a_parquet_file_says_its_types(tmp_path: Path) -> None:
    times = [datetime(2026, 2, n % 28 + 1, n % 24, tzinfo=UTC) for n in range(100)]
    table = pa.table(
        {
            "When": pa.array(times, pa.timestamp("us", tz="UTC")),
            "day": pa.array([t.date() for t in times]),
            "ok": pa.array([n % 3 == 0 if n % 7 else None for n in range(100)]),
            "tags": pa.array([["a"]] * 100),
            "fee": pa.array([Decimal(n) / 4 for n in range(100)], pa.decimal128(9, 2)),
            "y": pa.array([n / 3 for n in range(100)]),
        }
    )
    file, out = tmp_path / "t.parquet", tmp_path / "t.toml"
    pq.write_table(table, file)
    assert "tags is left out: it has lists" in run("init", file, "--target", "y", "-o", out)
    made = load(out)
    assert [c.type for c in made.columns] == ["timestamp", "date", "boolean", "number", "number"]
    assert "100 of the 100 rows" in run("check", file, "--dataset", out)
    (chunk,) = parse.chunks(file, made, Profiler(made), lambda _: None)
    assert (chunk.rows.num_rows, chunk.quarantined) == (100, [])
    assert chunk.rows["when"].to_pylist() == times


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("none.csv", None, "none.csv cannot be read: No such file or directory."),
        ("a.csv", b"", "a.csv is empty. Its first line must name the columns."),
        ("a.csv", b"a,y\n", "a.csv has no rows below its header."),
        ("a.csv", b"a,y\n1,2,3\n", "a.csv has no rows below its header."),
        ("a.csv", b"a,y\nb,c\n", "The file has no column of numbers, and models predict a number."),
        ("a.csv", b'"a,y\nb,1\n', "a.csv has no header: the row is no CSV: a quote does not close"),
        ("a.csv", b"PK\x03\x04...", "a.csv is an Excel or zip file, not CSV. Give a CSV file"),
        ("a.csv", b"a,y\n" + b"x" * 2_000_000, "a.csv has no rows below its header."),
        ("a.xlsx", b"PK", "a.xlsx is of no known format. Give a CSV file"),
        ("a.csv.gz", b"a,y\n1,2", "a.csv.gz cannot be read"),
        ("a.parquet", b"PAR1", "a.parquet is no readable Parquet file"),
        ("a.csv", b"y,y\nb,1\n", "a.csv names y twice. Rename or remove one."),
        (".csv", b"\x00\x01\x02\xff", ".csv"),
    ],
    ids=range(13),
)
def test_what_is_no_table_is_a_sentence(
    tmp_path: Path, name: str, content: bytes | None, complaint: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    told = run("init", tmp_path / name, code=1)
    assert complaint in told
    assert told.count("\n") == 1


def test_a_file_is_not_overwritten_and_names_must_be_names(tmp_path: Path) -> None:
    file, out = orders(tmp_path / "orders.csv"), tmp_path / "orders.toml"
    out.write_text("mine", encoding="utf-8")
    assert "exists. Name another file with -o" in run("init", file, "-o", out, code=1)
    assert out.read_text(encoding="utf-8") == "mine"
    gone = tmp_path / "gone" / "orders.toml"
    assert "cannot be written: No such file" in run("init", file, "-o", gone, code=1)
    assert "which is no name" in run("init", file, "--name", "My Shop", code=2)
    with pytest.raises(DatasetError):
        load(out)


def test_a_table_of_another_dataset_says_what_it_lacks(tmp_path: Path) -> None:
    told = run("check", orders(tmp_path / "orders.csv"), code=1)
    assert "orders.csv would not be stored. The batch has no header of this dataset" in told
    assert "Order No, Sold At" in told
    assert "brokered_by, status, price" in told
    missing = run("check", tmp_path / "orders.csv", "--dataset", tmp_path / "no.toml", code=2)
    assert "The dataset file no.toml cannot be read" in missing
