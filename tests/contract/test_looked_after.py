"""Which datasets the reconciler looks after, while files come, change, go wrong and go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.adapters.store import Store
from core.adapters.store.migrate import prepare_dataset
from core.domain.dataset import Dataset
from core.domain.errors import DatasetError, SettingsError, StoreUnavailable
from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import Settings
from tests.build import somebody
from tests.databases import migrated
from tests.unit.test_dataset_folder import write
from workers.__main__ import main
from workers.reconciler.datasets import Datasets
from workers.reconciler.periodic_tasks import Duty

MORE = '\n[[columns]]\nname = "wind"\ntype = "number"\nrole = "feature"\nadded_later = true\n'
CHANGED = MORE.replace("number", "category")


class Desk:
    """A folder of dataset files, and what looks after them."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.changes: list[list[str]] = []
        self.prepared: list[str] = []
        self.datasets = self.another()

    def another(self) -> Datasets:
        def prepare(url: str, dataset: Dataset, actor: str) -> object:
            self.prepared.append(dataset.name)
            return prepare_dataset(url, dataset, actor)

        return Datasets(self.settings, lambda now: self.changes.append(sorted(now)), prepare)

    @property
    def store(self) -> Store:
        return self.datasets.anchor.store

    def look(self) -> list[str]:
        self.datasets.look()
        return sorted(self.datasets.tended)


@pytest.fixture
def desk(empty_database: str, tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "datasets"
    folder.mkdir()
    for name in ("bikes", "rides"):
        write(folder, f"{name}.toml", name)
    settings = Settings(
        _env_file=None, database_url=empty_database, datasets=str(folder), data_dir=tmp_path
    )
    migrated(empty_database, list(DatasetFolder(settings).read().usable.values()))
    made = Desk(settings, folder)
    yield made
    made.datasets.close()


def test_every_usable_dataset_is_looked_after_and_told_once(desk: Desk) -> None:
    assert desk.look() == desk.look() == ["bikes", "rides"]
    assert desk.changes == [["bikes", "rides"]]
    pools = {id(services.store.engine.pool) for services in desk.datasets.tended.values()}
    assert len(pools) == 1


def test_a_new_file_is_prepared_and_a_changed_one_is_on_record(desk: Desk) -> None:
    desk.look()
    desk.prepared.clear()
    write(desk.folder, "cars.toml", "cars")
    write(desk.folder, "rides.toml", "rides", MORE)
    assert desk.look() == ["bikes", "cars", "rides"]
    assert sorted(desk.prepared) == ["cars", "rides"]
    for services in desk.datasets.tended.values():
        with services.store.read() as work:  # the tables are there, with the new column
            assert work.batches.epoch() is None
    assert "wind" in desk.datasets.tended["rides"].dataset.names
    with desk.store.desk() as work:
        told = {event.action: event.dataset for event in work.audit.latest(20)}
    assert told["revise dataset"] == "rides"
    desk.look()
    assert sorted(desk.prepared) == ["cars", "rides"]


def test_a_wrong_or_deleted_file_stops_its_dataset_alone(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.look()
    (desk.folder / "rides.toml").write_text("name = ")
    assert desk.look() == desk.look() == ["bikes"]
    said = capsys.readouterr().out
    assert said.count("dataset not looked after") == 1
    assert "rides.toml" in said
    (desk.folder / "rides.toml").unlink()
    assert desk.look() == ["bikes"]
    write(desk.folder, "rides.toml", "rides")
    assert desk.look() == ["bikes", "rides"]


def test_columns_that_do_not_fit_stop_their_dataset_and_are_not_tried_every_time(
    desk: Desk,
) -> None:
    write(desk.folder, "rides.toml", "rides", MORE)
    desk.look()
    desk.prepared.clear()
    write(desk.folder, "rides.toml", "rides", CHANGED)
    assert desk.look() == desk.look() == ["bikes"]
    assert desk.prepared == ["rides"]
    write(desk.folder, "rides.toml", "rides", MORE)
    assert desk.look() == ["bikes", "rides"]


def test_a_disabled_dataset_is_left_alone_until_it_is_enabled(desk: Desk) -> None:
    desk.look()
    with desk.store.desk_transaction(somebody()) as work:
        work.disable("bikes", "ana", "its source is being moved")
    assert desk.look() == ["rides"]
    with desk.store.desk_transaction(somebody()) as work:
        work.enable("bikes", "ana")
    assert desk.look() == ["bikes", "rides"]


def test_a_reconciler_with_an_older_file_does_not_change_the_record_back(desk: Desk) -> None:
    older = desk.another()
    older.look()
    desk.look()
    with desk.store.desk_transaction() as work:
        work.saw("rides", "0" * 64)
    older.look()
    with desk.store.desk() as work:
        assert work.known()["rides"].digest == "0" * 64
    older.close()


def test_without_the_database_nothing_changes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.look()

    def away(_store: Store) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "desk", away)
        with pytest.raises(StoreUnavailable):
            desk.look()
    assert sorted(desk.datasets.tended) == ["bikes", "rides"]


def test_no_usable_file_and_a_model_name_for_all_are_refused(desk: Desk) -> None:
    with pytest.raises(SettingsError, match="MODEL_NAME"):
        Datasets(desk.settings.model_copy(update={"model_name": "all"}), print)
    for file in desk.folder.iterdir():
        file.write_text("name = ")
    with pytest.raises(DatasetError, match=r"bikes\.toml"):
        Datasets(desk.settings, print)


@pytest.fixture
def migrating(
    empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], int]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", empty_database)
    monkeypatch.setenv("DATASETS", str(tmp_path))
    return lambda: main(["migrate"])


def test_migrate_prepares_each_usable_dataset_and_names_the_others(
    migrating: Callable[[], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert migrating() == 2
    assert "no dataset file" in capsys.readouterr().err
    write(tmp_path, "rides.toml", "rides", MORE)
    write(tmp_path, "bikes.toml", "bikes")
    (tmp_path / "wrong.toml").write_text("name = ")
    assert migrating() == 0
    said = capsys.readouterr().err
    assert said.count("the database is ready") == 2
    assert "wrong.toml" in said
    write(tmp_path, "rides.toml", "rides", CHANGED)
    assert migrating() == 0
    said = capsys.readouterr().err
    assert "a dataset is left out" in said
    assert said.count("the database is ready") == 1


def test_a_failing_duty_names_its_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    def act() -> None:
        raise StoreUnavailable("away")

    assert not Duty("look", act, dataset="rides").turn()
    assert "dataset=rides" in capsys.readouterr().out
