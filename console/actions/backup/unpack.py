"""What is taken out of a backup: models, files of the spool, rows."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from console.actions.backup.archive import Archive
from console.actions.backup.checks import ARRIVING
from console.actions.backup.contents import Contents, contents_of
from console.desk import Desk
from core.adapters.mlflow.transfer import Carriage, Version
from core.adapters.spool import SpoolFolder
from core.adapters.store.dump import Shape, brought_up, shapes
from core.adapters.store.schema_version import HEAD
from core.domain.dataset import Dataset, rows_table_of
from core.domain.errors import BackupUnusable
from core.platform.database_url import sqlite_url
from core.platform.disk_errors import disk_errors

Parts = Iterator[tuple[Shape, Iterable[bytes]]]
"""Rows by table, in lines; read each before the next."""


class Models:
    """The models of a backup, on their way into MLflow; none of a dataset without any in it."""

    def __init__(
        self, desks: Mapping[str, Desk], checked: Archive, contents: Collection[Contents]
    ) -> None:
        self._desks = desks
        self._checked = checked
        self._carried = [
            (entry, Carriage(desks[entry.name].registry))
            for entry in contents
            if entry.model is not None
        ]

    def add(self) -> int:
        """Add the versions that MLflow lacks; returns how many.

        Raises:
            NotEmpty: MLflow has another model under a number, or will not give it out again.
            RegistryUnavailable: start again when MLflow is back.
        """
        added = 0
        for entry, carriage in self._carried:
            lacking = carriage.lacking(entry.versions)
            _put_models(carriage, self._checked, entry, lacking)
            added += len(lacking)
        return added

    def settle(self) -> None:
        """Set tags, stages and aliases, once the database is restored."""
        for entry, carriage in self._carried:
            carriage.settle(entry.model or {}, entry.versions)
            desk = self._desks[entry.name]
            with desk.store.read() as work:
                newest = next((p.version for p in work.promotions.latest(1)), 0)
            desk.registry.continue_numbers(newest)  # the backup may lack the newest version


def _put_models(
    carriage: Carriage, checked: Archive, entry: Contents, lacking: list[Version]
) -> None:
    """Add the missing versions, in the order of their numbers."""
    wanted = {str(version["version"]): version for version in lacking}
    start = len(entry.models) + 1
    members = ((name[start:].split("/", 1), c) for name, c in checked.members(entry.models))
    for number, files in groupby(members, key=lambda member: member[0][0]):
        if number not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder, disk_errors("nothing was restored"):
            for (_, name), content in files:
                file = Path(folder) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content.read())
            carriage.put(wanted[number], Path(folder), checked.manifest["made_at"])


def place_spool(
    spool: SpoolFolder, checked: Archive, wanted: Callable[[str], bool] = lambda _name: True
) -> list[str]:
    """Write the wanted files of the spool under temporary names; returns their own names."""
    placed = []
    with disk_errors("nothing was restored"):
        spool.local.mkdir(parents=True, exist_ok=True)
        for leftover in [f.name for f in spool.files() if f.name.endswith(ARRIVING)]:
            spool.delete(leftover)
        for member, content in checked.members("spool"):
            name = Path(member).name
            if not wanted(name):
                continue
            arriving = spool.local / (name + ARRIVING)
            with arriving.open("wb") as file:
                shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())
            spool.put(arriving.name)
            spool.release(arriving.name)
            placed.append(name)
    return placed


@contextmanager
def rows(
    datasets: Sequence[Dataset], checked: Archive, contents: Sequence[Contents], only: str = ""
) -> Iterator[Parts]:
    """The rows in the current shape; those of an older revision are migrated in a file first.

    Of the datasets of these contents; with `only` rows of others may be among them.
    """
    manifest = checked.manifest
    stored = {
        name: Shape(name, tuple((str(c), str(kind)) for c, kind in table["columns"]))
        for name, table in manifest["tables"].items()
    }
    ours = {entry.name for entry in contents}
    for entry in contents_of(manifest):
        if entry.name not in ours:
            stored.pop(rows_table_of(entry.name), None)
    members = (
        (stored[table], content)
        for name, content in checked.members("tables")
        if (table := name.split("/")[1]) in stored
    )
    current = shapes(datasets)
    if manifest["schema"] == HEAD:
        # Columns that were added since the backup was made.
        added = {
            dataset.rows_table: {c.name for c in dataset.columns if c.added_later}
            - set(entry.columns)
            for dataset, entry in zip(datasets, contents, strict=True)
        }
        if stored != {s.name: s.without(added.get(s.name, ())) for s in current}:
            raise BackupUnusable(
                f"{checked.path} has other tables than its revision; it was altered."
            )
        yield members
        return
    with tempfile.TemporaryDirectory() as folder, disk_errors("nothing was changed"):
        url = sqlite_url(str(Path(folder) / "older.db"))
        with brought_up(url, datasets, manifest["schema"], members, only) as migrated:
            yield (
                (shape, part.splitlines()) for shape in current for part, _ in migrated.lines(shape)
            )
