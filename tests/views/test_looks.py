"""How pages write numbers and draw charts: signs, plurals, ellipses and axes."""

from __future__ import annotations

import re

import pytest

from console.figures import (
    distributions,
    dossier_charts,
    drift_heatmap,
    drift_ratios,
    error_trend,
)
from console.queries.fleet import Costs
from console.text import formatting, measures
from console.web import job_widgets
from console.web.panels.drift.comparison import ADVICE, done_since
from console.web.panels.fleet import costs
from core.domain.batches import BatchState
from core.domain.dossier import Difference, Score, Slice
from core.domain.drift import Finding, Measure, RetrainWhen, StatChange
from core.domain.fleet import Cost
from core.domain.job_results import BatchNotStored
from core.domain.jobs import Job, JobKind, JobState
from core.domain.number_format import percent, signed_percent
from core.domain.profiles import ColumnProfile
from core.rules.drift.batch_verdict import BatchVerdict, Stand
from core.rules.drift.recommendation import Recommendation
from core.rules.drift.thresholds import Cell
from core.rules.model.metric_comparison import signed_change
from tests import build
from tests.stacks import ROOT


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.0004, "0 %"), (-0.0004, "0 %"), (0.213, "+21.3 %"), (-12.0, "-1,200.0 %")],
)
def test_a_change_that_rounds_to_zero_has_no_sign(ratio: float, text: str) -> None:
    assert signed_percent(ratio) == text


def test_no_zero_has_a_sign() -> None:
    assert formatting.metric("r2", -0.0001) == "0.000"
    assert percent(-0.0001) == "0.0 %"


def test_charts_write_shares_as_the_texts_do() -> None:
    """Plotly's "%" and "p" write 12% where the texts say 12 %; ".0%" also wrote 1 %, 1 %, 2 %."""
    only = Slice("target", "yes", 34, 0.03, None, None)
    figure = dossier_charts.slices([only], {}, "error_rate")
    assert figure["layout"]["xaxis"]["ticksuffix"] == " %"
    assert figure["data"][0]["x"] == [3.0]
    source = (ROOT / "console" / "figures").rglob("*.py")
    assert [f.name for f in source if re.search(r"\.\d%|~[%p]", f.read_text("utf-8"))] == []


def test_work_is_counted_in_a_unit_that_shows_it() -> None:
    def unit(*seconds: float) -> str:
        spent = [Cost("d", seconds={"train": s}) for s in seconds]
        return costs.unit_of([Costs("D", cost) for cost in spent])

    assert [unit(), unit(40.0, 2.0), unit(90.0), unit(7200.0, 2.0)] == ["s", "s", "min", "h"]


def test_numbers_have_singular_and_plural_nouns() -> None:
    assert [formatting.count(n, "row") for n in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
    assert formatting.count(2, "earlier batch") == "2 earlier batches"


def test_long_text_is_cut_at_a_word() -> None:
    assert formatting.shorten("one two, three", 10) == "one two…"
    assert formatting.shorten("one two", 10) == "one two"
    assert formatting.shorten("One two three. Four five.", 20) == "One two three. …"


def test_amounts_have_the_targets_unit_and_no_needless_decimals() -> None:
    assert formatting.metric("mae", 48056.9775, "USD") == "48,057 USD"
    assert formatting.metric("r2", 0.5, "USD") == "0.500"
    assert formatting.rounded(48056.9775) == 48057.0


def test_a_difference_of_shares_is_told_in_points_and_a_share_in_per_cent() -> None:
    assert measures.value(Measure.NULLS, 0.05) == "5.0 points"
    assert measures.value(Measure.NEW, 0.05) == "5.0 %"
    assert signed_change("accuracy", 0.84, 0.96) == "-12.0 points"
    assert signed_change("mae", 12.0, 10.0) == "+20.0 %"
    assert signed_change("mae", 12.0, 0.0) is None


def test_the_axis_of_differences_includes_zero() -> None:
    figure = dossier_charts.intervals(
        Score(2, 20, {"mae": 8.0, "r2": 0.6}),
        Score(1, 20, {"mae": 10.0, "r2": 0.5}),
        {"mae": Difference(-2.0, -2.5, -1.5), "r2": Difference(0.1, 0.05, 0.15)},
    )
    low, high = figure["layout"]["xaxis"]["range"]
    assert low < 0
    assert high > 30
    assert figure["data"][0]["x"] == pytest.approx([20.0, 20.0])
    assert figure["data"][0]["y"][1] == "R² (reduction of 1 \u2212 R²)"


def test_ratio_bars_are_linear_in_multiples_of_the_limit_with_signed_changes() -> None:
    rose = StatChange("price", "mean", 100.0, 130.0, 0.30, 0.15, Finding.BREACH, 0.05)
    fell = StatChange("price", "std", 100.0, 0.0, 9.6, 0.15, Finding.BREACH, None)
    figure = drift_ratios.ratios([rose, fell], ["a", "b"], "Mean", among=[rose, fell])
    bands, bars, limits, labels = figure["data"]
    assert bars["x"] == [2.0, 4.0]  # the second is cut, and its label has the figure
    assert bands["x"] == pytest.approx([1 / 3, 0.0])
    assert limits["x"] == [1.0, 1.0]
    assert labels["text"] == ["+30.0 %", "-960.0 %<br>64 times"]
    axis = figure["layout"]["xaxis"]
    assert axis["title"]["text"] == "Times the limit"
    assert axis.get("type", "linear") == "linear"
    assert axis["tickvals"] == [0, 1, 2, 3, 4]


def test_a_factor_can_be_read_and_no_label_is_longer_than_its_room() -> None:
    broken = StatChange("bmi", "std", 4.0, 1e5, 25_000.0, 0.15, Finding.BREACH, 3e4)
    large = StatChange("price", "mean", 10.0, 3_475.0, 346.5, 0.15, Finding.BREACH, None)
    shown = [broken, large]
    figure = drift_ratios.ratios(shown, ["BMI", "Price"], "Mean", among=shown, far={"bmi"})
    labels = figure["data"][-1]["text"]
    assert labels == ["over +1M %<br>166,667 times", "+34,650 %<br>2,310 times"]  # and no "~"
    noise = drift_ratios.ratios(shown, ["BMI", "Price"], "Mean", among=shown)["data"][-1]["text"]
    assert noise[0] == "over +1M % ~<br>166,667 times"
    end, pixels = figure["layout"]["xaxis"]["range"][1], 165
    assert (end - 4) / end * pixels >= 6 * len("166,667 times")


def test_every_name_of_an_axis_of_names_is_drawn() -> None:
    states = {"Massachusetts": 900, **{f"State {n} of a long name": 20 - n for n in range(9)}}
    then = ColumnProfile("state", 1000, 0, categories=states)
    now = ColumnProfile("state", 1000, 0, categories={"Massachusetts": 1000})
    for height, names in ((340, 10), (120, 5)):
        drawn = distributions.class_shares(then, now, ("a", "b"), height=height)
        axis = drawn["layout"]["yaxis"]
        assert axis["ticktext"][0] == "Massachusetts"
        assert len(axis["ticktext"]) == len(axis["tickvals"]) == names
        assert axis["ticklabeloverflow"] == "allow"
        assert max(map(len, axis["ticktext"])) <= 28
    importance = dossier_charts.importance({"bed": 0.1}, {"bed": "Bedrooms"})
    trend = error_trend.error_trend([f"1/{n}" for n in range(30)], [1.0] * 30, 1.0, "mae", "USD")
    for axis in (importance["layout"]["yaxis"], trend["layout"]["xaxis"]):
        assert (axis["tickmode"], axis["dtick"]) == ("linear", 1)
    assert trend["layout"]["xaxis"]["tickangle"] == -90


def test_quiet_cells_of_the_history_are_quiet_and_breaches_stand_out() -> None:
    quiet, loud = drift_heatmap.STEPS[:3], drift_heatmap.STEPS[3:]
    assert all(colour.startswith("rgba(128,128,128") for _, colour, _ in quiet)
    assert not any("128,128,128" in colour for _, colour, _ in loud)


def test_columns_with_a_breach_come_first_in_the_history() -> None:
    cells = [
        Cell(7, 7, 1, 3, column, "mean", ratio, 0.15, None)
        for column, ratio in (("bed", 0.1), ("bath", 0.2), ("price", 0.6))
    ]
    labels = {"bed": "Bedrooms", "bath": "Bathrooms", "price": "Price"}
    figure = drift_heatmap.heat(cells, labels, 7, by_column=False)
    names = figure["layout"]["yaxis"]["ticktext"]
    assert names == ["Price, mean", "Bathrooms, mean", "Bedrooms, mean"]


@pytest.mark.parametrize(
    ("stand", "learned", "done"),
    [
        (Stand.LEARNED, 2, " (done: version 2)"),
        (Stand.UNFIT, 2, " (done: version 2, which is not fit)"),
        (Stand.ROLLED_BACK, 2, " (done: version 2, no longer live)"),
        (Stand.DISMISSED, None, " (dismissed)"),
        (Stand.ASKS, None, ""),
    ],
)
def test_a_recommendation_says_what_was_done_since(
    stand: Stand, learned: int | None, done: str
) -> None:
    advice = Recommendation.RETRAIN.value
    by = RetrainWhen.RECOMMENDATION
    verdict = BatchVerdict(1, 1, 2, stand, "", "", "", True, advice, True, by, True, learned)
    assert done_since(verdict) == done
    assert ADVICE[Recommendation.RETRAIN][2] == "retrain"


def test_a_batch_that_came_again_with_other_content_is_a_warning() -> None:
    job = Job(
        1,
        JobKind.INGEST,
        JobState.SUCCEEDED,
        1,
        {},
        "ana",
        build.NOON,
        result=BatchNotStored(0, BatchState.CONFLICT),
    )
    assert job_widgets.job_badge(job) == ":orange-badge[conflict]"


def test_the_label_of_an_interval_agrees_with_its_place_on_the_axis() -> None:
    mine = {"mae": 110.0, "mdape": 0.36, "r2": -0.237}
    theirs = {"mae": 100.0, "mdape": 0.21, "r2": 0.5}
    apart = {n: Difference(mine[n] - theirs[n], mine[n] - theirs[n], 0.0) for n in mine}
    figure = dossier_charts.intervals(Score(2, 20, mine), Score(1, 20, theirs), apart, "USD")
    (trace,) = figure["data"]
    assert [f"{x:.1f}" for x in trace["x"]] == ["-10.0", "-71.4", "-147.4"]
    assert trace["text"] == [
        "10.0 % worse", "71.4 % worse (15.0 points)", "147.4 % worse (0.737)",
    ]  # fmt: skip
    assert "relative to the champion" in figure["layout"]["xaxis"]["title"]["text"]
    assert figure["layout"]["xaxis"]["zeroline"] is True
