"""What is said about a prediction: words, the way to it, and figures that run nothing."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.figures import prediction_charts
from console.text import contributions, prediction, prediction_tables
from console.text.answer_lines import answer_lines
from console.text.prediction import Answer
from core.domain.dataset import ColumnType, Dataset
from core.rules.model.prediction_interval import Interval
from tests.build import contract

EFFECTS = [{"field": "bed", "effect": math.log(2)}, {"field": "city", "effect": -math.log(1.25)}]
LOG = {"scale": "log", "baseline": 99.0, "fields": EFFECTS}
UNITS = {"bed": ("Bedrooms", ""), "house_size": ("House size", "sq ft")}


def answer(**changes: Any) -> Answer:
    made = Answer("p", 3, 159.0, {"bed": 3, "city": "<b>x</b>"}, 100.0, 200.0, None, LOG)
    return replace(made, **changes)


def test_the_way_leads_from_the_baseline_to_the_answer() -> None:
    first, second = contributions.steps(answer(), UNITS)
    assert (first.label, first.value, first.words) == ("Bedrooms", "3", "x 2")
    assert (first.start, first.end) == pytest.approx((99.0, 199.0))
    assert (second.label, second.words) == ("city", "-20.0 %")
    assert (second.start, second.end) == pytest.approx((199.0, 159.0))
    plain = {"scale": "value", "baseline": 10.0, "fields": [{"field": "bed", "effect": -4.0}]}
    (step,) = contributions.steps(answer(contributions=plain), UNITS)
    assert (step.words, step.start, step.end) == ("-4", 10.0, 6.0)
    assert contributions.steps(answer(contributions=None), UNITS) == []


@pytest.mark.parametrize(
    ("effect", "said"),
    [(0.0, "0 %"), (math.log(1.1), "+10.0 %"), (math.log(3), "x 3"), (-math.log(4), "÷ 4")],
)
def test_effects_on_the_log_are_shares_or_factors(effect: float, said: str) -> None:
    assert contributions.effect_words(effect, "log") == said


@pytest.mark.parametrize(
    ("typed", "taken"),
    [
        ("conn", "Connecticut"), ("CONNECTICUT", "Connecticut"), ("mont", "Vermont"),
        ("Ver", "Vermont"), ("New", "New"), ("new y", "New York"), ("York", "New York"),
        ('"York"', "York"), ("Atlantis", "Atlantis"), ("", ""), (" Vermont ", "Vermont"),
    ],
)  # fmt: skip
def test_a_part_of_one_known_category_stands_for_it(
    dataset: Dataset, typed: str, taken: str
) -> None:
    states = ("Connecticut", "Vermont", "New York", "New Jersey", "Virginia")
    field = next(f for f in contract(dataset).fields if f.name == "state")
    assert prediction.known_category(replace(field, categories=states), typed) == taken
    code = replace(field, type=ColumnType.CODE, categories=("06016",))
    assert prediction.known_category(code, "601") == "601", "a part of a code is another code"


def test_the_command_line_says_all_of_it(dataset: Dataset) -> None:
    ranged = replace(contract(dataset), interval=Interval(0.9, True, (), (0.5,), 9, 0.912, 1234))
    given_answer = {"prediction_id": "p", "prediction": 159.0, "model_version": 3, "low": 100.0,
                    "high": 200.0, "contributions": LOG}  # fmt: skip
    said = prediction.answered(given_answer, {"bed": "3"}, ranged)
    lines = "\n".join(answer_lines(said, UNITS, "USD"))
    assert lines.startswith("159 USD\ninterval 100 to 200 USD\n")
    assert "90 % prediction interval; measured coverage 91.2 % on 1,234 rows not used" in lines
    assert "x 2  Bedrooms (3)" in lines
    assert "version 3, prediction p" in lines


def test_the_command_line_says_what_is_unusual_and_what_is_typical() -> None:
    zero = LOG | {"fields": [{"field": "bed", "effect": 0.0}, {"field": "city", "effect": 1e-9}]}
    lines = answer_lines(answer(contributions=zero, warnings=("Too high.",)), UNITS, "USD")
    assert "warning: Too high." in lines
    assert contributions.TYPICAL in lines
    assert not any("0 %" in line for line in lines)


def test_text_from_data_is_inert_in_a_figure() -> None:
    pushed = contributions.steps(answer(), UNITS)
    figure = prediction_charts.contributions(pushed, on_log=True)
    assert "<b>x" not in str(figure)
    assert "&lt;b&gt;x" in str(figure["layout"]["yaxis"]["ticktext"])
    assert prediction_charts.inert("x" * 100) == "x" * 21 + "…"


@given(
    st.lists(st.floats(-30, 30), min_size=1, max_size=8),
    st.floats(0, 1e12),
    st.booleans(),
)
def test_figures_are_drawn_for_any_answer(sizes: list[float], baseline: float, on_log: Any) -> None:
    said = {
        "scale": "log" if on_log else "value",
        "baseline": baseline,
        "fields": [{"field": f"f{n}", "effect": e} for n, e in enumerate(sizes)],
    }
    made = answer(contributions=said, low=-1.0 if not on_log else 0.0, high=baseline + 1)
    figure = prediction_charts.contributions(contributions.steps(made, {}), on_log=on_log)
    low, high = figure["layout"]["xaxis"]["range"]
    assert math.isfinite(low)
    assert low < high
    ticks = figure["layout"]["xaxis"]
    ends = (10**low, 10**high) if ticks["type"] == "log" else (low, high)
    assert sum(ends[0] <= at <= ends[1] for at in ticks["tickvals"]) > 1
    assert len(set(ticks["ticktext"])) == len(ticks["ticktext"])
    span = prediction_charts.interval(made, "USD", on_log=on_log)
    assert span["layout"]["xaxis"]["range"][0] < span["layout"]["xaxis"]["range"][1]


@given(st.floats(-12, 12), st.floats(1e-3, 12))
def test_probabilities_have_ticks_that_differ(start: float, effect: float) -> None:
    step = contributions.Step("a", "1", effect, "x 2", start, start + effect, ("", ""))
    figure = prediction_charts.contributions([step], on_log=False, of_class=True)
    axis = figure["layout"]["xaxis"]
    low, high = axis["range"]
    assert sum(low <= at <= high for at in axis["tickvals"]) > 1
    assert len(set(axis["ticktext"])) == len(axis["ticktext"])
    assert all(said.endswith(" %") for said in axis["ticktext"])


@pytest.mark.parametrize(
    ("low", "high", "step"), [(0.0, 100.0, 1.0), (0.02, 10.0, 0.1), (500.0, 5_000.0, 50.0),
                              (5.0, 5.0, 1.0), (None, None, 1.0)],
)  # fmt: skip
def test_one_click_goes_about_a_hundredth_of_what_is_usual(
    low: float | None, high: float | None, step: float, dataset: Dataset
) -> None:
    field = replace(contract(dataset).fields[-1], step=None, low=low, high=high)
    assert prediction.step_of(field) == pytest.approx(step)


def test_a_table_on_the_page_has_one_type_a_column() -> None:
    rows = prediction_tables.as_text([{"a": 1, "b": "x"}, {"a": None, "b": 3}, {"b": None}])
    assert rows == [{"a": 1, "b": "x"}, {"a": None, "b": "3"}, {"a": None, "b": ""}]
