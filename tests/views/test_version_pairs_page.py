"""Any two versions side by side on the Promotion page, and the job that compares them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from console.desk import Desk
from console.queries import status
from console.text.version_pairs import Comparison, conflict
from core.domain.dataset import Dataset
from core.domain.dossier import Difference, RowsFrom, Score
from core.domain.job_results import VersionJudged, VersionProposed, VersionsCompared, sentence
from core.domain.jobs import JobKind, JobState
from core.rules.model.verdict_validity import Standing
from core.usecases.open_candidates import pair_key
from tests.build import NOON, approve, live, proposed
from tests.views.desks import at_a_desk, button, labels, page, shown, text

METRICS = {"mae": 35.0, "rmse": 45.0, "mdape": 0.2, "r2": 0.5}
OTHERS = {"mae": 42.0, "rmse": 50.0, "mdape": 0.25, "r2": 0.4}
APART = {"mae": Difference(-7.0, -9.0, -5.0), "r2": Difference(0.1, -0.01, 0.2)}


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        live(made.store, 1)
        live(made.store, 2)
        proposed(made.store, 3, champion=2, differences={"mae": Difference(-1.0, -2.0, 3.0)})
        yield made


def finish(desk: Desk, result: VersionsCompared | None, error: str = "") -> None:
    """The open comparison ends."""
    with desk.store.begin() as work:
        (job,) = work.jobs.open()
        work.jobs.mark_queued(job.id, 1)
        run = work.jobs.claim(job.id, 1, "me", timedelta(minutes=1))
        assert run
        state = JobState.SUCCEEDED if result else JobState.FAILED
        work.jobs.finish(job.id, "me", state, result=result, error=error)
        work.commit()


def tables(app: object) -> str:
    return "\n".join(shown(f).to_csv(index=False) for f in app.dataframe)  # type: ignore[attr-defined]


def test_two_versions_are_compared_at_the_press_of_a_button(desk: Desk) -> None:
    app = page("promotion", version="3", against="1")
    assert "Versions 3 and 1 were not compared yet." in text(app)
    button(app, "Compare with version 1").click().run()
    with desk.store.read() as work:
        (job,) = work.jobs.open()
        event = work.audit.latest(1)[0]
    assert (job.kind, job.args) == (JobKind.JUDGE, {"version": 3, "against": 1})
    assert (event.actor, event.action) == ("ana", "request judge")
    assert f"Job {job.id} is comparing them." in text(app)
    assert "Compare with version 1" not in labels(app)
    now = status.status(desk)
    assert now.recommendation(now.candidates[0]).standing is not Standing.JUDGING
    finish(desk, VersionsCompared(3, 1, 1, (0, 1), 500, "", METRICS, OTHERS, APART, "Note."))
    app = page("promotion", version="3", against="1")
    said = text(app)
    assert (
        "The mean absolute error of version 3 is 16.7 % better: 35 against 42 of version 1, on the "
        "same 500 rows. The difference is significant (95 % interval: lower by 5 to 9 USD)." in said
    )
    assert "on held-out rows of batches 0 and 1 of epoch 1: The mean" in said
    assert "These rows are held out: neither version was trained on them." in said
    assert "Mean absolute error,35 USD,42 USD,16.7 % better,lower by 5 to 9 USD" in tables(app)
    assert "Compare again" in labels(app)
    app = page("promotion", version="1", against="3")
    assert "Mean absolute error,42 USD,35 USD,20.0 % worse,higher by 5 to 9 USD" in tables(app)
    assert "R²,0.400,0.500,0.100 worse,from 0.200 lower to 0.010 higher" in tables(app)


def compare_again(desk: Desk, *results: VersionsCompared) -> None:
    """Somebody asks for comparisons of versions 3 and 2, one after the other."""
    for result in results:
        with desk.store.begin() as work:
            args = {"version": 3, "against": 2}
            work.jobs.request(JobKind.JUDGE, args, "ana", key=pair_key(3, 2))
            work.commit()
        finish(desk, result)


WORSE = VersionsCompared(
    3,
    2,
    2,
    (0, 1),
    1_701,
    "",
    METRICS | {"mae": 93.0},
    OTHERS,
    {"mae": Difference(51.0, 40.0, 60.0)},
)
CONTRADICTION = (
    "The results contradict each other: version 3 is better on the 10,923 rows of batches 0 to 11 "
    "of epoch 1, which are more, and worse in the newer comparison on the 1,701 rows of batches "
    "0 and 1 of epoch 2; both differences are significant, and each holds for its own rows only."
)


@pytest.fixture
def contradicted(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    """Version 3 is better than version 2 in its evaluation, and worse in the next epoch."""
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        live(made.store, 2)
        mine, theirs = Score(3, 10_923, METRICS), Score(2, 10_923, OTHERS)
        proposed(
            made.store, 3, candidate=mine, champion=theirs, differences=APART,
            evaluated_on=RowsFrom(1, tuple(range(12))),
        )  # fmt: skip
        compare_again(made, WORSE, WORSE)
        yield made


def test_each_comparison_says_its_rows_and_time_and_that_they_contradict(
    contradicted: Desk,
) -> None:
    app = page("promotion", version="3", against="2")
    (table,) = (shown(f) for f in app.dataframe if "Comparison" in f.value)
    assert [list(row) for row in table[["Comparison", "Batches", "Change"]].to_numpy()] == [
        ["Evaluation of version 3", "batches 0 to 11 of epoch 1", "16.7 % better"],
        ["Comparison on demand", "batches 0 and 1 of epoch 2", "121.4 % worse"],
    ]
    said = text(app)
    assert said.count(CONTRADICTION) == 1, "beside the decision, and not again below"
    assert "Every metric of the newest comparison, on 1,701 rows of batches 0 and 1" in said
    assert "Compared with version 2 on the same 10,923 held-out rows of batches 0 to 11" in said
    assert "Version 3 was trained on batch 0 of epoch 1, version 2 on batch 0 of epoch 1." in said


@pytest.mark.parametrize("label", ["Approve…", "Force…"])
def test_a_decision_sees_every_comparison_with_the_live_version(
    contradicted: Desk, label: str
) -> None:
    app = page("promotion", version="3")
    button(app, label).click().run()
    said = text(app)
    assert "on held-out rows of batches 0 to 11 of epoch 1: The mean absolute error" in said
    assert "on held-out rows of batches 0 and 1 of epoch 2: The mean absolute error" in said
    assert said.count(CONTRADICTION) == 2, "on the page and in the dialog"


def test_a_rollback_sees_every_comparison_of_both_versions(contradicted: Desk) -> None:
    with contradicted.store.begin() as work:
        job = approve(work, 3)
        work.jobs.cancel(job.id)
        work.promotions.make_live(work.promotions.of_version(3))
        work.audit.add("ana", "live", "version:3", details={"action": "approve"})
        work.commit()
    app = page("promotion", version="3")
    button(app, "Roll back to version 2…").click().run()
    said = text(app)
    assert "version 2 is 20.0 % worse: 42 against 35 of version 3, on the same 10,923" in said
    assert "version 2 is 54.8 % better: 42 against 93 of version 3, on the same 1,701" in said
    assert "version 2 is worse on the 10,923 rows of batches 0 to 11 of epoch 1" in said


def test_results_that_agree_are_not_said_to_contradict() -> None:
    agrees = replace(WORSE, metrics=METRICS)
    assert not conflict([Comparison(WORSE, NOON), Comparison(WORSE, NOON)], "mae")
    assert "contradict" in conflict([Comparison(agrees, NOON), Comparison(WORSE, NOON)], "mae")
    unsure = replace(agrees, differences={"mae": Difference(-7.0, -9.0, 5.0)})
    told = conflict([Comparison(unsure, NOON), Comparison(WORSE, NOON)], "mae")
    assert "only the newer difference is significant" in told
    assert not conflict([Comparison(agrees, NOON), Comparison(WORSE, NOON)], "rmse")


def test_what_an_evaluation_compared_is_shown_from_both_sides(desk: Desk) -> None:
    said = text(page("promotion", version="3", against="2"))
    assert "of version 2, on the same 20 rows. The difference could be chance" in said
    assert "Evaluation of version 3, 20" in said
    said = text(page("promotion", version="2", against="3"))
    assert "of version 3, on the same 20 rows" in said


def test_a_comparison_that_failed_says_why_and_can_be_asked_for_again(desk: Desk) -> None:
    button(page("promotion", version="3", against="1"), "Compare with version 1").click().run()
    finish(desk, None, "Version 1 cannot be scored: its file is gone.")
    app = page("promotion", version="3", against="1")
    assert "could not compare them: Version 1 cannot be scored: its file is gone." in text(app)
    assert "Compare with version 1" in labels(app)


def test_either_order_is_the_same_job() -> None:
    assert pair_key(3, 1) == pair_key(1, 3) == "compare:3:1"


def test_results_name_their_version_in_lists_of_jobs() -> None:
    assert sentence(VersionJudged(3, False, ("It is worse.",))) == "Version 3: It is worse."
    assert sentence(VersionProposed(4, True, ("Good.",))) == "Version 4: Good."
    assert sentence(VersionsCompared(3, 1, note="Both.")) == "Both."
