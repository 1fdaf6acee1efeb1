"""The dataset file: read once, checked whole, and named in every complaint."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from core.domain.dataset import Dataset
from core.domain.errors import DatasetError
from core.domain.task import Task
from core.platform.dataset_file import _COLUMN_KEYS, _DATASET_KEYS, load, parse
from tests.build import small_dataset


def test_the_real_estate_file_compares_twenty_statistics(dataset: Dataset) -> None:
    assert [c.name for c in dataset.compared] == ["price", "bed", "bath", "acre_lot", "house_size"]
    assert dataset.target.above == 1000
    assert {c.name for c in dataset.columns if not c.drift} >= {"street", "zip_code", "brokered_by"}


NUMBER = {"name": "y", "type": "number", "role": "target"}
FEATURE = {"name": "x", "type": "number", "role": "feature"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"columns": [FEATURE]}, "exactly one column"),
        ({"columns": [NUMBER]}, "no column has the role feature"),
        ({"columns": [NUMBER, FEATURE, FEATURE]}, "twice"),
        ({"columns": [NUMBER, {**FEATURE, "name": "x; drop table"}]}, "no name"),
        ({"columns": [NUMBER, {**FEATURE, "name": "epoch"}]}, "reserved"),
        ({"columns": [NUMBER, {**FEATURE, "typ": "x"}]}, "unknown keys typ"),
        ({"columns": [NUMBER, {"name": "x", "role": "feature"}]}, "type is missing"),
        ({"limits": {"mean": -1}}, "above 0"),
        ({"limits": {"median": 1}}, "median"),
        ({"primary_metric": "accuracy"}, "primary_metric"),
        ({"nmae": "x"}, "unknown keys"),
    ],
)
def test_a_contradiction_is_named(change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DatasetError, match=complaint):
        small_dataset(**change)


CODE = {"name": "c", "type": "code", "role": "identifier"}
HUGE = 10**400


def file_with(**keys: Any) -> dict[str, Any]:
    return {"columns": [NUMBER, FEATURE]} | keys


def classes_with(of: str = "category", **keys: Any) -> dict[str, Any]:
    kind = {"name": "kind", "type": of, "role": "target"}
    return {"columns": [kind, FEATURE], "task": "binary", "primary_metric": "log_loss"} | keys


def number_with(**keys: Any) -> dict[str, Any]:
    return {"columns": [NUMBER, FEATURE | keys]}


def code_with(**keys: Any) -> dict[str, Any]:
    return {"columns": [NUMBER, FEATURE, CODE | keys]}


def date_with(**keys: Any) -> dict[str, Any]:
    day = {"name": "d", "type": "date", "role": "feature"}
    return {"columns": [NUMBER, FEATURE, day | keys]}


def time_with(**keys: Any) -> dict[str, Any]:
    time = {"name": "t", "type": "timestamp", "role": "feature"}
    return {"columns": [NUMBER, FEATURE, time | keys]}


def boolean_with(**keys: Any) -> dict[str, Any]:
    boolean = {"name": "b", "type": "boolean", "role": "feature"}
    return {"columns": [NUMBER, FEATURE, boolean | keys]}


WRONG = [
    (file_with(source={"kind": "kafka"}), r"\[source\]: kind must be one of"),
    (file_with(name=5), "name is 5, which is no name"),
    (file_with(name="Rides"), "lower-case letter"),
    (file_with(name=None), "name is missing"),
    (file_with(title=7), "title is 7, and must be text in quotes"),
    (file_with(title="<b>"), "title is '<b>'; it may have at most 80 characters"),
    (file_with(unit=["hour"]), "unit is \\['hour'\\], and must be text"),
    (file_with(primary_metric=True), "primary_metric must be one of mae, rmse, mdape, r2"),
    (file_with(primary_metric=["mae"]), "primary_metric must be one of"),
    (file_with(fit_on="logarithm"), "fit_on must be one of value, log, and is 'logarithm'"),
    (file_with(task="ranking"), "task must be one of regression, binary, multiclass, and is 'rank"),
    (file_with(task=2), "task must be one of regression, binary, multiclass, and is 2"),
    (file_with(task="binary", primary_metric="mae"), "primary_metric must be one of log_loss, roc"),
    (file_with(primary_metric="f1"), "primary_metric must be one of mae, rmse, mdape, r2, and is"),
    (classes_with(fit_on="log"), 'fit_on = "log" is for task = "regression"; take one of them out'),
    (classes_with(positive=["yes"]), r"positive is \['yes'\], and must be text in quotes"),
    (classes_with(positive=" "), "positive is empty"),
    (classes_with(positive="yes", task="multiclass"), 'positive is for task = "binary"; take it'),
    (file_with(positive="yes"), 'positive is for task = "binary"'),
    (classes_with("boolean", positive="yes"), "positive is 'yes', and must be true or false"),
    (classes_with("boolean", task="multiclass"), "the target kind is a boolean, which has two"),
    (classes_with("date"), "the target kind has the type date, and a class is a category, a code"),
    (
        classes_with(task="regression", primary_metric="mae"),
        'for a target of classes set task = "binary" or task = ',
    ),
    (
        classes_with(training={"recipe": "place_boosting"}),
        'the recipe place_boosting predicts numbers only; set recipe = "boosting"',
    ),
    (file_with(limits=0.2), "limits is 0.2, and must be a table"),
    (file_with(training=1), "training is 1, and must be a table"),
    (file_with(limits={"mean": "0.2"}), "the limit of mean is '0.2', and must be a finite number"),
    (file_with(limits={"mean": float("inf")}), "the limit of mean is inf"),
    (file_with(limits={"mean": True}), "the limit of mean is True"),
    (file_with(columns="x"), r"columns must be tables; write \[\[columns\]\]"),
    (file_with(columns=["x"]), "columns must be tables"),
    ({"columns": None}, "columns must be tables"),
    (number_with(name="X y"), "column 2: name is 'X y'"),
    (number_with(label=3), "column x: label is 3, and must be text"),
    (
        number_with(type="integer"),
        "column x: type must be one of number, category, code, date, bool",
    ),
    (number_with(type=["number"]), "column x: type must be one of"),
    (number_with(role="label"), "column x: role must be one of feature, target, identifier"),
    (number_with(unit=1), "column x: unit is 1"),
    (number_with(nullable="false"), "column x: nullable is 'false', and must be true or false"),
    (number_with(nullable=0), "column x: nullable is 0"),
    (number_with(drift="no"), "column x: drift is 'no', and must be true or false"),
    (code_with(width=-1), "column c: width is -1, and must be a whole number of digits"),
    (code_with(width=5.0), "column c: width is 5.0"),
    (code_with(width="5"), "column c: width is '5'"),
    (code_with(width=True), "column c: width is True"),
    (code_with(width=10**9), "from 0 to 64"),
    (number_with(width=5), "column x: width is for columns of type code; take it out"),
    (number_with(above="1"), "column x: above is '1', and must be a finite number"),
    (number_with(at_most=float("nan")), "column x: at_most is nan"),
    (number_with(minimum=True), "column x: minimum is True"),
    (number_with(minimum=HUGE), "column x: minimum is 1000"),
    (number_with(step=0), "column x: step is 0, and must be above 0"),
    (number_with(step=-1), "column x: step is -1, and must be above 0"),
    (number_with(above=5, at_most=5), "column x: above is 5 and at_most 5"),
    (number_with(above=6, at_most=5), "above must be the smaller one"),
    (number_with(minimum=6, at_most=5), "column x: minimum is 6 and at_most 5"),
    (code_with(minimum=1), "column c: minimum is for columns of type number; take it out"),
    (number_with(source=7), "column x: source is 7; it must be the column's name in the batches"),
    (number_with(source=" x"), "with no blanks around it"),
    (number_with(source="a\nb"), "in one line"),
    (number_with(source="y"), "the columns y and x have the same name in the batches"),
    (
        number_with(parse="%d/%m/%Y"),
        "column x: parse is for columns of type date or timestamp; take it out",
    ),
    (date_with(parse="%d/%m"), "column d: parse is '%d/%m'; it must be a format of day, month"),
    (date_with(parse="d/m/y"), "column d: parse is 'd/m/y'; it must be a format"),
    (date_with(parse="%Q"), "column d: parse is '%Q'; it must be a format"),
    (date_with(parse=["%d"]), "column d: parse is"),
    (number_with(default="many"), "column x: default is 'many', and must be a number"),
    (number_with(default=float("nan")), "column x: default is nan, and must be finite"),
    (number_with(default=-1, minimum=0), "default is -1 and minimum 0"),
    (date_with(default="03/04/2026"), "default is '03/04/2026', and must be a date"),
    (boolean_with(default="maybe"), "default is 'maybe', and must be true or false"),
    (code_with(default=1.5), "column c: default is 1.5, and must be text or a whole number"),
    (code_with(default=" "), "column c: default is ' ', and must not be empty"),
    ({"columns": [NUMBER | {"default": 1}, FEATURE]}, "default is not for the target"),
    (time_with(epoch="us"), "column t: epoch must be one of s, ms, and is 'us'"),
    (time_with(epoch=1), "epoch must be one of s, ms"),
    (date_with(epoch="s"), "epoch is for columns of type timestamp; take it out"),
    (time_with(epoch="s", zone="UTC"), "epoch is for numbers, which have no parse and no zone"),
    (time_with(zone="Madrid"), "zone is 'Madrid'; it must be a name of an IANA time zone"),
    (time_with(zone=["UTC"]), "zone is"),
    (number_with(zone="UTC"), "zone is for columns of type timestamp; take it out"),
    (time_with(features=["year"]), "features is .*, and must be a list of hour, weekday, month"),
    (time_with(features="hour"), "features is 'hour', and must be a list"),
    (time_with(features=[["hour"]]), "features is"),
    (date_with(features=["month"]), "features is for columns of type timestamp; take it out"),
    (time_with(features=["hour"], role="identifier"), "features is for columns of role feature"),
    (time_with(parse="%d/%m/%Y %H:%M"), "parse has no %z, so zone must name the zone"),
    (time_with(default="2026-11-28 10:00"), "default is .*, and must name its zone"),
    (boolean_with(width=3), "width is for columns of type code"),
    (number_with(added_later="yes"), "column x: added_later is 'yes', and must be true or false"),
    (
        number_with(added_later=True, nullable=False),
        "column x: added_later leaves rows from before",
    ),
    ({"training": True}, "training is True, and must be a table"),
    ({"evaluation": "time"}, "evaluation is 'time', and must be a table"),
    (file_with(drift="rule"), "drift is 'rule', and must be a table; write .drift. above its keys"),
    (file_with(drift={"retrain": "rule"}), "unknown keys retrain .did you mean retrain_when"),
    (file_with(drift={"retrain_when": True}), "drift.retrain_when must be one of rule, beyond_n"),
    (file_with(drift={"retrain_when": "never"}), "and is 'never'"),
    (file_with(limits={"mix": 0}), "the limit of mix must be a number above 0"),
    (file_with(limits={"new": "5 %"}), "the limit of new is '5 %', and must be a finite number"),
    (number_with(limits={"nulls": True}), "column x: the limit of nulls is True"),
    (number_with(limits={"drift": 1}), "and the measures mix, new, nulls, shift"),
    (number_with(limits={"q50": 1}), "column x: limits has 'q50', but the statistics are mean"),
    (number_with(limits={"50": 0}), "column x: the limit of 50 must be a number above 0"),
]


@pytest.mark.parametrize(("change", "complaint"), WRONG, ids=[says for _, says in WRONG])
def test_each_wrong_key_is_named_with_its_column_and_what_to_write(
    change: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(DatasetError, match=f"rides.toml cannot be used: .*{complaint}"):
        small_dataset(**change)


@pytest.mark.parametrize(
    ("of", "positive", "label"),
    [("boolean", True, "true"), ("number", 3, "3"), ("category", "Yes", "Yes"), ("code", "0", "0")],
)
def test_the_positive_class_is_written_as_the_target_is(
    of: str, positive: object, label: str
) -> None:
    dataset = small_dataset(**classes_with(of, positive=positive))
    assert (dataset.task, dataset.positive) == (Task.BINARY, label)


def test_a_classifier_is_judged_by_log_loss_unless_the_file_says_otherwise() -> None:
    document: dict[str, Any] = {"name": "churn"} | classes_with()
    del document["primary_metric"]
    assert parse(document, "churn.toml").primary_metric == "log_loss"
    assert small_dataset(**classes_with(primary_metric="accuracy")).primary_metric == "accuracy"


def test_every_key_is_among_the_wrong_ones() -> None:
    said = " ".join(says for _, says in WRONG)
    assert [key for key in (*_DATASET_KEYS, *_COLUMN_KEYS) if key not in said] == []


@pytest.mark.parametrize("key", [*_DATASET_KEYS, *_COLUMN_KEYS])
@pytest.mark.parametrize(
    "value",
    [None, True, -1, 0, 1.5, HUGE, float("nan"), float("inf"), "",
     "\x1b[31m", "x" * 99, [], [1], {}, {"a": 1}],
    ids=str,
)  # fmt: skip
def test_whatever_stands_under_a_key_is_taken_or_refused_with_a_sentence(
    key: str, value: Any
) -> None:
    changes = [file_with(**{key: value}), number_with(**{key: value}), code_with(**{key: value})]
    for change in changes:
        try:
            small_dataset(**change)
        except DatasetError as error:
            said = str(error)
            assert said.startswith("The dataset file rides.toml cannot be used: ")
            assert said.endswith(".")
            assert len(said) < 400
            assert said.isprintable()


@pytest.mark.parametrize(
    ("change", "default"),
    [
        (number_with(default=2), 2.0),
        (code_with(default=7, width=3), "007"),
        (date_with(default="1970-01-03", parse="%d/%m/%Y"), 2.0),
        (date_with(default=date(1970, 1, 3)), 2.0),
        (boolean_with(default=False), "false"),
        (time_with(default="1970-01-02T00:00:00Z"), 86_400.0),
        (
            time_with(default=datetime(1970, 1, 2, 1), zone="Europe/Madrid"),  # noqa: DTZ001
            86_400.0,
        ),
        (boolean_with(default="yes"), "true"),
    ],
)
def test_a_default_is_kept_as_it_is_learned(change: dict[str, Any], default: Any) -> None:
    assert small_dataset(**change).columns[-1].default == default


def test_a_column_may_have_any_name_in_the_batches() -> None:
    made = small_dataset(**number_with(source="MS SubClass [Ü]"))
    assert made.names == ("y", "x")
    assert made.source_names == ("y", "MS SubClass [Ü]")


def test_a_number_that_toml_cannot_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("name = " + "9" * 5_000)
    with pytest.raises(DatasetError, match=r"mine\.toml cannot be read"):
        load(tmp_path / "mine.toml")


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("name = ")
    with pytest.raises(DatasetError, match=r"mine\.toml"):
        load(tmp_path / "mine.toml")
