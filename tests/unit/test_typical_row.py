"""The typical row is a real row in the middle of the others, and the model starts from it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.onnx_runtime import Runtime
from core.domain.dataset import Dataset
from core.platform.dataset_file import parse
from core.rules.data.holdout import row_hash
from core.rules.data.profile import Profiler
from core.rules.data.training_set import revision
from core.rules.model import typical_row as rule
from core.rules.model.contract import Contract, describe, read_row
from core.rules.model.typical_row import medoid, typical_row
from tests.build import small_dataset
from tests.models import tiny_model

NUMBERS = st.one_of(st.just(np.nan), st.integers(-3, 3).map(float), st.floats(-1e9, 1e9))
TEXTS = st.sampled_from(["", "a", "b", "c"])
ROWS = st.lists(st.tuples(NUMBERS, TEXTS, NUMBERS), min_size=1, max_size=12)


def columns_of(rows: list[tuple[float, str, float]]) -> list[tuple[Any, bool]]:
    first, texts, second = zip(*rows, strict=True)
    text = np.array(texts, dtype=object)
    return [(np.array(first), False), (text, True), (np.array(second), False)]


def mean_distances(values: Any, *, is_text: bool) -> list[float]:
    """By all pairs, as the definition says it; NaN for a null."""
    known = [v for v in values if v != "" and v == v]  # noqa: PLR0124 - NaN
    if is_text:
        return [sum(v != w for w in known) / len(known) if v else np.nan for v in values]
    ranks = {v: np.mean([n for n, w in enumerate(sorted(known)) if w == v]) for v in known}
    most = max(len(known) - 1, 1)
    return [
        np.mean([abs(ranks[v] - ranks[w]) / most for w in known]) if v in ranks else np.nan
        for v in values
    ]


@given(ROWS)
def test_it_has_the_smallest_mean_distance_of_the_most_complete_rows(
    rows: list[tuple[float, str, float]],
) -> None:
    columns = columns_of(rows)
    distances = np.array([mean_distances(v, is_text=t) for v, t in columns])
    present = (~np.isnan(distances)).sum(axis=0)
    complete = np.flatnonzero(present == present.max())
    means = np.round(np.nansum(distances[:, complete], axis=0) / max(present.max(), 1), 9)
    chosen = medoid(columns)
    assert chosen in complete
    assert means[list(complete).index(chosen)] == pytest.approx(means.min(), abs=1e-9)


def homes() -> Dataset:
    """A dataset in which each field's most common value belongs to another row."""
    names = ("city", "state", "zip_code")
    columns: list[dict[str, Any]] = [
        {"name": n, "type": "category", "role": "feature"} for n in names
    ]
    columns[2] |= {"type": "code", "width": 5}
    return parse(
        {
            "name": "homes",
            "columns": [
                {"name": "price", "type": "number", "role": "target", "nullable": False},
                *columns,
                {"name": "size", "type": "number", "role": "feature"},
                {"name": "sold", "type": "date", "role": "feature"},
            ],
        },
        "homes.toml",
    )


def rows_of(dataset: Dataset, rows: list[tuple[Any, ...]]) -> tuple[dict[str, Any], Any]:
    names = [c.name for c in dataset.features]
    columns = {
        name: np.array(values, dtype=object if dataset.column(name).is_text else np.float64)
        for name, values in zip(names, zip(*rows, strict=True), strict=True)
    }
    columns["price"] = np.arange(len(rows), dtype=np.float64)
    return columns, row_hash(columns, dataset)


HOMES: list[tuple[Any, ...]] = [
    ("Rockwood", "Maine", "04478", 900.0, 17_000.0),
    ("Rockwood", "Tennessee", "37854", 1_000.0, 17_100.0),
    ("Austin", "Texas", "78701", 1_100.0, 17_200.0),
    ("Dallas", "Texas", "75201", 1_200.0, 17_300.0),
    ("Aliquippa", "Pennsylvania", "15001", 1_300.0, 17_400.0),
    ("Hopewell", "Pennsylvania", "15001", 1_400.0, 17_500.0),
    ("", "Texas", "75202", 1_150.0, np.nan),
]


def test_its_fields_belong_together_where_the_most_common_values_do_not() -> None:
    dataset = homes()
    columns, hashes = rows_of(dataset, HOMES)
    row = typical_row(columns, hashes, dataset.features)
    real = [{"city": c, "state": s, "zip_code": z} for c, s, z, _, _ in HOMES]
    assert {name: row[name] for name in ("city", "state", "zip_code")} in real
    assert row["city"]
    assert str(row["sold"]).startswith("201")
    made = describe(dataset, Profiler(dataset).finish(), row=row)
    assert {f.name: f.default for f in made.fields} == row
    assert Contract.from_json(made.to_json()) == made


def test_the_order_in_which_rows_came_does_not_matter() -> None:
    dataset = homes()
    columns, hashes = rows_of(dataset, HOMES)
    draw = np.random.default_rng(20261130)
    found = []
    for _ in range(5):
        order = draw.permutation(len(HOMES))
        turned = {name: values[order] for name, values in columns.items()}
        found.append(typical_row(turned, hashes[order], dataset.features))
    assert found == [found[0]] * 5


def test_of_many_rows_a_sample_by_content_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = homes()
    columns, hashes = rows_of(dataset, HOMES * 3)
    seen: list[int] = []

    def counted(given: list[tuple[Any, bool]]) -> int:
        seen.append(len(given[0][0]))
        return medoid(given)

    monkeypatch.setattr(rule, "SAMPLED", 6)
    monkeypatch.setattr(rule, "medoid", counted)
    assert typical_row(columns, hashes, dataset.features)
    monkeypatch.setattr(rule, "SAMPLED_VALUES", 20)
    monkeypatch.setattr(rule, "_FEWEST", 2)
    assert typical_row(columns, hashes, dataset.features)
    assert seen == [6, 4], "of a wide table fewer rows"
    assert typical_row({n: v[:0] for n, v in columns.items()}, hashes[:0], dataset.features) == {}


def test_the_model_says_of_its_typical_row_that_no_feature_changes_its_answer() -> None:
    dataset = small_dataset()
    profiler = Profiler(dataset)
    profiler.add("temperature", np.array([1.0, 2.0, 3.0]))
    profiler.add("weather", ["dry", "wet", "dry"])
    made = describe(dataset, profiler.finish(), row={"temperature": 3.0, "weather": "wet"})
    runtime = Runtime(tiny_model(made))
    told = runtime.explain(read_row(made, {"temperature": 3, "weather": "wet"}))
    assert told
    assert (told.baseline, set(told.effects.values())) == (3.0, {0.0})


def test_without_it_a_contract_keeps_the_most_common_values_and_medians() -> None:
    dataset = small_dataset()
    profiler = Profiler(dataset)
    profiler.add("temperature", np.array([1.0, 2.0, 9.0]))
    profiler.add("weather", ["dry", "wet", "dry"])
    old = describe(dataset, profiler.finish())
    assert [f.default for f in old.fields] == [2.0, "dry"]
    empty = describe(dataset, profiler.finish(), row={"temperature": None, "weather": "wet"})
    assert [f.default for f in empty.fields] == [None, "wet"], "a real row may have an empty field"


def test_a_dataset_file_switches_it_off_and_that_is_another_lesson() -> None:
    on, off = small_dataset(), small_dataset(training={"typical_row": False})
    assert (on.training.typical_row, off.training.typical_row) == (True, False)
    assert revision(on) != revision(off)
    assert revision(on) == revision(small_dataset(training={"typical_row": True}))
    with pytest.raises(Exception, match=r"training\.typical_row .* must be true or false"):
        small_dataset(training={"typical_row": "no"})
    assert json.loads(describe(off, []).to_json())["fields"][0]["default"] is None
