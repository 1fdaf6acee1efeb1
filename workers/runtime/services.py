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
from core.domain.errors import QueueUnavailable
from core.domain.jobs import Job
from core.platform.dataset_file import load
from core.platform.settings import Settings

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
    def make(cls, settings: Settings, timeouts: Timeouts | None = None) -> Self:
        """Connect nothing yet: each part connects on first use.

        Without `timeouts` the store waits as a job may.
        """
        dataset = load(settings.dataset_path)
        timeouts = timeouts or of_jobs(settings.lease_seconds)
        return cls(
            settings,
            dataset,
            Store.open(settings.database, dataset, timeouts),
            Queue(settings.redis_url),
            Registry(
                settings.mlflow_tracking_uri,
                settings.model_name or dataset.name,
                settings.mlflow_login,
            ),
        )

    @property
    def lease(self) -> timedelta:
        """How long a job may go without a heartbeat."""
        return timedelta(seconds=self.settings.lease_seconds)

    def submit(self, job_id: int) -> None:
        """Put a requested job in line; if Redis is away, the reconciler does it later."""
        with self.store.read() as work:
            job = work.jobs.get(job_id)
        try:
            self.queue.submit(job.kind, job.id, job.attempt)
        except QueueUnavailable as error:
            log.warning("not queued yet", job=job.id, reason=str(error))
            with self.store.transaction() as work:
                work.jobs.log_once(job.id, f"Waits to be queued. {error}", "warning")
            return
        with self.store.transaction() as work:
            work.jobs.mark_queued(job.id, job.attempt)

    def is_cancel_announced(self, job: Job) -> bool:
        """Whether a cancel of this attempt was announced; False if Redis is unavailable."""
        try:
            return self.queue.is_cancel_announced(job.id, job.attempt)
        except QueueUnavailable as error:
            log.debug("cannot ask for announced cancels", job=job.id, reason=str(error))
            return False

    def serving(self) -> Serving:
        """The replicas of serving that the settings name."""
        return Serving(self.settings.serving_urls, self.settings.serving_key.get_secret_value())

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
