"""From a job's id to its dataset: what a worker knows of a job is its number."""

from __future__ import annotations

from dataclasses import dataclass

from core.adapters.store import Store
from core.adapters.store.timeouts import Timeouts
from core.domain.dataset import Dataset
from core.domain.errors import DatasetError
from core.domain.fleet import KnownDataset
from core.platform.dataset_folder import DatasetFolder, Datasets
from core.platform.settings import Settings


class DatasetNotReady(DatasetError):
    """The job's dataset is disabled, not prepared, or its file cannot be used; the job waits."""


@dataclass(frozen=True, slots=True)
class OfJob:
    """A job's dataset, and the store that is bound to it."""

    dataset: Dataset
    store: Store


def find(settings: Settings, job_id: int, timeouts: Timeouts) -> OfJob:
    """Open the database, and bind it to the dataset of a job.

    Raises:
        DatasetNotReady: see there; the message names the dataset and says why.
        Missing: there is no such job.
        StoreUnavailable: the database is away.
    """
    datasets = DatasetFolder(settings).read()
    if not datasets.usable:
        raise DatasetNotReady(datasets.why_none)
    name = next(iter(datasets.usable))
    store = Store.open(settings.database, datasets.usable[name], timeouts)
    try:
        with store.desk() as work:
            name = work.dataset_of_job(job_id) if settings.datasets else name
            known = work.known().get(name)
        _require_ready(settings, datasets, name, known)
    except BaseException:  # an ended worker, too, leaves no connection open
        store.close()
        raise
    dataset = datasets.usable[name]
    return OfJob(dataset, store.for_dataset(dataset))


def _require_ready(
    settings: Settings, datasets: Datasets, name: str, known: KnownDataset | None
) -> None:
    if name not in datasets.usable:
        why = datasets.problems.get(f"{name}.toml", "DATASETS has no usable file of it.")
        raise DatasetNotReady(f"The dataset {name} cannot be used. {why}")
    if known is None and settings.datasets:
        raise DatasetNotReady(f"The dataset {name} is new; the reconciler prepares it first.")
    if known and known.is_disabled:
        raise DatasetNotReady(f"The dataset {name} is disabled: {known.reason}")
