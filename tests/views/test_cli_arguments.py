"""What is typed at the command line: numbers that no database holds, names of batches and ids."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from console.cli.examples import EXAMPLES
from console.cli.main import app
from console.cli.shared import MOST
from console.desk import Desk
from core import VERSION
from core.domain.dataset import Dataset
from core.domain.jobs import JobKind
from tests.build import live, proposed, stored_batch
from tests.views.desks import at_a_desk
from tests.views.test_cli_roles import COMMANDS
from tests.views.test_predict import log

HUGE = str(10**26)


@pytest.fixture
def desk(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)
    with at_a_desk(tmp_path, dataset, monkeypatch) as made:
        yield made


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_number_that_a_command_takes_is_bounded(name: str) -> None:
    for param in COMMANDS[name].params:
        annotation = param.type_descriptor.annotation
        if int in (annotation, *get_args(annotation)):
            assert param.min is not None, param.name
            assert param.max <= MOST, param.name


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_example_of_a_command_is_one_that_it_takes(name: str) -> None:
    for example in EXAMPLES[name]:
        words = shlex.split(example)
        group = len(name.split())
        assert words[:group] == name.split()
        COMMANDS[name].make_context(name, words[group:])
        assert f"driftdesk {example}" in " ".join(run(*words[:group], "--help").split())


def test_examples_are_of_commands() -> None:
    assert set(EXAMPLES) == set(COMMANDS)


def test_the_version_is_printed() -> None:
    assert run("--version") == f"driftdesk {VERSION}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands(shell: str) -> None:
    words = {"COMP_WORDS": "driftdesk appr", "COMP_CWORD": "1"}
    words |= {"_TYPER_COMPLETE_ARGS": "driftdesk appr", "_DRIFTDESK_COMPLETE": f"complete_{shell}"}
    words |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = CliRunner().invoke(app, env=words, prog_name="driftdesk")
    assert "approve" in done.output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("log", HUGE), 2), (("approve", HUGE), 2), (("train", "--epoch", HUGE), 2),
        (("rows", "export", "x.csv", "--epoch", HUGE), 2), (("schedule", "pause", HUGE), 2),
        (("batch", "hold", HUGE), 1), (("batch", "hold", f"1/{HUGE}"), 1),
        (("batch", "hold", "1/"), 1), (("batch", "skip", "first"), 1),
        (("batch", "hold", str(MOST - 1)), 1), (("batch", "release", "7/7"), 1),
    ],
)  # fmt: skip
def test_what_no_database_holds_is_a_sentence(
    desk: Desk, arguments: tuple[str, ...], code: int
) -> None:
    assert "Traceback" not in run(*arguments, code=code)


def test_a_batch_is_named_by_epoch_and_number_or_by_its_entry(desk: Desk) -> None:
    first, second = stored_batch(desk.store, 0), stored_batch(desk.store, 1)
    held = run("batch", "hold", "1/1", "--reason", "wrong units.")
    assert held.startswith(f"{second.id:>5}  epoch 1")
    assert "Batch 1 of epoch 1 is held already." in run("batch", "hold", str(second.id), code=1)
    run("batch", "release", "1/1", "--reason", "They are right.")
    assert "is not held" in run("batch", "release", str(first.id), code=1)
    assert "There is no batch 9 in epoch 1." in run("batch", "hold", "1/9", code=1)
    assert "Name a batch as EPOCH/NUMBER" in run("batch", "hold", "one", code=1)


def test_what_cannot_be_done_is_said_before_a_reason_is_asked_for(desk: Desk) -> None:
    stored_batch(desk.store, 0)
    assert "there is nothing to dismiss" in run("batch", "dismiss", "1/0", code=1)
    said = run("batch", "skip", "1/0", code=1)
    assert "Entry 1 of the ledger is stored; only one that waits" in said


def test_the_latest_jobs_are_listed_with_the_numbers_for_their_logs(desk: Desk) -> None:
    assert run("jobs") == "No job has been requested yet.\n"
    with desk.store.begin() as work:
        first, _ = work.jobs.request(JobKind.INGEST, {}, actor="ana")
        work.jobs.cancel(first.id)
        second, _ = work.jobs.request(JobKind.TRAIN, {}, actor="ben")
        work.commit()
    _, newest, *_ = run("jobs").splitlines()
    assert newest.split()[:3] == [str(second.id), "train", "requested"]
    assert newest.endswith("ben")
    _, only, *_ = run("jobs", "--state", "cancelled").splitlines()
    assert only.split()[:3] == [str(first.id), "ingest", "cancelled"]
    assert run("jobs", "--kind", "judge") == "No job matches.\n"


def test_an_id_of_an_unknown_form_says_which_forms_there_are(desk: Desk) -> None:
    assert "Enter a prediction id, or one of version 3" in run("passport", "nonsense", code=1)


def test_states_are_plain_words_and_a_job_that_is_not_there_is_said(desk: Desk) -> None:
    assert run("log", "99", code=1).strip() == "There is no job 99."
    with desk.store.begin() as work:
        job, _ = work.jobs.request(JobKind.INGEST, {}, actor="ana")
        work.jobs.cancel(job.id)
        work.commit()
    assert f"Job {job.id} was cancelled already." in run("cancel", str(job.id), code=1)


def test_feedback_on_an_unknown_prediction_counts_once_it_is_on_record(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.serving, "feedback", lambda *_: None, raising=False)
    said = run("feedback", "3fa85f64-5717-4562-b3fc-2c963f66afa6", "9")
    assert "It counts once that id is on record" in said


def test_feedback_takes_the_beginning_of_an_id_as_the_passport_does(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[object, ...]] = []
    monkeypatch.setattr(desk.serving, "feedback", lambda *told: given.append(told), raising=False)
    first, second = (f"3fa85f64-5717-4562-b3fc-2c963f66afa{n}" for n in (6, 7))
    assert "There is no prediction 3fa85f64" in run("feedback", "3fa85f64", "9", code=1)
    log(desk, id=first)
    assert json.loads(run("feedback", "3FA85F64", "9", "--json")) == {
        "prediction_id": first, "actual": 9.0, "on_record": True,
    }  # fmt: skip
    log(desk, id=second)
    said = run("feedback", "3fa85f64", "9", code=1)
    assert "2 predictions begin with 3fa85f64" in said
    assert "Enter more of the id." in said
    assert given == [(first, 9.0)]


@pytest.mark.parametrize("actual", ["1_000", "\uff11\uff12", "nan", "1e400", "nine", ""])
def test_feedback_takes_the_numbers_that_batches_take(desk: Desk, actual: str) -> None:
    said = run("feedback", "3fa85f64-5717-4562-b3fc-2c963f66afa6", actual, code=2)
    assert "must be" in said


@pytest.mark.parametrize("row", ["{", "[]", "[" * 100_000, "9" * 5_000])
def test_a_row_that_is_no_json_object_is_a_sentence(desk: Desk, row: str) -> None:
    assert "--row: must be" in run("predict", "--row", row, code=1)


@pytest.mark.parametrize("command", ["approve", "reject"])
def test_a_decision_that_names_no_version_lists_those_that_await_one(
    desk: Desk, command: str
) -> None:
    assert run(command, code=1) == "No version awaits a decision.\n"
    live(desk.store, 1)
    proposed(desk.store, 2, champion=1)
    said = run(command, code=1)
    assert "version 2  proposed" in said
    assert "version 1" not in said.splitlines()[0]
    assert "Decide with: driftdesk approve VERSION" in said.splitlines()[-1]
