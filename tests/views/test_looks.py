"""How pages write numbers and draw charts: signs, plurals, ellipses, axes and audit details."""

from __future__ import annotations

import pytest

from console.figures import dossier_charts, drift_ratios
from console.text import formatting
from console.web import job_widgets
from console.web.panels.audit.tables import details
from console.web.panels.drift.comparison import ADVICE, done_since
from core.domain.batches import BatchState
from core.domain.dossier import Difference, Score
from core.domain.drift import RetrainWhen
from core.domain.job_results import BatchNotStored
from core.domain.jobs import Job, JobKind, JobState
from core.domain.number_format import signed_percent
from core.rules.drift.batch_verdict import BatchVerdict, Stand
from core.rules.drift.recommendation import Recommendation
from tests import build


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0.0004, "0 %"), (-0.0004, "0 %"), (0.213, "+21.3 %"), (-12.0, "-1,200.0 %")],
)
def test_a_change_that_rounds_to_zero_has_no_sign(ratio: float, text: str) -> None:
    assert signed_percent(ratio) == text


def test_numbers_have_singular_and_plural_nouns() -> None:
    assert [formatting.count(n, "row") for n in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
    assert formatting.count(2, "earlier batch") == "2 earlier batches"


def test_long_text_is_cut_at_a_word() -> None:
    assert formatting.shorten("one two, three", 10) == "one two…"
    assert formatting.shorten("one two", 10) == "one two"


def test_amounts_have_the_targets_unit_and_no_needless_decimals() -> None:
    assert formatting.metric("mae", 48056.9775, "USD") == "48,057 USD"
    assert formatting.metric("r2", 0.5, "USD") == "0.500"
    assert formatting.rounded(48056.9775) == 48057.0


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


def test_the_ratio_charts_say_that_their_axis_is_logarithmic() -> None:
    axis = drift_ratios.ratios([], [], "Mean", largest=1.0)["layout"]["xaxis"]
    assert axis["title"]["text"] == "Relative change, log scale"
    assert {"1 %", "10 %", "100 %"} <= set(axis["ticktext"])


def test_audit_details_are_pairs_without_the_actor() -> None:
    event = {"by": {"role": "admin"}, "failed_gates": ["better", "no overlap"], "note": ""}
    assert details(event) == "failed gates: better, no overlap"


@pytest.mark.parametrize(
    ("stand", "learned", "done"),
    [
        (Stand.LEARNED, (2,), " (done: version 2)"),
        (Stand.DISMISSED, (), " (dismissed)"),
        (Stand.ASKS, (), ""),
    ],
)
def test_a_recommendation_says_what_was_done_since(
    stand: Stand, learned: tuple[int, ...], done: str
) -> None:
    advice = Recommendation.RETRAIN.value
    by = RetrainWhen.RECOMMENDATION
    verdict = BatchVerdict(1, 1, 2, stand, "", "", True, advice, True, by, True)
    assert done_since(verdict, learned) == done
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
