"""Drift: compare a stored batch's profile with its references. The rows are not looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.dataset import Dataset
from core.decisions import request
from core.drift import compare
from core.errors import Missing
from core.notice import Event, breach
from core.records import Batch, DriftReport, JobKind, Reference
from core.store import Work
from workers.run import Run


@dataclass(frozen=True, slots=True)
class CheckDrift:
    """What the step needs: the dataset with its limits, and whether a breach queues training."""

    dataset: Dataset
    trains: bool
    submit: Callable[[int], None]

    def __call__(self, run: Run) -> None:
        """Compare one batch with the batch before it, and with the champion's training rows.

        Raises:
            Missing: there is no stored batch yet.
        """
        training = None
        with run.store.begin() as work:
            run.fence(work)
            batch = _batch(work, run.job.args.get("batch_id"))
            report = self._with_previous(work, batch)
            champion = self._with_champion(work, batch)
            asks = report.retrain or bool(champion and champion.retrain)
            if asks and (self.trains or run.job.args.get("then_train")):
                training, _ = request(
                    work, JobKind.TRAIN, {}, actor=run.job.actor, reason=report.reasons[0]
                )
            if drifted := breach(batch, report, champion):
                work.notify.add(Event.BREACH, f"batch:{batch.id}", drifted)
            verdict = "asks for training" if report.retrain else "asks for nothing"
            work.jobs.log(run.job.id, f"Batch {batch.number} {verdict}: {report.reasons[0]}")
            run.complete(
                work,
                {
                    "batch": batch.number,
                    "epoch": batch.epoch,
                    "retrain": report.retrain,
                    "retrain_by_champion": champion.retrain if champion else None,
                    "reasons": list(report.reasons),
                    "train_job": training.id if training else None,
                },
            )
        if training:
            self.submit(training.id)

    def _with_previous(self, work: Work, batch: Batch) -> DriftReport:
        previous = work.batches.last_stored(before=batch.id)
        profile = work.batches.profile("batch", previous.id) if previous else None
        report = compare(profile, work.batches.profile("batch", batch.id), self.dataset)
        name = f"epoch {previous.epoch}, batch {previous.number}" if previous else "none"
        work.drift.put(batch, Reference.PREVIOUS, name, report)
        return report

    def _with_champion(self, work: Work, batch: Batch) -> DriftReport | None:
        live = work.promotions.live()
        profile = work.batches.profile("model", live.version) if live else ()
        if not live or not profile:
            return None
        report = compare(profile, work.batches.profile("batch", batch.id), self.dataset)
        work.drift.put(batch, Reference.CHAMPION, f"version {live.version}", report)
        return report


def _batch(work: Work, batch_id: int | None) -> Batch:
    batch = work.batches.get(batch_id) if batch_id else work.batches.last_stored()
    if batch is None:
        raise Missing("No batch has been stored yet. Ingest one first.")
    return batch
