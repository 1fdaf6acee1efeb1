"""From a job's id to its dataset: what a worker does with a job whose dataset it cannot use."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.adapters.store import Store
from core.adapters.store.timeouts import LOOKING
from core.domain.errors import Missing
from core.domain.jobs import JobKind, JobState
from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import Settings
from tests.build import somebody
from tests.databases import migrated
from tests.unit.test_dataset_folder import write
from workers.__main__ import main
from workers.jobs import LEFT_ALONE, _claim_and_run
from workers.runtime.job_dataset import find

NOWHERE = "redis://127.0.0.1:1/0"


class Desk:
    """Two datasets, each with an open job."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        usable = DatasetFolder(settings).read().usable
        migrated(settings.database, list(usable.values()))
        any_store = Store.open(settings.database, usable["rides"])
        self.stores = {name: any_store.for_dataset(d) for name, d in usable.items()}
        with any_store.desk_transaction() as work:
            for file in DatasetFolder(settings).read().files:
                work.saw(file.path.stem, file.digest)
        self.jobs: dict[str, int] = {}
        for name, store in self.stores.items():
            with store.transaction() as work:
                self.jobs[name] = work.jobs.request(JobKind.DRIFT, {}, "ana")[0].id

    def run(self, name: str) -> str:
        return _claim_and_run(self.settings, JobKind.DRIFT, self.jobs[name], 1)

    def state(self, name: str) -> JobState:
        with self.stores[name].read() as work:
            return work.jobs.get(self.jobs[name]).state


@pytest.fixture
def desk(empty_database: str, tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "datasets"
    folder.mkdir()
    for name in ("bikes", "rides"):
        write(folder, f"{name}.toml", name)
    settings = Settings(
        _env_file=None, database_url=empty_database, datasets=str(folder), redis_url=NOWHERE,
        data_dir=tmp_path,
    )  # fmt: skip
    made = Desk(settings, folder)
    yield made
    made.stores["rides"].close()


def test_a_job_is_of_the_dataset_that_asked_for_it(desk: Desk) -> None:
    for name, job_id in desk.jobs.items():
        found = find(desk.settings, job_id, LOOKING)
        assert (found.dataset.name, found.store.dataset.name) == (name, name)
        found.store.close()
    with pytest.raises(Missing):
        find(desk.settings, 99, LOOKING)
    assert desk.run("bikes") == "failed"  # it ran: there is no batch to compare
    assert (desk.state("bikes"), desk.state("rides")) == (JobState.FAILED, JobState.REQUESTED)


def wrong(desk: Desk) -> None:
    (desk.folder / "rides.toml").write_text("name = ")


def gone(desk: Desk) -> None:
    (desk.folder / "rides.toml").unlink()


def disabled(desk: Desk) -> None:
    with desk.stores["bikes"].desk_transaction(somebody()) as work:
        work.disable("rides", "ana", "its source moves")


def unknown(desk: Desk) -> None:
    with desk.stores["bikes"].engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM datasets WHERE name = 'rides'")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (wrong, "rides cannot be used. The dataset file rides.toml"),
        (gone, "rides cannot be used. DATASETS has no usable file of it"),
        (disabled, "rides is disabled: its source moves"),
        (unknown, "rides is new; the reconciler prepares it first"),
    ],
)
def test_a_job_of_a_dataset_that_cannot_be_used_waits_and_holds_up_no_other(
    desk: Desk, capsys: pytest.CaptureFixture[str], spoil: Callable[[Desk], None], says: str
) -> None:
    spoil(desk)
    assert desk.run("rides") == LEFT_ALONE
    said = capsys.readouterr().out
    assert "left to wait" in said
    assert says in said
    assert desk.state("rides") is JobState.REQUESTED
    assert desk.run("bikes") == "failed"


def test_the_next_batch_of_a_named_dataset_can_be_looked_at(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    def check(store: Store, _settings: Settings) -> dict[str, str]:
        seen.append(store.dataset.name)
        return {"of": store.dataset.name}

    monkeypatch.setattr("workers.steps.check_source.check", check)
    monkeypatch.setenv("DATASETS", desk.settings.datasets)
    monkeypatch.setenv("DATABASE_URL", desk.settings.database)
    assert main(["check-source", "--dataset", "bikes"]) == 0
    assert json.loads(capsys.readouterr().out) == {"of": "bikes"}
    assert main(["check-source"]) == 1
    assert "bikes, rides" in capsys.readouterr().err
    assert seen == ["bikes"]
