"""The desk: everything that an action or a question needs to reach, in one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from core.dataset import Dataset, load
from core.queue import Queue
from core.registry import Registry
from core.remote import Serving
from core.settings import Settings
from core.store import Store


@dataclass(frozen=True, slots=True)
class Desk:
    """One process's connections; each is made on first use."""

    settings: Settings
    dataset: Dataset
    store: Store
    queue: Queue
    registry: Registry
    serving: Serving

    @classmethod
    def make(cls, settings: Settings) -> Desk:
        """A desk with these settings.

        Raises:
            DatasetError: the dataset file cannot be used.
        """
        dataset = load(settings.dataset_path)
        return cls(
            settings,
            dataset,
            Store.open(settings.database, dataset),
            Queue(settings.redis_url),
            Registry(
                settings.mlflow_tracking_uri,
                settings.model_name or dataset.name,
                settings.mlflow_login,
            ),
            Serving(settings.serving_urls, settings.serving_key.get_secret_value()),
        )

    @classmethod
    @contextmanager
    def opened(cls, settings: Settings) -> Iterator[Desk]:
        """A desk for a while; its store is closed afterwards.

        Raises:
            DatasetError: the dataset file cannot be used.
        """
        desk = cls.make(settings)
        try:
            yield desk
        finally:
            desk.store.close()
