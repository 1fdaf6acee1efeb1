"""LightGBM, XGBoost and CatBoost as estimators of a team's own: the ONNX file answers alike."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from core.domain.errors import RecipeFailed
from core.rules.model import evaluation
from tests.unit import test_class_recipes as classes
from tests.unit.test_recipes import Rows, fit_and_export, of, sales
from workers.recipes import boosters, export
from workers.recipes.choose import recipe_of

LIBRARIES = ["lightgbm", "xgboost", "catboost"]

pytestmark = pytest.mark.filterwarnings(  # LightGBM warns of every pipeline: it saw no names
    "ignore:X does not have valid feature names:UserWarning"
)


@pytest.fixture(params=LIBRARIES)
def training(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"estimator": f"tests.own_recipes:{request.param}"}


def test_it_learns_and_its_file_answers_alike(training: dict[str, str]) -> None:
    dataset = of(training)
    unseen = sales(2_000, seed=2)
    fitted, runtime = fit_and_export(sales(2_000), dataset)
    assert evaluation.score(unseen["gain"], fitted.predict(unseen))["r2"] > 0.8
    odd = sales(200, seed=3)
    odd["town"][:], odd["size"][:] = "elsewhere", "xxl"
    for name in ("variable", "day", "at"):
        odd[name][:50] = np.nan
    for rows in (unseen, odd):
        assert export.check_parity(runtime, fitted, rows) < export.TOLERANCE
    row = {f.name: unseen[f.name][7] for f in runtime.contract.fields}
    assert runtime.explain(row)


def test_far_from_zero_and_on_a_log_scale_too(training: dict[str, str]) -> None:
    dataset = of(training)
    rows: Rows = sales(500) | {"gain": sales(500)["gain"] + 1e6}
    fitted, runtime = fit_and_export(rows, dataset)
    assert export.check_parity(runtime, fitted, sales(500, seed=2)) < export.TOLERANCE
    on_log = replace(dataset, fit_on="log")
    fitted, runtime = fit_and_export(rows | {"gain": np.exp(sales(500)["gain"] / 100)}, on_log)
    assert export.check_parity(runtime, fitted, sales(500, seed=2)) < export.TOLERANCE


def test_twenty_rows_and_the_same_file_again(training: dict[str, str]) -> None:
    dataset = of(training)
    fitted, runtime = fit_and_export(sales(20), dataset)
    assert export.check_parity(runtime, fitted, sales(50, seed=2)) < export.TOLERANCE
    turned = {name: values[::-1] for name, values in sales(20).items()}
    assert recipe_of(dataset)(turned, dataset).to_onnx({}) == fitted.to_onnx({})


@pytest.mark.parametrize("kind", ["boolean", "category", "number"])
def test_classes_have_the_probabilities_of_the_fitted_model(
    training: dict[str, str], kind: str
) -> None:
    dataset = classes.of(training, kind)
    rows, unseen = (classes.classed(sales(800, seed), dataset) for seed in (1, 2))
    fitted, runtime = classes.fit_and_export(rows, dataset)
    assert classes.accuracy(fitted, rows, unseen, dataset) > 0.65
    odd = unseen | {"size": np.full(800, "xxl", dtype=object), "day": np.full(800, np.nan)}
    for asked in (unseen, odd):
        assert export.check_parity(runtime, fitted, asked) < export.TOLERANCE


def test_without_onnxmltools_the_group_to_install_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosters, "_FOR", {"lightgbm": boosters._FOR["lightgbm"]})
    for name in LIBRARIES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    import lightgbm  # noqa: F401

    monkeypatch.setitem(sys.modules, "onnxmltools", None)
    for name in [n for n in sys.modules if n.startswith("onnxmltools.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(RecipeFailed, match=r"uses lightgbm needs onnxmltools.*group boosters"):
        boosters.register()
