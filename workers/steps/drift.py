"""Drift: compare a stored batch's profile with its references, and say whether it matters.

The comparison looks at profiles alone. Only the champion's error needs rows, and of those only
the held-out fifth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core import limits
from core.advice import Advice, Recommendation, advise
from core.broken import faults
from core.dataset import Dataset
from core.decisions import request
from core.drift import compare
from core.errors import Missing
from core.noise import annotate
from core.notice import Event, breach
from core.records import Batch, ColumnProfile, DriftReport, JobKind, Reference
from core.store import Work
from workers.matter import Evidence, Weigh, importance_of
from workers.run import Run

Profiles = tuple[ColumnProfile, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison: with what, and what came of it."""

    reference: Reference
    name: str
    before: Profiles
    report: DriftReport


@dataclass(frozen=True, slots=True)
class CheckDrift:
    """What the step needs: the dataset, how to weigh, and whether a breach queues training."""

    dataset: Dataset
    trains: bool
    submit: Callable[[int], None]
    weigh: Weigh | None = None

    def __call__(self, run: Run) -> None:
        """Compare one batch with the batch before it, and with the champion's training rows.

        Raises:
            Missing: there is no stored batch yet.
        """
        with run.store.read() as work:
            batch = _batch(work, run.job.args.get("batch_id"))
        run.about(epoch=batch.epoch, batch=batch.number)
        evidence = self._evidence(run, batch)
        run.progress(0.8, "comparing profiles", always=True)
        with run.store.begin() as work:
            run.fence(work)
            dataset = limits.in_force(self.dataset, work.limits.in_force())
            profile = work.batches.profile("batch", batch.id)
            compared = _compare(work, batch, profile, dataset)
            advice = _advise(work, dataset, profile, compared, evidence)
            for c in compared:
                first = c.reference is Reference.PREVIOUS
                work.drift.put(batch, c.reference, c.name, c.report, advice if first else None)
            for score in evidence.scores:
                work.scores.put(score)
            training = self._end(run, work, batch, compared, advice)
        if training:
            self.submit(training)

    def _evidence(self, run: Run, batch: Batch) -> Evidence:
        if self.weigh:
            return self.weigh(run, batch)
        with run.store.read() as work:
            live = work.promotions.live()
        return Evidence(live.version if live else None, None, "", ())

    def _end(
        self, run: Run, work: Work, batch: Batch, compared: list[Compared], advice: Advice
    ) -> int | None:
        """Write the job's end, and ask for training where that is due; returns that job's id."""
        by = {c.reference: c.report for c in compared}
        report, champion = by[Reference.PREVIOUS], by.get(Reference.CHAMPION)
        training = None
        asks = report.retrain or bool(champion and champion.retrain)
        unasked = asks and (self.trains or run.job.args.get("then_train"))
        if unasked and advice.recommendation is Recommendation.BLOCK:
            note = "Training is not queued by itself: the batch looks broken."
            work.jobs.log(run.job.id, note, "warning")
        elif unasked:
            training, _ = request(
                work, JobKind.TRAIN, {}, actor=run.job.actor, reason=report.reasons[0]
            )
        verdict = "asks for training" if report.retrain else "asks for nothing"
        work.jobs.log(run.job.id, f"Batch {batch.number} {verdict}: {report.reasons[0]}")
        if drifted := breach(batch, report, champion):
            work.notify.add(Event.BREACH, f"batch:{batch.id}", drifted)
        said = f"Recommendation: {advice.recommendation.value}. {advice.reasons[0]}"
        work.jobs.log(run.job.id, said)
        run.complete(
            work,
            {
                "batch": batch.number,
                "epoch": batch.epoch,
                "retrain": report.retrain,
                "retrain_by_champion": champion.retrain if champion else None,
                "reasons": list(report.reasons),
                "recommendation": advice.recommendation.value,
                "advice": list(advice.reasons),
                "train_job": training.id if training else None,
            },
        )
        return training.id if training else None


def _compare(work: Work, batch: Batch, profile: Profiles, dataset: Dataset) -> list[Compared]:
    previous = work.batches.last_stored(before=batch.id)
    name = f"epoch {previous.epoch}, batch {previous.number}" if previous else "none"
    before = work.batches.profile("batch", previous.id) if previous else None
    report = annotate(compare(before, profile, dataset), before or (), profile)
    found = [Compared(Reference.PREVIOUS, name, before or (), report)]
    live = work.promotions.live()
    rows = work.batches.profile("model", live.version) if live else ()
    if live and rows:
        report = annotate(compare(rows, profile, dataset), rows, profile)
        found.append(Compared(Reference.CHAMPION, f"version {live.version}", rows, report))
    return found


def _advise(
    work: Work, dataset: Dataset, profile: Profiles, compared: list[Compared], evidence: Evidence
) -> Advice:
    """Weigh everything.

    What looks broken is measured by the rows that the champion knows, column by column, and by the
    batch before where it knows none: that batch may have been broken itself.
    """
    measure = {p.column: p for seen in compared for p in seen.before}
    importance = None
    if evidence.champion is not None:
        try:
            dossier = work.promotions.of_version(evidence.champion).dossier
        except Missing:  # a version that was never proposed at this desk
            dossier = {}
        importance = importance_of(dossier, dataset.names)
    return advise(
        dataset,
        [c.report for c in compared],
        faults=faults(measure.values(), profile, dataset),
        champion=evidence.champion,
        error=evidence.error,
        error_note=evidence.note,
        importance=importance,
    )


def _batch(work: Work, batch_id: int | None) -> Batch:
    batch = work.batches.get(batch_id) if batch_id else work.batches.last_stored()
    if batch is None:
        raise Missing("No batch has been stored yet. Ingest one first.")
    return batch
