"""A backup of a desk with several datasets: all of them come back, or nothing is touched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.actions.backup import archive
from console.actions.backup.create import back_up
from console.desk import Desk
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.errors import BackupUnusable, DatasetError
from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import Settings
from tests import build
from tests.build import somebody
from tests.contract.test_backup import contents, put_back, settings
from tests.databases import migrated

FILE = """\
name = "{name}"
title = "{name}"
fit_on = "value"
primary_metric = "rmse"

[[columns]]
name = "price"
type = "number"
role = "target"
nullable = false

[[columns]]
name = "age"
type = "number"
role = "feature"
"""


def several(folder: Path, url: str, *names: str) -> Settings:
    """The settings of a desk with these datasets."""
    files = folder / "datasets"
    files.mkdir(parents=True)
    for name in names:
        (files / f"{name}.toml").write_text(FILE.format(name=name))
    return settings(url, folder, datasets=str(files))


def datasets(told: Settings) -> list[Dataset]:
    return list(DatasetFolder(told).read().usable.values())


@contextmanager
def at_first(told: Settings) -> Iterator[Desk]:
    desk = Desk.make(told, dataset=datasets(told)[0])
    yield desk
    desk.store.close()


def rows(told: Settings) -> dict[str, dict[str, list[bytes]]]:
    """Every carried row, by the dataset that it is listed with."""
    return {d.name: contents(told.database, d) for d in datasets(told)}


@pytest.fixture
def source(tmp_path: Path) -> Settings:
    told = several(tmp_path / "source", f"sqlite:///{tmp_path / 'source.db'}", "boats", "cars")
    migrated(told.database, datasets(told))
    for n, dataset in enumerate(datasets(told), 1):
        store = Store.open(told.database, dataset)
        build.stored_batch(store, 1, rows=n)
        build.live(store, 1, points=None)
        store.close()
    return told


@pytest.fixture
def saved(source: Settings, tmp_path: Path) -> Path:
    with at_first(source) as desk:
        made = back_up(desk, somebody(), tmp_path / "saved.tar.gz", models=False)
        with desk.store.desk() as work:
            (event,) = work.audit.latest(1)
    assert (event.action, event.dataset) == ("backup", "")
    return made.path


def test_every_dataset_and_its_file_come_back(
    saved: Path, source: Settings, empty_database: str, tmp_path: Path
) -> None:
    target = several(tmp_path / "target", empty_database)
    done = put_back(target, saved)
    assert [d.name for d in datasets(target)] == ["boats", "cars"]
    before, after = rows(source), rows(target)
    for of in (*before.values(), *after.values()):
        of["audit"] = [line for line in of["audit"] if b'"backup:' not in line]
    assert after == before
    assert done.versions == 0
    for n, dataset in enumerate(datasets(target), 1):
        store = Store.open(target.database, dataset)
        with store.read() as work:
            assert work.rows.count() == n
            assert work.audit.verify() is None
        store.close()


def test_the_manifest_lists_each_dataset_with_its_file(saved: Path) -> None:
    manifest = archive.check(saved).manifest
    listed = [(d["name"], d["columns"], d["file"]) for d in manifest["datasets"]]
    columns = ["price", "age"]
    assert listed == [
        ("boats", columns, "datasets/boats.toml"), ("cars", columns, "datasets/cars.toml"),
    ]  # fmt: skip
    assert {"rows_boats", "rows_cars"} <= set(manifest["tables"])
    json.dumps(manifest)


def test_several_datasets_are_not_restored_into_a_desk_with_one(
    saved: Path, tmp_path: Path
) -> None:
    target = settings(f"sqlite:///{tmp_path / 'one.db'}", tmp_path / "one")
    with pytest.raises(BackupUnusable, match=r"several datasets \(boats, cars\). Set DATASETS"):
        put_back(target, saved)
    assert not (tmp_path / "one.db").exists()


def test_a_dataset_with_other_columns_is_refused_by_its_name(saved: Path, tmp_path: Path) -> None:
    target = several(tmp_path / "target", f"sqlite:///{tmp_path / 't.db'}", "cars")
    file = Path(target.datasets) / "cars.toml"
    file.write_text(file.read_text().replace('"age"', '"weight"'))
    with pytest.raises(BackupUnusable, match="dataset cars with other columns"):
        put_back(target, saved)


def test_the_rows_of_a_dataset_whose_file_is_broken_are_not_left_out(
    source: Settings, tmp_path: Path
) -> None:
    with at_first(source) as desk:
        (Path(source.datasets) / "cars.toml").write_text("name = 7")
        with pytest.raises(DatasetError, match=r"cars.toml.*Mend or remove it first"):
            back_up(desk, somebody(), tmp_path / "saved.tar.gz", models=False)
    assert not (tmp_path / "saved.tar.gz").exists()


def test_a_backup_of_one_dataset_is_restored_into_a_folder(tmp_path: Path) -> None:
    alone = several(tmp_path / "alone", f"sqlite:///{tmp_path / 'a.db'}", "boats")
    migrated(alone.database, datasets(alone))
    with at_first(alone) as desk:
        build.stored_batch(desk.store, 1)
        made = back_up(desk, somebody(), tmp_path / "saved.tar.gz", models=False)
    assert archive.check(made.path).manifest["dataset"]["name"] == "boats"
    target = several(tmp_path / "target", f"sqlite:///{tmp_path / 't.db'}", "cars")
    put_back(target, made.path)
    assert [d.name for d in datasets(target)] == ["boats", "cars"]
    assert rows(target)["boats"]["batches"]
