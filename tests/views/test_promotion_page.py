"""The Promotion page: allowed decisions, their texts, and the version in the address."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from console.cli.output import candidate_lines, dossier_lines, status_lines
from console.desk import Desk
from console.queries import overview, promotion, status
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.dossier import (
    Baseline,
    Difference,
    Lesson,
    LessonBatch,
    OwnFigure,
    Score,
    Slice,
    TrainingBatch,
)
from core.domain.jobs import JobKind, JobState
from core.domain.metrics import METRICS, Metric, MetricUnit
from core.domain.promotions import Cause
from core.usecases import batch_holds, decisions, forced_promotions
from core.usecases.open_candidates import renew
from tests import build
from tests.build import live, proposed, rolled_back
from tests.databases import migrated
from tests.views.desks import at_a_desk, button, labels, page, shown, text
from tests.views.fleets import html

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


METRIC_NAMES = {metric.heading for metric in METRICS.values()}


def tiles(app: Any) -> dict[str, tuple[str, str]]:
    """The five figures that the decision rests on: value and comparison by name."""
    shown = str.maketrans({"\\": None, "\u00a0": " "})
    return {m.label: (m.value, m.delta.translate(shown)) for m in app.metric[:5]}


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
    said = text(app)
    assert "**Not recommended.** It is worse." in said
    assert "2 of 5 gates not passed: **better**, **no regression**." in said
    assert "Version 1 stays live. Reject this one, or train on more batches." in said
    assert "Approve…" not in filled(app)
    assert not button(app, "Force…").disabled


def test_a_recommended_version_has_approve_as_its_main_action(desk: Desk) -> None:
    live(desk.store, 1)
    proposed(desk.store, 2, champion=1)
    app = page("promotion")
    assert not button(app, "Approve…").disabled
    assert filled(app) == ["Approve…"]


def test_the_deciding_facts_of_a_first_version_come_first_and_say_what_helps(desk: Desk) -> None:
    metrics = {"mae": 48_496.0, "rmse": 60_000.0, "mdape": 0.4, "r2": -0.1}
    mine = {"mae": 45_320.0, "rmse": 55_000.0, "mdape": 0.402, "r2": 0.2}
    unsure = {"mae": Difference(-3_176.0, -8_000.0, 1_500.0)}
    failing = build.gate("better than the median", passed=False, says="Not clearly better.")
    proposed(
        desk.store, 1, promote=False, candidate=Score(1, 29, mine), gates=[failing],
        baseline=Baseline(180_000.0, metrics, unsure),
    )  # fmt: skip
    app = page("promotion")
    assert tiles(app) == {
        "Mean absolute error": ("45,320 USD", "6.5 % better than the median"),
        "Statistically significant": ("no", "from 8,000 USD lower to 1,500 USD higher (95 %)"),
        "Median absolute % error": ("40.2 %", "0.2 points worse than the median"),
        "Evaluated on": ("29 rows", "none of them trained on"),
        "Trained on": ("80 rows", "of 1 batch"),
    }
    said = text(app)
    assert "**Not recommended.** Not clearly better." in said
    assert "1 of 2 gates not passed: **better than the median**." in said
    assert "There is nothing to roll back to" in said
    assert (
        "On 29 held-out rows the difference could be chance. Ingest the next batch and train again"
        in said
    )


def test_the_deciding_facts_beside_a_champion(desk: Desk) -> None:
    live(desk.store, 1)
    mine = {"mae": 45_320.0, "rmse": 20.0, "mdape": 0.21, "r2": 0.55}
    theirs = {"mae": 42_158.0, "rmse": 20.0, "mdape": 0.2, "r2": 0.5}
    worse, better = Difference(3_162.0, 1e3, 5e3), Difference(-14_680.0, -2e4, -1e4)
    proposed(
        desk.store, 2, champion=1, candidate=Score(2, 20, mine), differences={"mae": worse},
        baseline=Baseline(180_000.0, theirs | {"mae": 60_000.0}, {"mae": better}),
        slices=(
            Slice("state", "Texas", 31, 110.0, 100.0, Difference(10.0, 5.0, 15.0)),
            Slice("state", "Ohio", 40, 90.0, 100.0, Difference(-10.0, -15.0, -5.0)),
        ),
    )  # fmt: skip
    with desk.store.begin() as work:
        seen = work.promotions.of_version(2)
        content = replace(work.dossiers.get(seen.dossier_digest), champion=Score(1, 20, theirs))
        digest = work.dossiers.freeze(content)
        work.promotions.replace_evidence(seen, build.Verdict(True, ("Good.",)), content, digest)
        work.commit()
    app = page("promotion", version="2")
    assert tiles(app) == {
        "Mean absolute error": ("45,320 USD", "7.5 % worse than version 1"),
        "Statistically significant": ("yes, worse", "higher by 1,000 to 5,000 USD (95 %)"),
        "Against the median": ("24.5 % better", "60,000 USD, significant"),
        "On newer batches": ("none yet", "no scored batch is newer than versions 2 and 1"),
        "Worst segment": ("10.0 % worse", "State Texas, 31 rows"),
    }
    assert "You can roll back to version 1 at any time." in text(app)
    assert "It passes every gate (5)." in text(app)


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
    table = next(shown(d) for d in app.dataframe if "Better" in d.value)
    assert list(table.iloc[0]) == ["Share *late*", "20.0 %", "25.0 %", "50.0 %", "lower"]
    lines = dossier_lines(promotion.evidence_report(desk, 2))
    assert (
        "  late 20.0 %, champion 25.0 %: 5.0 points better, baseline 50.0 %: 30.0 points better"
        in lines
    )
    assert "  The metric a:lost broke." in lines


def test_the_decided_version_stays_on_the_page(desk: Desk) -> None:
    live(desk.store, 1)
    proposed(desk.store, 2, champion=1)
    proposed(desk.store, 3, champion=1)
    app = page("promotion")
    button(app, "Approve…").click().run()
    button(app, "Approve and serve it").click().run()
    assert address(app) == "3"
    assert "### Version 3" in text(app)


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


def test_the_live_version_offers_to_go_back_and_says_what_was_recommended_then(
    desk: Desk,
) -> None:
    live(desk.store, 1)
    live(desk.store, 2)
    app = page("promotion", version="2")
    assert "Roll back to version 1…" in labels(app)
    assert "**Recommended at its evaluation.** Because." in text(app)
    assert "Roll back to version 1…" not in labels(page("promotion", version="1"))


def test_a_rollback_is_told_as_one(desk: Desk) -> None:
    live(desk.store, 1)
    live(desk.store, 2)
    with desk.store.begin() as work:
        decisions.roll_back(work, actor="ben", reason="worse in the field")
        work.commit()
    said = text(page("promotion", version="1"))
    assert "Rolled back to by ben" in said
    assert "orced" not in said


@pytest.mark.parametrize("where", ["overview", "history", "decide"])
def test_what_a_rollback_took_away_can_come_back_by_mouse(desk: Desk, where: str) -> None:
    rolled_back(desk.store)
    query = {"tab": "History"} if where == "history" else {"version": "2"}
    app = page("overview") if where == "overview" else page("promotion", **query)
    assert "There is no earlier version" not in text(app)
    assert "Version 3 was rolled back just now by ben: worse in the field." in text(app)
    button(app, "Roll back to version 3…").click().run()
    said = text(app)
    assert said.count("Version 3 was rolled back just now by ben: worse in the field.") == 2
    assert "Serving answers with version 2 now, and with version 3 after the rollback." in said
    assert "The mean absolute error of version 3 is the same: 10 against 10 of version 2" in said
    assert "Evaluation of version 3" in said
    assert "Last decision about version 3: ana approved it on" in said
    app.text_area(key="rollback-reason").input("it was fine")
    button(app, "Go back to version 3").click().run()
    with desk.store.read() as work:
        coming = work.promotions.of_version(3)
    assert (coming.state, coming.decided_by) == ("APPROVED", "ana")


def test_each_version_that_was_live_is_a_choice_of_the_rollback(desk: Desk) -> None:
    live(desk.store, 1)
    rolled_back(desk.store)
    app = page("promotion", tab="History")
    button(app, "Roll back to version 1…").click().run()
    box = app.selectbox(key="rollback-to")
    assert [option.split(";")[0] for option in box.options] == ["Version 1", "Version 3"]
    assert "Go back to version 1" in labels(app)


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
    assert tiles(app)["Mean absolute error"] == ("45,320 USD", "7.5 % worse than version 1")
    others = METRIC_NAMES - {"Mean absolute error"}
    assert {m.label: m.delta for m in app.metric if m.label in others} == {
        "Root mean squared error": "the same",
        "Median absolute % error": "1.0 points worse",
        "R²": "0.050 better",
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


def test_a_re_evaluation_that_failed_is_told_with_its_reason(desk: Desk) -> None:
    proposed(desk.store, 2)
    live(desk.store, 1)
    with desk.store.begin() as work:
        renew(work)
        (job,) = work.jobs.open()
        work.jobs.claim(job.id, 1, "me", timedelta(seconds=60))
        work.jobs.finish(job.id, "me", JobState.FAILED, error="Its file was changed.")
        work.commit()
    why = f"version 1 is live now. Its re-evaluation failed (job {job.id}): Its file was changed."
    now = status.status(desk)
    assert any(why in line for line in status_lines(now, [], {}))
    assert any(why in line for line in candidate_lines(now.candidates, now))
    assert [need.detail for need in overview.overview(desk).needs if why in need.detail]
    assert why in text(page("promotion", version="2"))


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


@pytest.fixture(scope="module")
def long_record(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    """A database with 301 versions."""
    path = tmp_path_factory.mktemp("long-record") / "desk.db"
    migrated(url := f"sqlite:///{path}", dataset)
    store = Store.open(url, dataset)
    with store.begin() as work:
        for version in range(1, 302):
            content = build.dossier(version)
            work.promotions.propose(
                version, build.Verdict(True, ("Because.",)), content, "trainer",
                digest=work.dossiers.freeze(content),
            )  # fmt: skip
        work.commit()
    store.close()
    return path


@pytest.fixture
def many(desk: Desk, long_record: Path) -> Desk:
    here = str(desk.store.engine.url.database)
    with closing(sqlite3.connect(long_record)) as source, closing(sqlite3.connect(here)) as target:
        source.backup(target)
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
        work.force_requests.open_follow_up("version:1", "Check it.", "ana", Cause.FORCED)
        (item,) = work.force_requests.follow_ups()
        work.force_requests.close_follow_up(item.id, "The error fell again.", "ben")
        work.commit()
    app = page("promotion", tab="Follow-ups")
    assert '<td data-label="Outcome">The error fell again.</td>' in html(app)
    assert '<td data-label="By">ben</td>' in html(app)


def test_a_version_that_repeats_an_earlier_training_says_so(desk: Desk) -> None:
    same = Lesson("rows", "boosting-3", "dataset", (LessonBatch(1, "hash"),))
    other = replace(same, rows="more")
    live(desk.store, 1, learned=same)
    proposed(desk.store, 2, champion=1, learned=other)
    proposed(desk.store, 3, champion=1, learned=same)
    said = "Same rows and recipe as version 1, so it is the same model."
    assert said in text(page("promotion", version="3"))
    for version in ("1", "2"):
        assert "so it is the same model" not in text(page("promotion", version=version))
