"""Columns guessed from values: what a file most likely means, and what is doubtful about it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.text.dataset_toml import dataset_toml
from core.domain.errors import BadInput
from core.platform.dataset_file import parse_text
from core.rules.data.infer_columns import Guess, column_name, infer
from tests.pages import DOCS

Y = [float(n) + 0.5 for n in range(100)]


def guess(values: list[Any], name: str = "x") -> Guess:
    whole = (values * 100)[:100]
    found = infer([name, "other", "y"], [whole, ["a", "b"] * 50, Y], "y")
    return found.columns[0]


@pytest.mark.parametrize(
    ("values", "kind", "options"),
    [
        (["1.5", "", "-2"], "number", {}),
        ([1.5, None, 2], "number", {}),
        (["red", "blue", ""], "category", {}),
        (["yes", "No", ""], "boolean", {}),
        ([True, False], "boolean", {}),
        (["06016", "01001"], "code", {"width": 5}),
        (["2026-11-28", "2026-02-03"], "date", {}),
        (["2026-11-28T00:00:00", "2026-02-03T00:00:00"], "date", {}),
        (["28/11/2026", "03/02/2026"], "date", {"parse": "%d/%m/%Y"}),
        (["11/28/2026", "02/03/2026"], "date", {"parse": "%m/%d/%Y"}),
        (["28.11.2026", "03.02.2026"], "date", {"parse": "%d.%m.%Y"}),
        (
            ["2026-11-28T10:00:00Z", "2026-11-28T11:30:00+01:00"],
            "timestamp",
            {"features": ["hour", "weekday", "month"]},
        ),
        (
            ["11/28/2026 01:00 PM", "11/30/2026 02:00 AM"],
            "timestamp",
            {
                "parse": "%m/%d/%Y %I:%M %p",
                "features": ["hour", "weekday", "month"],
                "zone": "UTC",
            },
        ),
    ],
)
def test_a_type_is_the_one_whose_rule_takes_all_values(
    values: list[Any], kind: str, options: dict[str, Any]
) -> None:
    found = guess(values)
    assert (found.type, found.options, found.is_identifier) == (kind, options, False)


@pytest.mark.parametrize(
    ("values", "name", "guessed", "doubt"),
    [
        ([""], "x", "category identifier", "is empty in every row that was read"),
        (["a"], "x", "category identifier", "has one value only"),
        (
            [f"id {n}" for n in range(100)],
            "x",
            "category identifier",
            "differs in almost every row",
        ),
        (["x" * 201, "b"], "x", "category identifier", "rows have values that no type"),
        (["0", "1"], "x", "boolean feature", "is a number if 0 and 1 are counts"),
        ([str(n) for n in range(100)], "row", "code identifier", "counts the rows"),
        (["1", "2", "2"], "zip_code", "code feature", "is read as a code because of its name"),
        (
            [str(n * 7 % 1009) for n in range(100)],
            "x",
            "number feature",
            "differs in almost every",
        ),
        (
            [2**53 + 1, 2**53 + 3] * 50,
            "x",
            "number feature",
            "is rounded, from 9,007,199,254,740,992",
        ),
        (["1", "2", "3"], "x", "number feature", "has only 3 values; a category if they stand"),
        (
            ["1.5"] * 19 + ["?"],
            "x",
            "number feature",
            "5 rows have no number, as '?'",
        ),
        (["05/02/2026", "03/04/2026"], "x", "date feature", "could be written as %m/%d/%Y, too"),
        (
            ["2026-11-28 10:00", "2026-11-28 11:00"],
            "x",
            "timestamp feature",
            "names no zone",
        ),
        (["01", "002"], "x", "code feature", "has codes of different lengths"),
    ],
)
def test_what_is_doubtful_is_named(
    values: list[Any],
    name: str,
    guessed: str,
    doubt: str,
) -> None:
    found = guess(values, name)
    role = "identifier" if found.is_identifier else "feature"
    assert f"{found.type} {role}" == guessed
    assert doubt in "; ".join(found.doubts)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("MS SubClass", "ms_sub_class"),
        ("1st Flr SF", "c_1st_flr_sf"),
        ("Größe (m²)", "groe_m2"),
        ("", "c"),
        ("価格", "c"),
        ("id", "id_2"),
        ("taken", "taken_2"),
        ("x" * 99, "x" * 48),
    ],
)
def test_a_name_is_made_of_any_other(source: str, name: str) -> None:
    assert column_name(source, {"id", "taken"}) == name


def test_the_target_is_the_one_named_or_the_last_number() -> None:
    columns = [["a", "b"] * 50, Y, Y]
    found = infer(["kind", "Sale Price", "y"], columns, "Sale Price")
    assert found.target == "sale_price"
    assert infer(["kind", "Sale Price", "y"], columns, "sale_price").target == "sale_price"
    guessed = infer(["kind", "Sale Price", "y"], columns)
    assert guessed.target == "y"
    assert guessed.columns[2].doubts == ("is the target only because it is the last number",)
    flags = infer(["kind", "y"], [["a", "b"] * 50, ["0", "1"] * 50], "y")
    assert flags.columns[1].type == "number"


@pytest.mark.parametrize(
    ("columns", "target", "complaint"),
    [
        ({"kind": ["a", "b"], "y": [1.5, 2.5]}, "z", "no column 'z'. It has kind, y"),
        (
            {"kind": ["a", "b"], "y": [1.5, 2.5]},
            "kind",
            "cannot be the target: .* as 'a', 'b'",
        ),
        ({"kind": ["a", "b"], "y": ["", ""]}, "y", "cannot be the target"),
        ({"kind": ["a", "b"]}, "", "no column of numbers"),
        ({"y": [1.5, 2.5]}, "y", "no column that a model could learn from"),
        ({"kind": ["a", "a"], "y": [1.5, 2.5]}, "y", "no column that a model could learn from"),
    ],
)
def test_a_table_without_a_use_is_refused(
    columns: dict[str, list[Any]], target: str, complaint: str
) -> None:
    with pytest.raises(BadInput, match=complaint):
        infer(list(columns), list(columns.values()), target)


CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(["", "yes", "no", "0", "1", "06016", "2026-11-28", "05/02/2026", "1e5", "?"]),
    st.lists(st.integers(), max_size=1),
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=12), st.lists(CELLS, min_size=5, max_size=5), max_size=4))
def test_whatever_is_guessed_is_a_dataset_file_that_can_be_used(table: dict[str, Any]) -> None:
    names = [*table, "last kind", "last number"]
    columns = [*table.values(), ["a", "b", "a", "b", "b"], [1.5, 2.5, 3.5, 4.5, 5.5]]
    if len(set(names)) < len(names):
        return
    found = infer(names, columns, "last number")
    made = parse_text(dataset_toml("any", "any\n.csv", "", found), "any.toml")
    assert [c.source or c.name for c in made.columns] == [
        n for n in names if n not in found.left_out
    ]
    assert made.target.source == "last number"


def test_the_how_to_names_doubts_as_they_are_written() -> None:
    page = (DOCS / "how-to/own-dataset.md").read_text(encoding="utf-8")
    table = page[page.index("| doubt | decide |") :].split("\n\n")[0]
    named = {line.split(" | ")[0].removeprefix("| ") for line in table.splitlines()[2:]}
    columns: dict[str, list[Any]] = {
        "rooms": [1, 2, 3] * 40, "gift": [0, 1] * 60, "store id": [7, 8, 9, 10] * 30,
        "at": ["2026-03-01 10:00"] * 119 + ["2026-03-02 11:00"],
        "day": ["01/02/2026", "03/04/2026"] * 60, "country": ["Chile"] * 120,
        "note": [f"note {n}" for n in range(120)], "empty": [None] * 120,
        "account": [2**53 + n for n in range(120)],
        "total": [n / 4 for n in range(120)],
    }  # fmt: skip
    guesses = infer(list(columns), list(columns.values()), "total")
    assert named == {doubt for column in guesses.columns for doubt in column.doubts}
