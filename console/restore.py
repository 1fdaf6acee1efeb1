"""Putting a backup back: checked whole first, the database all or nothing, what is live last.

The order is what makes it safe to kill at any point. Models are only added, each registered when
its files are there; then the database changes in one transaction; then the spool's files get their
names; then the alias says what is live. Begun again, it finds what is done and goes on.
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

from console import archive
from console.access import demand
from console.archive import Archive, room
from console.desk import Desk
from core.carriage import Carriage, Version
from core.errors import BackupUnusable, DatasetError, NotEmpty, SchemaMismatch
from core.roles import Actor, Right
from core.settings import Settings
from core.store.facts import revision_of
from core.store.portable import Replacement, Shape, brought_up, replacing, shapes
from core.store.revision import HEAD, KNOWN, Standing, advice, standing
from core.store.schema import migrate

_ARRIVING = ".restored"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back."""

    made_at: str
    rows: int
    versions: int
    added_versions: int
    spool_files: int
    migrated_from: str


def restore(
    settings: Settings, actor: Actor, path: Path, *, force: bool = False, models: bool = True
) -> Restored:
    """Put everything of a backup where the settings point.

    `force` replaces what a database holds. With `models` false MLflow is left alone.

    Raises:
        NotAllowed: the actor may not operate this desk.
        BackupUnusable: it is damaged, of another dataset, or of a newer version.
        NotEmpty: the database or MLflow holds something else, or a job is running.
        SchemaMismatch: the database that is there is of another version.
        DiskRefused, StoreUnavailable, RegistryUnavailable: begin again when that is mended.
    """
    _permit(settings, actor)
    checked = archive.check(path)
    _refuse_newer(checked)
    _ensure_dataset(settings, checked)
    with Desk.opened(settings) as desk:
        _refuse_other_dataset(desk, checked)
        return _restore(desk, actor, checked, force=force, models=models)


def _permit(settings: Settings, actor: Actor) -> None:
    """Go on only with the right; where there is a desk already, a refusal is put on its record."""
    if not actor.may(Right.OPERATE):
        with suppress(DatasetError), Desk.opened(settings) as desk:
            demand(desk, actor, Right.OPERATE, "restore")
    actor.demand(Right.OPERATE, settings.auth_contact)


def _restore(desk: Desk, actor: Actor, checked: Archive, *, force: bool, models: bool) -> Restored:
    told = checked.manifest
    _ready(desk, force=force)
    carriage = Carriage(desk.registry) if models and told["model"] is not None else None
    lacking = carriage.lacking(told["versions"]) if carriage else []
    if carriage:
        _put_models(carriage, checked, lacking)
    files = _place_spool(desk.settings.spool, checked)
    _replace(desk, actor, checked, force=force)
    for arriving, final in files:
        arriving.replace(final)
    if carriage:
        carriage.settle(told["model"], told["versions"])
    return Restored(
        told["made_at"],
        sum(table["rows"] for table in told["tables"].values()),
        len(told["versions"]),
        len(lacking),
        len(files),
        "" if told["schema"] == HEAD else told["schema"],
    )


# What is asked before anything is written


def _refuse_newer(checked: Archive) -> None:
    schema = checked.manifest["schema"]
    if schema not in KNOWN:
        raise BackupUnusable(
            f"{checked.path} was made by {checked.manifest['made_by']} at revision {schema}, and "
            f"this driftdesk knows {HEAD}: install the version that made it, or a newer one."
        )


def _ensure_dataset(settings: Settings, checked: Archive) -> None:
    """Put the dataset file back where it is missing; one that is there stays."""
    place = settings.dataset_path
    if place.exists():
        return
    ((_, content),) = ((n, c.read()) for n, c in checked.members("dataset.toml"))
    with room("nothing was restored"):
        place.parent.mkdir(parents=True, exist_ok=True)
        arriving = place.with_suffix(_ARRIVING)
        arriving.write_bytes(content)
        arriving.replace(place)


def _refuse_other_dataset(desk: Desk, checked: Archive) -> None:
    told = checked.manifest["dataset"]
    here = [column.name for column in desk.dataset.columns]
    if (told["name"], told["columns"]) != (desk.dataset.name, here):
        raise BackupUnusable(
            f"{checked.path} is of the dataset {told['name']}, with other columns than "
            f"{desk.settings.dataset_path}. Set DATASET to the file that it was made with; the "
            "backup has it as dataset.toml."
        )


def _ready(desk: Desk, *, force: bool) -> None:
    """A database of this version's shape, empty unless `force`."""
    revision = revision_of(desk.store.engine)
    there = standing(revision)
    if there is Standing.UNPREPARED:
        migrate(desk.settings.database, desk.dataset)
    elif there is not Standing.FITS:
        raise SchemaMismatch(advice(revision))
    with replacing(desk.store.engine, desk.dataset) as target:
        _refuse_full(target, force=force)


def _refuse_full(target: Replacement, *, force: bool) -> None:
    if target.is_empty():
        return
    if not force:
        raise NotEmpty(
            "The database holds something already. Restore into an empty one (DATABASE_URL), or "
            "replace all that is there with --force."
        )
    if running := target.running():
        raise NotEmpty(f"Job {running[0]} is running. Wait for it or cancel it, then try again.")


# What is written


def _put_models(carriage: Carriage, checked: Archive, lacking: list[Version]) -> None:
    """Add the versions that are lacking, in the order of their numbers."""
    wanted = {str(version["version"]): version for version in lacking}
    members = ((name.split("/", 2), c) for name, c in checked.members("models"))
    for number, files in groupby(members, key=lambda member: member[0][1]):
        if number not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder, room("nothing was restored"):
            for (_, _, name), content in files:
                file = Path(folder) / name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content.read())
            carriage.put(wanted[number], Path(folder), checked.manifest["made_at"])


def _place_spool(spool: Path, checked: Archive) -> list[tuple[Path, Path]]:
    """Write the spool's files beside their places; returns from where to where they go."""
    placed = []
    with room("nothing was restored"):
        spool.mkdir(parents=True, exist_ok=True)
        for left in spool.glob(f"*{_ARRIVING}"):
            left.unlink()
        for name, content in checked.members("spool"):
            final = spool / Path(name).name
            arriving = final.with_name(final.name + _ARRIVING)
            with arriving.open("wb") as file:
                shutil.copyfileobj(content, file)
                file.flush()
                os.fsync(file.fileno())
            placed.append((arriving, final))
    return placed


def _replace(desk: Desk, actor: Actor, checked: Archive, *, force: bool) -> None:
    """The database, all or nothing."""
    told = checked.manifest
    with _parts(desk, checked) as parts, replacing(desk.store.engine, desk.dataset) as target:
        _refuse_full(target, force=force)  # again: time has passed
        target.clear()
        counts: Counter[str] = Counter()
        for shape, lines in parts:
            counts[shape.name] += target.add(shape, lines)
        for name, table in told["tables"].items():
            if counts[name] != table["rows"]:
                raise BackupUnusable(
                    f"{checked.path} has {counts[name]:,} rows of {name} and should have "
                    f"{table['rows']:,}; nothing was changed."
                )
        if told["chain"]["whole"] and (broken := target.broken()):
            raise BackupUnusable(f"The audit trail does not hold: {broken.says}")
        details = {"made_at": told["made_at"], "made_by": told["made_by"], "rows": counts.total()}
        target.commit(actor.name, f"backup:{checked.path.name}"[:100], details)


@contextmanager
def _parts(desk: Desk, checked: Archive) -> Iterator[Iterator[tuple[Shape, Iterable[bytes]]]]:
    """The rows in today's shape; those of an older revision are migrated aside first."""
    told = checked.manifest
    kept = {
        name: Shape(name, tuple((str(c), str(kind)) for c, kind in table["columns"]))
        for name, table in told["tables"].items()
    }
    members = ((kept[name.split("/")[1]], content) for name, content in checked.members("tables"))
    today = shapes(desk.dataset)
    if told["schema"] == HEAD:
        if sorted(kept.values(), key=_name) != sorted(today, key=_name):
            raise BackupUnusable(
                f"{checked.path} has other tables than its revision; it was altered."
            )
        yield members
        return
    with tempfile.TemporaryDirectory() as folder, room("nothing was changed"):
        url = f"sqlite:///{Path(folder) / 'older.db'}"
        with brought_up(url, desk.dataset, told["schema"], members) as migrated:
            yield (
                (shape, part.splitlines()) for shape in today for part, _ in migrated.lines(shape)
            )


def _name(shape: Shape) -> str:
    return shape.name
