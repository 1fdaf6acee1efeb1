"""The datasets of a backup, and those of this desk that it is made of or restored into.

A backup of one dataset has its file as `dataset.toml` and its models below `models/`; one of
several has `datasets/NAME.toml` and `models/NAME/` for each.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from console.actions.backup.archive import Archive
from console.desk import Desk
from core.domain.dataset import Dataset
from core.domain.errors import BackupUnusable, DatasetError
from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import Settings

Version = dict[str, Any]
"""A model version, as `core.adapters.mlflow.transfer` has it."""


@dataclass
class Contents:
    """What a backup has of one dataset.

    `file` and `models` are the member with its file and the folder of its models' members.
    `model` is None if models were left out.
    """

    name: str
    columns: list[str]
    file: str
    models: str
    model: dict[str, Any] | None
    versions: list[Version]
    lost_versions: list[int]


def begun(dataset: Dataset, *, only: bool) -> Contents:
    """The contents of a dataset before its models are added; `only` if it is the only one."""
    file, models = ("dataset.toml", "models") if only else _places(dataset.name)
    return Contents(dataset.name, [c.name for c in dataset.columns], file, models, None, [], [])


def _places(name: str) -> tuple[str, str]:
    return f"datasets/{name}.toml", f"models/{name}"


def described(contents: list[Contents]) -> dict[str, Any]:
    """The contents as entries of a manifest."""
    if len(contents) > 1:
        return {"datasets": [asdict(entry) for entry in contents]}
    (only,) = contents
    described = {"dataset": {"name": only.name, "columns": only.columns}, "model": only.model}
    return described | {"versions": only.versions, "lost_versions": only.lost_versions}


def entry_of(checked: Archive, name: str) -> Contents:
    """What a backup has of one dataset.

    Raises:
        BackupUnusable: it has none of that name.
    """
    entries = {entry.name: entry for entry in contents_of(checked.manifest)}
    if name not in entries:
        raise BackupUnusable(
            f"{checked.path} has no dataset {name!r:.60}. Its datasets: {', '.join(entries)}."
        )
    return entries[name]


def contents_of(manifest: dict[str, Any]) -> list[Contents]:
    """The inverse of `described`; also of backups from before there could be several."""
    if "datasets" in manifest:
        return [Contents(**entry) for entry in manifest["datasets"]]
    of, lost = manifest["dataset"], list(manifest.get("lost_versions", ()))
    places = ("dataset.toml", "models")
    return [
        Contents(
            of["name"], of["columns"], *places, manifest["model"], manifest["versions"], lost
        )
    ]  # fmt: skip


def lost_versions(contents: list[Contents]) -> tuple[int | str, ...]:
    """The versions without a model file; of several datasets, each with the dataset's name."""
    if len(contents) == 1:
        return tuple(contents[0].lost_versions)
    return tuple(f"{version} of {of.name}" for of in contents for version in of.lost_versions)


def dataset_files(settings: Settings) -> dict[str, Path]:
    """The usable dataset files of a system, by the dataset's name."""
    return {f.dataset.name: f.path for f in DatasetFolder(settings).read().files if f.dataset}


def desk_of(desk: Desk, name: str) -> Desk:
    """The desk of a dataset of this one's system; they share its connections.

    Raises:
        BadInput: there is none of that name.
        DatasetError: its file cannot be used.
    """
    if name == desk.dataset.name:
        return desk
    dataset = DatasetFolder(desk.settings).read().choose(name)
    return Desk.make(desk.settings, dataset=dataset, sibling=desk)


def desks_beside(desk: Desk) -> dict[str, Desk]:
    """The desks of all datasets of this one's system, by name; they share its connections.

    Raises:
        DatasetError: a dataset file cannot be used, so its rows would be left out.
    """
    folder = DatasetFolder(desk.settings)
    if not folder.is_folder:
        return {desk.dataset.name: desk}
    there = folder.read()
    if said := there.problem or next(iter(there.problems.values()), ""):
        raise DatasetError(f"{said} Mend or remove it first: its rows would be left out.")
    return {
        name: Desk.make(desk.settings, dataset=dataset, sibling=desk)
        for name, dataset in there.usable.items()
    }
