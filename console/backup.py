"""A backup of everything that lasts: database, models, spool and dataset file, in one file.

What the data API has sent is copied before the database is looked at, and what the database then
calls unread must be among it. Work in flight is not copied: every job is a row first, and the
reconciler queues again what no queue knows.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from console.access import needs
from console.archive import Writer, create
from console.desk import Desk
from core import VERSION
from core.carriage import Carriage
from core.dataset import Dataset
from core.errors import Missing, SchemaMismatch, Unavailable
from core.roles import Actor, Right
from core.store.portable import Snapshot, shapes, snapshot
from core.store.revision import advice

NAME = "driftdesk-{:%Y%m%dT%H%M%SZ}.tar.gz"
STAGING = ".arrow"

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Made:
    """A backup as it was made: where, how large in bytes, and what is in it."""

    path: Path
    bytes: int
    rows: int
    versions: int
    spool_files: int
    chain_is_whole: bool


@needs(Right.OPERATE)
def back_up(desk: Desk, actor: Actor, where: Path, *, models: bool = True) -> Made:
    """Write everything into one new file, or into a new file in a folder.

    With `models` false the models are left out: for an MLflow with a backup of its own.

    Raises:
        NotAllowed: the actor may not operate this desk.
        NotEmpty, Missing, DiskRefused: see `console.archive.create`.
        StoreUnavailable, RegistryUnavailable: a part cannot be read; no file is left.
        SchemaMismatch: the database is of another version.
    """
    now = datetime.now(UTC)
    path = where / NAME.format(now) if where.is_dir() else where
    for attempt in range(1, _TRIES + 1):
        try:
            with create(path) as (writer, manifest):
                manifest |= {"made_at": now.isoformat(), "made_by": _version()}
                _write(desk, writer, manifest, models=models)
            break
        except _Moved:
            if attempt == _TRIES:
                raise
    made = Made(
        path,
        path.stat().st_size,
        sum(table["rows"] for table in manifest["tables"].values()),
        len(manifest["versions"]),
        len(manifest["spool"]),
        bool(manifest["chain"]["whole"]),
    )
    with desk.store.begin(by=actor) as work:
        details: dict[str, Any] = {"rows": made.rows, "versions": made.versions}
        work.audit.add(actor.name, "backup", f"backup:{path.name}"[:100], details=details)
        work.commit()
    return made


class _Moved(Unavailable):
    """An answer came and was read while we looked; the next look sees it stored."""


def _version() -> str:
    return f"driftdesk {VERSION}"


def _write(desk: Desk, writer: Writer, manifest: dict[str, Any], *, models: bool) -> None:
    dataset = desk.dataset
    writer.add("dataset.toml", desk.settings.dataset_path.read_bytes())
    manifest["dataset"] = {"name": dataset.name, "columns": [c.name for c in dataset.columns]}
    spool = desk.settings.spool
    copied = [f.name for f in sorted(spool.glob("*")) if _copy(f, writer)]
    with snapshot(desk.store.engine, dataset) as seen:
        if said := advice(seen.revision):
            raise SchemaMismatch(said)
        manifest["schema"] = seen.revision
        for name in set(seen.unread()) - set(copied):
            if not _copy(spool / name, writer):
                raise _Moved(f"The answer {name} was read while the backup was made; try again.")
            copied.append(name)
        manifest["spool"] = copied
        _write_tables(seen, dataset, writer, manifest)
    manifest["versions"], manifest["model"] = [], None
    if models:
        _write_models(Carriage(desk.registry), writer, manifest)


def _copy(file: Path, writer: Writer) -> bool:
    """Copy a file of the spool; what vanishes or is only being prepared is none of ours."""
    if file.suffix == STAGING or not file.is_file():
        return False
    with suppress(FileNotFoundError), file.open("rb") as source:
        size = file.stat().st_size
        writer.stream(f"spool/{file.name}", source, size)
        return True
    return False


def _write_tables(
    seen: Snapshot, dataset: Dataset, writer: Writer, manifest: dict[str, Any]
) -> None:
    manifest["tables"] = {}
    for shape in shapes(dataset):
        rows = 0
        for number, (part, count) in enumerate(seen.lines(shape)):
            writer.add(f"tables/{shape.name}/{number:06}.ndjson", part)
            rows += count
        manifest["tables"][shape.name] = {"columns": shape.columns, "rows": rows}
    (events, digest), broken = seen.chain()
    manifest["chain"] = {"events": events, "hash": digest, "whole": broken is None}


def _write_models(carriage: Carriage, writer: Writer, manifest: dict[str, Any]) -> None:
    manifest["model"], manifest["versions"] = carriage.model(), carriage.versions()
    for version in manifest["versions"]:
        number = version["version"]
        with tempfile.TemporaryDirectory() as folder:
            try:
                root = carriage.download(number, Path(folder))
            except Missing:
                raise Missing(
                    f"MLflow has no files of version {number}. Delete that version, or make the "
                    "backup with --without-models."
                ) from None
            for file in sorted(p for p in root.rglob("*") if p.is_file()):
                name = f"models/{number}/{file.relative_to(root).as_posix()}"
                with file.open("rb") as source:
                    writer.stream(name, source, file.stat().st_size)
