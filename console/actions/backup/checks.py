"""What restoring checks and prepares before it writes rows, models or the spool."""

from __future__ import annotations

from pathlib import Path

from console.actions.backup.archive import Archive
from console.actions.backup.contents import Contents, dataset_files
from console.desk import Desk
from core.adapters.store.dump import Shape, snapshot
from core.adapters.store.migrate import migrate, prepare_dataset
from core.adapters.store.replacement import Replacement, replacing, require_free
from core.adapters.store.schema_version import HEAD, KNOWN, Standing, advice, standing
from core.adapters.store.server_facts import revision_of
from core.domain.errors import BackupUnusable, NotEmpty, SchemaMismatch
from core.platform.disk_errors import disk_errors
from core.platform.settings import Settings

ARRIVING = ".restored"
"""What the names of files that are being restored end in."""


def first(desks: dict[str, Desk]) -> Desk:
    """The desk of the first dataset."""
    return next(iter(desks.values()))


def refuse_newer(checked: Archive) -> None:
    """Refuse a backup of a newer version."""
    schema = checked.manifest["schema"]
    if schema not in KNOWN:
        raise BackupUnusable(
            f"{checked.path} was made by {checked.manifest['made_by']} at revision {schema}, and "
            f"this driftdesk knows {HEAD}: install the version that made it, or a newer one."
        )


def ensure_datasets(settings: Settings, checked: Archive, contents: list[Contents]) -> None:
    """Restore the dataset files that are missing; an existing one is not changed."""
    if len(contents) > 1 and not settings.datasets:
        raise BackupUnusable(
            f"{checked.path} has several datasets ({', '.join(e.name for e in contents)}). Set "
            "DATASETS to a folder for their files."
        )
    there = dataset_files(settings) if settings.datasets else {}
    for entry in contents:
        folder = Path(settings.datasets)
        path = folder / f"{entry.name}.toml" if settings.datasets else settings.dataset_path
        if entry.name in there or path.exists():
            continue
        ((_, content),) = ((n, c.read()) for n, c in checked.members(entry.file))
        with disk_errors("nothing was restored"):
            path.parent.mkdir(parents=True, exist_ok=True)
            arriving = path.with_suffix(ARRIVING)
            arriving.write_bytes(content)
            arriving.replace(path)


def refuse_other_dataset(desks: dict[str, Desk], entry: Contents, checked: Archive) -> None:
    """Refuse a dataset that this desk lacks, or whose columns are others here."""
    desk = desks.get(entry.name)
    columns = desk.dataset.columns if desk else ()
    there = [c.name for c in columns if c.name in entry.columns or not c.added_later]
    if desk and entry.columns == there:
        return
    settings = first(desks).settings
    if settings.datasets:
        raise BackupUnusable(
            f"{checked.path} has the dataset {entry.name} with other columns than its file in "
            f"{settings.datasets}. Put back the file that it was made with; the backup has it as "
            f"{entry.file}."
        )
    raise BackupUnusable(
        f"{checked.path} is of the dataset {entry.name}, with other columns than "
        f"{settings.dataset_path}. Set DATASET to the file that it was made with; the backup has "
        f"it as {entry.file}."
    )


def prepare_database(
    desks: dict[str, Desk], checked: Archive, *, force: bool, only: str = ""
) -> None:
    """Migrate a new database; an existing one must fit, and be empty unless `force`.

    With `only` it may have rows of other datasets.
    """
    desk, datasets = first(desks), [desk.dataset for desk in desks.values()]
    revision = revision_of(desk.store.engine)
    state = standing(revision)
    if state is Standing.UNPREPARED:
        migrate(desk.settings.database, datasets)
    elif state is not Standing.FITS:
        raise SchemaMismatch(advice(revision))
    elif desk.settings.datasets:
        prepare_dataset(desk.settings.database, datasets)
    if not only:
        _refuse_loss(desks, checked)
    with replacing(desk.store.engine, datasets, only) as target:
        refuse_full(target, force=force, only=only)


def _refuse_loss(desks: dict[str, Desk], checked: Archive) -> None:
    """Refuse to put a backup of one dataset in the place of a desk with rows of another."""
    only = checked.manifest.get("only")
    for name, desk in desks.items() if only else ():
        if name == only:
            continue
        with replacing(desk.store.engine, [desk.dataset], name) as other:
            if not other.is_empty():
                raise NotEmpty(
                    f"{checked.path} is of the dataset {only} alone, and {name} has rows here, "
                    "which would be deleted. Restore that dataset alone with --dataset "
                    f"{only}, or restore into an empty database (DATABASE_URL)."
                )


def refuse_taken(desk: Desk, checked: Archive) -> None:
    """Refuse a dataset whose rows have ids that another dataset has here."""
    name = desk.dataset.name
    tables = checked.manifest["tables"]
    with snapshot(desk.store.engine, name) as database:
        for member, content in checked.members("tables"):
            table = member.split("/")[1]
            shape = Shape(table, tuple((str(c), str(kind)) for c, kind in tables[table]["columns"]))
            require_free(database.connection, shape, content, name)


def refuse_full(target: Replacement, *, force: bool, only: str = "") -> None:
    """Refuse a database with contents, unless `force`, and one with a running job.

    With `only` the contents and the jobs are those of that dataset.
    """
    if target.is_empty():
        return
    if not force and only:
        raise NotEmpty(f"The dataset {only} has rows here. Replace them with --force.")
    if not force:
        raise NotEmpty(
            "The database is not empty. Restore into an empty one (DATABASE_URL), or replace its "
            "contents with --force."
        )
    if running := target.running():
        raise NotEmpty(f"Job {running[0]} is running. Wait for it or cancel it, then try again.")
