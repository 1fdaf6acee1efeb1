"""Labels, classes and prediction sets: what a classifier's answer says."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.onnx_runtime import GOLDEN_KEY, Runtime
from core.domain.dossier import Replay
from core.domain.errors import ModelRefused, NothingToTrainOn
from core.domain.predictions import LoggedPrediction
from core.domain.task import Task
from core.rules.data import usable_rows
from core.rules.data.holdout import held_out
from core.rules.model import prediction_sets
from core.rules.model.classes import (
    answered,
    classes_of,
    indices_of,
    labels_in,
    labels_of,
    log_odds,
    set_of,
)
from core.rules.model.contract import Contract
from core.rules.model.prediction_sets import PredictionSets
from core.rules.model.scoring import ANOTHER, scoring_of
from tests import build
from tests.models import tiny_model
from workers.evidence.dossier import Model
from workers.evidence.replay import replay
from workers.recipes.export import check_parity, stamp

NUMBERS: dict[str, Any] = {
    "columns": [
        {"name": "stars", "type": "number", "role": "target"},
        {"name": "size", "type": "number", "role": "feature"},
    ]
}


def texts(*labels: str) -> np.ndarray[Any, np.dtype[np.object_]]:
    return np.array(labels, dtype=object)


def test_numbers_are_labels_by_their_digits_in_the_order_of_numbers() -> None:
    dataset = build.class_dataset("2", "3", "10", **NUMBERS)
    labels = labels_in(np.array([10.0, 2.0, -0.0, 3.0, 2.0, 10.0, 3.0, 0.0]), dataset)
    assert labels.tolist() == ["10", "2", "0", "3", "2", "10", "3", "0"]
    assert classes_of(labels, dataset) == ("0", "2", "3", "10")
    assert indices_of(labels, ("2", "3", "10")).tolist() == [2, 0, 3, 1, 0, 2, 1, 3]


def test_only_whole_numbers_and_texts_that_are_there_are_classes() -> None:
    rows = {"stars": np.array([1.0, 2.5, np.nan, 3.0]), "size": np.ones(4)}
    numbers = build.class_dataset(**NUMBERS)
    assert usable_rows.usable(rows, numbers).tolist() == [True, False, False, True]
    kinds = {"kind": texts("yes", "", "no", "no"), "temperature": np.ones(4)}
    usable = usable_rows.usable(kinds, build.class_dataset())
    assert usable.tolist() == [True, False, True, True]


def test_equal_rows_of_different_classes_are_held_out_together() -> None:
    dataset = build.class_dataset()
    rows = {"temperature": np.arange(200.0) % 40, "weather": texts(*["sun", "rain"] * 100)}
    sides = [held_out(rows | {"kind": texts(*[kind] * 200)}, dataset) for kind in ("no", "yes")]
    assert (sides[0] == sides[1]).all()
    assert sides[0].any()
    assert not sides[0].all()


def test_the_positive_class_is_last() -> None:
    labels = texts("yes", "no", "no", "yes")
    assert classes_of(labels, build.class_dataset()) == ("no", "yes")
    assert classes_of(labels, build.class_dataset(positive="no")) == ("yes", "no")


@pytest.mark.parametrize(
    ("labels", "task", "says"),
    [
        (["yes"] * 9, "binary", "at least two classes in the training rows, and every row has 'ye"),
        ([], "multiclass", "at least two classes in the training rows, and no row has any"),
        (["a", "b", "c"] * 3, "binary", "3 classes .*'a', 'b', 'c'.*Set task = .multiclass."),
        (["a", "b"] * 3, "multiclass", "only two classes .* or set task = .binary."),
        (["a", "a", "b"], "binary", "only one row of the class 'b', and a model needs at least"),
        ([str(n) for n in range(101)] * 2, "multiclass", "101 classes .* can have at most 100"),
        (["a", "b"] * 3, "yes", "No training row has the class 'yes', .* as positive; .*'a'"),
    ],
)
def test_classes_that_cannot_be_told_apart_end_in_a_sentence(
    labels: list[str], task: str, says: str
) -> None:
    wanted = {"task": "binary", "positive": "yes"} if task == "yes" else {"task": task}
    dataset = build.class_dataset(**wanted)
    with pytest.raises(NothingToTrainOn, match=says):
        classes_of(texts(*labels), dataset)


def contract_of(*classes: str, **parts: Any) -> Contract:
    classes = classes or ("no", "yes")
    return replace(build.contract(build.class_dataset(*classes), classes), **parts)


def test_the_threshold_decides_between_two_classes() -> None:
    rows = np.array([[0.7, 0.3], [0.8, 0.2], [0.5, 0.5]])
    assert labels_of(contract_of(threshold=0.3), rows) == ["yes", "no", "yes"]
    assert labels_of(contract_of(), rows) == ["no", "no", "yes"]
    assert labels_of(contract_of("a", "b", "c"), np.array([[0.2, 0.5, 0.3]])) == ["b"]


def test_a_set_has_every_class_that_is_probable_enough_and_the_answer() -> None:
    sets = PredictionSets(0.9, 0.6, 50, 0.91, 50, 1.2)
    three = contract_of("a", "b", "c", sets=sets)
    assert set_of(three, [0.41, 0.40, 0.19]) == ("a", "b")
    assert set_of(three, [0.34, 0.33, 0.33]) == ("a",)
    assert set_of(contract_of(threshold=0.2, sets=sets), [0.7, 0.3]) == ("no", "yes")
    assert set_of(contract_of(), [0.7, 0.3]) is None


@pytest.mark.parametrize("classes", [2, 5])
def test_sets_cover_nine_of_ten_new_rows(classes: int) -> None:
    dice = np.random.default_rng(4)
    probabilities = dice.dirichlet(np.ones(classes), 6000)
    actual = np.array([dice.choice(classes, p=p) for p in probabilities])
    top = probabilities.argmax(axis=1)
    hashes = dice.integers(0, 2**63, 6000).astype(np.uint64)
    part = slice(0, 3000)
    sets = prediction_sets.calibrate(actual[part], probabilities[part], top[part], hashes[part])
    assert sets
    inside = sets.inside(probabilities[3000:], top[3000:])
    covered = inside[np.arange(3000), actual[3000:]].mean()
    assert covered == pytest.approx(sets.measured, abs=0.03)
    assert covered > 0.88
    assert sets.size == pytest.approx(inside.sum(axis=1).mean(), abs=0.1)


def test_rows_of_a_class_that_the_model_does_not_know_are_never_covered() -> None:
    probabilities = np.tile([0.5, 0.5], (400, 1))
    hashes = np.random.default_rng(1).integers(0, 2**63, 400).astype(np.uint64)
    unknown = np.full(400, 2, dtype=np.intp)
    sets = prediction_sets.calibrate(unknown, probabilities, np.zeros(400, dtype=np.intp), hashes)
    assert sets
    assert (sets.measured, sets.largest, sets.size) == (0.0, 1.0, 2.0)
    few = slice(0, 30)
    assert not prediction_sets.calibrate(
        unknown[few], probabilities[few], unknown[few] * 0, hashes[few]
    )


@given(st.floats(0, 1) | st.just(float("nan")))
def test_log_odds_are_finite_and_nan_stays(p: float) -> None:
    (odds,) = log_odds(np.array([p]))
    assert np.isfinite(odds) or np.isnan(p)
    if 1e-7 < p < 1 - 1e-7:
        assert 1 / (1 + np.exp(-odds)) == pytest.approx(p)


def test_a_contract_of_a_classifier_is_read_as_it_was_written() -> None:
    sets = PredictionSets(0.9, 0.6, 50, 0.91, 50, 1.2)
    made = contract_of(threshold=0.3, sets=sets)
    assert Contract.from_json(made.to_json()) == made
    regression = build.contract(build.small_dataset())
    assert not {"task", "classes", "threshold", "sets"} & set(regression.to_json().split('"'))
    assert Contract.from_json(regression.to_json()).task is Task.REGRESSION
    with pytest.raises(ModelRefused, match="no readable contract"):
        Contract.from_json(replace(made, classes=("yes",)).to_json())


def test_a_classifier_is_explained_by_the_log_odds_of_its_class() -> None:
    row = {"temperature": 5.0, "weather": "a"}
    told = Runtime(tiny_model(contract_of())).explain(row)
    assert told
    assert (told.of, told.scale, told.effects["weather"]) == ("yes", "log_odds", 0.0)
    assert told.learned == pytest.approx(5.0)
    assert told.prediction == pytest.approx(1 / (1 + np.exp(-5)))
    cold = Runtime(tiny_model(contract_of())).explain(row | {"temperature": -5.0})
    assert cold
    assert cold.of == "yes"  # the positive class, though "no" is answered
    third = Runtime(tiny_model(contract_of("a", "b", "c"))).explain(row)
    assert third
    assert third.of == "c"
    assert third.to_document()["of"] == "c"


def test_golden_probabilities_are_checked() -> None:
    model, asked = tiny_model(contract_of()), {"temperature": 0.5, "weather": "a"}
    (right,) = Runtime(model).predict_rows([asked])
    for wrong, prediction in ((False, right), (True, right[::-1]), (True, right[0]), (True, "x")):
        golden = [{"row": asked, "prediction": prediction}]
        runtime = Runtime(stamp(model, {GOLDEN_KEY: json.dumps(golden)}))
        if wrong:
            with pytest.raises(ModelRefused):
                runtime.check_golden()
        else:
            runtime.check_golden()


def test_real_requests_whose_label_changes_are_counted() -> None:
    models = [
        Model(version, Runtime(tiny_model(contract_of(), factor)), "")
        for version, factor in ((2, 1.0), (1, -1.0))
    ]
    warm, none = {"temperature": 3.0, "weather": "a"}, {"temperature": 0.0, "weather": "a"}
    asked = [
        LoggedPrediction(str(n), build.NOON, 1, row, 0.5)
        for n, row in enumerate([warm, none, {"temperature": "x"}])
    ]
    assert replay(models[0].runtime, models[1].runtime, asked) == Replay(2, 1, 0.5)


def test_an_export_with_other_probabilities_is_refused() -> None:
    class Other:
        parameters: ClassVar[dict[str, Any]] = {}

        def predict(self, rows: Any) -> Any:
            return np.tile([0.5, 0.5], (len(rows["temperature"]), 1))

        def to_onnx(self, _metadata: Any) -> bytes:
            return b""

    rows = {"temperature": np.array([0.0, 2.0]), "weather": texts("a", "b")}
    with pytest.raises(ModelRefused, match=r"predicts 0.119\d*, 0.88\d*, the fitted one 0.5, 0.5"):
        check_parity(Runtime(tiny_model(contract_of())), Other(), rows)


def test_a_file_with_another_number_of_probabilities_is_refused() -> None:
    model = tiny_model(contract_of("a", "b", "c"))
    runtime = Runtime(stamp(model, {"driftdesk.contract": contract_of().to_json()}))
    with pytest.raises(ModelRefused, match=r"the shape \(1, 3\), but its contract names 2 classes"):
        runtime.predict_rows([{"temperature": 0.5, "weather": "a"}])


def test_models_of_different_classes_are_scored_on_the_same_rows() -> None:
    dataset = build.class_dataset("a", "b", "c")
    old, new = contract_of("a", "b", "c"), contract_of("b", "c", "d")
    rows = texts("a", "b", "c", "d", "never seen")
    scoring = scoring_of(dataset, rows, [new, old])
    assert scoring.classes == (ANOTHER, "a", "b", "c", "d")
    sure = np.tile([0.1, 0.1, 0.8], (5, 1))
    both = [scoring.answers(model, sure) for model in (new, old)]
    assert [scoring.errors(a).tolist() for a in both] == [[1, 1, 1, 0, 1], [1, 1, 0, 1, 1]]
    assert all(np.isfinite(list(scoring.score(a).values())).all() for a in both)
    figures = scoring.figures(new, both[0])
    assert figures
    assert figures.confusion[0] == (0, 0, 0, 0, 1)
    assert answered(new, sure[0].tolist()) == 2
