"""What pushed an answer: Shapley values by their definition, and sums that are the model's own."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.contract import METADATA_KEY
from core.errors import ModelRefused
from core.explain import MOST_COUPLED, TREES_KEY, Explainer, Trees
from core.runtime import Runtime
from tests.build import contract
from tests.unit.test_training import SHOP, sales, shop
from workers import export, training, trees

Rows = dict[str, Any]


def grown(columns: tuple[tuple[str, ...], ...], seed: int, count: int = 4, deep: int = 5) -> Trees:
    """Random trees whose splits use every column, some of them more than once on a path."""
    random = np.random.default_rng(seed)
    nodes: list[list[float]] = []

    def grow(depth: int, cover: int) -> int:
        me = len(nodes)
        nodes.append([])
        if depth == 0 or cover < 2 or random.random() < 0.15:
            nodes[me] = [-1, 0, 0, 0, False, random.normal(), cover]
            return me
        left_cover = int(random.integers(1, cover))
        column, threshold = int(random.integers(len(columns))), float(random.integers(-2, 3))
        left = grow(depth - 1, left_cover)
        right = grow(depth - 1, cover - left_cover)
        nodes[me] = [column, threshold, left, right, random.random() < 0.5, 0.0, cover]
        return me

    roots = [grow(deep, 200) for _ in range(count)]
    table = np.array(nodes, dtype=float).T
    return Trees(
        True, float(random.normal()), columns, np.array(roots),
        table[0].astype(int), table[1], table[2].astype(int), table[3].astype(int),
        table[4].astype(bool), table[5], table[6],
    )  # fmt: skip


def worth(made: Trees, row: Any, known: set[str]) -> float:
    """The game by its definition: follow a known split, weigh both branches of an unknown one."""

    def below(node: int) -> float:
        column = made.feature[node]
        if column < 0:
            return float(made.value[node])
        left, right = made.left[node], made.right[node]
        if set(made.columns[column]) <= known:
            value = row[column]
            goes_left = (
                made.missing_left[node] if np.isnan(value) else value <= made.threshold[node]
            )
            return below(left if goes_left else right)
        total = made.cover[node]
        return float((made.cover[left] * below(left) + made.cover[right] * below(right)) / total)

    return made.base + sum(below(root) for root in made.roots)


def by_definition(made: Trees, row: Any) -> dict[str, float]:
    fields = list(dict.fromkeys(f for needs in made.columns for f in needs))
    effects = dict.fromkeys(fields, 0.0)
    orders = list(itertools.permutations(fields))
    for order in orders:
        known: set[str] = set()
        before = worth(made, row, known)
        for field in order:
            known = known | {field}
            after = worth(made, row, known)
            effects[field] += (after - before) / len(orders)
            before = after
    return effects


KINDS = {
    "each field a column": (("a",), ("b",), ("c",), ("d",)),
    "several columns a field": (("a",), ("a",), ("b",), ("b",), ("c",)),
    "ratios": (("a",), ("b",), ("c",), ("a", "b"), ("b", "c"), ("d",)),
    "two couples": (("a", "b"), ("c", "d"), ("e",), ("a",)),
    "all in one": (("a", "b", "c", "d"),),
}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(sorted(KINDS)), st.data())
def test_effects_are_the_shapley_values_by_their_definition(
    seed: int, kind: str, data: st.DataObject
) -> None:
    made = grown(KINDS[kind], seed)
    value = st.one_of(st.just(math.nan), st.integers(-3, 3).map(float), st.just(math.inf))
    row = np.array(data.draw(st.lists(value, min_size=len(KINDS[kind]), max_size=len(KINDS[kind]))))
    explained = Explainer(made).explain(row)
    assert explained.effects == pytest.approx(by_definition(made, row), abs=1e-10)
    assert explained.baseline == pytest.approx(worth(made, row, set()), abs=1e-10)
    assert explained.learned == pytest.approx(worth(made, row, set("abcde")), abs=1e-10)


def test_trees_that_never_split_push_nothing() -> None:
    made = grown((("a",),), 1, deep=0)
    explained = Explainer(made).explain(np.array([1.0]))
    assert explained.effects == {"a": 0.0}
    assert explained.learned == pytest.approx(made.base + made.value.sum())


def test_tables_survive_the_model_file() -> None:
    made = grown(KINDS["ratios"], 7)
    again = Trees.from_text(made.to_text())
    row = np.array([1.0, math.nan, -2.0, 0.0, 3.0, 1.0])
    assert Explainer(again).explain(row) == Explainer(made).explain(row)
    assert again.to_text() == made.to_text()


@pytest.mark.parametrize("text", ["x", "QUJD", "é"])
def test_tables_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(ModelRefused, match="tree tables"):
        Trees.from_text(text)


def test_too_many_fields_in_one_block_are_not_explained() -> None:
    fields = tuple(f"f{n}" for n in range(MOST_COUPLED + 1))
    assert not grown((fields,), 3).is_explainable()
    assert grown((fields[1:],), 3).is_explainable()
    assert grown(tuple((f,) for f in fields), 3).is_explainable()


# On real fits, through the file that is served


Model = Callable[[str], tuple[training.Fitted, Runtime]]


@pytest.fixture(scope="module")
def model() -> Model:
    made: dict[str, tuple[training.Fitted, Runtime]] = {}

    def get(fit_on: str) -> tuple[training.Fitted, Runtime]:
        if fit_on not in made:
            dataset = shop(fit_on=fit_on)
            fitted = training.fit(sales(), dataset)
            metadata = {
                METADATA_KEY: contract(dataset).to_json(),
                TREES_KEY: trees.tables(fitted).to_text(),
            }
            made[fit_on] = fitted, Runtime(export.to_onnx(fitted, dataset, metadata))
        return made[fit_on]

    return get


NUMBER = st.one_of(st.just(math.nan), st.floats(-1e6, 1e6, width=32), st.just(0.0))
ROWS = st.fixed_dictionaries(
    {
        "day": st.one_of(st.just(math.nan), st.integers(-10_000, 30_000).map(float)),
        "visitors": NUMBER,
        "hours": NUMBER,
        "size": st.sampled_from(["s", "m", "l", "", "xxl"]),
        "town": st.one_of(st.integers(0, 45).map(lambda n: f"town {n}"), st.just(""), st.text()),
        "post": st.one_of(st.integers(0, 45).map(lambda n: f"{n:04d}"), st.sampled_from(["", "x"])),
    }
).filter(lambda row: "\x00" not in row["town"] and row["town"].isprintable())


@pytest.mark.parametrize("fit_on", ["log", "value"])
@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_baseline_and_effects_add_up_to_the_answer(fit_on: str, model: Model, row: Rows) -> None:
    _fitted, runtime = model(fit_on)
    (answer,) = runtime.predict_rows([row])
    explained = runtime.explain(row)
    assert explained is not None
    assert set(explained.effects) == set(row)
    assert explained.prediction == pytest.approx(answer, rel=1e-6)


def test_the_document_has_the_largest_effect_first_and_adds_up(model: Model) -> None:
    _fitted, runtime = model("log")
    row = {name: values[0] for name, values in sales(5, seed=3).items()}
    explained = runtime.explain(row)
    assert explained is not None
    document = explained.to_document()
    sizes = [abs(f["effect"]) for f in document["fields"]]
    assert sizes == sorted(sizes, reverse=True)
    total = math.log1p(document["baseline"]) + sum(f["effect"] for f in document["fields"])
    assert math.expm1(total) == pytest.approx(runtime.predict_rows([row])[0], rel=1e-6)


def test_a_field_that_matters_pushes_and_one_that_does_not_hardly_does(model: Model) -> None:
    _fitted, runtime = model("log")
    row = {"day": 17_000.0, "visitors": 800.0, "hours": 4.0, "size": "l", "town": "town 39",
           "post": "0039"}  # fmt: skip
    large = runtime.explain(row)
    small = runtime.explain(row | {"size": "s", "visitors": 20.0})
    assert large is not None
    assert small is not None
    assert large.effects["size"] > 0.1 > -0.1 > small.effects["size"]
    assert large.effects["visitors"] > 0.3 > -0.3 > small.effects["visitors"]
    assert abs(large.effects["day"]) < 0.1


def test_every_column_of_the_matrix_has_its_fields(model: Model) -> None:
    fitted, _runtime = model("log")
    assert len(fitted.features.sources()) == fitted.features.transform(sales(3)).shape[1]
    assert ("visitors", "hours") in fitted.features.sources()


def test_effects_that_do_not_add_up_refuse_the_model(model: Model) -> None:
    fitted, _runtime = model("log")
    other = training.fit(sales(seed=5), SHOP)
    metadata = {
        METADATA_KEY: contract(SHOP).to_json(),
        TREES_KEY: trees.tables(other).to_text(),
    }
    wrong = Runtime(export.to_onnx(fitted, SHOP, metadata))
    with pytest.raises(ModelRefused, match="add up"):
        trees.check_sum(wrong, sales(20, seed=6))


def test_a_file_without_tables_explains_nothing_and_answers_all_the_same(model: Model) -> None:
    fitted, _runtime = model("log")
    old = Runtime(export.to_onnx(fitted, SHOP, {METADATA_KEY: contract(SHOP).to_json()}))
    row = {name: values[0] for name, values in sales(1).items()}
    assert old.explain(row) is None
    trees.check_sum(old, sales(5))
    assert math.isfinite(old.predict_rows([row])[0])
