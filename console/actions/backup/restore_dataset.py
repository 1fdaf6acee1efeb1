"""Restoring one dataset into a desk that may have others: their rows and the audit trail stay.

What a restore of the whole desk does, for the rows of one dataset: verified first, then one
transaction, and it can be killed at any point and started again. A dataset that the desk does not
know yet gets its file last, so that no program begins with it before its rows are there.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from console.actions.backup import archive
from console.actions.backup.archive import Archive
from console.actions.backup.checks import (
    ARRIVING,
    ensure_datasets,
    prepare_database,
    refuse_full,
    refuse_newer,
    refuse_other_dataset,
    refuse_taken,
)
from console.actions.backup.contents import Contents, entry_of, lost_versions
from console.actions.backup.restore import Restored, opened, permit
from console.actions.backup.unpack import Models, place_spool, rows
from console.desk import Desk
from core.adapters.spool import SpoolFolder, open_spool
from core.adapters.store.replacement import Replacement, replacing
from core.adapters.store.schema_version import HEAD
from core.domain.dataset import Dataset
from core.domain.errors import DatasetError
from core.platform.dataset_file import parse_text
from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import Settings
from core.rules.access.roles import Actor
from core.rules.data.spool_names import named, owner
from core.rules.ops.restored_trail import TRAIL


def restore_dataset(
    settings: Settings,
    actor: Actor,
    path: Path,
    name: str,
    *,
    force: bool = False,
    models: bool = True,
) -> Restored:
    """Restore one dataset of a backup into the stores that the settings name.

    `force` replaces the rows that the dataset has there. With `models` false MLflow is not changed.
    The right is the one to restore the desk: the backup has the trail of every dataset, and the
    database, MLflow and the spool that it is restored into are shared.

    Raises:
        NotAllowed: the actor may not operate this desk.
        BackupUnusable: it is damaged, has no such dataset or one with other columns, or is newer.
        NotEmpty: the dataset has rows, a job of it is running, MLflow has other models, or another
            dataset has an id that the backup's rows have.
        DatasetError: the dataset's file cannot be used.
        SchemaMismatch: the database is of another version.
        DiskRefused, StoreUnavailable, RegistryUnavailable: start again when that is fixed.
    """
    permit(settings, actor)
    checked = archive.check(path)
    refuse_newer(checked)
    entry = entry_of(checked, name)
    with opened(settings, _dataset(settings, checked, entry)) as desk:
        refuse_other_dataset({desk.dataset.name: desk}, entry, checked)
        return _restore(desk, actor, checked, entry, force=force, models=models)


def _dataset(settings: Settings, checked: Archive, entry: Contents) -> Dataset:
    """The dataset as its file here says, or where there is none, as the one in the backup.

    Raises:
        DatasetError: the file here cannot be used.
    """
    there = DatasetFolder(settings).read()
    if entry.name in there.usable:
        return there.usable[entry.name]
    if not settings.datasets and settings.dataset_path.exists():
        return there.choose()
    if problem := there.problems.get(f"{entry.name}.toml") if settings.datasets else "":
        raise DatasetError(problem)
    content = b"".join(content.read() for _, content in checked.members(entry.file))
    return parse_text(content.decode(), f"{entry.name}.toml")


def _restore(
    desk: Desk, actor: Actor, checked: Archive, entry: Contents, *, force: bool, models: bool
) -> Restored:
    manifest, name, desks = checked.manifest, entry.name, {entry.name: desk}
    prepare_database(desks, checked, force=force, only=name)
    refuse_taken(desk, checked)
    carried = Models(desks, checked, [entry] if models else ())
    added = carried.add()
    spool = open_spool(desk.settings)
    placed = place_spool(spool, checked, partial(_may_be_of, name))
    count = _replace(desk, actor, checked, entry, force=force)
    files = [
        file for file in placed if _name_file(desk, spool, file, alone="datasets" not in manifest)
    ]
    ensure_datasets(desk.settings, checked, [entry])
    carried.settle()
    return Restored(
        manifest["made_at"],
        count,
        len(entry.versions),
        added,
        len(files),
        "" if manifest["schema"] == HEAD else manifest["schema"],
        lost_versions([entry]),
        name,
    )


def _replace(desk: Desk, actor: Actor, checked: Archive, entry: Contents, *, force: bool) -> int:
    """Replace the dataset's rows in one transaction; returns how many there are now."""
    manifest, name, datasets = checked.manifest, entry.name, [desk.dataset]
    with (
        rows(datasets, checked, [entry], name) as parts,
        replacing(desk.store.engine, datasets, name) as target,
    ):
        refuse_full(target, force=force, only=name)  # again: it may have changed meanwhile
        target.clear()
        count = sum(target.add(shape, lines) for shape, lines in parts)
        details = {key: manifest[key] for key in ("made_at", "made_by")}
        details |= {"rows": count, TRAIL: _kept_events(target, checked)}
        target.commit(actor, f"backup:{checked.path.name}"[:100], details)
    return count


def _kept_events(target: Replacement, checked: Archive) -> int:
    """How many events of this desk's trail the backup has; 0 if it is of another desk."""
    chain = checked.manifest["chain"]
    events = int(chain.get("events", 0))
    return events if events and target.has_event(events, str(chain["hash"])) else 0


def _may_be_of(name: str, file: str) -> bool:
    """Whether a file of the spool may be the dataset's; one from before there were several may."""
    return owner(file) in ("", name)


def _name_file(desk: Desk, spool: SpoolFolder, file: str, *, alone: bool) -> bool:
    """Give a restored file its name; a file of another dataset is deleted.

    A name without a dataset counts by the ledger. One that no ledger has is the dataset's if the
    backup is of it `alone`; then it is named as the ingest of a desk with several expects.
    """
    final = file
    if not owner(file) and desk.settings.datasets:
        with desk.store.read() as work:
            is_known = work.batches.received(file) is not None
        final = file if is_known else named(desk.dataset.name, file)
        if not is_known and not alone:
            spool.delete(file + ARRIVING)
            return False
    spool.rename(file + ARRIVING, final)
    return True
