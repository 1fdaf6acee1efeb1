"""Every recipe keeps the port's promises for classifiers: two classes, several, and numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.adapters.onnx_runtime import GOLDEN_KEY, Runtime
from core.domain.dataset import Dataset
from core.domain.errors import NothingToTrainOn, RecipeFailed
from core.platform.dataset_file import parse
from core.rules.data.training_set import lesson
from core.rules.model.classes import classes_of, labels_in, labels_of
from core.rules.model.contract import METADATA_KEY, Contract, read_row
from core.rules.model.scoring import scoring_of
from tests.build import contract
from tests.unit.test_recipes import COLUMNS, OWN_PROGRAM, Rows, sales
from workers.recipes import export
from workers.recipes.choose import recipe_of
from workers.recipes.port import FEWEST_ROWS, Fitted

FEATURES = COLUMNS[:-1]
TRAININGS: list[dict[str, Any]] = [
    {"recipe": "boosting"},
    {"estimator": "tests.own_recipes:logistic"},
    {"estimator": "tests.own_recipes:trees"},
    OWN_PROGRAM,
]
KINDS = {"boolean": 2, "category": 4, "number": 3}
"""The type of the target, and how many classes it has."""


def of(
    training: dict[str, Any], kind: str, columns: list[dict[str, Any]] = FEATURES, **keys: Any
) -> Dataset:
    target = {"name": "gain", "type": kind, "role": "target"}
    task = "binary" if KINDS[kind] == 2 else "multiclass"
    document = {"name": "shop", "columns": [*columns, target], "training": training, "task": task}
    return parse(document | keys, "shop.toml")


def _case(training: dict[str, Any], kind: str) -> Any:
    """Each recipe with one kind of target, and the default with all of them, before a push."""
    marks = () if kind == "boolean" or training is TRAININGS[0] else (pytest.mark.whole,)
    name = f"{next(iter(training))}-{len(str(training))}-{kind}"
    return pytest.param((training, kind), marks=marks, id=name)


@pytest.fixture(params=[_case(training, kind) for kind in KINDS for training in TRAININGS])
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return of(*request.param)


def classed(rows: Rows, dataset: Dataset) -> Rows:
    """The same rows with classes of the gain, equal parts of what it usually is."""
    kind = dataset.target.type
    edges = np.quantile(sales()["gain"], np.linspace(0, 1, KINDS[kind] + 1)[1:-1])
    places = np.searchsorted(edges, rows["gain"])
    if kind == "number":
        return rows | {"gain": places * 5.0}
    names = ["false", "true"] if kind == "boolean" else ["a", "b", "c", "d"]
    return rows | {"gain": np.array(names, dtype=object)[places]}


def contract_of(rows: Rows, dataset: Dataset) -> Contract:
    return contract(dataset, classes_of(labels_in(rows["gain"], dataset), dataset))


def fit_and_export(rows: Rows, dataset: Dataset) -> tuple[Fitted, Runtime]:
    fitted = recipe_of(dataset)(rows, dataset)
    return fitted, Runtime(fitted.to_onnx({METADATA_KEY: contract_of(rows, dataset).to_json()}))


USUAL: dict[str, tuple[Rows, Fitted, Runtime]] = {}


def usual(dataset: Dataset) -> tuple[Rows, Fitted, Runtime]:
    """Rows with classes and the model of them, made once: few rows are fitted for seconds."""
    key = repr(dataset)
    if key not in USUAL:
        rows = classed(sales(300), dataset)
        USUAL[key] = (rows, *fit_and_export(rows, dataset))
    return USUAL[key]


def accuracy(fitted: Fitted, trained: Rows, asked: Rows, dataset: Dataset) -> float:
    model = contract_of(trained, dataset)
    scoring = scoring_of(dataset, asked["gain"], [model])
    return scoring.score(scoring.answers(model, fitted.predict(asked)))["accuracy"]


def test_it_learns(dataset: Dataset) -> None:
    rows, unseen = classed(sales(2_000), dataset), classed(sales(seed=2), dataset)
    fitted = recipe_of(dataset)(rows, dataset)
    assert accuracy(fitted, rows, unseen, dataset) > 0.65


def test_the_exported_model_answers_alike_with_probabilities_of_every_class(
    dataset: Dataset,
) -> None:
    rows, fitted, runtime = usual(dataset)
    for asked in (rows, sales(seed=2), sales(2_000, seed=3)):
        assert export.check_parity(runtime, fitted, asked) < export.TOLERANCE
    probabilities = runtime.predict(rows)
    assert probabilities.dtype == np.float64
    assert probabilities.shape == (300, KINDS[dataset.target.type])
    assert np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-12)
    assert set(labels_of(runtime.contract, probabilities)) == set(runtime.contract.classes)


def test_nulls_and_unseen_values_are_answered(dataset: Dataset) -> None:
    _, fitted, runtime = usual(dataset)
    odd = sales(60, seed=4)
    odd["town"][:], odd["size"][:20], odd["post"][:30] = "elsewhere", "xxl", "99999"
    odd["variable"][20:40] = np.nan
    odd["open"][:] = ""
    assert export.check_parity(runtime, fitted, odd) < export.TOLERANCE
    assert np.isfinite(runtime.predict(odd)).all()


def test_an_unseen_value_costs_little_of_what_is_known(dataset: Dataset) -> None:
    rows, known = classed(sales(2_000), dataset), classed(sales(500, seed=5), dataset)
    fitted = recipe_of(dataset)(rows, dataset)
    unseen = known | {"size": np.full(500, "xxl", dtype=object)}
    before, after = (accuracy(fitted, rows, asked, dataset) for asked in (known, unseen))
    assert after > before - 0.15


def test_the_order_of_rows_does_not_matter(dataset: Dataset) -> None:
    rows, fitted, _ = usual(dataset)
    turned = {name: values[::-1] for name, values in rows.items()}
    assert fitted.to_onnx({}) == recipe_of(dataset)(turned, dataset).to_onnx({})


def test_golden_answers_hold_and_effects_add_up(dataset: Dataset) -> None:
    rows, fitted, runtime = usual(dataset)
    asked = {f.name: f.default for f in runtime.contract.fields}
    (answer,) = runtime.predict_rows([read_row(runtime.contract, asked)])
    model = fitted.to_onnx({METADATA_KEY: runtime.contract.to_json()})
    golden = json.dumps([{"row": asked, "prediction": answer}])
    Runtime(export.stamp(model, {GOLDEN_KEY: golden})).check_golden()
    row = {name: rows[name][7] for name in asked}
    told = runtime.explain(row)
    assert told
    assert told.of in runtime.contract.classes
    by_class = dict(zip(runtime.contract.classes, runtime.predict_rows([row])[0], strict=True))
    assert told.prediction == pytest.approx(by_class[told.of], abs=2e-7)


def test_twenty_rows_suffice_and_nineteen_do_not(dataset: Dataset) -> None:
    rows = classed(sales(FEWEST_ROWS), dataset)
    fitted, runtime = fit_and_export(rows, dataset)
    assert export.check_parity(runtime, fitted, sales(50, seed=2)) < export.TOLERANCE
    with pytest.raises(NothingToTrainOn, match="Only 19 rows"):
        recipe_of(dataset)({name: values[1:] for name, values in rows.items()}, dataset)


@pytest.mark.parametrize("name", ["variable", "town", "at"])
def test_constant_and_empty_columns_are_no_obstacle(dataset: Dataset, name: str) -> None:
    is_text = name == "town"
    for value in ("x", "") if is_text else (7.0, np.nan):
        rows = classed(sales(60), dataset)
        rows[name] = np.full(60, value, dtype=object if is_text else np.float64)
        fitted, runtime = fit_and_export(rows, dataset)
        assert export.check_parity(runtime, fitted, sales(100, seed=2)) < export.TOLERANCE


def test_one_class_only_and_a_class_of_one_row_end_in_a_sentence(dataset: Dataset) -> None:
    rows = classed(sales(100), dataset)
    first = rows["gain"][0]
    constant = rows | {"gain": np.full_like(rows["gain"], first)}
    with pytest.raises(NothingToTrainOn, match=r"at least two classes .* every row has"):
        recipe_of(dataset)(constant, dataset)
    places = np.flatnonzero(rows["gain"] != first)
    lonely = rows["gain"].copy()
    kept = [np.flatnonzero(rows["gain"] == v)[0] for v in set(rows["gain"]) - {first}]
    lonely[np.setdiff1d(places, kept)] = first
    with pytest.raises(NothingToTrainOn, match="only one row of the class"):
        recipe_of(dataset)(rows | {"gain": lonely}, dataset)


def test_a_rare_class_of_two_rows_is_learned_with_early_stopping() -> None:
    dataset = of(TRAININGS[0], "category")
    rows = classed(sales(3_000), dataset)
    rows["gain"][:2] = "rare"
    fitted, runtime = fit_and_export(rows, dataset)
    assert runtime.contract.classes[-1] == "rare"
    assert export.check_parity(runtime, fitted, rows) < export.TOLERANCE


@pytest.mark.parametrize("kind", ["boolean", "number"])
def test_few_rows_without_a_pattern_give_no_certain_probabilities(kind: str) -> None:
    dataset = of(TRAININGS[0], kind, COLUMNS[:1])
    random = np.random.default_rng(1)
    values: Any = np.array(["false", "true"], object) if kind == "boolean" else np.arange(3.0)
    rows = {"variable": random.normal(size=200), "gain": random.choice(values, 200)}
    fitted = recipe_of(dataset)(rows, dataset)
    unseen = {"variable": random.normal(size=500)}
    spread = np.abs(fitted.predict(unseen) - 1 / KINDS[kind])
    assert np.quantile(spread, 0.9) < 0.2


def test_thirty_rows_are_enough_for_a_plain_rule() -> None:
    dataset = of(TRAININGS[0], "boolean", COLUMNS[:1])
    number = np.random.default_rng(1).normal(size=30)
    rows = {"variable": number, "gain": np.where(number > 0, "true", "false").astype(object)}
    fitted = recipe_of(dataset)(rows, dataset)
    probabilities = fitted.predict({"variable": np.array([-1.0, 1.0])})
    assert probabilities[0, 1] < 0.3
    assert probabilities[1, 1] > 0.7


def test_three_hundred_columns_and_three_classes() -> None:
    names = [f"x{n}" for n in range(300)]
    columns = [{"name": n, "type": "number", "role": "feature"} for n in names]
    dataset = of(TRAININGS[0], "number", columns)
    random = np.random.default_rng(1)
    rows: Rows = {name: random.normal(size=60) for name in names}
    rows["gain"] = np.digitize(rows["x7"], [-0.5, 0.5]) * 1.0
    fitted, runtime = fit_and_export(rows, dataset)
    assert export.check_parity(runtime, fitted, rows) < export.TOLERANCE


def test_the_task_and_the_positive_class_make_another_lesson() -> None:
    dataset = of(TRAININGS[0], "boolean")
    turned = replace(dataset, positive="false")
    assert lesson([], dataset).dataset != lesson([], turned).dataset


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("ridge", "returned Pipeline, which is no scikit-learn classifier; return an unfitted"),
        (
            "gives_no_probabilities",
            r"gives no probabilities \(predict_proba\); return a classifier",
        ),
        ("forgets_a_class", r"predict.*gave the shape \(60, 3\) for 60 rows of 4 classes"),
    ],
)
def test_own_code_that_makes_no_classifier_is_named(function: str, said: str) -> None:
    dataset = of({"estimator": f"tests.own_recipes:{function}"}, "category")
    rows = classed(sales(60), dataset)
    with pytest.raises(RecipeFailed, match=f"The recipe tests.own_recipes:{function} .*{said}"):
        recipe_of(dataset)(rows, dataset).predict(rows)
