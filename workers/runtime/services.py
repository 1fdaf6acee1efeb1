"""What a worker's process reaches: store, queue, registry and serving."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

import structlog

from core.adapters.mlflow.registry import Registry
from core.adapters.rq_queue import Queue
from core.adapters.serving.replicas import Serving
from core.adapters.store import Store
from core.adapters.store.timeouts import Timeouts, of_jobs
from core.domain.dataset import Dataset
from core.domain.errors import QueueUnavailable, StoreUnavailable
from core.domain.jobs import Job, JobKind
from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import Settings, model_name_of
from core.usecases import queueing

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Services:
    """One process's store, queue and registry, made after the fork that runs a job."""

    settings: Settings
    dataset: Dataset
    store: Store
    queue: Queue
    registry: Registry

    @classmethod
    def make(
        cls,
        settings: Settings,
        timeouts: Timeouts | None = None,
        dataset: Dataset | None = None,
        store: Store | None = None,
    ) -> Self:
        """Connect nothing yet: each part connects on first use.

        Without a dataset it is the only or the default one. `store` is one of any dataset, whose
        connections are shared; without it, and without `timeouts`, the store waits as a job may.

        Raises:
            DatasetError, BadInput: without a dataset: there is none, or several and no default.
            SettingsError: MODEL_NAME is set on a desk with several.
        """
        if dataset is None:
            dataset = DatasetFolder(settings).read().choose("", settings.default_dataset)
        if store is None:
            timeouts = timeouts or of_jobs(settings.lease_seconds)
            store = Store.open(settings.database, dataset, timeouts)
        several = bool(settings.datasets)
        return cls(
            settings,
            dataset,
            store.for_dataset(dataset),
            Queue(settings.redis_url),
            Registry(
                settings.mlflow_tracking_uri,
                model_name_of(settings, dataset, several),
                settings.mlflow_login,
            ),
        )

    @property
    def lease(self) -> timedelta:
        """How long a job may go without a heartbeat."""
        return timedelta(seconds=self.settings.lease_seconds)

    @property
    def in_turn(self) -> bool:
        """Whether a dataset has one place in a queue: see `core.usecases.queueing`."""
        return bool(self.settings.datasets)

    def submit(self, job_id: int) -> None:
        """Put a requested job in line; if Redis is away, the reconciler does it later."""
        with self.store.read() as work:
            job = work.jobs.get(job_id)
        queueing.submit(self.store, self.queue, job, in_turn=self.in_turn)

    def submit_next(self, kind: JobKind) -> None:
        """Put the next job in line after one of this kind; else the reconciler does."""
        if not self.in_turn:
            return
        try:
            queueing.submit_next(self.store, self.queue, kind)
        except StoreUnavailable as error:
            log.warning("the next job is queued later", reason=str(error))

    def is_cancel_announced(self, job: Job) -> bool:
        """Whether a cancel of this attempt was announced; False if Redis is unavailable."""
        try:
            return self.queue.is_cancel_announced(job.id, job.attempt)
        except QueueUnavailable as error:
            log.debug("cannot ask for announced cancels", job=job.id, reason=str(error))
            return False

    def serving(self) -> Serving:
        """The replicas of serving that the settings name."""
        key = self.settings.serving_key.get_secret_value()
        named = self.dataset.name if self.settings.datasets else ""
        return Serving(self.settings.serving_urls, key, named)

    def push(self) -> None:
        """Tell every replica to look at the registry at once, where a secret for that is set."""
        secret = self.settings.serving_push_secret.get_secret_value()
        if not secret:
            return
        serving = self.serving()
        with self.store.read() as work:
            alive = [replica.url for replica in work.replicas.alive()]
        for url in dict.fromkeys([*serving.urls, *alive]):
            serving.refresh(url, secret)
