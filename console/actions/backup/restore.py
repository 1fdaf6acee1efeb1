"""Restoring a whole desk: the backup is verified, then the database replaced in one transaction.

It can be killed at any point and started again: models are only added, each registered after its
files; then the database changes in one transaction; then the spool's files get their names; the
alias is set last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
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
from console.actions.backup.unpack import Models, place_spool, rows
from console.desk import Desk
from core.adapters.spool import open_spool
from core.adapters.store.replacement import replacing
from core.adapters.store.schema_version import HEAD
from core.adapters.store.timeouts import CHANGING
from core.domain.dataset import Dataset
from core.domain.errors import BackupUnusable, DatasetError
from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import Settings
from core.rules.access.roles import Actor, Right


@dataclass(frozen=True, slots=True)
class Restored:
    """The restored data; `lost_versions` had no model file when the backup was made.

    `dataset` is the only one that was restored; empty if that was the whole desk.
    """

    made_at: str
    rows: int
    versions: int
    added_versions: int
    spool_files: int
    migrated_from: str
    lost_versions: tuple[int | str, ...] = ()
    dataset: str = ""


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
    permit(settings, actor)
    checked = archive.check(path)
    refuse_newer(checked)
    contents = contents_of(checked.manifest)
    ensure_datasets(settings, checked, contents)
    with opened(settings) as desk:
        desks = desks_beside(desk)
        for entry in contents:
            refuse_other_dataset(desks, entry, checked)
        return _restore(desks, actor, checked, contents, force=force, models=models)


@contextmanager
def opened(settings: Settings, dataset: Dataset | None = None) -> Iterator[Desk]:
    """The desk of that dataset; without one, of the only one, or of the first of several."""
    if dataset is None and settings.datasets:
        dataset = next(iter(DatasetFolder(settings).read().usable.values()), None)
    desk = Desk.make(settings, CHANGING, dataset)
    try:
        yield desk
    finally:
        desk.store.close()


def permit(settings: Settings, actor: Actor) -> None:
    """Require the right; a refusal goes on record if there is a desk already."""
    if not actor.may(Right.OPERATE):
        with suppress(DatasetError), opened(settings) as desk:
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
    prepare_database(desks, checked, force=force)
    carried = Models(desks, checked, contents if models else ())
    added = carried.add()
    spool = open_spool(first(desks).settings)
    files = place_spool(spool, checked)
    _replace(desks, actor, checked, contents, force=force)
    for name in files:
        spool.rename(name + ARRIVING, name)
    carried.settle()
    return Restored(
        manifest["made_at"],
        sum(table["rows"] for table in manifest["tables"].values()),
        sum(len(entry.versions) for entry in contents),
        added,
        len(files),
        "" if manifest["schema"] == HEAD else manifest["schema"],
        lost_versions(contents),
    )


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
    restored = [desks[entry.name].dataset for entry in contents]
    datasets = [desk.dataset for desk in desks.values()]
    engine = first(desks).store.engine
    with rows(restored, checked, contents) as parts, replacing(engine, datasets) as target:
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
        target.commit(actor, f"backup:{checked.path.name}"[:100], details)
