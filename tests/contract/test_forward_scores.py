"""Every version is scored on each batch that is newer than what it learned from, once MLflow is up.

And where rows are held out by time, two versions are compared on rows that are later than both.
"""

from __future__ import annotations

import csv
import random
from dataclasses import replace
from pathlib import Path

import pytest

from compose.data_api.options import Options
from console.desk import Desk
from console.queries.overview import overview
from core.adapters.onnx_runtime import Runtime
from core.adapters.store import Store
from core.domain.dataset import Column, Dataset, Role
from core.domain.dossier import DossierSummary, GateName, TrainingBatch
from core.domain.errors import RegistryUnavailable
from core.domain.evaluation import Evaluation, SplitBy
from core.domain.forward_scores import ForwardScore
from core.domain.jobs import Job, JobKind, JobState
from core.domain.promotions import Decision
from core.platform.dataset_file import load
from core.platform.settings import Settings
from core.rules.data.training_set import lesson
from core.rules.model.evaluation import score
from core.rules.model.forward_scores import due, newer
from tests import build
from tests.data_api.serving import serving as data_api
from tests.fakes import FakeQueue, FakeRegistry
from tests.work import ingest, run_job
from workers.container import Container
from workers.evidence.champion_error import Weigh
from workers.reconciler.forward_scores import BEGUN_WITHIN, score_forward
from workers.reconciler.live_scores import score_live
from workers.steps.drift import CheckDrift
from workers.steps.judge import Judge
from workers.steps.train import Train

SEED = 17
ROWS = 200
BY_TIME = Evaluation(SplitBy.TIME, "day", 0.25)
RIDES = load(Path(__file__).parent.parent / "datasets" / "rides.toml")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return RIDES


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Container:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    return Container(settings, store.dataset, store, FakeQueue(), FakeRegistry())  # type: ignore[arg-type]


@pytest.fixture
def by_time(desk: Container) -> Container:
    """The same desk, whose dataset file asks for the last quarter by day."""
    return judged_by(desk, BY_TIME)


def judged_by(
    desk: Container, how: Evaluation, columns: tuple[Column, ...] = RIDES.columns
) -> Container:
    dataset = replace(RIDES, evaluation=how, columns=columns)
    return Container(
        desk.settings, dataset, Store(desk.store.engine, dataset), desk.queue, desk.registry
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four months of days. From the second on, people ride twice as much at any temperature."""
    print("seed", SEED)
    dice = random.Random(SEED)
    made = tmp_path / "days"
    made.mkdir()
    for n, each in enumerate((20, 40, 40, 40)):
        with (made / f"batch_{n}.csv").open("w", encoding="utf-8", newline="") as file:
            out = csv.writer(file)
            out.writerow(RIDES.names)
            for i in range(ROWS):
                degrees = round(dice.gauss(15, 4), 1)
                day = f"2026-{n + 1:02}-{i % 28 + 1:02}"
                out.writerow([day, "sun", degrees, 4.0, max(0, round(each * degrees))])
    return made


def take_in(desk: Container, folder: Path, *numbers: int) -> list[int]:
    ids = []
    with data_api(Options(folder=folder)) as api:
        for _ in range(numbers[0]):
            api.batch()
        for _ in numbers:
            spool = desk.settings.data_dir / "spool"
            ids.append(int(ingest(desk.store, api.url, spool).result.batch_id))
    return ids


def train(desk: Container) -> Job:
    step = Train(desk.dataset, desk.registry, False, lambda _job: None)
    done = run_job(desk.store, JobKind.TRAIN, step)
    with desk.store.begin() as work:
        for job in work.jobs.open():
            work.jobs.cancel(job.id)
        work.commit()
    return done


def make_live(desk: Container, version: int) -> None:
    with desk.store.begin() as work:
        work.promotions.decide(
            work.promotions.of_version(version), Decision.FORCE, actor="ana", reason="x"
        )
        work.promotions.make_live(work.promotions.of_version(version))
        work.commit()
    desk.registry.set_champion(version)


def scores(desk: Container) -> dict[tuple[int, int], ForwardScore]:
    """By version and the batch's number."""
    with desk.store.read() as work:
        number = {b.id: b.number or 0 for b in work.batches.stored(1)}
        found = work.forward_scores.of([1, 2, 3], list(number))
    return {(s.version, number[s.batch_id]): s for s in found}


def turns(desk: Container, count: int = 5) -> None:
    for _ in range(count):
        score_forward(desk)


def dossier(desk: Container, version: int) -> DossierSummary:
    with desk.store.read() as work:
        found = work.promotions.of_version(version).dossier
    assert found
    return found


def judge(desk: Container, version: int) -> Job:
    done = run_job(desk.store, JobKind.JUDGE, Judge(desk.registry), {"version": version})
    assert done.state is JobState.SUCCEEDED, done.error
    return done


def test_a_batch_is_scored_by_what_did_not_learn_from_it(desk: Container, folder: Path) -> None:
    take_in(desk, folder, 0)
    train(desk)
    make_live(desk, 1)
    turns(desk)
    assert scores(desk) == {}, "version 1 learned from batch 0"
    take_in(desk, folder, 1)
    train(desk)  # before anybody scored: version 1 is still scored as it was
    take_in(desk, folder, 2)
    turns(desk)
    found = scores(desk)
    assert sorted(found) == [(1, 1), (1, 2), (2, 2)]
    assert {s.rows for s in found.values()} == {ROWS}, "both sides of the split are new"
    assert found[1, 2].metrics["mae"] > 4 * found[2, 2].metrics["mae"]
    before = dossier(desk, 1).candidate.metrics["mae"]
    assert found[1, 1].metrics["mae"] > 10 * before, "what was shown at approval is not what came"


def test_coverage_is_measured_on_the_new_batch_beside_the_one_at_approval(
    desk: Container, folder: Path
) -> None:
    take_in(desk, folder, 0, 1, 2)
    train(desk)
    take_in(desk, folder, 3)
    turns(desk)
    runtime = Runtime(desk.registry.fetch(1))
    interval = runtime.contract.interval
    assert interval
    assert dossier(desk, 1).coverage == interval.measured
    with desk.store.read() as work:
        newest = work.batches.stored(1)[-1]
        rows = work.rows.columns(RIDES.names, held_out=None, batch_id=newest.id)
    low, high = interval.bounds_of(runtime.predict(rows))
    inside = float(((rows["rides"] >= low) & (rows["rides"] <= high)).mean())
    assert scores(desk)[1, 3].coverage == pytest.approx(inside)


def test_without_mlflow_a_score_is_only_late(desk: Container, folder: Path) -> None:
    take_in(desk, folder, 0)
    train(desk)
    take_in(desk, folder, 1)
    desk.registry.away = True  # type: ignore[attr-defined]
    with pytest.raises(RegistryUnavailable):
        score_forward(desk)
    assert scores(desk) == {}
    desk.registry.away = False  # type: ignore[attr-defined]
    score_forward(desk)
    once = scores(desk)
    assert list(once) == [(1, 1)]
    score_forward(desk)
    assert scores(desk) == once


def test_a_version_that_goes_live_is_scored_on_the_batches_before_it(
    desk: Container, folder: Path
) -> None:
    take_in(desk, folder, 0)
    train(desk)
    batches = take_in(desk, folder, 1, 2)
    train(desk)
    make_live(desk, 2)
    make_live(desk, 1)  # back to it
    score_live(desk)
    score_live(desk)  # a second time nothing is missing
    with desk.store.read() as work:
        found = work.scores.of(1, batches)
    assert [s.batch_id for s in found] == batches
    now = {s.batch_id: s.metrics["mae"] for s in found}
    assert now[batches[-1]] > 4 * dossier(desk, 1).candidate.metrics["mae"]
    seen = overview(Desk(desk.settings, desk.dataset, desk.store, desk.queue, desk.registry, None))
    assert seen.errors[-1].metrics["mae"] == now[batches[-1]]
    assert any(need.urgent for need in seen.needs), "the error jumped, and somebody must see it"


def test_a_slow_model_leaves_the_rest_to_the_next_turn(desk: Container, folder: Path) -> None:
    take_in(desk, folder, 0)
    train(desk)
    take_in(desk, folder, 1, 2)
    times = iter([0.0, 0.0, 0.0, 2 * BEGUN_WITHIN])
    score_forward(desk, lambda: next(times))
    assert list(scores(desk)) == [(1, 1)]
    score_forward(desk)
    assert sorted(scores(desk)) == [(1, 1), (1, 2)]


def test_a_version_whose_file_is_gone_says_so_and_holds_up_no_other(
    desk: Container, folder: Path
) -> None:
    take_in(desk, folder, 0)
    train(desk)
    take_in(desk, folder, 1)
    train(desk)
    make_live(desk, 2)
    desk.registry.tamper(2)  # type: ignore[attr-defined]
    take_in(desk, folder, 2)
    turns(desk)
    found = scores(desk)
    assert found[2, 2].metrics == {}
    assert "Version 2 cannot be scored" in found[2, 2].note
    assert found[1, 2].metrics


def test_a_held_batch_is_scored_once_it_is_released(desk: Container, folder: Path) -> None:
    take_in(desk, folder, 0)
    train(desk)
    (held,) = take_in(desk, folder, 1)
    with desk.store.begin() as work:
        work.holds.hold(held, "ana", "looks odd", unless_released=False)
        work.commit()
    turns(desk)
    assert scores(desk) == {}
    with desk.store.begin() as work:
        work.holds.release(held)
        work.commit()
    turns(desk)
    assert list(scores(desk)) == [(1, 1)]


def live_and_candidate(desk: Container, folder: Path) -> None:
    """Version 1 is live, and version 2 learned from one batch more."""
    take_in(desk, folder, 0)
    train(desk)
    make_live(desk, 1)
    take_in(desk, folder, 1)
    train(desk)


def test_the_dossier_compares_both_on_batches_that_are_newer_than_both(
    desk: Container, folder: Path
) -> None:
    live_and_candidate(desk, folder)
    assert dossier(desk, 2).newer is None, "no batch is newer than the candidate"
    take_in(desk, folder, 2, 3)
    judge(desk, 2)
    found = dossier(desk, 2).newer
    assert found
    assert found.batches == (2, 3)
    assert 0 < found.rows <= 2 * ROWS
    assert found.differences["mae"].high < 0
    assert found.differences["mae"].difference == pytest.approx(
        found.candidate["mae"] - found.champion["mae"]
    )


def test_newer_batches_of_very_many_rows_are_compared_on_every_nth(
    desk: Container, folder: Path
) -> None:
    live_and_candidate(desk, folder)
    take_in(desk, folder, 2, 3)
    step = Judge(desk.registry, most_evaluated=ROWS)
    done = run_job(desk.store, JobKind.JUDGE, step, {"version": 2})
    assert done.state is JobState.SUCCEEDED, done.error
    found = dossier(desk, 2).newer
    assert found
    assert found.batches == (2, 3)
    assert 0.8 * ROWS < found.rows <= ROWS


def test_by_time_the_last_days_are_held_out_and_the_split_date_is_recorded(
    by_time: Container, folder: Path
) -> None:
    take_in(by_time, folder, 0, 1)
    done = train(by_time)
    assert done.state is JobState.SUCCEEDED, done.error
    made = dossier(by_time, 1)
    assert made.split
    assert made.split.text == "2026-02-14"
    assert made.compared_after == made.split
    assert made.held_out_rows == pytest.approx(2 * ROWS * 0.25, abs=8)
    assert made.overlap == 0
    about = Runtime(by_time.registry.fetch(1)).about
    assert about["split_date"] == "2026-02-14"


def test_by_time_two_versions_are_compared_on_days_later_than_both(
    by_time: Container, folder: Path
) -> None:
    take_in(by_time, folder, 0, 1)
    train(by_time)
    make_live(by_time, 1)
    take_in(by_time, folder, 2, 3)
    train(by_time)
    made = dossier(by_time, 2)
    assert made.split
    assert made.compared_after == made.split
    assert made.split.text == "2026-03-28"
    assert made.champion
    assert made.champion.rows == made.candidate.rows == made.held_out_rows
    with by_time.store.read() as work:
        rows = work.rows.columns(RIDES.names, held_out=None)
    later = rows["day"] > made.split.up_to
    runtime = Runtime(by_time.registry.fetch(1))
    expected = score(rows["rides"][later], runtime.predict({n: v[later] for n, v in rows.items()}))
    assert made.champion.metrics == pytest.approx(expected)
    judge(by_time, 2)
    assert dossier(by_time, 2).split == made.split


def test_a_champion_by_hash_is_compared_on_rows_later_than_its_newest(
    desk: Container, folder: Path
) -> None:
    take_in(desk, folder, 0, 1)
    train(desk)
    make_live(desk, 1)
    later = judged_by(desk, BY_TIME)
    take_in(later, folder, 2)
    done = train(later)
    made = dossier(later, 2)
    assert made.champion
    assert made.compared_after
    assert made.compared_after.text >= "2026-02-28"
    with later.store.read() as work:
        said = " ".join(line.message for line in work.jobs.lines(done.id))
    assert "Version 1 has no split date" in said
    assert "(2026-02-28)" in said


def test_no_row_later_than_both_leaves_the_comparison_open_and_says_so(
    desk: Container, folder: Path
) -> None:
    take_in(desk, folder, 0, 1)
    train(desk)
    make_live(desk, 1)
    later = judged_by(desk, BY_TIME)
    train(later)
    made = dossier(later, 2)
    assert made.champion is None
    assert made.compared_with == 1
    (gate,) = [g for g in made.gates if g.name is GateName.COMPARED]
    assert not gate.passed
    assert "Version 1 was trained on rows up to 2026-02-28" in gate.says


def test_back_at_a_split_by_hash_a_version_by_time_counts_only_on_later_days(
    desk: Container, by_time: Container, folder: Path
) -> None:
    take_in(by_time, folder, 0, 1)
    train(by_time)
    make_live(by_time, 1)
    take_in(desk, folder, 2)
    train(desk)
    made = dossier(desk, 2)
    assert made.split is None
    assert made.compared_after == dossier(by_time, 1).split
    with desk.store.read() as work:
        rows = work.rows.columns(RIDES.names, held_out=True)
    later = int((rows["day"] > made.compared_after.up_to).sum())
    assert made.champion
    assert made.champion.rows == made.candidate.rows == later < made.held_out_rows


def test_the_time_may_be_an_identifier_that_no_model_sees(desk: Container, folder: Path) -> None:
    day, *others = RIDES.columns
    columns = (replace(day, role=Role.IDENTIFIER), *others)
    unseen = judged_by(desk, BY_TIME, columns)
    take_in(desk, folder, 0, 1)
    done = train(unseen)
    assert done.state is JobState.SUCCEEDED, done.error
    made = dossier(unseen, 1)
    assert made.split
    assert made.split.text == "2026-02-14"
    assert "day" not in made.importance
    assert made.overlap == 0
    make_live(unseen, 1)
    by_hash = judged_by(desk, Evaluation(), columns)
    take_in(desk, folder, 2)
    train(by_hash)
    (gate,) = [g for g in dossier(by_hash, 2).gates if g.name is GateName.COMPARED]
    assert "which is no longer the time_column" in gate.says


def test_by_time_the_champions_error_is_measured_on_days_it_has_not_seen(
    by_time: Container, folder: Path
) -> None:
    (_, second) = take_in(by_time, folder, 0, 1)
    train(by_time)
    make_live(by_time, 1)
    (third,) = take_in(by_time, folder, 2)
    weigh = Weigh(by_time.dataset, by_time.registry)
    step = CheckDrift(by_time.dataset, False, lambda _job: None, weigh)
    run_job(by_time.store, JobKind.DRIFT, step, {"batch_id": third})
    with by_time.store.read() as work:
        of_second, of_third = work.scores.of(1, [second, third])
    assert of_third.rows == ROWS
    assert of_second.rows == dossier(by_time, 1).held_out_rows


@pytest.mark.parametrize("day", ["", "2026-05-01"], ids=["null", "constant"])
def test_days_that_tell_nothing_end_the_training_with_the_remedy(
    by_time: Container, folder: Path, day: str
) -> None:
    file = folder / "batch_0.csv"
    lines = file.read_text(encoding="utf-8").splitlines()
    changed = [lines[0], *(",".join([day, *line.split(",")[1:]]) for line in lines[1:])]
    file.write_text("\n".join(changed), encoding="utf-8")
    take_in(by_time, folder, 0)
    done = train(by_time)
    assert done.state is JobState.FAILED
    assert 'split = "hash"' in done.error
    assert "day" in done.error
    take_in(by_time, folder, 1)
    assert train(by_time).state is JobState.SUCCEEDED, "the next one is not held up"


def test_a_batch_with_the_content_of_a_learned_one_is_not_new(store: Store) -> None:
    first = build.stored_batch(store, 0)
    second, third = (build.stored_batch(store, n) for n in (1, 2))
    made = build.dossier(1, batches=(TrainingBatch(first.id, 1, 0, 3),))
    again = replace(third, content_hash=first.content_hash)
    assert newer(made, [first, second, third]) == [second, third]
    learned = replace(made, learned=lesson([first], RIDES))
    assert newer(learned, [second, again]) == [second]
    next_epoch = replace(second, epoch=2)
    assert newer(learned, [next_epoch]) == [next_epoch]
    assert newer(made, [next_epoch]) == [], "an old dossier does not name contents"
    assert newer(None, [second]) == []


def test_only_the_newest_batches_are_due_and_each_once(store: Store) -> None:
    first = build.stored_batch(store, 0)
    later = [build.stored_batch(store, n) for n in range(1, 20)]
    build.proposed(store, 1, batches=(TrainingBatch(first.id, 1, 0, 3),))
    with store.read() as work:
        waiting = work.promotions.waiting()
    found = due(waiting, [first, *later], [])[1]
    assert found == later[-12:]
    known = [ForwardScore(1, b.id, 3, {}) for b in found]
    assert due(waiting, [first, *later], known) == {}
