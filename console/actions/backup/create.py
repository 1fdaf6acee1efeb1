"""A backup in one file: database, models, spool and dataset files, of all datasets or of one.

The spool is copied before the database is read, and every response that the database then calls
unread must be among the copies. The queue is not copied: every job is a row first, and the
reconciler queues again the jobs that are in no queue.

A backup of one dataset has its rows alone, and the audit trail of the whole desk: that is one hash
chain, which is not valid in parts.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from console.actions.access import needs, whole_desk
from console.actions.backup.archive import Writer, create
from console.actions.backup.contents import (
    Contents,
    begun,
    dataset_files,
    described,
    desk_of,
    desks_beside,
    lost_versions,
)
from console.desk import Desk
from core import VERSION
from core.adapters.mlflow.transfer import Carriage
from core.adapters.spool import SpoolFolder, open_spool
from core.adapters.store.dump import Snapshot, shapes, snapshot
from core.adapters.store.schema_version import advice
from core.domain.dataset import Dataset
from core.domain.errors import FileMissing, SchemaMismatch, Unavailable
from core.rules.access.roles import Actor, Right
from core.rules.data.spool_names import owner

NAME = "driftdesk-{}{:%Y%m%dT%H%M%SZ}.tar.gz"
STAGING = ".arrow"

_TRIES = 3

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup: its path, its size in bytes, and its contents.

    `lost_versions` are registered in MLflow without a model file; the backup lacks them. Where
    there are several datasets, each is named, such as "3 of cars". `dataset` is the one whose rows
    it has; empty for a backup of all.
    """

    path: Path
    bytes: int
    rows: int
    versions: int
    spool_files: int
    chain_is_whole: bool
    lost_versions: tuple[int | str, ...] = ()
    dataset: str = ""


@needs(Right.OPERATE)
def back_up(
    desk: Desk, actor: Actor, where: Path, *, models: bool = True, only: str = ""
) -> Backup:
    """Back up everything, or the dataset `only`, into a new file, or into a new file in a folder.

    With `models` false the models are left out: for an MLflow with a backup of its own. A version
    whose files MLflow has lost is left out and named, so that the rest can be backed up.

    Raises:
        NotAllowed: the actor may not operate this desk.
        NotEmpty, Missing, DiskRefused: see `console.actions.backup.archive.create`.
        StoreUnavailable, RegistryUnavailable, SpoolUnavailable: a part cannot be read, and no file
            is left.
        SchemaMismatch: the database is of another version.
        BadInput: there is no dataset of that name.
        DatasetError: the file of a dataset that belongs into it cannot be used.
    """
    desks = {only: desk_of(desk, only)} if only else desks_beside(desk)
    now = datetime.now(UTC)
    path = where / NAME.format(f"{only}-" if only else "", now) if where.is_dir() else where
    for attempt in range(1, _TRIES + 1):
        try:
            with create(path) as (writer, manifest):
                manifest |= {"made_at": now.isoformat(), "made_by": f"driftdesk {VERSION}"}
                contents = _write(desks, writer, manifest, models=models, only=only)
            break
        except _Moved:
            if attempt == _TRIES:
                raise
    backup = Backup(
        path,
        path.stat().st_size,
        sum(table["rows"] for table in manifest["tables"].values()),
        sum(len(entry.versions) for entry in contents),
        len(manifest["spool"]),
        bool(manifest["chain"]["whole"]),
        lost_versions(contents),
        only,
    )
    several = bool(only) or len(desks) > 1
    with desk.store.desk_transaction(actor) if several else desk.store.transaction(actor) as work:
        details: dict[str, Any] = {"rows": backup.rows, "versions": backup.versions}
        if backup.lost_versions:
            details["lost_versions"] = list(backup.lost_versions)
        subject = f"backup:{path.name}"[:100]
        about = only or whole_desk(desk)
        work.audit.add(actor.name, "backup", subject, details=details, dataset=about)
    return backup


class _Moved(Unavailable):
    """A response arrived and was read meanwhile; the next attempt finds it stored."""


def _write(
    desks: dict[str, Desk],
    writer: Writer,
    manifest: dict[str, Any],
    *,
    models: bool,
    only: str,
) -> list[Contents]:
    first = next(iter(desks.values()))
    contents = [begun(desk.dataset, only=len(desks) == 1) for desk in desks.values()]
    files = dataset_files(first.settings)
    for entry in contents:
        writer.add(entry.file, files[entry.name].read_bytes())
    spool = open_spool(first.settings)
    names = sorted(f.name for f in spool.files() if not only or _is_of(first, f.name))
    copied = [name for name in names if _copy(spool, name, writer)]
    with snapshot(first.store.engine, only) as database:
        if todo := advice(database.revision):
            raise SchemaMismatch(todo)
        manifest["schema"] = database.revision
        for name in set(database.unread()) - set(copied):
            if not _copy(spool, name, writer):
                raise _Moved(f"The response {name} was read during the backup; try again.")
            copied.append(name)
        manifest["spool"] = copied
        _write_tables(database, [desk.dataset for desk in desks.values()], writer, manifest)
    if models:
        for entry in contents:
            _write_models(Carriage(desks[entry.name].registry), writer, entry)
    manifest |= described(contents) | ({"only": only} if only else {})
    return contents


def _is_of(desk: Desk, name: str) -> bool:
    """Whether a file of the spool is this dataset's: by its name, else by the ledger."""
    if owner(name) or not desk.settings.datasets:
        return owner(name) in ("", desk.dataset.name)
    with desk.store.read() as work:
        return work.batches.received(name) is not None


def _copy(spool: SpoolFolder, name: str, writer: Writer) -> bool:
    """Copy a file of the spool; False if it is gone, or is only being prepared."""
    if name.endswith(STAGING):
        return False
    with suppress(FileNotFoundError), spool.borrowed(name) as file, file.open("rb") as source:
        writer.stream(f"spool/{name}", source, os.fstat(source.fileno()).st_size)
        return True
    return False


def _write_tables(
    database: Snapshot, datasets: Sequence[Dataset], writer: Writer, manifest: dict[str, Any]
) -> None:
    manifest["tables"] = {}
    for shape in shapes(datasets):
        rows = 0
        for number, (part, count) in enumerate(database.lines(shape)):
            writer.add(f"tables/{shape.name}/{number:06}.ndjson", part)
            rows += count
        manifest["tables"][shape.name] = {"columns": shape.columns, "rows": rows}
    (events, digest), broken = database.chain()
    manifest["chain"] = {"events": events, "hash": digest, "whole": broken is None}


def _write_models(carriage: Carriage, writer: Writer, entry: Contents) -> None:
    model, versions = carriage.model(), carriage.versions()
    lost = [
        v["version"] for v in versions if not _write_files(carriage, writer, entry, v["version"])
    ]
    if model:
        model["aliases"] = {a: v for a, v in model["aliases"].items() if v not in lost}
    entry.model, entry.lost_versions = model, lost
    entry.versions = [v for v in versions if v["version"] not in lost]


def _write_files(carriage: Carriage, writer: Writer, entry: Contents, number: int) -> bool:
    """Add a version's files; returns whether MLflow had them."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            root = carriage.download(number, Path(folder))
        except FileMissing as error:
            log.warning(
                "a version is not in the backup",
                dataset=entry.name,
                version=number,
                reason=str(error),
            )
            return False
        for file in sorted(p for p in root.rglob("*") if p.is_file()):
            name = f"{entry.models}/{number}/{file.relative_to(root).as_posix()}"
            with file.open("rb") as source:
                writer.stream(name, source, file.stat().st_size)
    return True
