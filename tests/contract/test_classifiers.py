"""Public sets of classes from a file to a proposed version, on real stores; and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_wine

from compose.data_api.options import Options
from console.actions import dataset_files
from core.adapters.onnx_runtime import Runtime
from core.adapters.store import Store
from core.domain.dossier import Dossier, GateName
from core.domain.jobs import Job, JobKind, JobState
from core.domain.metrics import METRICS_OF
from core.domain.task import Task
from core.domain.training import Training
from core.platform.dataset_file import parse_text
from core.rules.model.scoring import ANOTHER
from core.usecases import batch_holds
from tests.data_api.serving import serving as data_api
from tests.databases import migrated
from tests.fakes import FakeRegistry
from tests.stacks import ROOT
from tests.work import ingest, run_job
from workers.evidence.champion_error import Weigh
from workers.steps.drift import CheckDrift
from workers.steps.fit import NO_THRESHOLD
from workers.steps.judge import Judge
from workers.steps.train import Train


def breast_cancer() -> pd.DataFrame:
    """Two classes by name, in an order of chance."""
    loaded = load_breast_cancer(as_frame=True)
    frame = loaded.frame.sample(frac=1, random_state=1, ignore_index=True)
    return frame.assign(target=loaded.target_names[frame["target"]])


def wine() -> pd.DataFrame:
    """Three classes by number."""
    return load_wine(as_frame=True).frame.sample(frac=1, random_state=1, ignore_index=True)


def flags() -> pd.DataFrame:
    """Two classes as true and false, one of them rare; a text and a number with gaps.

    Most rows have equals of the other class.
    """
    dice = np.random.default_rng(3)
    plan, calls = dice.choice(["basic", "pro", ""], 900), dice.poisson(2, 900).astype(float)
    chance = 1 / (1 + np.exp(3.5 - calls + (plan == "pro")))
    calls[::17] = np.nan
    return pd.DataFrame({"plan": plan, "calls": calls, "target": dice.random(900) < chance})


SETS = {"breast_cancer": (breast_cancer, Task.BINARY), "wine": (wine, Task.MULTICLASS),
        "flags": (flags, Task.BINARY)}  # fmt: skip


class Desk:
    """A store of a table's dataset, its batches behind a data API, and a registry."""

    def __init__(self, store: Store, api: str, folder: Path) -> None:
        self.store, self.api, self.folder = store, api, folder
        self.registry = FakeRegistry()

    def ingest(self) -> Job:
        job = ingest(self.store, self.api, self.folder / "spool")
        assert job.state is JobState.SUCCEEDED, job.error
        return job

    def train(self, **changes: Any) -> Job:
        dataset = replace(self.store.dataset, **changes)
        store = Store(self.store.engine, dataset)
        step = Train(dataset, self.registry, False, lambda _job: None)  # type: ignore[arg-type]
        return run_job(store, JobKind.TRAIN, step)

    def compare(self, batch_id: int) -> Job:
        weigh = Weigh(self.store.dataset, self.registry)  # type: ignore[arg-type]
        with self.store.begin() as work:
            for job in work.jobs.open():
                work.jobs.cancel(job.id)
            work.commit()
        step = CheckDrift(self.store.dataset, False, lambda _job: None, weigh)
        return run_job(self.store, JobKind.DRIFT, step, {"batch_id": batch_id})

    def dossier(self, version: int) -> Dossier:
        with self.store.read() as work:
            return work.dossiers.get(work.promotions.of_version(version).dossier_digest)


@contextmanager
def desk_of(
    url: str, tmp_path: Path, frames: list[pd.DataFrame], task: Task, **changes: Any
) -> Iterator[Desk]:
    folder = tmp_path / "rows"
    folder.mkdir()
    for n, frame in enumerate(frames):
        frame.to_csv(folder / f"batch_{n}.csv", index=False)
    table = tmp_path / "table.csv"
    pd.concat(frames).to_csv(table, index=False)
    made = dataset_files.init(table, "target", "", None, task)
    dataset = replace(parse_text(made.text, "table.toml"), **changes)
    migrated(url, dataset)
    store = Store.open(url, dataset)
    with data_api(Options(folder=folder)) as api:
        yield Desk(store, api.url, tmp_path)
    store.close()


@pytest.mark.parametrize("name", SETS)
def test_a_public_set_is_learned_and_proposed_with_its_evidence(
    name: str, empty_database: str, tmp_path: Path
) -> None:
    make, task = SETS[name]
    with desk_of(empty_database, tmp_path, [make()], task) as desk:
        desk.ingest()
        trained = desk.train()
        assert trained.state is JobState.SUCCEEDED, trained.error
        assert trained.result.recommended is True, trained.result.reasons
        evidence = desk.dossier(1)
        runtime = Runtime(desk.registry.fetch(1))
    assert (evidence.task, set(evidence.candidate.metrics)) == (task, {*METRICS_OF[task]})
    assert evidence.candidate.metrics["roc_auc"] > 0.65
    assert evidence.baseline
    assert sum(evidence.baseline.shares.values()) == pytest.approx(1)
    assert [g.name for g in evidence.gates] == [GateName.NO_OVERLAP, GateName.CLASS_SHARES]
    assert (
        "better than the baseline (the class shares of the training rows)" in evidence.gates[1].says
    )
    figures = evidence.candidate_classes
    assert figures
    assert np.sum(figures.confusion) == evidence.held_out_rows
    assert [len(row) for row in figures.confusion] == [len(evidence.classes)] * len(
        evidence.classes
    )
    assert figures.roc
    assert figures.calibration
    assert any(value > 0.01 for value in evidence.importance.values())
    assert runtime.contract.classes == evidence.classes
    assert (runtime.contract.threshold is not None) is (task is Task.BINARY)
    if name != "wine":  # which has too few rows
        assert runtime.contract.sets
        assert runtime.contract.sets.measured > 0.8
    assert len(evidence.golden) == 5
    runtime.check_golden()


@pytest.mark.whole
def test_a_champion_is_compared_watched_and_judged_again(
    empty_database: str, tmp_path: Path
) -> None:
    frame = breast_cancer()
    with desk_of(
        empty_database, tmp_path, [frame[:250], frame[250:]], Task.BINARY, primary_metric="accuracy"
    ) as desk:
        desk.ingest()
        desk.train()
        desk.registry.set_champion(1)
        second = desk.ingest()
        compared = desk.compare(second.result.batch_id)
        assert compared.state is JobState.SUCCEEDED, compared.error
        said = " ".join(compared.result.advice)
        assert "Version 1's share of wrong answers on this batch" in said
        assert " % on " in said
        with desk.store.read() as work:
            (score,) = work.scores.of(1, [second.result.batch_id])
        assert 0 <= 1 - score.metrics["accuracy"] < 0.2
        trained = desk.train()
        assert trained.state is JobState.SUCCEEDED, trained.error
        evidence = desk.dossier(2)
        assert evidence.champion
        assert evidence.champion_classes
        assert set(evidence.differences) == set(METRICS_OF[Task.BINARY])
        assert {s.value for s in evidence.slices if s.by == "target"} == {"benign", "malignant"}
        again = run_job(
            desk.store, JobKind.JUDGE, Judge(desk.registry), {"version": 2}  # type: ignore[arg-type]
        )  # fmt: skip
        assert again.state is JobState.SUCCEEDED, again.error
        assert desk.dossier(2).candidate == evidence.candidate


@pytest.mark.whole
def test_a_class_that_came_later_counts_as_wrong_and_is_learned_next(
    empty_database: str, tmp_path: Path
) -> None:
    frame = wine()
    later = frame.assign(target=frame["target"].where(frame.index % 3 > 0, 7)).iloc[::-1]
    with desk_of(empty_database, tmp_path, [frame, later], Task.MULTICLASS) as desk:
        desk.ingest()
        desk.train()
        desk.registry.set_champion(1)
        second = desk.ingest()
        assert desk.compare(second.result.batch_id).state is JobState.SUCCEEDED
        assert desk.train().state is JobState.SUCCEEDED
        evidence = desk.dossier(2)
        assert set(evidence.classes) == {"0", "1", "2", "7"}
        runtime = Runtime(desk.registry.fetch(1))
        assert runtime.contract.classes == ("0", "1", "2")
        judged = run_job(
            desk.store, JobKind.JUDGE, Judge(desk.registry), {"version": 1}  # type: ignore[arg-type]
        )  # fmt: skip
        assert judged.state is JobState.SUCCEEDED, judged.error
        assert desk.dossier(1).classes[0] == ANOTHER


@pytest.mark.parametrize("stated", ["0.2", ""])
def test_a_training_command_may_state_the_threshold(stated: str, tmp_path: Path) -> None:
    """Without one it is 0.5, and the job's log says so."""
    write = f"""
import os, pathlib, runpy
runpy.run_path({str(ROOT / "tests" / "own_program.py")!r}, run_name="__main__")
if {stated!r}:
    (pathlib.Path(os.environ["DRIFTDESK_OUT"]) / "threshold.txt").write_text({stated!r})
"""
    (tmp_path / "train.py").write_text(write)
    own = Training("command", command=(sys.executable, "train.py"), folder=str(tmp_path))
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with desk_of(url, tmp_path, [flags()], Task.BINARY, training=own) as desk:
        desk.ingest()
        trained = desk.train()
        assert trained.state is JobState.SUCCEEDED, trained.error
        with desk.store.read() as work:
            lines = [line.message for line in work.jobs.lines(trained.id)]
        runtime, evidence = Runtime(desk.registry.fetch(1)), desk.dossier(1)
    threshold = float(stated or 0.5)
    assert runtime.contract.threshold == threshold
    assert evidence.candidate_classes
    assert evidence.candidate_classes.threshold == threshold
    assert (NO_THRESHOLD in lines) is not bool(stated)


def test_a_champion_of_another_task_is_not_compared_with(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with desk_of(url, tmp_path, [wine()], Task.MULTICLASS) as desk:
        desk.ingest()
        first = desk.train(task=Task.REGRESSION, primary_metric="mae")
        assert first.state is JobState.SUCCEEDED, first.error
        desk.registry.set_champion(1)
        second = desk.train()
        assert second.state is JobState.SUCCEEDED, second.error
        evidence = desk.dossier(2)
    assert (evidence.champion, evidence.uncompared) == (None, 1)
    assert "its task is regression, and the dataset file's is multiclass now" in " ".join(
        gate.says for gate in evidence.gates
    )


def test_a_champion_of_two_classes_is_not_compared_with_one_of_several(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    two = wine()[lambda frame: frame["target"] < 2]
    with desk_of(url, tmp_path, [two, wine()], Task.MULTICLASS) as desk:
        desk.ingest()
        first = desk.train(task=Task.BINARY)
        assert first.state is JobState.SUCCEEDED, first.error
        desk.registry.set_champion(1)
        desk.ingest()
        second = desk.train()
        assert second.state is JobState.SUCCEEDED, second.error
        assert desk.dossier(2).uncompared == 1


def one_class(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(target=7)


def one_row(frame: pd.DataFrame) -> pd.DataFrame:
    """A class of two rows that are on the training side: equal but for one feature."""
    held = frame.assign(target=frame["target"].where(frame["target"] < 2, 0))
    return held.assign(target=held["target"].where(held.index != 5, 8))


def many(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(target=frame.index)


def ten_rows(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[:10]


def no_whole_numbers(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(target=frame["target"] + 0.5)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (one_class, "must have at least two classes in the training rows, and every row has '7'"),
        (one_row, "has only one row of the class '8', and a model needs at least two"),
        (many, "classes in the training rows, and a model can have at most 100"),
        (ten_rows, "rows are fit to be trained on; at least 20 are needed"),
        (no_whole_numbers, "Only 0 rows are fit to be trained on"),
    ],
)
def test_what_cannot_be_learned_ends_in_a_sentence_and_the_next_batch_is_learned(
    spoil: Callable[[pd.DataFrame], pd.DataFrame], says: str, tmp_path: Path
) -> None:
    frame = wine()
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with desk_of(url, tmp_path, [frame, frame], Task.MULTICLASS) as desk:
        spoil(frame).to_csv(tmp_path / "rows" / "batch_0.csv", index=False)
        first = desk.ingest()
        failed = desk.train()
        assert failed.state is JobState.FAILED
        assert says in failed.error
        desk.ingest()
        with desk.store.begin() as work:
            batch_holds.hold(work, first.result.batch_id, actor="ana", reason="a wrong target")
            work.commit()
        assert desk.train().state is JobState.SUCCEEDED
