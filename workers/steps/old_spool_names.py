"""Files in the spool from before there were several datasets: whose they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import structlog

from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.errors import DriftdeskError
from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True)
class OldNames:
    """Tells of a name that carries no dataset whose ledger has it."""

    settings: Settings
    store: Store

    def is_foreign(self, name: str) -> bool:
        """Whether the file is another dataset's; one that no ledger has is the first dataset's.

        Where another ledger cannot be read, the file may be in it, and counts as foreign.

        Raises:
            StoreUnavailable: the database is away.
        """
        if _has(self.store, name):
            return False
        own = self.store.dataset.name
        others = [self.store.for_dataset(d) for d in self._all if d.name != own]
        try:
            if any(_has(other, name) for other in others):
                return True
        except DriftdeskError as error:
            log.warning("cannot tell whose file this is", file=name, reason=str(error))
            return True
        return self._first != own

    @cached_property
    def _all(self) -> Sequence[Dataset]:
        return tuple(DatasetFolder(self.settings).read().usable.values())

    @property
    def _first(self) -> str:
        """The dataset that the desk had when it had one: that of DATASET, else the first one."""
        names = [dataset.name for dataset in self._all]
        had = self.settings.dataset_path.stem
        return had if had in names else next(iter(names), "")


def _has(store: Store, name: str) -> bool:
    with store.read() as work:
        return work.batches.received(name) is not None
