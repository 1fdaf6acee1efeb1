"""Which step does which kind of job, and what each step is given."""

from __future__ import annotations

from collections.abc import Callable

from core.domain.jobs import JobKind
from workers.runtime.job_run import Run
from workers.runtime.services import Services
from workers.sources.make import make_source


class Container(Services):
    """The services of a process that runs jobs, and the steps that use them."""

    def step(self, kind: JobKind) -> Callable[[Run], None]:
        """The work that a kind of job does."""
        # Imported where they are needed: a worker for promotions never loads scikit-learn.
        if kind is JobKind.INGEST:
            from core.adapters.spool import RemoteSpool  # noqa: PLC0415
            from workers.steps.ingest import Ingest  # noqa: PLC0415
            from workers.steps.old_spool_names import OldNames  # noqa: PLC0415

            s = self.settings
            return Ingest(
                make_source(self.dataset.source, s),
                s.spool,
                self.dataset,
                s.source_restart == "auto",
                self.submit,
                self.is_cancel_announced,
                s.max_attempts,
                s.retain_epochs,
                s.file_max_mb * 1_000_000,
                None if s.spool_is_local else RemoteSpool(s.spool_url, s.spool),
                self.dataset.name if s.datasets else "",
                OldNames(s, self.store).is_foreign,
            )
        if kind is JobKind.DRIFT:
            from workers.evidence.champion_error import Weigh  # noqa: PLC0415
            from workers.steps.drift import CheckDrift  # noqa: PLC0415

            weigh = Weigh(self.dataset, self.registry)
            return CheckDrift(self.dataset, self.settings.train_on_drift, self.submit, weigh)
        if kind is JobKind.TRAIN:
            from workers.steps.fit import TrainingLimits  # noqa: PLC0415
            from workers.steps.train import Train  # noqa: PLC0415

            s = self.settings
            return Train(
                self.dataset,
                self.registry,
                s.promotion == "auto",
                self.submit,
                TrainingLimits.of(s),
            )
        if kind is JobKind.JUDGE:
            from workers.evidence.own_metrics import MetricLimits  # noqa: PLC0415
            from workers.steps.judge import Judge  # noqa: PLC0415

            limits = MetricLimits.of(self.settings)
            return Judge(self.registry, self.settings.evaluation_rows, limits)
        from workers.steps.promote import Promote  # noqa: PLC0415

        s = self.settings
        secret = s.serving_push_secret.get_secret_value()
        return Promote(self.registry, self.serving(), s.serving_seconds, secret)
