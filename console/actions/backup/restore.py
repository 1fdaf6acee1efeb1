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
from console.desk import Desk
from core.adapters.mlflow.transfer import Carriage, Version
from core.adapters.spool import SpoolFolder, open_spool
from core.adapters.store.dump import Replacement, Shape, brought_up, replacing, shapes
from core.adapters.store.migrate import migrate
from core.adapters.store.schema_version import HEAD, KNOWN, Standing, advice, standing
from core.adapters.store.server_facts import revision_of
from core.adapters.store.timeouts import CHANGING
from core.domain.errors import BackupUnusable, DatasetError, NotEmpty, SchemaMismatch
from core.platform.database_url import sqlite_url
from core.platform.disk_errors import disk_errors
from core.platform.settings import Settings
from core.rules.access.roles import Actor, Right

_ARRIVING = ".restored"


@dataclass(frozen=True, slots=True)
class Restored:
    """The restored data; `lost_versions` had no model file when the backup was made."""

    made_at: str
    rows: int
    versions: int
    added_versions: int
    spool_files: int
    migrated_from: str
    lost_versions: tuple[int, ...] = ()


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
    _refuse_newer(checked)
    _ensure_dataset(settings, checked)
    with Desk.opened(settings, CHANGING) as desk:
        _refuse_other_dataset(desk, checked)
        return _restore(desk, actor, checked, force=force, models=models)


def _permit(settings: Settings, actor: Actor) -> None:
    """Require the right; a refusal goes on record if there is a desk already."""
    if not actor.may(Right.OPERATE):
        with suppress(DatasetError), Desk.opened(settings, CHANGING) as desk:
            demand(desk, actor, Right.OPERATE, "restore")
    actor.demand(Right.OPERATE, settings.auth_contact)


def _restore(desk: Desk, actor: Actor, checked: Archive, *, force: bool, models: bool) -> Restored:
    manifest = checked.manifest
    _prepare_database(desk, force=force)
    carriage = Carriage(desk.registry) if models and manifest["model"] is not None else None
    lacking = carriage.lacking(manifest["versions"]) if carriage else []
    if carriage:
        _put_models(carriage, checked, lacking)
    spool = open_spool(desk.settings)
    files = _place_spool(spool, checked)
    _replace(desk, actor, checked, force=force)
    for name in files:
        spool.rename(name + _ARRIVING, name)
    if carriage:
        carriage.settle(manifest["model"], manifest["versions"])
        with desk.store.read() as work:
            newest = next((p.version for p in work.promotions.latest(1)), 0)
        desk.registry.continue_numbers(newest)  # the backup may lack the newest version
    return Restored(
        manifest["made_at"],
        sum(table["rows"] for table in manifest["tables"].values()),
        len(manifest["versions"]),
        len(lacking),
        len(files),
        "" if manifest["schema"] == HEAD else manifest["schema"],
        tuple(manifest.get("lost_versions", ())),
    )


# Checks before anything is written


def _refuse_newer(checked: Archive) -> None:
    schema = checked.manifest["schema"]
    if schema not in KNOWN:
        raise BackupUnusable(
            f"{checked.path} was made by {checked.manifest['made_by']} at revision {schema}, and "
            f"this driftdesk knows {HEAD}: install the version that made it, or a newer one."
        )


def _ensure_dataset(settings: Settings, checked: Archive) -> None:
    """Restore the dataset file if it is missing; an existing one is not changed."""
    path = settings.dataset_path
    if path.exists():
        return
    ((_, content),) = ((n, c.read()) for n, c in checked.members("dataset.toml"))
    with disk_errors("nothing was restored"):
        path.parent.mkdir(parents=True, exist_ok=True)
        arriving = path.with_suffix(_ARRIVING)
        arriving.write_bytes(content)
        arriving.replace(path)


def _refuse_other_dataset(desk: Desk, checked: Archive) -> None:
    dataset = checked.manifest["dataset"]
    columns = desk.dataset.columns
    there = [c.name for c in columns if c.name in dataset["columns"] or not c.added_later]
    if (dataset["name"], dataset["columns"]) != (desk.dataset.name, there):
        raise BackupUnusable(
            f"{checked.path} is of the dataset {dataset['name']}, with other columns than "
            f"{desk.settings.dataset_path}. Set DATASET to the file that it was made with; the "
            "backup has it as dataset.toml."
        )


def _prepare_database(desk: Desk, *, force: bool) -> None:
    """Migrate a new database; an existing one must fit, and be empty unless `force`."""
    revision = revision_of(desk.store.engine)
    state = standing(revision)
    if state is Standing.UNPREPARED:
        migrate(desk.settings.database, desk.dataset)
    elif state is not Standing.FITS:
        raise SchemaMismatch(advice(revision))
    with replacing(desk.store.engine, desk.dataset) as target:
        _refuse_full(target, force=force)


def _refuse_full(target: Replacement, *, force: bool) -> None:
    if target.is_empty():
        return
    if not force:
        raise NotEmpty(
            "The database is not empty. Restore into an empty one (DATABASE_URL), or replace its "
            "contents with --force."
        )
    if running := target.running():
        raise NotEmpty(f"Job {running[0]} is running. Wait for it or cancel it, then try again.")


# Writing


def _put_models(carriage: Carriage, checked: Archive, lacking: list[Version]) -> None:
    """Add the missing versions, in the order of their numbers."""
    wanted = {str(version["version"]): version for version in lacking}
    members = ((name.split("/", 2), c) for name, c in checked.members("models"))
    for number, files in groupby(members, key=lambda member: member[0][1]):
        if number not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder, disk_errors("nothing was restored"):
            for (_, _, name), content in files:
                file = Path(folder) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content.read())
            carriage.put(wanted[number], Path(folder), checked.manifest["made_at"])


def _place_spool(spool: SpoolFolder, checked: Archive) -> list[str]:
    """Write the spool's files under temporary names; returns the final ones."""
    placed = []
    with disk_errors("nothing was restored"):
        spool.local.mkdir(parents=True, exist_ok=True)
        for leftover in [f.name for f in spool.files() if f.name.endswith(_ARRIVING)]:
            spool.delete(leftover)
        for member, content in checked.members("spool"):
            name = Path(member).name
            arriving = spool.local / (name + _ARRIVING)
            with arriving.open("wb") as file:
                shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())
            spool.put(arriving.name)
            spool.release(arriving.name)
            placed.append(name)
    return placed


def _replace(desk: Desk, actor: Actor, checked: Archive, *, force: bool) -> None:
    """Replace the database's contents in one transaction."""
    manifest = checked.manifest
    with _parts(desk, checked) as parts, replacing(desk.store.engine, desk.dataset) as target:
        _refuse_full(target, force=force)  # again: it may have changed meanwhile
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
def _parts(desk: Desk, checked: Archive) -> Iterator[Iterator[tuple[Shape, Iterable[bytes]]]]:
    """The rows in the current shape; those of an older revision are migrated in a file first."""
    manifest = checked.manifest
    stored = {
        name: Shape(name, tuple((str(c), str(kind)) for c, kind in table["columns"]))
        for name, table in manifest["tables"].items()
    }
    members = ((stored[name.split("/")[1]], content) for name, content in checked.members("tables"))
    current = shapes(desk.dataset)
    if manifest["schema"] == HEAD:
        lacking = {c.name for c in desk.dataset.columns if c.added_later}
        lacking -= set(manifest["dataset"]["columns"])  # of a backup from before they were added
        if stored != {shape.name: shape.without(lacking, desk.dataset) for shape in current}:
            raise BackupUnusable(
                f"{checked.path} has other tables than its revision; it was altered."
            )
        yield members
        return
    with tempfile.TemporaryDirectory() as folder, disk_errors("nothing was changed"):
        url = sqlite_url(str(Path(folder) / "older.db"))
        with brought_up(url, desk.dataset, manifest["schema"], members) as migrated:
            yield (
                (shape, part.splitlines()) for shape in current for part, _ in migrated.lines(shape)
            )
