"""Restoring a backup: the file is verified first, then the database is replaced in one transaction.

It can be killed at any point and started again: models are only added, each registered after its
files; then the database changes in one transaction; then the spool's files get their names; the
alias is set last.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from console.actions.access import demand
from console.actions.backup import archive
from console.actions.backup.archive import Archive
from console.actions.backup.checks import (
    ARRIVING,
    ensure_datasets,
    first,
    prepare_database,
    refuse_full,
    refuse_newer,
    refuse_other_dataset,
)
from console.actions.backup.contents import (
    Contents,
    contents_of,
    desks_beside,
    lost_versions,
)
from console.desk import Desk
from core.adapters.mlflow.transfer import Carriage, Version
from core.adapters.spool import SpoolFolder, open_spool
from core.adapters.store.dump import Shape, brought_up, replacing, shapes
from core.adapters.store.schema_version import HEAD
from core.adapters.store.timeouts import CHANGING
from core.domain.errors import BackupUnusable, DatasetError
from core.platform.database_url import sqlite_url
from core.platform.dataset_folder import DatasetFolder
from core.platform.disk_errors import disk_errors
from core.platform.settings import Settings
from core.rules.access.roles import Actor, Right


@dataclass(frozen=True, slots=True)
class Restored:
    """The restored data; `lost_versions` had no model file when the backup was made."""

    made_at: str
    rows: int
    versions: int
    added_versions: int
    spool_files: int
    migrated_from: str
    lost_versions: tuple[int | str, ...] = ()


def restore(
    settings: Settings, actor: Actor, path: Path, *, force: bool = False, models: bool = True
) -> Restored:
    """Restore a backup into the stores that the settings name.

    `force` replaces the contents of the database. With `models` false MLflow is not changed.

    Raises:
        NotAllowed: the actor may not operate this desk.
        BackupUnusable: it is damaged, of another dataset, or of a newer version.
        NotEmpty: the database or MLflow has other contents, or a job is running.
        SchemaMismatch: the database is of another version.
        DiskRefused, StoreUnavailable, RegistryUnavailable: start again when that is fixed.
    """
    _permit(settings, actor)
    checked = archive.check(path)
    refuse_newer(checked)
    contents = contents_of(checked.manifest)
    ensure_datasets(settings, checked, contents)
    with _opened(settings) as desk:
        desks = desks_beside(desk)
        for entry in contents:
            refuse_other_dataset(desks, entry, checked)
        return _restore(desks, actor, checked, contents, force=force, models=models)


@contextmanager
def _opened(settings: Settings) -> Iterator[Desk]:
    """The desk of the only dataset, or of the first of several."""
    found = DatasetFolder(settings).read()
    dataset = next(iter(found.usable.values()), None) if settings.datasets else None
    desk = Desk.make(settings, CHANGING, dataset)
    try:
        yield desk
    finally:
        desk.store.close()


def _permit(settings: Settings, actor: Actor) -> None:
    """Require the right; a refusal goes on record if there is a desk already."""
    if not actor.may(Right.OPERATE):
        with suppress(DatasetError), _opened(settings) as desk:
            demand(desk, actor, Right.OPERATE, "restore")
    actor.demand(Right.OPERATE, settings.auth_contact)


def _restore(
    desks: dict[str, Desk],
    actor: Actor,
    checked: Archive,
    contents: list[Contents],
    *,
    force: bool,
    models: bool,
) -> Restored:
    manifest = checked.manifest
    prepare_database(desks, force=force)
    carriages = {
        entry.name: Carriage(desks[entry.name].registry)
        for entry in contents
        if models and entry.model is not None
    }
    added = 0
    for entry in contents:
        if carriage := carriages.get(entry.name):
            lacking = carriage.lacking(entry.versions)
            _put_models(carriage, checked, entry, lacking)
            added += len(lacking)
    spool = open_spool(first(desks).settings)
    files = _place_spool(spool, checked)
    _replace(desks, actor, checked, contents, force=force)
    for name in files:
        spool.rename(name + ARRIVING, name)
    for entry in contents:
        if carriage := carriages.get(entry.name):
            carriage.settle(entry.model or {}, entry.versions)
            desk = desks[entry.name]
            with desk.store.read() as work:
                newest = next((p.version for p in work.promotions.latest(1)), 0)
            desk.registry.continue_numbers(newest)  # the backup may lack the newest version
    return Restored(
        manifest["made_at"],
        sum(table["rows"] for table in manifest["tables"].values()),
        sum(len(entry.versions) for entry in contents),
        added,
        len(files),
        "" if manifest["schema"] == HEAD else manifest["schema"],
        lost_versions(contents),
    )


# Writing


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


def _place_spool(spool: SpoolFolder, checked: Archive) -> list[str]:
    """Write the spool's files under temporary names; returns the final ones."""
    placed = []
    with disk_errors("nothing was restored"):
        spool.local.mkdir(parents=True, exist_ok=True)
        for leftover in [f.name for f in spool.files() if f.name.endswith(ARRIVING)]:
            spool.delete(leftover)
        for member, content in checked.members("spool"):
            name = Path(member).name
            arriving = spool.local / (name + ARRIVING)
            with arriving.open("wb") as file:
                shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())
            spool.put(arriving.name)
            spool.release(arriving.name)
            placed.append(name)
    return placed


def _replace(
    desks: dict[str, Desk],
    actor: Actor,
    checked: Archive,
    contents: list[Contents],
    *,
    force: bool,
) -> None:
    """Replace the database's contents in one transaction."""
    manifest = checked.manifest
    datasets = [desk.dataset for desk in desks.values()]
    engine = first(desks).store.engine
    with (
        _parts(desks, checked, contents) as parts,
        replacing(engine, datasets) as target,
    ):
        refuse_full(target, force=force)  # again: it may have changed meanwhile
        target.clear()
        counts: Counter[str] = Counter()
        for shape, lines in parts:
            counts[shape.name] += target.add(shape, lines)
        for name, table in manifest["tables"].items():
            if counts[name] != table["rows"]:
                raise BackupUnusable(
                    f"{checked.path} has {counts[name]:,} rows of {name} and should have "
                    f"{table['rows']:,}; nothing was changed."
                )
        if manifest["chain"]["whole"] and (broken := target.broken()):
            raise BackupUnusable(f"The audit trail is not valid: {broken.says}")
        details = {key: manifest[key] for key in ("made_at", "made_by")} | {"rows": counts.total()}
        target.commit(actor.name, f"backup:{checked.path.name}"[:100], details)


@contextmanager
def _parts(
    desks: dict[str, Desk], checked: Archive, contents: list[Contents]
) -> Iterator[Iterator[tuple[Shape, Iterable[bytes]]]]:
    """The rows in the current shape; those of an older revision are migrated in a file first."""
    manifest = checked.manifest
    stored = {
        name: Shape(name, tuple((str(c), str(kind)) for c, kind in table["columns"]))
        for name, table in manifest["tables"].items()
    }
    members = ((stored[name.split("/")[1]], content) for name, content in checked.members("tables"))
    datasets = [desks[entry.name].dataset for entry in contents]
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
        with brought_up(url, datasets, manifest["schema"], members) as migrated:
            yield (
                (shape, part.splitlines()) for shape in current for part, _ in migrated.lines(shape)
            )
