"""The fleet: a desk for each dataset, over one database, one queue and one serving."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from console.desk import Desk

if TYPE_CHECKING:  # importing this module is cheap: `driftdesk --help` does
    from core.adapters.store.timeouts import Timeouts
    from core.domain.dataset import Dataset
    from core.platform.dataset_folder import DatasetFolder, Datasets
    from core.platform.settings import Settings

_FRESH_SECONDS = 1.0
"""How long the folder's content is not looked at again."""


@dataclass
class Fleet:
    """The desks of one process; safe to share between threads."""

    settings: Settings
    folder: DatasetFolder
    timeouts: Timeouts | None = None
    _desks: dict[str, Desk] = field(default_factory=dict)
    _read: tuple[float, Datasets] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def make(cls, settings: Settings, timeouts: Timeouts | None = None) -> Fleet:
        """A fleet with these settings; `timeouts` has the timeouts of its database."""
        from core.platform.dataset_folder import DatasetFolder  # noqa: PLC0415

        return cls(settings, DatasetFolder(settings), timeouts)

    def datasets(self) -> Datasets:
        """The dataset files, as they were at most a second ago."""
        with self._lock:
            now = time.monotonic()
            if self._read is None or now - self._read[0] > _FRESH_SECONDS:
                self._read = (now, self.folder.read())
            return self._read[1]

    def desk(self, name: str = "") -> Desk:
        """The desk of a dataset; without a name of the only one, else of DEFAULT_DATASET.

        Raises:
            BadInput: there is none of that name, or several and none is named.
            DatasetError: there is only one file, and it cannot be used.
        """
        dataset = self.datasets().choose(name, self.settings.default_dataset)
        with self._lock:
            desk = self._desks.get(dataset.name)
            if desk is None or desk.dataset != dataset:
                desk = self._desks[dataset.name] = self._new(dataset)
            return desk

    def _new(self, dataset: Dataset) -> Desk:
        sibling = next(iter(self._desks.values()), None)
        return Desk.make(self.settings, self.timeouts, dataset, sibling)

    def close(self) -> None:
        """Close every connection to the database."""
        for desk in self._desks.values():  # they share one engine
            desk.store.close()
