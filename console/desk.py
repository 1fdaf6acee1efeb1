"""The desk: everything that an action or a query needs to reach, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing this module is cheap: `driftdesk --help` does
    from core.adapters.mlflow.registry import Registry
    from core.adapters.rq_queue import Queue
    from core.adapters.serving.replicas import Serving
    from core.adapters.store import Store
    from core.adapters.store.timeouts import Timeouts
    from core.domain.dataset import Dataset
    from core.platform.settings import Settings


@dataclass(frozen=True)
class Desk:
    """One process's settings, dataset and connections."""

    settings: Settings
    dataset: Dataset
    store: Store
    queue: Queue
    registry: Registry
    serving: Serving

    @classmethod
    def make(
        cls,
        settings: Settings,
        timeouts: Timeouts | None = None,
        dataset: Dataset | None = None,
        sibling: Desk | None = None,
    ) -> Desk:
        """The desk of a dataset, by default the one that DATASET names.

        `timeouts` has the timeouts of its database. It shares the connections of `sibling`, the
        desk of another dataset.

        Raises:
            DatasetError: the dataset file cannot be used.
        """
        from core.adapters.store import Store  # noqa: PLC0415
        from core.adapters.store.timeouts import LOOKING  # noqa: PLC0415
        from core.platform.dataset_file import load  # noqa: PLC0415

        dataset = dataset or load(settings.dataset_path)
        if sibling:
            return _LazyDesk(settings, dataset, sibling.store.for_dataset(dataset))
        store = Store.open(settings.database, dataset, timeouts or LOOKING)
        return _LazyDesk(settings, dataset, store)


class _LazyDesk(Desk):
    """A desk that imports and makes each client on first use: MLflow's alone takes a second."""

    def __init__(self, settings: Settings, dataset: Dataset, store: Store) -> None:
        vars(self).update(settings=settings, dataset=dataset, store=store)

    @cached_property
    def queue(self) -> Queue:
        from core.adapters.rq_queue import Queue  # noqa: PLC0415

        return Queue(self.settings.redis_url)

    @cached_property
    def registry(self) -> Registry:
        from core.adapters.mlflow.registry import Registry  # noqa: PLC0415
        from core.platform.settings import model_name_of  # noqa: PLC0415

        s = self.settings
        name = model_name_of(s, self.dataset, self._is_of_a_folder)
        return Registry(s.mlflow_tracking_uri, name, s.mlflow_login)

    @cached_property
    def serving(self) -> Serving:
        from core.adapters.serving.replicas import Serving  # noqa: PLC0415

        s = self.settings
        dataset = self.dataset.name if self._is_of_a_folder else ""
        return Serving(s.serving_urls, s.serving_key.get_secret_value(), dataset)

    @property
    def _is_of_a_folder(self) -> bool:
        """Whether other datasets may be beside this one, and each needs its own names."""
        return bool(self.settings.datasets)
