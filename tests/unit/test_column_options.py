"""Names in the batches, booleans, dates of another format, and defaults: from JSON to columns."""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from core.adapters.readers import parse
from core.domain.dataset import ColumnType, Dataset
from core.platform.dataset_file import parse as parse_dataset
from core.rules.data.profile import Profiler
from core.rules.data.training_set import revision
from core.rules.data.typed_values import read_boolean, read_date
from core.rules.model.contract import Contract, describe, read_row
from serving.http.row_schema import row_schema
from tests.build import small_dataset
from tests.pages import blocks

TRUE = [True, 1, 1.0, "true", "TRUE", " Yes ", "t", "1", "1.0"]
FALSE = [False, 0, 0.0, -0.0, "false", "F", "no", "0", "0.0"]
NEITHER = [2, -1, 0.5, math.nan, math.inf, 10**400, "", "y e s", "oui", "\uff11", [], {}, None]


def homes() -> Dataset:
    columns: list[dict[str, Any]] = [
        {"name": "kind", "source": "MS SubClass", "type": "category", "role": "feature"},
        {"name": "air", "source": "Central Air", "type": "boolean", "role": "feature"},
        {"name": "sold", "type": "date", "role": "feature", "parse": "%d/%m/%Y"},
        {"name": "cars", "source": "Garage Cars", "type": "number", "role": "feature",
         "default": 0},
        {"name": "zone", "type": "code", "role": "feature", "width": 3, "default": 7,
         "nullable": False},
        {"name": "paved", "type": "boolean", "role": "feature", "default": True},
        {"name": "price", "source": "SalePrice", "type": "number", "role": "target",
         "nullable": False},
    ]  # fmt: skip
    return parse_dataset({"name": "homes", "columns": columns}, "homes.toml")


ROW = {
    "MS SubClass": 60, "Central Air": "Yes", "sold": "05/02/2026", "Garage Cars": 2,
    "zone": 12, "paved": False, "SalePrice": 100.0,
}  # fmt: skip


def read(rows: list[dict[str, Any]], folder: Path) -> parse.Chunk:
    made = homes()
    path = folder / "batch.json"
    path.write_text(json.dumps({"batch_number": 0, "data": rows}), encoding="utf-8")
    (chunk,) = parse.chunks(path, made, Profiler(made), lambda _: None)
    return chunk


def test_rows_are_read_by_their_names_in_the_batches(tmp_path: Path) -> None:
    chunk = read([ROW, ROW | {"Central Air": None, "Garage Cars": None, "zone": " ", "paved": ""}],
                 tmp_path)  # fmt: skip
    assert chunk.quarantined == []
    first, second = chunk.rows.select(homes().names).to_pylist()
    assert first["sold"].isoformat() == "2026-02-05"
    assert {n: v for n, v in first.items() if n != "sold"} == {
        "kind": "60", "air": True, "cars": 2.0, "zone": "012", "paved": False, "price": 100.0,
    }  # fmt: skip
    assert [second[n] for n in ("air", "cars", "zone", "paved")] == [None, 0.0, "007", True]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Central Air": "maybe"}, "air: must be true or false, yes or no, or 1 or 0"),
        ({"Central Air": 2}, "air: must be true or false, yes or no, or 1 or 0"),
        ({"sold": "2026-02-05"}, "sold: must be a date as %d/%m/%Y"),
        ({"sold": "31/02/2026"}, "sold: must be a date as %d/%m/%Y"),
        ({"sold": "02/13/2026"}, "sold: must be a date as %d/%m/%Y"),
        ({"sold": "\u0660\u0665/02/2026"}, "sold: must be a date as %d/%m/%Y"),
        ({"sold": 20260205}, "sold: must be a date as %d/%m/%Y"),
    ],
)
def test_a_wrong_value_costs_its_row_alone(
    change: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    chunk = read([ROW, ROW | change, ROW], tmp_path)
    assert chunk.rows.num_rows == 2
    assert [(q.row_number, q.reason) for q in chunk.quarantined] == [(1, reason)]


def test_a_row_without_a_column_names_it_as_the_batch_does(tmp_path: Path) -> None:
    chunk = read([ROW, {n: v for n, v in ROW.items() if n != "SalePrice"}], tmp_path)
    assert [q.reason for q in chunk.quarantined] == ["SalePrice: not in the row"]


@pytest.mark.parametrize("value", TRUE, ids=repr)
def test_what_says_true_is_the_category_true(value: Any) -> None:
    assert read_boolean(value) == "true"


@pytest.mark.parametrize("value", FALSE, ids=repr)
def test_what_says_false_is_the_category_false(value: Any) -> None:
    assert read_boolean(value) == "false"


@pytest.mark.parametrize("value", NEITHER, ids=repr)
def test_what_is_no_boolean_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="must be true or false"):
        read_boolean(value)


def test_a_date_without_separators_must_be_the_only_one_that_it_can_be() -> None:
    assert read_date("03021970", "%d%m%Y") == 33
    with pytest.raises(ValueError, match="must be a date as %d%m%Y"):
        read_date("1112026", "%d%m%Y")


def test_older_datasets_keep_the_digest_of_their_lesson(dataset: Dataset) -> None:
    assert revision(dataset) == "09dc5205d161950466cd7068b3499466c678a61274d5fa98f957b925dea582cc"
    assert revision(homes()) != revision(small_dataset())


def contract() -> Contract:
    made = homes()
    profiler = Profiler(made)
    for column in made.columns:
        if column.type is ColumnType.BOOLEAN:
            profiler.add(column.name, ["true", "false", "true", None])
        else:
            profiler.add(column.name, ["a"] * 4 if column.is_text else [1.0] * 4)  # type: ignore[arg-type]
    return describe(made, profiler.finish())


def test_requests_use_plain_names_iso_dates_and_the_defaults() -> None:
    row = read_row(contract(), {"kind": "60", "air": True, "sold": "2026-02-05"}, typed=True)
    assert row == {
        "kind": "60", "air": "true", "sold": read_date("2026-02-05"), "cars": 0.0, "zone": "007",
        "paved": "true",
    }  # fmt: skip


def test_the_contract_survives_its_text_and_names_only_the_fills_that_there_are() -> None:
    text = contract().to_json()
    assert Contract.from_json(text) == contract()
    assert text.count('"fill"') == 3


@pytest.mark.parametrize("nullable", [True, False])
@pytest.mark.parametrize("value", [*TRUE, *FALSE, *NEITHER], ids=repr)
def test_the_schema_allows_of_booleans_what_is_read(value: Any, nullable: bool) -> None:  # noqa: FBT001
    columns = [
        {"name": "air", "type": "boolean", "role": "feature", "nullable": nullable},
        {"name": "y", "type": "number", "role": "target"},
    ]
    made = parse_dataset({"name": "one", "columns": columns}, "one.toml")
    found = describe(made, ())
    try:
        read_row(found, {"air": value}, typed=True)
        is_read = True
    except Exception:  # noqa: BLE001
        is_read = False
    validator = jsonschema.Draft202012Validator(row_schema(found))
    is_allowed = validator.is_valid({"air": value})
    # Blanks around a word and 1 as 1.0 are taken without being offered.
    assert is_read or not is_allowed
    assert is_allowed or not is_read or value == " Yes "


def test_the_schema_says_what_an_empty_field_means() -> None:
    schema = row_schema(contract())
    assert schema["required"] == []
    assert schema["properties"]["cars"]["description"].endswith("Optional. Without it 0 is used.")
    assert schema["properties"]["air"]["examples"] == [True]


def test_the_documented_columns_can_be_used() -> None:
    (block,) = [b for b in blocks("how-to/own-dataset.md") if "source =" in b.text]
    target = '[[columns]]\nname = "price"\ntype = "number"\nrole = "target"\n'
    made = parse_dataset(tomllib.loads('name = "one"\n' + block.text + target), "one.toml")
    assert made.source_names == ("Date Sold", "Listed At", "Garage Cars", "price")
    assert made.column("garage_cars").default == 0
