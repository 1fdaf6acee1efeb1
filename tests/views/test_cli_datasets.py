"""Commands at a desk with several datasets: which one is meant, and what each person sees."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli.main import app
from core.adapters.mlflow.registry import Registry
from core.domain.errors import RegistryUnavailable
from core.domain.jobs import JobKind, JobState
from tests.build import proposed, stored_batch
from tests.fleets import Folder, folder_of, named

WRONG = 'name = "cars"\ntitle = "Secret cars"\ncolumns = 3\n'
ROLES = """
[viewer]
users = ["vic"]
[datasets.trips.admin]
users = ["tess"]
[datasets.trips.operator]
users = ["ben"]
[datasets.rides.viewer]
users = ["ben"]
"""


def run(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    return folder_of(tmp_path, monkeypatch, "rides", "trips")


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    folder = folder_of(tmp_path, monkeypatch, "rides", "trips", roles=ROLES)
    folder.add("cars", WRONG)
    return folder


# Which dataset is meant


def test_where_there_are_several_a_command_lists_them_until_one_is_named(
    two: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = two.store("trips")
    stored_batch(store, 0)
    store.close()
    said = run("batch", "list")
    assert said.exit_code == 1
    assert said.output == (
        "This desk has several datasets: rides, trips. Name one with --dataset, or set "
        "DRIFTDESK_DATASET.\n"
    )
    assert "  1/0 " in run("batch", "list", "--dataset", "trips").output
    assert run("batch", "list", "--dataset", "rides").output == "No batch has been received yet.\n"
    monkeypatch.setenv("DRIFTDESK_DATASET", "trips")
    assert "  1/0 " in run("batch", "list").output
    assert "No batch" in run("batch", "list", "--dataset", "rides").output
    monkeypatch.setenv("DRIFTDESK_DATASET", "")
    monkeypatch.setenv("DEFAULT_DATASET", "trips")
    assert "  1/0 " in run("batch", "list").output


@pytest.mark.usefixtures("two")
def test_commands_in_sentences_name_their_dataset() -> None:
    told = run("status", "--dataset", "trips").output
    assert "run `driftdesk ingest --dataset trips`" in told
    told = run("dossier", "7", "--dataset", "rides").output
    assert "`driftdesk candidates --dataset rides` lists" in told


@pytest.mark.usefixtures("two")
def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    for words in (
        ["batch", "list"],
        ["audit"],
        ["drift", "--show"],
        ["status"],
        ["costs"],
        ["dataset", "check"],
    ):
        said = run(*words, "--dataset", "boats")
        assert (said.exit_code, said.output) == (
            1, "There is no dataset 'boats' that you may see. Datasets: rides, trips.\n",
        )  # fmt: skip


def test_one_dataset_needs_no_name_and_takes_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of(tmp_path, monkeypatch, "rides")
    assert run("audit").output == "There are no events yet.\n"
    assert run("audit", "--dataset", "rides").exit_code == 0
    said = run("audit", "--dataset", "trips")
    assert said.output == "There is no dataset 'trips' that you may see. Datasets: rides.\n"


def test_a_wrong_file_says_why_when_it_is_named_and_stops_no_other(two: Folder) -> None:
    two.add("cars", WRONG)
    said = run("audit", "--dataset", "cars")
    assert said.exit_code == 2
    assert said.output.startswith("The dataset file cars.toml cannot be used: ")
    assert run("audit", "--dataset", "rides").exit_code == 0


def test_a_folder_without_a_usable_file_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path, monkeypatch)
    assert run("audit").output == "The folder of DATASETS has no dataset file yet.\n"
    folder.add("cars", WRONG)
    said = run("audit")
    assert (said.exit_code, "cars.toml cannot be used" in said.output) == (2, True)


# What a person may see


@pytest.mark.usefixtures("guarded")
def test_a_role_for_one_dataset_shows_that_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error about another dataset, or about a file that cannot be used, tells no more."""
    monkeypatch.setenv("ACTOR", "tess")
    assert run("audit").output == "There are no events yet.\n"  # hers needs no name
    for name in ("rides", "cars", "boats"):
        for words in (["audit"], ["dataset", "show", name], ["search", "x"], ["doctor"]):
            named_too = [] if "show" in words else ["--dataset", name]
            said = run(*words, *named_too).output
            assert f"There is no dataset '{name}' that you may see. Datasets: trips." in said
            assert "Secret" not in said
    everything = [run("dataset", "list"), run("costs", "--json"), run("search", "ri"),
                  run("search", "batch"), run("doctor"), run("status", "--json"),
                  run("dataset", "check")]  # fmt: skip
    for said in everything:
        assert "rides" not in said.output, said.output
        assert "cars" not in said.output, said.output


@pytest.mark.usefixtures("guarded")
def test_who_may_see_all_sees_the_wrong_files_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTOR", "vic")
    listed = run("dataset", "list").output
    assert "rides" in listed
    assert "cars.toml  wrong     The dataset file cars.toml cannot be used" in listed
    assert run("dataset", "check").exit_code == 2


@pytest.mark.usefixtures("guarded")
def test_each_dataset_has_its_own_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACTOR", "ben")
    refused = run("schedule", "add", "daily", "--dataset", "rides")
    assert "ben is viewer here; changing schedules needs an operator. Ask Olga." in refused.output
    assert run("schedule", "add", "daily", "--dataset", "trips").exit_code == 0
    said = run("keys", "list")
    assert "ben is nobody here; seeing the desk needs a viewer. Ask Olga." in said.output


# All datasets


def test_the_status_of_all_is_a_table_of_eighty_columns(
    two: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.queries.health.look", lambda _desk, **_: [])
    long = "a_dataset_whose_name_is_as_long_as_names_can_be"
    two.add(long)
    two.add("cars", WRONG)
    store = two.store("trips")
    stored_batch(store, 0)
    proposed(store, 1)
    with store.begin() as work:
        job, _ = work.jobs.request(JobKind.TRAIN, {}, "eve")
        work.jobs.mark_queued(job.id, 1)
        work.jobs.claim(job.id, 1, "w", timedelta(minutes=1))
        work.jobs.finish(job.id, "w", JobState.FAILED, error="out of " + "memory " * 30)
        work.commit()
    store.close()
    said = run("status")
    lines = said.output.splitlines()
    assert said.exit_code == 0, said.output
    assert all(len(line) <= 80 for line in lines), said.output
    assert lines[0].split() == [
        "dataset",
        "state",
        "live",
        "last",
        "batch",
        "verdict",
        "next",
        "run",
    ]
    assert long in lines
    shown = said.output
    assert "  -> The last train job failed" in shown
    assert "  -> Version 1 awaits approval (recommended)" in shown
    assert "cars.toml" in shown
    assert run("status", "--check").exit_code == 4
    whole = json.loads(run("status", "--json").output)
    assert {d["name"]: d["state"] for d in whole["datasets"]} == {
        "cars.toml": "wrong file", "trips": "alert", "rides": "no data yet", long: "no data yet",
    }  # fmt: skip
    one = json.loads(run("status", "--dataset", "rides", "--json").output)
    assert one["status"]["candidates"] == []


def test_the_status_of_all_checks_what_they_share(two: Folder) -> None:
    del two
    said = run("status", "--json")
    assert said.exit_code == 3
    names = [s["name"] for s in json.loads(said.output)["services"]]
    assert names == ["MLflow", "Serving", "Queue (Redis)", "Database", "Workers", "Reconciler"]


def test_costs_and_search_are_about_all_or_one(two: Folder) -> None:
    for name, rows in (("rides", 3), ("trips", 5)):
        store = two.store(name)
        stored_batch(store, 0, rows=rows)
        store.close()
    found = json.loads(run("costs", "--json").output)
    assert [(c["dataset"], c["rows"], c["bytes"]) for c in found] == [
        ("trips", 5, 100), ("rides", 3, 100),
    ]  # fmt: skip
    assert [
        c["dataset"] for c in json.loads(run("costs", "--dataset", "rides", "--json").output)
    ] == ["rides"]
    assert run("costs").output.splitlines()[0].split()[:2] == ["dataset", "rows"]
    assert {h["dataset"] for h in json.loads(run("search", "batch 0", "--json").output)} == {
        "rides", "trips",
    }  # fmt: skip
    only = json.loads(run("search", "batch 0", "--dataset", "trips", "--json").output)
    assert {h["dataset"] for h in only} == {"trips"}
    assert run("search", "zebra").output == "Nothing was found.\n"
    assert run("search", "zebra").exit_code == 1


# The datasets themselves


def test_a_dataset_is_disabled_with_a_reason_and_enabled_again(two: Folder) -> None:
    two.add("boats")
    assert "Give it with --reason" in run("dataset", "disable", "trips").output
    done = run("dataset", "disable", "trips", "--reason", "its source moves", "--actor", "ana")
    assert done.output == "trips is disabled: its jobs and schedules wait.\n"
    assert "trips  disabled  ana disabled it: its source moves" in run("dataset", "list").output
    again = run("dataset", "disable", "trips", "--reason", "x")
    assert (again.exit_code, again.output) == (1, "The dataset trips is disabled already.\n")
    assert "disabled: ana disabled it" in run("dataset", "show", "trips").output
    why = "The dataset is disabled, so no job runs. Enable it: driftdesk dataset enable trips"
    assert why in run("ingest", "--dataset", "trips").output
    assert run("dataset", "enable", "trips").output == "trips is enabled.\n"
    assert run("dataset", "enable", "trips").exit_code == 1
    assert run("dataset", "disable", "boats", "--reason", "not yet").exit_code == 0  # never seen
    store = two.store("trips")
    with store.read() as work:
        said = [
            (e.actor, e.action, e.subject, e.reason)
            for e in work.audit.latest(subject="dataset:trips")
        ]
    store.close()
    assert said == [
        ("eve", "enable dataset", "dataset:trips", ""),
        ("ana", "disable dataset", "dataset:trips", "its source moves"),
    ]
    assert "ana disabled trips. its source moves" in run("audit", "--dataset", "trips").output


def test_the_audit_of_all_names_each_dataset_and_the_whole_desk_for_who_may_see_it(
    guarded: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    del guarded
    assert "nobody here" in run("keys", "add", "shop", "--actor", "tess").output
    run("dataset", "disable", "trips", "--reason", "x", "--actor", "tess")
    run("schedule", "add", "daily", "--dataset", "rides", "--actor", "ben")  # refused
    monkeypatch.setenv("ACTOR", "vic")
    run("notify-test")  # refused, too
    said = run("audit").output.splitlines()
    assert [line.split()[2:5] for line in said[:1]] == [["UTC", "vic", "was"]]
    assert "rides  ben was refused" in said[1]
    assert "trips  tess disabled trips. x" in said[2]
    assert len(run("audit", "--dataset", "rides").output.splitlines()) == 1
    monkeypatch.setenv("ACTOR", "tess")
    assert "rides" not in run("audit").output
    assert "vic" not in run("audit").output
    assert run("audit", "--verify").exit_code == 0


def test_a_person_disables_only_what_they_administer(
    guarded: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    del guarded
    monkeypatch.setenv("ACTOR", "tess")
    said = run("dataset", "disable", "rides", "--reason", "x")
    assert said.output == "There is no dataset 'rides' that you may see. Datasets: trips.\n"
    assert run("dataset", "disable", "trips", "--reason", "x").exit_code == 0
    monkeypatch.setenv("ACTOR", "ben")
    said = run("dataset", "enable", "trips")
    assert "pruning, and disabling a dataset needs an admin" in said.output


@pytest.mark.usefixtures("two")
def test_a_dataset_is_shown_with_the_names_that_others_know_it_by() -> None:
    lines = run("dataset", "show", "trips").output.splitlines()
    assert "title     Trips" in lines
    assert "model     trips in MLflow" in lines
    assert "serving   /datasets/trips/predict" in lines
    assert json.loads(run("dataset", "show", "rides", "--json").output)["model"] == "rides"


def test_every_dataset_is_checked_against_the_database(two: Folder) -> None:
    two.add("boats")
    said = run("dataset", "check").output.splitlines()
    assert len(said) == 3
    assert sum("Run python -m workers migrate." in line for line in said) == 1
    assert run("dataset", "check", "--dataset", "trips").exit_code == 0


# The doctor


def examined() -> dict[str, dict[str, str]]:
    said = run("doctor", "--json").output
    return {f["name"]: f for f in json.loads(said[said.index("[\n") :])}  # after what was logged


def test_the_doctor_looks_at_each_dataset_and_once_at_what_they_share(
    two: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.add("boats")
    two.add("cars", WRONG)
    (two.files / "again.toml").write_text(named("trips"), encoding="utf-8")
    run("dataset", "disable", "rides", "--reason", "too old")
    monkeypatch.setenv("MODEL_NAME", "prices")
    monkeypatch.setenv("DEFAULT_DATASET", "planes")
    monkeypatch.setenv("AUTH_ROLES_FILE", "")
    found = examined()
    assert found["Dataset file cars.toml"]["state"] == "bad"
    assert "trips" in found["Dataset file trips.toml"]["says"]
    assert found["MODEL_NAME"]["todo"] == "Unset it: each model is named like its dataset."
    assert "planes" in found["DEFAULT_DATASET"]["says"]
    assert found["rides: Dataset"]["todo"] == "driftdesk dataset enable rides"
    assert "no table rows_boats yet" in found["boats: Dataset and tables"]["says"]
    assert len([name for name in found if name.endswith("Queue (Redis)")]) == 1


def test_the_doctor_finds_the_deleted_experiment_of_any_dataset(
    two: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    del two

    def require_experiment(registry: Registry) -> None:
        if registry.name == "trips":
            raise RegistryUnavailable("The experiment trips is deleted in MLflow.")

    monkeypatch.setattr(Registry, "require_experiment", require_experiment)
    found = examined()
    assert found["trips: Experiment"]["state"] == "bad"
    assert {name for name in found if name.endswith("Experiment")} == {"trips: Experiment"}


def test_roles_for_a_dataset_that_is_not_there_are_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roles = '[viewer]\nusers = ["eve"]\n[datasets.tirps.admin]\nusers = ["ana"]\n'
    folder_of(tmp_path, monkeypatch, "trips", roles=roles)
    found = examined()
    assert (
        found["Roles"]["says"] == "There are roles for tirps, which cannot be used or is not there."
    )


# Backup


def test_a_backup_is_of_all_unless_the_command_names_one(
    two: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = two.store("trips")
    stored_batch(store, 0)
    store.close()
    (two.root / "spool").mkdir()
    monkeypatch.setenv("DRIFTDESK_DATASET", "trips")  # what a session works on is not what is lost
    every, one = (str(two.root / name) for name in ("all.tar.gz", "one.tar.gz"))
    words = ("--without-models",)
    said = run("backup", every, *words)
    assert "alone" not in said.output
    said = run("backup", one, "--dataset", "trips", *words)
    assert said.output.endswith(
        "The dataset trips alone, with the audit trail of the whole desk.\n"
    ), said.output
    again = run("backup", str(two.root / "x.tar.gz"), "--dataset", "planes", *words)
    assert (again.exit_code, again.output) == (
        1, "There is no dataset 'planes' on this desk. Its datasets: rides, trips.\n",
    )  # fmt: skip
    refused = run("restore", every, "--dataset", "trips", *words)
    assert refused.output == "The dataset trips has rows here. Replace them with --force.\n"
    for file in (every, one):
        said = run("restore", file, "--dataset", "trips", "--force", *words)
        assert said.output.startswith("Restored trips as of "), said.output
    said = run("restore", every, "--force", *words)
    assert said.output.startswith("Restored as of "), said.output
