"""Which datasets the reconciler looks after: those that have a usable file and are not disabled.

The files are looked at every few seconds. A new dataset is prepared, a changed one is put on
record, and one whose file is gone or wrong is left alone until it is back; the others go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import structlog

from core.adapters.store import Store
from core.adapters.store.migrate import prepare_dataset
from core.adapters.store.timeouts import LOOKING
from core.domain.audit_event import ITSELF
from core.domain.dataset import Dataset
from core.domain.errors import DatasetError, DriftdeskError
from core.domain.fleet import KnownDataset
from core.platform.dataset_folder import DatasetFile, DatasetFolder
from core.platform.settings import Settings
from workers.runtime.services import Services

_AGAIN = 60.0
"""Seconds until a file is tried again whose columns do not fit its table."""

log = structlog.get_logger()


class Datasets:
    """The services of each dataset that is looked after, over one engine.

    `changed` is called with all of them after each change.

    Raises:
        DatasetError: no dataset file can be used.
        SettingsError: MODEL_NAME is set on a desk with several datasets.
    """

    def __init__(
        self,
        settings: Settings,
        changed: Callable[[Mapping[str, Services]], None],
        prepare: Callable[[str, Dataset, str], object] = prepare_dataset,
    ) -> None:
        self._settings = settings
        self._changed = changed
        self._prepare = prepare
        self._folder = DatasetFolder(settings)
        usable = self._folder.read()
        if not usable.usable:
            raise DatasetError(usable.why_none)
        first = next(iter(usable.usable.values()))
        self._store = Store.open(settings.database, first, LOOKING)
        self.anchor = Services.make(settings, dataset=first, store=self._store)
        self._tended: dict[str, Services] = {}
        self._digests: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._refused: dict[str, tuple[str, float, DatasetError]] = {}

    @property
    def tended(self) -> Mapping[str, Services]:
        """The services of each dataset, by name."""
        return dict(self._tended)

    def look(self) -> None:
        """Look at the files, and prepare, take on or leave alone each dataset.

        Raises:
            StoreUnavailable: the database is away; nothing is changed.
        """
        datasets = self._folder.read()
        with self._store.desk() as work:
            known = work.known()
        reasons = dict(datasets.problems)
        if datasets.problem:
            reasons["DATASETS"] = datasets.problem
        tended: dict[str, Services] = {}
        for file in datasets.files:
            if file.dataset is None:
                continue
            name = file.dataset.name
            about = known.get(name)
            if about and about.is_disabled:
                reasons[name] = f"The dataset is disabled: {about.reason}"
                continue
            try:
                tended[name] = self._take_on(file, file.dataset, about)
            except DriftdeskError as error:
                reasons[name] = str(error)
        self._say(reasons)
        if tended != self._tended:
            for gone in self._tended.keys() - tended.keys() - reasons.keys():
                log.warning("no usable file of this dataset any more", of=gone)
            self._tended = tended
            self._changed(tended)

    def _take_on(self, file: DatasetFile, dataset: Dataset, known: KnownDataset | None) -> Services:
        """The dataset's services; a new or changed file is prepared and put on record first.

        What another reconciler put on record is not changed back by one that has an older file.
        """
        before, name = self._tended.get(dataset.name), dataset.name
        if self._digests.get(name) != file.digest:
            if known is None or known.digest != file.digest:
                self._fit(file, dataset)
                with self._store.desk_transaction() as work:
                    work.saw(name, file.digest)
            self._digests[name] = file.digest
        if before and before.dataset == dataset:
            return before
        taken = Services.make(self._settings, dataset=dataset, store=self._store)
        log.info("dataset taken on", dataset=name)
        return taken

    def _fit(self, file: DatasetFile, dataset: Dataset) -> None:
        """Create or extend the dataset's table; the only dataset's is for `migrate` alone.

        Raises:
            DatasetError: the file changes the columns otherwise than by adding some.
        """
        if not self._settings.datasets:
            return
        digest, until, error = self._refused.get(dataset.name, ("", 0.0, DatasetError()))
        if digest == file.digest and time.monotonic() < until:
            raise error
        try:
            self._prepare(self._settings.database, dataset, ITSELF)
        except DatasetError as refused:
            self._refused[dataset.name] = (file.digest, time.monotonic() + _AGAIN, refused)
            raise

    def _say(self, reasons: Mapping[str, str]) -> None:
        """Log why a file or a dataset is left out, once while the reason holds."""
        for name, reason in reasons.items():
            if self._said.get(name) != reason:
                log.warning("dataset not looked after", of=name, reason=reason)
        self._said = dict(reasons)

    def close(self) -> None:
        """Close every connection to the database."""
        self._store.close()
