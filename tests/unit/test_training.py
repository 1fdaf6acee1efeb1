"""Training on any dataset, and an export that says what the fitted model says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor

from core.adapters.onnx_runtime import Runtime
from core.domain.dataset import Dataset
from core.domain.errors import ModelRefused, NothingToTrainOn
from core.platform.dataset_file import parse
from core.rules.data import usable_rows
from core.rules.model import evaluation
from core.rules.model.contract import METADATA_KEY
from tests.build import contract
from workers.recipes import export
from workers.recipes.place_boosting import fit
from workers.recipes.place_boosting.features import ONE_HOT_UP_TO
from workers.recipes.port import FEWEST_ROWS

Rows = dict[str, Any]


def shop(**changes: Any) -> Dataset:
    """Two numbers, a day, a small set, a large set and a code."""
    document: dict[str, Any] = {
        "name": "shop",
        "fit_on": "log",
        "columns": [
            {"name": "day", "type": "date", "role": "feature"},
            {"name": "visitors", "type": "number", "role": "feature", "at_most": 1000},
            {"name": "hours", "type": "number", "role": "feature"},
            {"name": "size", "type": "category", "role": "feature"},
            {"name": "town", "type": "category", "role": "feature"},
            {"name": "post", "type": "code", "role": "feature", "width": 4},
            {"name": "till", "type": "code", "role": "identifier"},
            {"name": "taken", "type": "number", "role": "target", "above": 10},
        ],
    }
    return parse(document | changes, "shop.toml")


SHOP = shop()


def with_gaps(values: Any, random: np.random.Generator, null: Any) -> Any:
    values[random.random(len(values)) < 0.1] = null
    return values


def sales(count: int = 600, seed: int = 1) -> Rows:
    """What is taken follows from visitors, hours, size and town, with noise; a tenth is null."""
    random = np.random.default_rng(seed)
    town = random.integers(0, 40, count)
    size = random.integers(0, 3, count)
    visitors = random.integers(1, 900, count).astype(float)
    hours = random.uniform(2, 14, count)
    worth = np.exp(3 + 0.5 * size + 0.02 * town + 0.1 * random.normal(size=count))
    return {
        "day": with_gaps(random.integers(15_000, 20_000, count).astype(float), random, np.nan),
        "visitors": with_gaps(visitors.copy(), random, np.nan),
        "hours": with_gaps(hours.copy(), random, np.nan),
        "size": with_gaps(np.array(["s", "m", "l"], dtype=object)[size], random, ""),
        "town": with_gaps(np.array([f"town {t}" for t in town], dtype=object), random, ""),
        "post": with_gaps(np.array([f"{t:04d}" for t in town], dtype=object), random, ""),
        "till": np.array(["1"] * count, dtype=object),
        "taken": 20 + worth * visitors / hours,
    }


def exported(fitted: fit.Fitted, dataset: Dataset) -> Runtime:
    metadata = {METADATA_KEY: contract(dataset).to_json(), "made.by": "a test"}
    return Runtime(fitted.to_onnx(metadata))


@pytest.fixture(scope="module")
def fitted() -> fit.Fitted:
    return fit.fit(sales(), SHOP)


@pytest.fixture(scope="module")
def runtime(fitted: fit.Fitted) -> Runtime:
    return exported(fitted, SHOP)


# Fitting


def test_it_learns(fitted: fit.Fitted) -> None:
    unseen = sales(seed=2)
    scores = evaluation.score(unseen["taken"], fitted.predict(unseen))
    middle = evaluation.score(unseen["taken"], np.full(600, np.median(unseen["taken"])))
    assert scores["mae"] < 0.6 * middle["mae"]
    assert scores["mdape"] < 0.6 * middle["mdape"]
    assert scores["r2"] > 0.4


def test_a_row_with_an_absurd_target_does_not_pull_its_neighbours_along(
    fitted: fit.Fitted,
) -> None:
    odd = sales()
    same = np.flatnonzero(odd["town"] == odd["town"][0])
    odd["taken"][same[0]] *= 1e6
    others = {name: values[same[1:]] for name, values in sales().items()}
    moved = fit.fit(odd, SHOP).predict(others) / fitted.predict(others)
    assert np.median(np.abs(np.log(moved))) < 0.3


def test_what_is_learned_lies_clipped_residuals_of_the_estimate() -> None:
    learned = np.array([1.0, -1.0, 1.0, -1.0, 50.0])
    reach = fit.HUBER_K * 1.4826
    assert fit._clipped_residuals(learned, np.zeros(5)).tolist() == [1, -1, 1, -1, reach]
    assert fit._clipped_residuals(learned, learned).tolist() == learned.tolist()
    mostly = np.array([1.0, -1.0, 1.0, -1.0, 0.0])
    assert fit._clipped_residuals(mostly, mostly).tolist() == mostly.tolist()


def test_of_few_rows_trees_learn_what_half_of_the_estimate_leaves_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few, unseen = sales(150), sales(seed=2)

    def error() -> float:
        model = fit.fit(few, SHOP)
        assert export.check_parity(exported(model, SHOP), model, unseen) < export.TOLERANCE
        return float(np.median(np.abs(np.log(model.predict(unseen) / unseen["taken"]))))

    ours = error()
    monkeypatch.setattr(fit, "INIT_SHARE", 0.0)
    assert ours < 0.9 * error()


@pytest.mark.parametrize("hours", [1e-30, 1e30])
def test_far_from_its_rows_an_answer_stays_where_targets_were(
    fitted: fit.Fitted, runtime: Runtime, hours: float
) -> None:
    far = {name: values[:50] for name, values in sales(seed=4).items()}
    far["hours"][:] = hours
    answers = runtime.predict(far)
    targets = sales()["taken"]
    assert answers.min() > targets.min() / 2
    assert answers.max() < targets.max() * 2
    assert export.check_parity(runtime, fitted, far) < export.TOLERANCE


@pytest.mark.parametrize(
    ("column", "usual", "odd"),
    [("size", ["m"], ""), ("size", ["m"], "xl"), ("size", ["s", "m", "l"], ""),
     ("hours", [2.0, 8.0, 14.0], np.nan), ("visitors", [10.0, 300.0, 900.0], np.nan)],
)  # fmt: skip
def test_what_no_row_had_counts_as_the_average_row(column: str, usual: list[Any], odd: Any) -> None:
    """Nobody left the field empty in training; an answer must not fall out of the sky then."""
    full = sales()
    for values in full.values():
        null = values == "" if values.dtype == object else np.isnan(values)
        values[null] = values[~null][0]
    if len(usual) == 1:
        full[column][:] = usual[0]
    model = fit.fit(full, SHOP)
    asked = {name: values[:100] for name, values in full.items()}
    answers = [model.predict(asked | {column: np.full(100, v, full[column].dtype)}) for v in usual]
    given = model.predict(asked | {column: np.full(100, odd, full[column].dtype)})
    within = (given > np.min(answers, axis=0) / 1.2) & (given < np.max(answers, axis=0) * 1.2)
    assert within.mean() > 0.9
    assert export.check_parity(exported(model, SHOP), model, asked) < export.TOLERANCE


@pytest.mark.whole
def test_the_answer_is_the_mean_of_several_fits() -> None:
    matrix = np.random.default_rng(7).normal(size=(300, 4)).round(1)
    learned = matrix.sum(axis=1)
    matrix[::7, 0] = np.nan
    alone = []
    for n in range(fit.FITS):
        recipe = fit.RECIPE | {"random_state": fit.RECIPE["random_state"] + n}
        alone.append(HistGradientBoostingRegressor(**recipe).fit(matrix, learned))
    one = fit._grow(matrix, learned, None)
    assert one.predict(matrix) == pytest.approx(np.mean([f.predict(matrix) for f in alone], axis=0))
    assert not np.array_equal(alone[0].predict(matrix), alone[1].predict(matrix))


def test_bins_end_at_weighted_quantiles_and_null_has_its_own() -> None:
    column = np.append(np.arange(1000.0), [np.nan, np.nan])
    weights = np.where(column < 500, 3.0, 1.0)
    most = fit.RECIPE["max_bins"]
    bins = fit.Bins.of(column[:, None], weights)
    codes, (edges,) = bins.codes[:, 0], bins.edges
    assert codes[-2:].tolist() == [most, most]
    assert np.diff(codes[:-2].astype(int)).min() == 0
    assert len(edges) == most - 1
    assert (edges < 500).sum() == pytest.approx(0.75 * most, abs=1)
    assert all(column[:-2][codes[:-2] <= n].max() == edge for n, edge in enumerate(edges))


def test_the_order_of_rows_does_not_matter(fitted: fit.Fitted) -> None:
    order = np.random.default_rng(3).permutation(600)
    again = fit.fit({name: values[order] for name, values in sales().items()}, SHOP)
    assert again.to_onnx({}) == fitted.to_onnx({})


def test_identifiers_are_not_learned_from(fitted: fit.Fitted) -> None:
    renamed = sales() | {"till": np.array([str(n) for n in range(600)], dtype=object)}
    assert fit.fit(renamed, SHOP).to_onnx({}) == fitted.to_onnx({})


def test_small_sets_are_one_hot_and_large_ones_encoded_by_target(fitted: fit.Fitted) -> None:
    assert set(fitted.features.one_hot) == {"size"}
    assert {p.key for p in fitted.features.lookups} == {"town", "post", "post.prefix"}
    few = sales()
    few["town"] = np.array([f"t{n % ONE_HOT_UP_TO}" for n in range(600)], dtype=object)
    assert "town" in fit.fit(few, SHOP).features.one_hot


def test_a_second_dataset_of_two_numbers_and_a_category() -> None:
    plain = shop(
        fit_on="value",
        columns=[
            {"name": "weight", "type": "number", "role": "feature"},
            {"name": "height", "type": "number", "role": "feature"},
            {"name": "colour", "type": "category", "role": "feature"},
            {"name": "change", "type": "number", "role": "target"},
        ],
    )
    random = np.random.default_rng(5)
    weight, height = random.normal(size=(2, 200))
    rows = {
        "weight": weight,
        "height": height,
        "colour": random.choice(np.array(["red", "blue"], dtype=object), 200),
        "change": 5 * weight - height,  # of both signs: learned as it is
    }
    model = fit.fit(rows, plain)
    assert not model.on_log
    assert evaluation.score(rows["change"], model.predict(rows))["r2"] > 0.8
    assert export.check_parity(exported(model, plain), model, rows) < export.TOLERANCE


ROWS = 150
DEGENERATE: dict[str, Rows] = {
    "no number known": {"visitors": np.full(ROWS, np.nan)},
    "no number at all": {name: np.full(ROWS, np.nan) for name in ("day", "visitors", "hours")},
    "one number": {"visitors": np.full(ROWS, 7.0)},
    "only zeros": {"hours": np.zeros(ROWS)},
    "no text known": {"town": np.array([""] * ROWS, dtype=object)},
    "one text": {"size": np.array(["m"] * ROWS, dtype=object)},
    "codes that are no digits": {"post": np.array([f"a{n}" for n in range(ROWS)], dtype=object)},
    "every text once": {"town": np.array([f"town {n}" for n in range(ROWS)], dtype=object)},
    "one target": {"taken": np.full(ROWS, 50.0)},
}


@pytest.mark.parametrize("case", DEGENERATE)
def test_columns_that_say_nothing_do_no_harm(case: str) -> None:
    rows = sales(ROWS) | DEGENERATE[case]
    model = fit.fit(rows, SHOP)
    live = exported(model, SHOP)
    ordinary = sales(ROWS, seed=2)
    assert export.check_parity(live, model, rows) < export.TOLERANCE
    assert export.check_parity(live, model, ordinary) < export.TOLERANCE
    assert np.isfinite(live.predict(ordinary)).all()


def test_a_column_that_was_null_throughout_changes_no_prediction() -> None:
    model = fit.fit(sales(ROWS) | {"visitors": np.full(ROWS, np.nan)}, SHOP)
    unseen = sales(ROWS, seed=2)
    other = unseen | {"visitors": np.full(ROWS, 1e6)}
    assert model.predict(other).tolist() == model.predict(unseen).tolist()


def test_the_fewest_rows_are_enough_and_one_less_is_not() -> None:
    rows = sales(FEWEST_ROWS)
    assert np.isfinite(fit.fit(rows, SHOP).predict(rows)).all()
    with pytest.raises(NothingToTrainOn, match=r"Only 19 rows .* at least 20 are needed"):
        fit.fit({name: values[1:] for name, values in rows.items()}, SHOP)


def test_a_target_without_a_log_is_refused_with_what_to_do() -> None:
    rows = sales(ROWS)
    rows["taken"][0] = -1.0
    with pytest.raises(NothingToTrainOn, match='Set fit_on = "value"'):
        fit.fit(rows, SHOP)


# Which rows are usable


def test_usable_rows_have_a_target_within_bounds_and_features_within_theirs() -> None:
    rows = sales(6)
    rows["taken"] = np.array([np.nan, 10.0, 10.01, 50.0, 50.0, 50.0])
    rows["visitors"] = np.array([1.0, 1.0, 1.0, 1000.0, 1000.5, np.nan])
    assert usable_rows.usable(rows, SHOP).tolist() == [False, False, True, True, False, True]


# Scores


def test_scores_are_those_of_the_textbook() -> None:
    scores = evaluation.score(np.array([100.0, 200.0, 300.0]), np.array([110.0, 180.0, 330.0]))
    assert scores == pytest.approx(
        {"mae": 20.0, "rmse": np.sqrt(1400 / 3), "mdape": 0.1, "r2": 1 - 1400 / 20_000}
    )


def test_scores_exist_where_their_formula_does_not() -> None:
    assert evaluation.score(np.zeros(2), np.ones(2))["mdape"] == 0.0
    assert evaluation.score(np.array([0.0, 4.0]), np.array([1.0, 5.0]))["mdape"] == 0.25
    assert evaluation.score(np.full(3, 5.0), np.full(3, 4.0))["r2"] == 0.0
    with pytest.raises(NothingToTrainOn, match="No row is held out"):
        evaluation.score(np.array([]), np.array([]))


# The export


def test_the_file_takes_one_input_a_feature_in_order_and_gives_one_prediction(
    fitted: fit.Fitted,
) -> None:
    model = onnx.load_from_string(fitted.to_onnx({"made.by": "a test"}))
    kinds = {
        i.name: (i.type.tensor_type.elem_type, len(i.type.tensor_type.shape.dim))
        for i in model.graph.input
    }
    number, text = (onnx.TensorProto.FLOAT, 2), (onnx.TensorProto.STRING, 2)
    expected = [number, number, number, text, text, text]
    assert list(kinds) == [c.name for c in SHOP.features]
    assert list(kinds.values()) == expected
    assert [o.name for o in model.graph.output] == ["prediction"]
    assert {p.key: p.value for p in model.metadata_props} == {"made.by": "a test"}


def test_the_file_says_what_the_model_says(fitted: fit.Fitted, runtime: Runtime) -> None:
    assert export.check_parity(runtime, fitted, sales()) < export.TOLERANCE
    assert export.check_parity(runtime, fitted, sales(2000, seed=9)) < export.TOLERANCE


ODD: dict[str, Rows] = {
    "nulls": {"day": np.nan, "visitors": np.nan, "hours": np.nan},
    "no texts": {"size": "", "town": "", "post": ""},
    "unseen texts": {"size": "xxl", "town": "Ürümqi\n", "post": "9999"},
    "codes that are no digits": {"post": "12a"},
    "digits of another script": {"post": "٣٤"},
    "a number's other names": {"post": "1e5", "town": "nan"},
    "division by zero": {"hours": 0.0},
    "zero by zero": {"hours": 0.0, "visitors": 0.0},
    "below zero": {"hours": -0.0, "visitors": -5.0},
    "tiny by large": {"visitors": 1e-30, "hours": 1e30},
    "large by tiny": {"visitors": 1e30, "hours": 1e-30},
}


@pytest.mark.parametrize("case", ODD)
def test_odd_values_are_answered_alike(case: str, fitted: fit.Fitted, runtime: Runtime) -> None:
    rows = sales(50, seed=4)
    for name, value in ODD[case].items():
        rows[name] = np.full(50, value, dtype=rows[name].dtype)
    assert export.check_parity(runtime, fitted, rows) < export.TOLERANCE
    assert np.isfinite(runtime.predict(rows)).all()


def test_values_on_a_threshold_fall_on_the_same_side(fitted: fit.Fitted, runtime: Runtime) -> None:
    """Thresholds are doubles between floats: the nearest float on either side must agree."""
    nodes = np.concatenate([tree.nodes for (tree,) in fitted.trees._predictors])
    column = fitted.features.numbers.index("hours")
    of_hours = (nodes["feature_idx"] == column) & (nodes["is_leaf"] == 0)
    thresholds = np.unique(nodes["num_threshold"][of_hours])
    thresholds = thresholds[np.isfinite(thresholds)]
    near = thresholds.astype(np.float32)
    up, down = np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))
    hours = np.concatenate([thresholds, near, up, down]).astype(np.float64)
    assert len(hours) > 100
    rows = {name: np.resize(values, len(hours)) for name, values in sales(50).items()}
    assert export.check_parity(runtime, fitted, rows | {"hours": hours}) < export.TOLERANCE


def test_a_file_that_says_something_else_is_refused_with_the_row(
    fitted: fit.Fitted, runtime: Runtime
) -> None:
    skewed = replace(fitted, dataset=shop(fit_on="value"))
    with pytest.raises(ModelRefused, match=r"relative difference .* for \{'day': .*'town'"):
        export.check_parity(runtime, skewed, sales(30))


def test_a_prediction_that_is_no_number_is_refused(fitted: fit.Fitted) -> None:
    class Broken:
        def predict(self, rows: Rows) -> Any:
            return np.full(len(rows["day"]), np.nan)

    with pytest.raises(ModelRefused, match="predicts nan"):
        export.check_parity(Broken(), fitted, sales(30))  # type: ignore[arg-type]


def test_no_rows_have_nothing_to_differ_in(fitted: fit.Fitted, runtime: Runtime) -> None:
    assert export.check_parity(runtime, fitted, sales(0)) == 0.0


@pytest.mark.parametrize("name", ["one", "exp", "learned", "features", "base", "matrix"])
def test_a_column_may_be_called_what_the_export_calls_things(name: str) -> None:
    odd = shop(
        columns=[
            {"name": name, "type": "number", "role": "feature"},
            {"name": "taken", "type": "number", "role": "target"},
        ]
    )
    rows = {name: np.arange(100.0), "taken": np.arange(100.0) ** 2}
    model = fit.fit(rows, odd)
    assert export.check_parity(exported(model, odd), model, rows) < export.TOLERANCE


def test_the_run_is_logged_with_how_each_column_was_read(fitted: fit.Fitted) -> None:
    logged = fitted.parameters
    assert (logged["fit_on"], logged["one_hot"], logged["target_encoded"]) == (
        "log",
        "size",
        "post.prefix,town,post",
    )
    assert logged["random_state"] == fit.RECIPE["random_state"]
