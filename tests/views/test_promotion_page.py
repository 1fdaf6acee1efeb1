"""The Promotion page: allowed decisions, their texts, and the version in the address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from console.cli.output import candidate_lines, dossier_lines, status_lines
from console.desk import Desk
from console.queries import overview, promotion, status
from core.domain.dataset import Dataset
from core.domain.dossier import Baseline, Difference, OwnFigure, Score, TrainingBatch
from core.domain.jobs import JobKind
from core.domain.metrics import Metric, MetricUnit
from core.usecases import batch_holds, decisions, forced_promotions
from core.usecases.open_candidates import renew
from tests import build
from tests.build import live, proposed
from tests.views.desks import at_a_desk, button, labels, page, text

WORSE = [
    build.gate("better", passed=False, says="It is worse."),
    build.gate("no regression", passed=False, says="R² fell."),
]


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        yield made


def address(app: Any) -> str:
    """The version in the page's address; empty without one."""
    found = app.query_params.get("version", "")
    return found if isinstance(found, str) else "".join(found)


def filled(app: Any) -> list[str]:
    """The primary buttons of the page."""
    return [b.label for b in app.button if b.proto.type == "primary"]


def test_a_version_with_open_gates_offers_force_and_not_approve(desk: Desk) -> None:
    live(desk.store, 1)
    proposed(desk.store, 2, promote=False, champion=1, gates=WORSE)
    app = page("promotion")
    approve = button(app, "Approve…")
    assert approve.disabled
    assert "It does not pass 2 gates" in approve.help.replace("\\", "")
    assert (
        "Gates not passed: better, no regression. Force the version to deploy it anyway."
        in text(app)
    )
    assert "Approve…" not in filled(app)
    assert not button(app, "Force…").disabled


def test_a_recommended_version_has_approve_as_its_main_action(desk: Desk) -> None:
    live(desk.store, 1)
    proposed(desk.store, 2, champion=1)
    app = page("promotion")
    assert not button(app, "Approve…").disabled
    assert filled(app) == ["Approve…"]


def test_own_metrics_are_shown_with_every_model_and_why_one_has_no_value(desk: Desk) -> None:
    live(desk.store, 1)
    late = Metric("share *late*", MetricUnit.SHARE)
    own = (
        OwnFigure("late", late, 0.2, 0.25, 0.5),
        OwnFigure("lost", Metric("lost", MetricUnit.NONE), problem="The metric a:lost broke."),
    )
    differences = {"mae": Difference(0.0, -1.0, 1.0)}
    proposed(desk.store, 2, champion=1, own_metrics=own, differences=differences)
    app = page("promotion")
    (tile,) = (m for m in app.metric if "late" in m.label)
    assert (tile.label.replace("\\", ""), tile.value) == ("Share *late*", "20.0 %")
    assert tile.delta == "5.0 points better"
    assert "The metric a:lost broke." in text(app)
    table = next(d.value for d in app.dataframe if "Better" in d.value)
    assert list(table.iloc[0]) == ["Share *late*", "20.0 %", "25.0 %", "50.0 %", "lower"]
    lines = dossier_lines(promotion.evidence_report(desk, 2))
    assert (
        "  late 20.0 %, champion 25.0 %: 5.0 points better, baseline 50.0 %: 30.0 points better"
        in lines
    )
    assert "  The metric a:lost broke." in lines


def test_while_nothing_is_live_comparisons_may_stay_open_and_the_dialog_says_so(
    desk: Desk,
) -> None:
    proposed(desk.store, 2, promote=False, champion=7, gates=WORSE)
    app = page("promotion")
    assert not button(app, "Approve…").disabled
    assert "Approve…" not in filled(app)
    button(app, "Approve…").click().run()
    assert "Nothing is live yet and only these comparisons are open" in text(app)
    button(app, "Approve and serve it").click().run()
    with desk.store.read() as work:
        assert work.promotions.of_version(2).state == "APPROVED"


def test_a_page_that_was_opened_before_another_version_went_live_decides_nothing(
    desk: Desk,
) -> None:
    live(desk.store, 1)
    proposed(desk.store, 2, champion=1)
    app = page("promotion")
    button(app, "Approve…").click().run()
    live(desk.store, 3)
    button(app, "Approve and serve it").click().run()
    assert "Version 3 is live now; when you looked, it was version 1" in text(app)
    with desk.store.read() as work:
        assert work.promotions.of_version(2).state == "PROPOSED"


def test_a_rollback_is_told_as_one(desk: Desk) -> None:
    live(desk.store, 1)
    live(desk.store, 2)
    with desk.store.begin() as work:
        decisions.roll_back(work, actor="ben", reason="worse in the field")
        work.commit()
    said = text(page("promotion", version="1"))
    assert "Rolled back to by ben" in said
    assert "orced" not in said


def test_figures_are_told_in_words_that_cannot_be_misread(desk: Desk) -> None:
    live(desk.store, 1)
    mine = {"mae": 45_320.0, "rmse": 20.0, "mdape": 0.21, "r2": 0.55}
    theirs = {"mae": 42_158.0, "rmse": 20.0, "mdape": 0.2, "r2": 0.5}
    proposed(
        desk.store, 2, candidate=Score(2, 20, mine), champion=None, gates=[],
    )  # fmt: skip
    with desk.store.begin() as work:
        seen = work.promotions.of_version(2)
        content = replace(
            build.dossier(2, 1), candidate=Score(2, 20, mine), champion=Score(1, 20, theirs)
        )
        digest = work.dossiers.freeze(content)
        work.promotions.replace_evidence(seen, build.Verdict(True, ("Good.",)), content, digest)
        work.commit()
    app = page("promotion", version="2")
    assert {m.label: m.delta for m in app.metric} == {
        "Mean absolute error": "7.5 % worse",
        "Root mean squared error": "the same",
        "Median absolute % error": "1.0 points worse",
        "R²": "0.050 higher",
    }


def test_the_median_of_the_training_rows_stands_beside_the_figures(desk: Desk) -> None:
    differences = {"mae": Difference(-38_496.0, -40_000.0, -30_000.0)}
    metrics = {"mae": 48_496.0, "rmse": 60_000.0, "mdape": 0.4, "r2": -0.1}
    proposed(desk.store, 2, baseline=Baseline(180_000.0, metrics, differences))
    said = text(page("promotion"))
    assert "Baseline (the median of the training rows): mean absolute error 48,496" in said
    assert "the median of the training rows (180,000 USD)" in said
    lines = dossier_lines(promotion.evidence_report(desk, 2))
    assert any("baseline 48,496" in line for line in lines)


def test_a_dossier_from_before_there_was_a_baseline_still_shows(desk: Desk) -> None:
    proposed(desk.store, 2)
    said = text(page("promotion"))
    assert "there was no champion to compare with" in said
    assert "median of the training rows" not in said


def test_a_held_training_batch_is_told_on_the_page_and_by_the_command_line(desk: Desk) -> None:
    batch = build.stored_batch(desk.store, 1)
    proposed(
        desk.store, 1, data_digest="d" * 64,
        batches=(TrainingBatch(batch.id, 1, 1, 3),),
    )  # fmt: skip
    with desk.store.begin() as work:
        work.lineage.trained(1, [batch.id])
        batch_holds.hold(work, batch.id, actor="ben", reason="Counted twice")
        work.commit()
    app = page("promotion", evidence="Training data and files")
    assert "Trained on batch 1, which was held on" in text(app)
    assert button(app, "Approve…").disabled
    assert any("Counted twice" in str(frame.value) for frame in app.dataframe)
    button(app, "Force…").click().run()
    assert text(app).count("Trained on batch 1, which was held on") > 1
    assert any("held on" in line for line in dossier_lines(promotion.evidence_report(desk, 1)))


def test_the_training_run_is_told_with_its_recipe_job_and_links_to_mlflow(desk: Desk) -> None:
    with desk.store.begin() as work:
        job = work.jobs.request(JobKind.TRAIN, {}, "ana")[0].id
        work.commit()
    desk.registry.publish(
        b"model", job=str(job), parameters={"recipe": "boosting", "rows": 90}, metrics={}, tags={},
        signature=None, requirements=[],
    )  # fmt: skip
    proposed(desk.store, 1, data_digest="d" * 64)
    app = page("promotion", evidence="Training data and files")
    told = text(app)
    assert f"recipe **boosting** · job {job}" in told
    assert "/#/experiments/7/runs/run1)" in told
    assert "/#/models/fake/versions/1)" in told
    assert any("rows" in str(frame.value) and "90" in str(frame.value) for frame in app.dataframe)


def test_without_mlflow_the_evidence_stays_and_the_page_names_what_is_away(desk: Desk) -> None:
    proposed(desk.store, 1, data_digest="d" * 64)
    desk.registry.away = True  # type: ignore[attr-defined]
    told = text(page("promotion", evidence="Training data and files"))
    assert "training rows" in told
    assert "MLflow at nowhere did not answer." in told


# Candidates follow the champion


def test_overview_page_and_command_line_say_which_candidates_are_stale(desk: Desk) -> None:
    proposed(desk.store, 2)
    live(desk.store, 1)
    stale = "version 2, to be re-evaluated: The dossier compares it with nothing, but version 1"
    assert any(stale in line for line in status_lines(status.status(desk), [], {}))
    assert "awaits approval (to be re-evaluated)" in text(page("overview"))
    assert "to be re-evaluated" in text(page("promotion", version="2"))
    with desk.store.begin() as work:
        assert renew(work) == [2]
        work.commit()
    now = status.status(desk)
    assert [j.kind for j in now.open_jobs] == [JobKind.JUDGE]
    assert any("being re-evaluated" in line for line in candidate_lines(now.candidates, now))
    assert overview.overview(desk).needs == ()  # nothing for a person to do yet
    said = text(page("promotion", version="2"))
    assert "being re-evaluated; its new dossier will appear here" in said
    assert "is live yet" not in said


def test_a_superseded_version_says_so_and_can_be_forced_or_judged(desk: Desk) -> None:
    for version in range(2, 9):
        proposed(desk.store, version)
    live(desk.store, 1)
    with desk.store.begin() as work:
        renew(work)
        work.commit()
    app = page("promotion", version="2")
    assert "superseded" in text(app)
    assert "version 1 is live now. 5 newer candidates are re-evaluated instead" in text(app)
    assert {"Force…", "Re-evaluate"} <= set(labels(app))
    assert "Approve…" not in labels(app)


# The address


@pytest.fixture
def many(desk: Desk) -> Desk:
    with desk.store.begin() as work:
        for version in range(1, 302):
            content = build.dossier(version)
            work.promotions.propose(
                version, build.Verdict(True, ("Because.",)), content, "trainer",
                digest=work.dossiers.freeze(content),
            )  # fmt: skip
        work.commit()
    return desk


@pytest.mark.parametrize("version", ["1", "50", "301"])
def test_any_versions_link_shows_that_version_whatever_its_age(many: Desk, version: str) -> None:
    app = page("promotion", version=version)
    assert f"### Version {version} " in text(app)
    assert app.selectbox[0].value == int(version)
    assert address(app) == version


def test_a_page_without_a_version_in_its_address_writes_none(many: Desk) -> None:
    app = page("promotion")
    assert "### Version 301" in text(app)
    assert address(app) == ""
    app.selectbox[0].set_value(300).run()
    assert address(app) == "300"
    assert "### Version 300" in text(app)


@pytest.mark.parametrize("asked", ["999", "0", "-1", "abc", "²", "9" * 30, "1.0", "*x*"])
def test_an_unknown_version_is_said_and_no_other_is_shown(many: Desk, asked: str) -> None:
    app = page("promotion", version=asked)
    assert "There is no version" in text(app)
    assert "### Version" not in text(app)
    assert "Approve…" not in labels(app)
    assert address(app) == asked


def test_registered_outside_is_what_the_record_does_not_know(many: Desk) -> None:
    for n in range(303):
        many.registry.publish(
            str(n).encode(), job=str(n), parameters={}, metrics={}, tags={}, signature=None,
            requirements=[],
        )  # fmt: skip
    assert [v.version for v in status.registered_elsewhere(many)] == [303, 302]


def test_a_force_whose_version_was_decided_otherwise_waits_for_nobody(desk: Desk) -> None:
    proposed(desk.store, 2)
    with desk.store.begin() as work:
        forced_promotions.force(work, 2, actor="ana", reason="now", reviewers=2)
        decisions.reject(work, 2, actor="ben", reason="no")
        work.commit()
    assert "awaits a second approver" not in text(page("promotion"))
    assert "awaits a second approver" not in text(page("overview"))


def test_a_closed_follow_up_stays_with_its_outcome(desk: Desk) -> None:
    live(desk.store, 1)
    with desk.store.begin() as work:
        work.force_requests.open_follow_up("version:1", "Check it.", "ana")
        (item,) = work.force_requests.follow_ups()
        work.force_requests.close_follow_up(item.id, "The error fell again.", "ben")
        work.commit()
    app = page("promotion", tab="Follow-ups")
    (table,) = (frame.value for frame in app.dataframe if "Outcome" in frame.value)
    assert list(table["Outcome"]) == ["The error fell again."]
    assert list(table["By"]) == ["ben"]
