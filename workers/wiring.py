"""How the worker's parts fit together: settings in, steps out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from core.dataset import Dataset, load
from core.errors import QueueUnavailable
from core.queue import Queue
from core.records import JobKind
from core.registry import Registry
from core.remote import Serving
from core.settings import Settings
from core.store import Store
from workers.run import Run
from workers.source import DataApi

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wiring:
    """One process's store, queue and registry, made after the fork that runs a job."""

    settings: Settings
    dataset: Dataset
    store: Store
    queue: Queue
    registry: Registry

    @classmethod
    def make(cls, settings: Settings) -> Wiring:
        """Connect nothing yet: each part connects on first use."""
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
            return
        with self.store.begin() as work:
            work.jobs.mark_queued(job.id, job.attempt)
            work.commit()

    def step(self, kind: JobKind) -> Callable[[Run], None]:
        """The work that a kind of job does."""
        # Imported where they are needed: a worker for promotions never loads scikit-learn.
        if kind is JobKind.INGEST:
            from workers.steps.ingest import Ingest  # noqa: PLC0415

            s = self.settings
            return Ingest(
                DataApi(
                    s.data_api_url,
                    s.data_api_group,
                    s.data_api_day,
                    s.data_api_timeout,
                    s.data_api_destination,
                ),
                s.spool,
                self.dataset,
                s.source_restart == "auto",
                self.submit,
            )
        if kind is JobKind.DRIFT:
            from workers.matter import Weigh  # noqa: PLC0415
            from workers.steps.drift import CheckDrift  # noqa: PLC0415

            weigh = Weigh(self.dataset, self.registry)
            return CheckDrift(self.dataset, self.settings.train_on_drift, self.submit, weigh)
        if kind is JobKind.TRAIN:
            from workers.steps.train import Train  # noqa: PLC0415

            return Train(
                self.dataset, self.registry, self.settings.promotion == "auto", self.submit
            )
        if kind is JobKind.JUDGE:
            from workers.steps.judge import Judge  # noqa: PLC0415

            return Judge(self.registry)
        from workers.steps.promote import Promote  # noqa: PLC0415

        s = self.settings
        serving = Serving(s.serving_urls, s.serving_key.get_secret_value())
        secret = s.serving_push_secret.get_secret_value()
        return Promote(self.registry, serving, s.serving_seconds, secret)
