"""Inputs that once went wrong while they were read, by the letters of their reports."""

from __future__ import annotations

import io
import json
import math
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compose.data_api.folder import Folder
from core.adapters.readers import json_text
from core.adapters.readers import parse as parse_module
from core.adapters.readers.parse import ReadResult, batch_number, chunks
from core.adapters.readers.port import KEPT
from core.domain.dataset import ColumnType, Dataset
from core.domain.drift import Finding, Reason
from core.domain.errors import BatchUnreadable
from core.domain.profiles import ColumnProfile
from core.platform.dataset_file import parse
from core.rules.data.profile import Profiler, profile_number
from core.rules.data.typed_values import read_category, read_code, read_date, read_number
from core.rules.drift.compare import compare
from core.rules.drift.noise_band import annotate
from core.rules.drift.recommendation import Recommendation, advise
from core.rules.model.contract import Field, describe, read_value
from core.rules.model.contract_batch import read_columns
from serving.http.stream import csv_chunks
from serving.problems import Problem

ORDERS: dict[str, Any] = {
    "name": "orders",
    "fit_on": "value",
    "columns": [
        {"name": "day", "type": "date", "role": "feature"},
        {"name": "shop", "type": "category", "role": "feature"},
        {"name": "article", "type": "code", "role": "feature"},
        {"name": "weight", "type": "number", "role": "feature"},
        {"name": "fee", "type": "number", "role": "feature"},
        {"name": "ticket", "type": "code", "role": "identifier"},
        {"name": "amount", "type": "number", "role": "target", "nullable": False},
    ],
}


@pytest.fixture(scope="module")
def orders() -> Dataset:
    return parse(ORDERS, "orders.toml")


def some(count: int, seed: int = 0, **fixed: Any) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        weight = round(chance.gauss(20, 4), 2)
        made.append(
            {
                "day": f"2026-03-{chance.randint(1, 28):02d}",
                "shop": chance.choice(["North", "South"]),
                "article": chance.choice([101, 202]),
                "weight": weight,
                "fee": round(chance.uniform(1, 5), 2),
                "ticket": chance.randint(1, 10**6),
                "amount": round(10 + 2 * weight, 2),
            }
            | fixed
        )
    return made


class Read:
    """What became of an answer: the rows by column, the quarantined ones and the profiles."""

    def __init__(self, body: str | bytes, dataset: Dataset, folder: Path) -> None:
        path = folder / "answer.json"
        path.write_bytes(body.encode() if isinstance(body, str) else body)
        self.number = batch_number(path)
        profiler = Profiler(dataset)
        taken = ReadResult()
        self.parts = list(taken.rows(chunks(path, dataset, profiler, lambda _share: None)))
        rows = [row for part in self.parts for row in part.to_pylist()]
        self.stored, self.quarantined = taken.valid, taken.quarantined
        self.column = {name: [row[name] for row in rows] for name in dataset.names}
        self.profiles = profiler.finish()
        self.why = {q.row_number: q.reason for q in self.quarantined}


def answer(rows: Iterable[Any]) -> str:
    return json.dumps({"group_number": 7, "batch_number": 0, "data": list(rows)})


def with_row(text: str) -> str:
    """Three rows, the one in the middle as it stands in `text`."""
    good = some(2)
    return answer([good[0], "HERE", good[1]]).replace('"HERE"', text)


def row_text(**changed: str) -> str:
    """A row as JSON text, some of whose values are written as given."""
    plain = {name: json.dumps(value) for name, value in some(1)[0].items()} | changed
    return "{" + ", ".join(f'"{name}": {value}' for name, value in plain.items()) + "}"


# A: what no row can be made of


@pytest.mark.parametrize("name", ["all null", "renamed", "19 digits"])
def test_case_a1_a_batch_without_a_good_row_is_read_to_its_end(
    orders: Dataset, tmp_path: Path, name: str
) -> None:
    rows = {
        "all null": some(3, amount=None),
        "renamed": [{"wheight": row.pop("weight"), **row} for row in some(3)],
        "19 digits": some(3, ticket=1234567890123456701),
    }[name]
    read = Read(answer(rows), orders, tmp_path)
    assert (read.stored, len(read.quarantined)) == (0, 3)
    assert read.parts == []  # no chunk without a row is stored
    assert [q.row_number for q in read.quarantined] == [0, 1, 2]


@pytest.mark.parametrize(
    "text",
    [
        row_text(weight="[" * 1_000 + "]" * 1_000),
        row_text(weight="[" * 40_000 + "]" * 40_000),
        row_text(weight="[" * 1_000_000 + "]" * 1_000_000),
        row_text(weight="9" * 5_000),
        row_text(shop="9" * 5_000),
        row_text(ticket="9" * 400),
        "[" * 1_000 + "]" * 1_000,
        "null",
    ],
    ids=["depth 1000", "80 kB", "2 MB", "digits", "digits in text", "int", "row of lists", "null"],
)
def test_case_a1_depth_digits_and_size_cost_one_row(
    orders: Dataset, tmp_path: Path, text: str
) -> None:
    read = Read(with_row(text), orders, tmp_path)
    assert (read.stored, list(read.why)) == (2, [1])
    assert read.why[1]
    assert read.quarantined[0].content == text[:KEPT]


def test_of_many_quarantined_rows_all_are_counted_and_the_first_are_kept(
    orders: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parse_module, "KEPT_CONTENTS", 3)
    monkeypatch.setattr(parse_module, "MOST_QUARANTINED", 50)
    monkeypatch.setattr(json_text, "MOST_ROWS", 7)
    read = Read(answer([*range(25), *some(10), *range(25)]), orders, tmp_path)
    assert (read.stored, len(read.quarantined)) == (10, 50)
    assert [q.row_number for q in read.quarantined] == [*range(25), *range(35, 60)]
    assert [q.content for q in read.quarantined[:4]] == ["0", "1", "2", read.quarantined[9].content]
    assert "not kept" in read.quarantined[3].content
    with pytest.raises(BatchUnreadable, match="More than 50 rows"):
        Read(answer(range(51)), orders, tmp_path)


def test_case_a2_a_spread_beyond_every_float_is_unknown(orders: Dataset, tmp_path: Path) -> None:
    rows = some(400)
    rows[7]["weight"] = 1e200
    read = Read(answer(rows), orders, tmp_path)
    assert read.stored == 400
    (weight,) = [p for p in read.profiles if p.column == "weight"]
    assert weight.std is None
    assert weight.mean == pytest.approx(2.5e197)
    before = Read(answer(some(400, 1)), orders, tmp_path).profiles
    report = compare(before, read.profiles, orders)
    (std,) = [c for c in report.changes if c.name == "weight_std"]
    assert (std.ratio, std.finding) == (None, Finding.UNDEFINED)
    assert "Weight, mean rose more than 1,000,000 %" in report.reasons[0].text
    assert max(len(r.text) for r in report.reasons) < 200


extremes = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(extremes, max_size=300))
def test_case_a2_every_figure_of_a_profile_is_finite_or_unknown(values: list[float]) -> None:
    seen = profile_number("x", np.array(values, dtype=np.float64))
    figures = [seen.mean, seen.std, seen.q50, seen.q75, seen.minimum, seen.maximum, *seen.grid]
    assert all(f is None or math.isfinite(f) for f in figures)
    if seen.mean is not None and seen.minimum is not None and seen.maximum is not None:
        rounded_to_zero = seen.mean == 0.0 and seen.minimum < 0 < seen.maximum
        assert seen.minimum <= seen.mean <= seen.maximum or rounded_to_zero
        assert list(seen.grid) == sorted(seen.grid)


# B, and tokens that are no JSON


@pytest.mark.parametrize("value", ["18446744073709551616", "1e400", "NaN", "-Infinity", "Infinity"])
def test_case_b_an_extra_key_is_left_aside_whatever_it_holds(
    orders: Dataset, tmp_path: Path, value: str
) -> None:
    text = row_text(trace=value, more=f'{{"deep": [{value}]}}')
    assert (Read(with_row(text), orders, tmp_path).stored) == 3


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("1e400", "weight: must be finite"),
        ("NaN", "weight: must be finite"),
        ("Infinity", "weight: must be finite"),
        ("-Infinity", "weight: must be finite"),
        ("1" + "0" * 400, "weight: must be a number"),
        ('"\\ud800"', "weight: must be a number"),
        ("[1]", "weight: must be a number"),
    ],
)
def test_case_b_a_bad_token_costs_its_row(
    orders: Dataset, tmp_path: Path, value: str, rule: str
) -> None:
    read = Read(with_row(row_text(weight=value)), orders, tmp_path)
    assert (read.stored, read.why) == (2, {1: rule})


def test_case_b_a_large_whole_number_is_a_number(orders: Dataset, tmp_path: Path) -> None:
    read = Read(with_row(row_text(weight="18446744073709551616")), orders, tmp_path)
    assert (read.stored, read.column["weight"][1]) == (3, 2.0**64)


def test_what_pythons_own_writer_makes_of_a_missing_number_costs_its_row(
    orders: Dataset, tmp_path: Path
) -> None:
    rows = some(50)
    for n in (3, 30):
        rows[n]["fee"] = math.nan
    read = Read(answer(rows), orders, tmp_path)
    assert (read.stored, list(read.why)) == (48, [3, 30])


# C: rounding is no drift


def constant(value: float, count: int) -> ColumnProfile:
    return profile_number("fee", np.full(count, value))


def test_case_c_a_constant_column_has_no_spread_and_does_not_drift(orders: Dataset) -> None:
    chance = random.Random(20)
    print("seed 20")
    for _ in range(500):
        value = round(chance.uniform(-100, 100), chance.randint(0, 4)) or 0.1
        then, now = (constant(value, chance.randint(2, 900)) for _ in range(2))
        assert (then.std, then.mean, then.q50, then.q75) == (0.0, value, value, value)
        report = compare([then], [now], orders)
        assert not report.retrain, report.reasons
        (std,) = [c for c in report.changes if c.name == "fee_std"]
        assert std.finding is Finding.UNDEFINED


@given(st.floats(-1e12, 1e12).filter(bool), st.integers(2, 500), st.integers(2, 500))
def test_case_c_holds_for_any_constant_and_any_sizes(value: float, one: int, other: int) -> None:
    dataset = parse(ORDERS, "orders.toml")
    then, now = constant(value, one), constant(value, other)
    report = annotate(compare([then], [now], dataset), [then], [now])
    assert {c.ratio for c in report.changes if c.column == "fee"} <= {0.0, None}


def test_case_c_a_mean_of_zero_is_zero_and_not_its_rounding() -> None:
    values = np.array([0.1, -0.1, 0.7, -0.7, 0.3, -0.3] * 500)
    chance = np.random.default_rng(3)
    means = {profile_number("x", chance.permutation(values)).mean for _ in range(20)}
    assert means == {0.0}


def test_case_c_equal_values_that_were_computed_in_two_ways_have_no_spread() -> None:
    assert profile_number("x", np.array([0.3, 0.1 + 0.2] * 200)).std == 0.0
    assert profile_number("x", np.array([1e9, 1e9 + 1e-3] * 200)).std == pytest.approx(
        5e-4, rel=0.1
    )


def test_case_c_the_rest_of_a_column_without_its_ends_may_be_constant() -> None:
    values = np.concatenate([np.arange(-64.0, 0), np.full(400, 0.1), np.arange(1.0, 65)])
    tails = profile_number("x", values).tails
    assert tails is not None
    assert (tails.mean, tails.std, tails.skew, tails.kurtosis) == (0.1, 0.0, 0.0, 0.0)


# D: what was not compared is not within its limits


def test_case_d_an_empty_side_says_that_nothing_could_be_compared(
    orders: Dataset, tmp_path: Path
) -> None:
    full = Read(answer(some(400)), orders, tmp_path).profiles
    empty = Read(answer([]), orders, tmp_path).profiles
    for before, after, side in ((full, empty, "this batch"), (empty, full, "the reference")):
        report = compare(before, after, orders)
        assert report.reasons == (Reason(f"Nothing could be compared: {side} has no values."),)
        assert (report.retrain, report.compared, report.verdict) == (False, False, "not compared")
    advice = advise(orders, [compare(full, empty, orders)], champion=1, error=None)
    assert advice.recommendation is Recommendation.IGNORE
    assert "Nothing could be compared" in advice.reasons[0]


def test_case_d_an_empty_first_batch_asks_for_nothing(orders: Dataset, tmp_path: Path) -> None:
    report = compare(None, Read(answer([]), orders, tmp_path).profiles, orders)
    assert report.reasons == (Reason("Nothing could be compared: this batch has no values."),)
    assert (report.retrain, report.verdict) == (False, "not compared")
    advice = advise(orders, [report], champion=None, error=None, has_rows=False)
    assert advice.recommendation is Recommendation.IGNORE
    assert advice.reasons == ("The batch has no rows, so there is nothing to learn from it.",)


def test_case_d_what_could_not_be_compared_is_counted(orders: Dataset, tmp_path: Path) -> None:
    full = Read(answer(some(400)), orders, tmp_path).profiles
    without = Read(answer(some(400, fee=None)), orders, tmp_path).profiles
    report = compare(full, without, orders)
    said = "Every statistic that could be compared is within its limit; 4 of 12 could not be."
    assert report.reasons == (Reason(said),)
    assert report.verdict == "no drift"


# J and K: codes, numbers, dates, categories

WIDE = "\uff11\uff12"
"""12 in full-width digits."""

TEXT_CODES = [
    "10_2",
    "12E3",
    "1E2",
    WIDE,
    "٣",
    "nan",
    "Inf",
    "1.5",
    "-5",
    "+5",
    "1.",
    ".5",
    "0x1",
]


@pytest.mark.parametrize("text", TEXT_CODES)
def test_case_j1_a_code_that_is_not_digits_stays_the_text_that_it_is(text: str) -> None:
    assert read_code(text, 0) == text
    assert read_code(text, 5) == text


@pytest.mark.parametrize("value", ["102", "102.0", "102.000", 102, 102.0, "0102"])
def test_case_j1_digits_are_one_code_however_they_are_written(value: Any) -> None:
    assert read_code(value, 5) == "00102"


@pytest.mark.parametrize("value", [True, 1.5, 2**53, 1e300, math.nan, [1]])
def test_case_j1_what_is_no_code_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"must be text or a whole number below 9,007,199,254,74"):
        read_code(value, 0)


def test_case_j1_the_codes_of_an_answer_stay_apart(orders: Dataset, tmp_path: Path) -> None:
    rows = [row | {"ticket": code} for row, code in zip(some(13), TEXT_CODES, strict=True)]
    read = Read(answer(rows), orders, tmp_path)
    assert (read.quarantined, read.column["ticket"]) == ([], TEXT_CODES)


@pytest.mark.parametrize(
    "text", ["1_000", WIDE, "٣", "0x10", "1,5", "1 000", "--1", "1e", "e5", ".", "", "9" * 201]
)
def test_case_j1_numbers_are_ascii_decimals(text: str) -> None:
    with pytest.raises(ValueError, match="must be a number"):
        read_number(text)


@pytest.mark.parametrize("text", ["nan", "-nan", "Infinity", "inf", "1e400"])
def test_numbers_in_text_are_finite(text: str) -> None:
    with pytest.raises(ValueError, match="must be finite"):
        read_number(text)


@pytest.mark.parametrize(
    ("text", "number"), [(" 1.5 ", 1.5), ("1e3", 1000.0), ("+.5", 0.5), ("5.", 5.0), ("-0", 0.0)]
)
def test_numbers_in_text_have_decimals_and_exponents(text: str, number: float) -> None:
    assert read_number(text) == number


@pytest.mark.parametrize(
    "text",
    ["2026-W01-1", "20260101", "2026-1-1", "2026-02-30",
     "\uff12\uff10\uff12\uff16-01-01", "2026-01-01T25:00",
     "2026-01-01T10", "2026-01-01 noon", "0000-01-01", "01.02.2026", "", 20260101, None, True],
)  # fmt: skip
def test_a_date_is_a_day_of_the_calendar_in_digits(text: Any) -> None:
    with pytest.raises(ValueError, match="must be a date as YYYY-MM-DD"):
        read_date(text)


@pytest.mark.parametrize(
    "text",
    ["1970-01-02", " 1970-01-02 ", "1970-01-02T10:30", "1970-01-02 10:30:15.123456+02:00",
     "1970-01-02T00:00:00Z"],
)  # fmt: skip
def test_a_time_may_follow_a_date(text: str) -> None:
    assert read_date(text) == 1.0


def test_case_j2_a_folder_of_csv_files_tells_cells_as_they_stand(tmp_path: Path) -> None:
    lines = "day,season,station,temperature\n2026-01-01,1,007,20.2\n2026-01-02,spring,10_2,1e3\n"
    (tmp_path / "batch_0.csv").write_text(lines)
    (block,) = Folder.of(tmp_path).batch(0).blocks()
    assert block == [
        ["2026-01-01", "2026-01-02"], ["1", "spring"], ["007", "10_2"], ["20.2", "1e3"],
    ]  # fmt: skip


def test_case_j2_a_category_of_digits_is_stored_as_it_stands(
    orders: Dataset, tmp_path: Path
) -> None:
    rows = [row | {"shop": shop} for row, shop in zip(some(3), ["007", "7", "7.0"], strict=True)]
    read = Read(answer(rows), orders, tmp_path)
    assert (read.quarantined, read.column["shop"]) == ([], ["007", "7", "7.0"])


def test_case_k_a_category_takes_booleans_and_whole_numbers_as_text(
    orders: Dataset, tmp_path: Path
) -> None:
    values = [True, False, 1, 1.0, "1", None, -3]
    rows = [row | {"shop": shop} for row, shop in zip(some(7), values, strict=True)]
    read = Read(answer(rows), orders, tmp_path)
    assert read.quarantined == []
    assert read.column["shop"] == ["true", "false", "1", "1", "1", None, "-3"]


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("weight", True, "weight: must be a number"),
        ("ticket", False, "ticket: must be text or a whole number"),
        ("shop", 1.5, "shop: must be text, true, false or a whole number"),
        ("shop", 2**53, "shop: must be text, true, false or a whole number"),
        ("shop", ["North"], "shop: must be text"),
        ("day", True, "day: must be a date"),
    ],
)
def test_case_k_what_a_column_does_not_take_costs_one_row(
    orders: Dataset, tmp_path: Path, column: str, value: Any, rule: str
) -> None:
    rows = some(3)
    rows[1][column] = value
    read = Read(answer(rows), orders, tmp_path)
    assert read.stored == 2
    assert read.why[1].startswith(rule)


def test_true_is_not_taken_for_an_equal_number_that_was_read_before(
    orders: Dataset, tmp_path: Path
) -> None:
    rows = [row | {"shop": s} for row, s in zip(some(4), [1, True, 0, False], strict=True)]
    assert Read(answer(rows), orders, tmp_path).column["shop"] == ["1", "true", "0", "false"]


# One rule: ingest and serving read a value alike

values = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats()
    | st.text(max_size=12)
    | st.from_regex(r"\A[+-]?[0-9_.eE]{1,8}\Z")
    | st.sampled_from([*TEXT_CODES, "2026-W01-1", "2026-01-01T10:00", "102.0"])
)


@given(st.sampled_from(list(ColumnType)), st.lists(values, min_size=1, max_size=6))
def test_a_column_read_whole_is_read_as_its_values_one_by_one(
    kind: ColumnType, given_values: list[Any]
) -> None:
    column = {"name": "x", "type": kind.value, "role": "feature"}
    target = {"name": "y", "type": "number", "role": "target"}
    contract = describe(parse({"name": "one", "columns": [column, target]}, "one.toml"), [])
    (field,) = contract.fields
    columns, problems = read_columns(contract, [{"x": value} for value in given_values], typed=True)
    for n, value in enumerate(given_values):
        try:
            expected = one(field, value)
        except ValueError as error:
            assert problems[n] == {"x": str(error)}  # noqa: PT017 - either outcome is right
        else:
            assert n not in problems
            assert str(columns["x"][n]) == str(expected)


def one(field: Field, value: Any) -> Any:
    return read_value(field, value, typed=True)


def test_servings_csv_reads_numbers_by_the_same_rule(orders: Dataset, tmp_path: Path) -> None:
    contract = describe(orders, [])
    path = tmp_path / "rows.csv"
    path.write_text(
        "weight,shop\n1_000,1\n\uff11\uff12,true\n 1.5 ,7\nnan,x\n ,y\n", encoding="utf-8"
    )
    with path.open("rb") as file:
        ((rows, amiss),) = csv_chunks(file, contract)
    assert amiss == {}
    assert [row["weight"] for row in rows] == ["1_000", WIDE, 1.5, "nan", None]
    _, problems = read_columns(contract, rows, typed=True)
    assert sorted(problems) == [0, 1, 3]


@pytest.mark.parametrize(
    "content",
    [
        b"weight,shop\n1.5,Z\xc3\xbcrich\n\n2.25,\n",
        b"\xef\xbb\xbfweight ; shop\r\n1,5;Z\xc3\xbcrich\r\n2,25;\r\n",
        "weight\tshop\n1.5\tZürich\n2.25\t\n".encode("utf-16"),
        "weight|shop\r1.5|Zürich\r2.25|\r".encode("cp1252"),
        b',\nweight,shop\n"1.5","Z\xc3\xbcrich"\n2.25,""',
    ],
)
def test_servings_csv_is_read_however_a_batch_may_be_written(
    orders: Dataset, content: bytes
) -> None:
    ((rows, amiss),) = csv_chunks(io.BytesIO(content), describe(orders, []))
    assert amiss == {}
    assert rows == [{"weight": 1.5, "shop": "Zürich"}, {"weight": 2.25, "shop": None}]


def test_bytes_that_are_no_character_cost_one_row_of_servings_csv(orders: Dataset) -> None:
    content = b"weight,shop\n1,a\n2,\xff\n3,\xc3\xbc\n"
    contract = describe(orders, [])
    ((rows, amiss),) = csv_chunks(io.BytesIO(content), contract)
    _, problems = read_columns(contract, rows, typed=True)
    assert (len(rows), amiss, [n for n in problems if "shop" in problems[n]]) == (3, {}, [1])


@pytest.mark.parametrize(("content", "why"), [
    (b"%PDF-1.7", "not CSV but a PDF"), (b"", "must name columns"), (b"\n\n", "must name columns"),
    (b'weight,"shop\n1,2', "The CSV is invalid"), (b"weight,weight\n1,2", "each once"),
    (b"weight,colour\n1,2", "must name columns"), (b"x" * 70_000, "at most 65,536 are read"),
])  # fmt: skip
def test_what_is_no_csv_for_the_model_is_refused_before_a_row(
    orders: Dataset, content: bytes, why: str
) -> None:
    with pytest.raises(Problem, match=why):
        csv_chunks(io.BytesIO(content), describe(orders, []))


def test_a_category_is_read_again_as_itself() -> None:
    for value in (True, 5, 5.0, "x"):
        assert read_category(read_category(value)) == read_category(value)
