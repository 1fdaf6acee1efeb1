"""Any two versions side by side on the Promotion page, and the job that compares them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from console.desk import Desk
from console.queries import status
from core.domain.dataset import Dataset
from core.domain.dossier import Difference
from core.domain.job_results import VersionJudged, VersionProposed, VersionsCompared, sentence
from core.domain.jobs import JobKind, JobState
from core.rules.model.verdict_validity import Standing
from core.usecases.open_candidates import pair_key
from tests.build import live, proposed
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
    assert (
        "They are held out: neither version was trained on them. From 2 batches of epoch 1" in said
    )
    assert "Mean absolute error,35 USD,42 USD,16.7 % better,lower by 5 to 9 USD" in tables(app)
    assert "Compare again" in labels(app)
    app = page("promotion", version="1", against="3")
    assert "Mean absolute error,42 USD,35 USD,20.0 % worse,higher by 5 to 9 USD" in tables(app)
    assert "R²,0.400,0.500,0.100 worse,from 0.200 lower to 0.010 higher" in tables(app)


def test_what_an_evaluation_compared_is_shown_from_both_sides(desk: Desk) -> None:
    said = text(page("promotion", version="3", against="2"))
    assert "of version 2, on the same 20 rows. The difference could be chance" in said
    assert "From the evaluation of version 3." in said
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
