"""Any two versions are compared on demand, on held-out rows that neither was trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.adapters.onnx_runtime import Runtime
from core.domain.dossier import RowsFrom
from core.domain.jobs import Job, JobKind, JobState
from tests.contract.test_forward_scores import (
    BY_TIME,
    ROWS,
    dataset,
    desk,
    dossier,
    folder,
    judged_by,
    take_in,
    train,
)
from tests.work import run_job
from workers.container import Container
from workers.steps.judge import Judge

__all__ = ["dataset", "desk", "folder"]


def compared(desk: Container, version: int, against: int) -> Job:
    step, args = Judge(desk.registry), {"version": version, "against": against}
    return run_job(desk.store, JobKind.JUDGE, step, args)


def test_two_versions_that_were_never_live_are_compared_on_the_same_rows(
    desk: Container, folder: Path
) -> None:
    take_in(desk, folder, 0)
    train(desk)
    take_in(desk, folder, 1)
    train(desk)
    take_in(desk, folder, 2)
    before = [dossier(desk, version) for version in (1, 2)]
    job = compared(desk, 2, 1)
    assert job.state is JobState.SUCCEEDED, job.error
    found = job.result
    assert (found.version, found.against, found.batches) == (2, 1, (0, 1, 2))
    assert 0.1 * 3 * ROWS < found.rows < 0.3 * 3 * ROWS, "the held-out fifth of every batch"
    assert found.metrics["mae"] < found.others["mae"], "the first knows nothing of the change"
    apart = found.metrics["mae"] - found.others["mae"]
    assert found.differences["mae"].difference == pytest.approx(apart)
    assert "of version 2 is" in found.note
    assert f"on the same {found.rows:,} rows" in found.note
    assert [dossier(desk, version) for version in (1, 2)] == before, "no dossier is made"


def test_a_dossier_records_the_batches_it_was_evaluated_on_and_the_typical_row(
    desk: Container, folder: Path
) -> None:
    take_in(desk, folder, 0)
    train(desk)
    first = dossier(desk, 1)
    assert first.evaluated_on == RowsFrom(1, (0,))
    contract = Runtime(desk.registry.fetch(1)).contract
    assert first.typical == {field.name: field.default for field in contract.fields}
    assert any(value is not None for value in first.typical.values())
    take_in(desk, folder, 1)
    run_job(desk.store, JobKind.JUDGE, Judge(desk.registry), {"version": 1})
    again = dossier(desk, 1)
    assert (again.evaluated_on, again.typical) == (RowsFrom(1, (0, 1)), first.typical)
    assert [batch.number for batch in again.batches] == [0], "what it was trained on stays"


def test_by_time_only_rows_later_than_both_count(desk: Container, folder: Path) -> None:
    by_time = judged_by(desk, BY_TIME)
    take_in(by_time, folder, 0)
    train(by_time)
    take_in(by_time, folder, 1)
    train(by_time)
    job = compared(by_time, 2, 1)
    assert job.state is JobState.SUCCEEDED, job.error
    second = dossier(by_time, 2)
    assert second.split
    assert job.result.after == second.split.text
    assert job.result.rows == second.candidate.rows


def test_where_no_row_is_new_to_both_the_job_says_so(desk: Container, folder: Path) -> None:
    by_time = judged_by(desk, BY_TIME)
    take_in(by_time, folder, 0, 1)
    train(by_time)
    late = judged_by(desk, replace(BY_TIME, share=0.03))
    train(late)
    job = compared(late, 1, 2)
    assert job.state is JobState.FAILED
    assert "are later than the training rows of both models" in job.error


def test_a_model_that_is_gone_is_named(desk: Container, folder: Path) -> None:
    take_in(desk, folder, 0)
    train(desk)
    take_in(desk, folder, 1)
    train(desk)
    desk.registry._models.pop(1)
    job = compared(desk, 2, 1)
    assert job.state is JobState.FAILED
    assert "ersion 1" in job.error
