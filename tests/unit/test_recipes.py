"""Every recipe keeps the port's promises: fit, predict, export, parity, golden answers, effects."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from core.adapters.onnx_runtime import GOLDEN_KEY, Runtime
from core.domain.dataset import Dataset
from core.domain.errors import DatasetError, ModelRefused, NothingToTrainOn, RecipeFailed
from core.domain.promotions import Promotion, PromotionState, Verdict
from core.domain.training import BUILT_IN
from core.platform.dataset_file import parse
from core.rules.data.training_set import lesson, same_as
from core.rules.model import evaluation
from core.rules.model.contract import METADATA_KEY, read_row
from tests import build
from tests.build import NOON, contract
from tests.stacks import ROOT
from workers.recipes import export
from workers.recipes.choose import recipe_of
from workers.recipes.port import FEWEST_ROWS, Fitted

Rows = dict[str, Any]

COLUMNS: list[dict[str, Any]] = [
    {"name": "variable", "type": "number", "role": "feature"},  # a name that exporters use inside
    {"name": "day", "type": "date", "role": "feature"},
    {"name": "at", "type": "timestamp", "role": "feature", "features": ["hour", "weekday"]},
    {"name": "size", "type": "category", "role": "feature"},
    {"name": "open", "type": "boolean", "role": "feature"},
    {"name": "town", "type": "category", "role": "feature"},
    {"name": "post", "type": "code", "role": "feature", "width": 5},
    {"name": "gain", "type": "number", "role": "target"},
]


OWN_PROGRAM: dict[str, Any] = {
    "command": [sys.executable, "own_program.py"],
    "folder": str(ROOT / "tests"),
}
TRAININGS: list[dict[str, Any]] = [
    *({"recipe": recipe} for recipe in BUILT_IN),
    {"estimator": "tests.own_recipes:ridge"},
    {"estimator": "tests.own_recipes:forest"},
    OWN_PROGRAM,
]


@pytest.fixture(params=TRAININGS, ids=["boosting", "place", "ridge", "forest", "command"])
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return of(request.param)


def of(training: object, columns: list[dict[str, Any]] = COLUMNS) -> Dataset:
    return parse({"name": "shop", "columns": columns, "training": training}, "shop.toml")


def sales(count: int = 400, seed: int = 1) -> Rows:
    """A gain around zero that follows from number, hour, size and town; a tenth is null."""
    random = np.random.default_rng(seed)
    town, size = random.integers(0, 40, count), random.integers(0, 3, count)
    number, at = random.normal(0, 100, count), random.integers(0, 10**9, count).astype(float)
    gain = 3 * number + 20 * size + 5 * (town - 20) + 2 * (at // 3600 % 24) - 40
    rows = {
        "variable": number,
        "day": random.integers(15_000, 20_000, count).astype(float),
        "at": at,
        "size": np.array(["s", "m", "l"], dtype=object)[size],
        "open": np.array(["true", "false"], dtype=object)[random.integers(0, 2, count)],
        "town": np.array([f"town {t}" for t in town], dtype=object),
        "post": np.array([f"{t:05d}" for t in town], dtype=object),
        "gain": gain + random.normal(0, 5, count),
    }
    for name in ("variable", "day", "at"):
        rows[name][random.random(count) < 0.1] = np.nan
    for name in ("size", "open", "town", "post"):
        rows[name][random.random(count) < 0.1] = ""
    return rows


def exported(fitted: Fitted, dataset: Dataset) -> Runtime:
    return Runtime(fitted.to_onnx({METADATA_KEY: contract(dataset).to_json()}))


def fit_and_export(rows: Rows, dataset: Dataset) -> tuple[Fitted, Runtime]:
    fitted = recipe_of(dataset)(rows, dataset)
    return fitted, exported(fitted, dataset)


def test_it_learns(dataset: Dataset) -> None:
    unseen = sales(seed=2)
    fitted = recipe_of(dataset)(sales(2_000), dataset)
    assert evaluation.score(unseen["gain"], fitted.predict(unseen))["r2"] > 0.7


@pytest.mark.parametrize("fit_on", ["value", "log"])
def test_the_exported_model_answers_alike(dataset: Dataset, fit_on: str) -> None:
    dataset = replace(dataset, fit_on=fit_on)
    rows, unseen = sales(), sales(seed=2)
    if fit_on == "log":
        rows["gain"], unseen["gain"] = np.exp(rows["gain"] / 100), np.exp(unseen["gain"] / 100)
    fitted, runtime = fit_and_export(rows, dataset)
    for asked in (rows, unseen, sales(5_000, seed=3)):
        assert export.check_parity(runtime, fitted, asked) < export.TOLERANCE


def test_nulls_and_unseen_values_are_answered_near_what_was_learned(dataset: Dataset) -> None:
    rows, odd = sales(), sales(60, seed=4)
    fitted, runtime = fit_and_export(rows, dataset)
    odd["town"][:], odd["size"][:20], odd["post"][:30] = "elsewhere", "xxl", "99999"
    odd["variable"][20:40] = np.nan
    odd["open"][:] = ""
    answers = runtime.predict(odd)
    assert export.check_parity(runtime, fitted, odd) < export.TOLERANCE
    reach = np.ptp(rows["gain"])
    assert answers.min() > rows["gain"].min() - reach
    assert answers.max() < rows["gain"].max() + reach


def test_an_unseen_value_costs_little_of_what_is_known(dataset: Dataset) -> None:
    rows, known = sales(2_000), sales(500, seed=5)
    fitted = recipe_of(dataset)(rows, dataset)
    unseen = known | {"size": np.full(500, "xxl", dtype=object)}
    errors = [np.abs(fitted.predict(r) - known["gain"]).mean() for r in (known, unseen)]
    assert errors[1] < errors[0] + 20  # sizes differ by 20 on average


def test_the_order_of_rows_does_not_matter(dataset: Dataset) -> None:
    rows = sales(300)
    turned = {name: values[::-1] for name, values in rows.items()}
    first, second = (recipe_of(dataset)(r, dataset).to_onnx({}) for r in (rows, turned))
    assert first == second


def test_golden_answers_hold_and_effects_add_up(dataset: Dataset) -> None:
    rows = sales(300)
    fitted, runtime = fit_and_export(rows, dataset)
    asked = {f.name: f.default for f in runtime.contract.fields}
    answer = runtime.predict_rows([read_row(runtime.contract, asked)])[0]
    golden = json.dumps([{"row": asked, "prediction": answer}])
    stamped = export.stamp(fitted.to_onnx({METADATA_KEY: contract(dataset).to_json()}),
                           {GOLDEN_KEY: golden})  # fmt: skip
    Runtime(stamped).check_golden()
    row = {name: rows[name][7] for name in asked}
    explanation = runtime.explain(row)
    assert explanation
    assert explanation.prediction == pytest.approx(runtime.predict_rows([row])[0], rel=1e-4)


def test_twenty_rows_suffice_and_nineteen_do_not(dataset: Dataset) -> None:
    fitted, runtime = fit_and_export(sales(FEWEST_ROWS), dataset)
    assert export.check_parity(runtime, fitted, sales(50, seed=2)) < export.TOLERANCE
    with pytest.raises(NothingToTrainOn, match="Only 19 rows"):
        recipe_of(dataset)(sales(FEWEST_ROWS - 1), dataset)


@pytest.mark.parametrize("name", ["variable", "town", "gain", "at"])
def test_constant_and_empty_columns_are_no_obstacle(dataset: Dataset, name: str) -> None:
    is_text = name == "town"
    for value in ("x", "") if is_text else (7.0, 7.0 if name == "gain" else np.nan):
        rows = sales(100)
        rows[name] = np.full(100, value, dtype=object if is_text else np.float64)
        fitted, runtime = fit_and_export(rows, dataset)
        assert export.check_parity(runtime, fitted, sales(100, seed=2)) < export.TOLERANCE


@pytest.mark.parametrize("training", [*TRAININGS[:2], TRAININGS[-1]], ids=str)
def test_three_hundred_columns(training: dict[str, Any]) -> None:
    names = [f"x{n}" for n in range(300)]
    columns = [{"name": n, "type": "number", "role": "feature"} for n in names]
    dataset = of(training, [*columns, COLUMNS[-1]])
    random = np.random.default_rng(1)
    rows: Rows = {name: random.normal(size=300) for name in names}
    rows["gain"] = rows["x7"] * 3 + rows["x150"]
    fitted, runtime = fit_and_export(rows, dataset)
    assert export.check_parity(runtime, fitted, rows) < export.TOLERANCE


def test_a_lesson_names_its_recipe() -> None:
    named = [lesson([], of(training)).recipe for training in TRAININGS[:3]]
    assert named == ["boosting-5", "place_boosting-1", "estimator:tests.own_recipes:ridge"]
    assert lesson([], of({"command": ["python", "a.py"]})).recipe == "command:python a.py"


def test_rows_that_own_code_learned_may_be_learned_again() -> None:
    for training, known in ((TRAININGS[0], 3), (TRAININGS[2], None)):
        learned = lesson([], of(training))
        dossier = build.dossier(3, learned=learned)
        version = Promotion(3, 3, PromotionState.PROPOSED, Verdict(True, ()), dossier, NOON, "ana")
        assert same_as(learned, [version]) == known


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("raises", r"make \(line \d+ of tests.own_recipes\): RuntimeError: no such warehouse"),
        ("leaves", r"make \(line \d+ of tests.own_recipes\): SystemExit: 3"),
        ("not_there", "import: AttributeError: .*not_there"),
        ("gives_a_classifier", "returned DummyClassifier, which is no scikit-learn regressor"),
        ("cannot_fit", "fit: ValueError: could not convert string to float"),
    ],
)
def test_own_code_that_fails_is_named_with_the_step_and_the_line(function: str, said: str) -> None:
    dataset = of({"estimator": f"tests.own_recipes:{function}"})
    with pytest.raises(RecipeFailed, match=f"The recipe tests.own_recipes:{function} .*{said}"):
        recipe_of(dataset)(sales(60), dataset)


def test_a_package_that_is_not_installed_is_named() -> None:
    dataset = of({"estimator": "nobody.has_this:make"})
    with pytest.raises(
        RecipeFailed, match=r"import: ModuleNotFoundError: No module named 'nobody'"
    ):
        recipe_of(dataset)(sales(60), dataset)


def test_own_code_without_an_onnx_form_is_refused() -> None:
    dataset = of({"estimator": "tests.own_recipes:cannot_be_exported"}, [COLUMNS[0], COLUMNS[-1]])
    rows = {name: sales(60)[name] for name in ("variable", "gain")}
    with pytest.raises(ModelRefused, match="skl2onnx cannot export"):
        recipe_of(dataset)(rows, dataset).to_onnx({})


def test_own_code_that_fails_on_new_values_is_named() -> None:
    dataset = of({"estimator": "tests.own_recipes:cannot_predict_new_texts"})
    fitted = recipe_of(dataset)(sales(200), dataset)
    odd = sales(5) | {"town": np.full(5, "elsewhere", dtype=object)}
    with pytest.raises(RecipeFailed, match=r"in its step predict.*unknown categories"):
        fitted.predict(odd)


@pytest.mark.parametrize(
    ("training", "said"),
    [
        ({"recipe": "magic"}, "training.recipe must be one of boosting, place_boosting, estimator"),
        ({"recipe": "estimator"}, "training.estimator is None, and must name a function"),
        ({"estimator": "rm -rf"}, "training.estimator is 'rm -rf', and must name a function"),
        ({"estimator": 3}, "training.estimator is 3, and must name a function"),
        ({"estimator": "a:b", "recipe": "boosting"}, "goes with recipe = .estimator."),
        ({"recipe": "command"}, "training.command is None, and must be a list of the program"),
        ({"command": "python train.py"}, "training.command is 'python train.py', and must be a l"),
        ({"command": []}, "training.command is \\[\\], and must be a list"),
        ({"command": ["python", 3]}, "training.command, word 2, is 3, and must be text in quotes"),
        ({"command": ["python", ""]}, "training.command, word 2, is empty"),
        ({"command": ["x"], "estimator": "a:b"}, "training.command goes with .*one of them out"),
        ({"command": ["x"], "folder": ""}, "training.folder is empty"),
        ({"command": ["x"], "folder": 7}, "training.folder is 7, and must be text"),
        ({"folder": "/srv"}, 'training.folder goes with recipe = "command", and the recipe is "bo'),
        ({"commands": ["x"]}, "unknown keys commands .did you mean command"),
        ({"recipes": "boosting"}, "unknown keys recipes"),
        ("boosting", r"training is 'boosting', and must be a table; write \[training\]"),
    ],
)
def test_a_wrong_training_section_is_refused(training: object, said: str) -> None:
    document = {"name": "shop", "columns": COLUMNS, "training": training}
    with pytest.raises(DatasetError, match=said):
        parse(document, "shop.toml")
