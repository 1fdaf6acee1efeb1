"""The dataset files of this desk: which can be used, which are disabled, what each describes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from console.fleet import Fleet
from core.domain.dataset import Dataset
from core.domain.errors import SchemaMismatch, StoreUnavailable
from core.domain.fleet import KnownDataset
from core.domain.sources import address
from core.platform.dataset_folder import DatasetFile


@dataclass(frozen=True, slots=True)
class Listed:
    """A dataset file: `state` is enabled, disabled or wrong; `reason` says why it is not enabled.

    Of a wrong file `name` is the file's. `digest` is the SHA-256 of the file in hex.
    """

    name: str
    state: str
    file: Path
    title: str = ""
    reason: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Described:
    """What a dataset file says, and by which names other services know the dataset."""

    listed: Listed
    task: str
    target: str
    columns: int
    source: str
    recipe: str
    model: str
    predict: str


def listed(fleet: Fleet, names: Collection[str], *, with_files: bool) -> tuple[list[Listed], str]:
    """These datasets, and with `with_files` the files that cannot be used.

    Also why it is unknown which of them are disabled, empty if it is known.
    """
    datasets = fleet.datasets()
    known, unknown = _known(fleet, names)
    found = [
        _listed(file, file.dataset, known)
        for file in datasets.files
        if file.dataset and file.dataset.name in names
    ]
    if with_files:
        found += [Listed(f.path.name, "wrong", f.path, reason=f.problem, digest=f.digest)
                  for f in datasets.files if f.problem]  # fmt: skip
    return sorted(found, key=lambda item: (item.state == "wrong", item.name)), unknown


def described(fleet: Fleet, name: str) -> tuple[Described, str]:
    """What the file of one dataset says; the text as in `listed`.

    Raises:
        BadInput: there is no dataset of that name.
    """
    (item,), unknown = listed(fleet, [name], with_files=False)
    desk = fleet.desk(name)
    of = desk.dataset
    prefix = f"/datasets/{name}" if len(fleet.datasets().usable) > 1 else ""
    return (
        Described(
            item, of.task.value, of.target.name, len(of.columns), address(of.source),
            of.training.recipe, desk.registry.name, f"{prefix}/predict",
        ),
        unknown,
    )  # fmt: skip


def _listed(file: DatasetFile, dataset: Dataset, known: Mapping[str, KnownDataset]) -> Listed:
    of = known.get(dataset.name)
    state, reason = "enabled", ""
    if of and of.is_disabled:
        state, reason = "disabled", f"{of.disabled_by} disabled it: {of.reason}"
    return Listed(dataset.name, state, file.path, dataset.title, reason, file.digest)


def _known(fleet: Fleet, names: Collection[str]) -> tuple[Mapping[str, KnownDataset], str]:
    """What the database knows of them; the files are shown without it, too."""
    if not names:
        return {}, ""
    try:
        with fleet.desk(next(iter(names))).store.desk() as work:
            return work.known(), ""
    except (StoreUnavailable, SchemaMismatch) as error:
        return {}, f"Whether a dataset is disabled is not known. {error}"
