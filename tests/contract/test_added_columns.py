"""A column that a new revision of the dataset file adds to a desk at work, on both databases."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
import requests
from typer.testing import CliRunner

from console.cli.main import app
from core.adapters.store import Store
from core.adapters.store.dataset_columns import ADDED, planned
from core.adapters.store.engine import WRITE
from core.adapters.store.migrate import migrate, prepare
from core.domain.dataset import Column, ColumnType, Dataset
from core.domain.drift import Finding, Reference
from core.domain.errors import DatasetError, SchemaMismatch
from core.domain.job_results import BatchStored
from core.domain.jobs import Job, JobKind, JobState
from core.domain.sources import FilesSource
from core.platform.dataset_file import load
from tests.contract.test_pipeline import RIDES, check, promote, served, train
from tests.databases import migrated
from tests.fakes import FakeRegistry
from tests.stacks import ROOT
from tests.work import run_job
from workers.sources.files import Files
from workers.steps.ingest import Ingest

WIND = """\
[[columns]]
name = "wind"
type = "number"
unit = "m/s"
role = "feature"
added_later = true

"""
LANE = """
[[columns]]
name = "lane"
type = "category"
role = "feature"
added_later = true
"""


@pytest.fixture(scope="module")
def old() -> Dataset:
    return load(RIDES)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The next revision of the file: a number in the middle, a category at the end."""
    first, *rest = RIDES.read_text(encoding="utf-8").partition('[[columns]]\nname = "weather"')
    file = tmp_path_factory.mktemp("revision") / "rides.toml"
    file.write_text(first + WIND + "".join(rest) + LANE, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def new(file: Path) -> Dataset:
    return load(file)


@pytest.fixture
def store(empty_database: str, old: Dataset) -> Iterator[Store]:
    migrated(empty_database, old)
    opened = Store.open(empty_database, old)
    yield opened
    opened.close()


@pytest.fixture
def later(store: Store, empty_database: str, new: Dataset) -> Iterator[Store]:
    """The same database as a process sees it that was started with the new file."""
    opened = Store.open(empty_database, new)
    yield opened
    opened.close()


def days(path: Path, seed: int, *, new: bool, rows: int = 250) -> Path:
    """A batch of days, with or without the new columns; wind costs 10 rides for each m/s."""
    dice = random.Random(seed)
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        names = ["day", "weather", "temperature", "station", "rides"]
        out.writerow(names + ["wind", "lane"] * new)
        for i in range(rows):
            weather = dice.choice(["sun", "rain"])
            degrees, wind = round(dice.gauss(15, 4), 1), round(dice.uniform(0, 30), 1)
            count = 300 + 20 * degrees + 100 * (weather == "sun") - 10 * wind
            row = [f"2026-01-{i % 28 + 1:02}", weather, degrees, 4.0, max(0, round(count))]
            out.writerow(row + [wind, dice.choice(["yes", "no"])] * new)
    return path


def ingest(store: Store, folder: Path) -> Job:
    source = FilesSource(f"{folder}/in/*", settle_seconds=0)
    step = Ingest(
        Files(source), folder / "spool", replace(store.dataset, source=source), True,
        lambda _job: None, lambda _job: False,
    )  # fmt: skip
    return run_job(store, JobKind.INGEST, step)


def stored(job: Job) -> BatchStored:
    assert isinstance(job.result, BatchStored), job.error
    assert job.result.quarantined == 0
    return job.result


def test_old_rows_stay_and_the_new_column_is_learned_from_its_first_batch_on(
    store: Store, later: Store, empty_database: str, new: Dataset, tmp_path: Path
) -> None:
    registry = FakeRegistry()
    days(tmp_path / "in" / "a.csv", 1, new=False)
    stored(ingest(store, tmp_path))
    train(store, registry)
    with served(registry, tmp_path) as url:
        assert promote(store, registry, url, 1).state is JobState.SUCCEEDED
        before = answer(url)

        (changes,) = migrate(empty_database, new, "ana")
        assert changes.says.startswith(f"The table {new.rows_table} gets the column wind, lane")
        assert answer(url) == before

        # A file that was written before the change is no less a batch.
        days(tmp_path / "in" / "b.csv", 2, new=False)
        days(tmp_path / "in" / "c.csv", 3, new=True)
        days(tmp_path / "in" / "d.csv", 4, new=True)
        batches = [stored(ingest(later, tmp_path)).batch_id for _ in range(3)]
        for batch_id in batches:
            job = check(later, batch_id)
            assert job.state is JobState.SUCCEEDED, job.error
            assert not job.result.held, job.result
        assert findings(later, batches[0]) == findings(later, batches[1]) == {Finding.UNDEFINED}
        assert Finding.UNDEFINED not in findings(later, batches[2])

        trained = train(later, registry)
        assert trained.state is JobState.SUCCEEDED, trained.error
        with later.read() as work:
            dossier = work.promotions.of_version(2).dossier
            kept = work.rows.columns(["wind", "lane"], held_out=False)
            rows = list(work.rows.stream())
        assert dossier is not None
        assert dossier.overlap == 0
        assert np.isnan(kept["wind"]).sum() == (kept["lane"] == "").sum() > 300
        assert sum(b.num_rows for b in rows) == 1000
        assert sum(b["wind"].null_count for b in rows) == 500
        assert answer(url) == before
        refused = requests.post(f"{url}/predict", json={"wind": 3}, timeout=5)
        assert refused.json()["errors"][0]["detail"] == "this model takes no such field"

        assert promote(later, registry, url, 2, force=True).state is JobState.SUCCEEDED
        calm, stormy = answer(url, wind=0, lane="yes"), answer(url, wind=30, lane="yes")
        assert calm - stormy > 150
        answer(url)  # a caller that knows nothing of the column is answered too


def answer(url: str, **more: Any) -> float:
    row = {"weather": "sun", "temperature": 15.0} | more
    got = requests.post(f"{url}/predict", json=row, timeout=5)
    assert got.status_code == 200, got.text
    return float(got.json()["prediction"])


def findings(store: Store, batch_id: int) -> set[Finding]:
    """What the comparison with the batch before makes of the new column."""
    with store.read() as work:
        (report,) = [
            r.report for r in work.drift.latest(20)
            if r.batch_id == batch_id and r.reference is Reference.PREVIOUS
        ]  # fmt: skip
    return {c.finding for c in report.changes if c.column == "wind"}


def test_the_check_without_a_table_says_what_migrate_would_do(
    store: Store, empty_database: str, new: Dataset, file: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("console.cli.shared.configure", lambda *_: None)  # logs stay as they are
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", empty_database)

    def check(revision: Path) -> str:
        told = CliRunner().invoke(app, ["dataset", "check", "--dataset", str(revision)])
        assert told.exit_code == 0, told.output
        return told.output.strip()

    table = f"the table {new.rows_table}"
    same = f"The columns of {table} are those of the dataset file."
    assert check(RIDES) == same
    assert check(file) == (
        f"{table.capitalize()} gets the column wind, lane, which is empty in the rows that are "
        "there. Run python -m workers migrate."
    )
    assert check(RIDES) == same  # nothing was changed
    migrate(empty_database, new)
    assert check(file) == same


def test_the_revision_is_on_record_once_with_its_author(
    store: Store, later: Store, empty_database: str, new: Dataset
) -> None:
    for _ in range(2):
        migrate(empty_database, new, "ana")
    with later.read() as work:
        (event,) = work.audit.latest(subject="dataset:rides")
        assert work.audit.verify() is None
    assert (event.actor, event.action, event.details["added"]) == ("ana", ADDED, ["wind", "lane"])
    assert sorted(event.details["columns"]) == sorted(new.names)  # MySQL orders keys
    assert len(event.details["digest"]) == 64


def test_processes_with_another_revision_write_nothing_and_say_what_to_do(
    store: Store, later: Store, empty_database: str, old: Dataset, new: Dataset, tmp_path: Path
) -> None:
    days(tmp_path / "in" / "a.csv", 1, new=True)
    with pytest.raises(SchemaMismatch, match=r"column lane, wind .* Run `python -m workers mig"):
        ingest(later, tmp_path)
    with store.read():
        pass  # a worker that runs since before the change
    migrate(empty_database, new)
    job = ingest(store, tmp_path)
    assert job.state is not JobState.SUCCEEDED
    assert "column lane, wind, which the dataset file of this process lacks" in job.error
    fresh = Store.open(empty_database, old)
    with pytest.raises(SchemaMismatch, match=r"Start it again with the dataset file"), fresh.read():
        pass
    fresh.close()
    assert stored(ingest(later, tmp_path)).stored == 250
    with later.read() as work:
        wind = work.rows.columns(["wind"], held_out=False)["wind"]
    assert not np.isnan(wind).any()


@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)  # what is read is the same
@pytest.mark.parametrize("ending", ["csv", "jsonl", "json", "parquet"])
@pytest.mark.parametrize("lacks", [["lane"], ["wind", "lane"]])
def test_each_reader_takes_batches_from_before_the_change(
    store: Store, later: Store, empty_database: str, new: Dataset, tmp_path: Path, ending: str,
    lacks: list[str],
) -> None:  # fmt: skip
    migrate(empty_database, new)
    table = pa_csv.read_csv(days(tmp_path / "new.csv", 1, new=True, rows=20)).drop_columns(lacks)
    table = table.set_column(0, "day", table["day"].cast(pa.string()))
    write(table, tmp_path / "in" / f"a.{ending}")
    assert stored(ingest(later, tmp_path)).stored == 20
    with later.read() as work:
        rows = pa.Table.from_batches(list(work.rows.stream()))
    assert {n: rows[n].null_count for n in ("wind", "lane")} == {
        n: 20 * (n in lacks) for n in ("wind", "lane")
    }
    assert rows["rides"].to_pylist() == table["rides"].to_pylist()


def write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    match path.suffix:
        case ".csv":
            pa_csv.write_csv(table, path)
        case ".parquet":
            pq.write_table(table, path)
        case ".jsonl":
            path.write_text("\n".join(map(json.dumps, table.to_pylist())))
        case _:
            path.write_text(json.dumps({"batch_number": 0, "data": table.to_pylist()}))


def with_columns(dataset: Dataset, *columns: Column) -> Dataset:
    return replace(dataset, columns=columns)


def changed(dataset: Dataset, name: str, **values: Any) -> Dataset:
    return replace(
        dataset,
        columns=tuple(replace(c, **values) if c.name == name else c for c in dataset.columns),
    )


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("removed", r"has the column station, which .* lacks\. Put it back, or give .* a new name"),
        ("renamed", r"If stop is a new name of it in the batches, keep the old name and write"),
        ("type", r"another type than the dataset file: temperature is number in the table\. Put"),
        ("unmarked", r"does not have the column wind .* Write added_later = true under it, or"),
    ],
)
def test_any_other_change_is_refused_and_changes_nothing(
    store: Store, empty_database: str, old: Dataset, how: str, says: str
) -> None:
    others = [c for c in old.columns if c.name != "station"]
    station = old.column("station")
    wrong = {
        "removed": with_columns(old, *others),
        "renamed": with_columns(old, *others, replace(station, name="stop")),
        "type": changed(old, "temperature", type=ColumnType.CATEGORY),
        "unmarked": with_columns(old, *old.columns, replace(station, name="wind", source="w")),
    }[how]
    with pytest.raises(DatasetError, match=says):
        migrate(empty_database, wrong)
    with store.engine.connect() as connection:
        assert planned(connection, old).added == ()


def test_the_mark_of_a_column_that_was_added_stays(
    store: Store, empty_database: str, new: Dataset
) -> None:
    migrate(empty_database, new)
    with pytest.raises(DatasetError, match=r"column lane was added .* Put added_later = true back"):
        migrate(empty_database, changed(new, "lane", added_later=False))


def test_a_run_that_died_is_completed_by_the_next_one(
    store: Store, later: Store, empty_database: str, new: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        pass

    def dies(*_: Any, **__: Any) -> None:
        raise Died

    for place in ("Operations.add_column", "data_comp"):
        with monkeypatch.context() as patch:
            patch.setattr(f"core.adapters.store.migrate.{place}", dies)
            with pytest.raises(Died):
                migrate(empty_database, new)
    migrate(empty_database, new)
    with later.read() as work:
        assert len(work.audit.latest(subject="dataset:rides")) == 1
        assert work.rows.count() == 0


@pytest.mark.whole
def test_three_that_start_together_add_the_column_once(
    store: Store, later: Store, empty_database: str, file: Path, tmp_path: Path
) -> None:
    env = {"DATABASE_URL": empty_database, "DATASET": str(file), "DATA_DIR": str(tmp_path),
           "PYTHONPATH": str(ROOT), "ACTOR": "ana"}  # fmt: skip
    command = [sys.executable, "-m", "workers", "migrate"]
    runs = [
        subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE) for _ in range(3)
    ]
    ends = [(run.communicate(timeout=60)[1], run.returncode) for run in runs]
    assert [code for _, code in ends] == [0, 0, 0], ends
    with later.read() as work:
        (event,) = work.audit.latest(subject="dataset:rides")
    assert event.actor == "ana"


def test_an_open_write_is_waited_for_and_keeps_its_rows(
    store: Store, later: Store, empty_database: str, new: Dataset, tmp_path: Path
) -> None:
    """Rows that are loading when the column is added are rows from before."""
    days(tmp_path / "in" / "a.csv", 1, new=False)
    with store.engine.connect() as opened:
        connection = opened.execution_options(**{WRITE: True})
        assert prepare(connection, store.dataset).added == ()
        connection.commit()
    stored(ingest(store, tmp_path))
    migrate(empty_database, new)
    with later.read() as work:
        assert work.rows.count() == 250
