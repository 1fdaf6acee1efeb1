"""Drift: compare a stored batch's profile with its references, and say whether it matters.

The comparison looks at profiles alone. Only the champion's error needs rows, and of those only
the held-out fifth.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from core.adapters.store import Work
from core.domain.audit_event import ITSELF
from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.drift import DriftReport, Reference, RetrainWhen
from core.domain.errors import JobUnderWay, Missing
from core.domain.job_results import BatchCompared
from core.domain.jobs import JobKind
from core.domain.profiles import ColumnProfile
from core.rules.data.far_values import FarValues, far_values
from core.rules.data.quality import faults
from core.rules.data.training_set import nothing_new
from core.rules.drift import thresholds
from core.rules.drift.batch_verdict import BatchVerdict
from core.rules.drift.recommendation import Advice, Recommendation, advise
from core.rules.drift.report import drift_report
from core.rules.ops.notification import Event
from core.usecases import batch_holds
from core.usecases.batch_facts import already_learned, today, verdict_of
from core.usecases.decisions import request
from workers.evidence.champion_error import Evidence, Weigh, importance_of
from workers.runtime.job_run import Run

Profiles = tuple[ColumnProfile, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """One comparison: the reference and its profiles, and the report.

    `reference_id` is the reference batch or the champion's version; `note` says why it was not the
    batch just before.
    """

    reference: Reference
    name: str
    before: Profiles
    report: DriftReport
    reference_id: int | None = None
    note: str = ""


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
            dataset = thresholds.in_force(self.dataset, work.limits.in_force())
            profile = work.batches.profile("batch", batch.id)
            compared = _compare(work, batch, profile, dataset)
            faults_seen = _faults(compared, profile, dataset)
            has_rows = batch.stored > 0
            far = _far(compared, profile, dataset)
            advice = _advise(
                work, dataset, faults_seen, compared, evidence, far=far, has_rows=has_rows
            )
            for c in compared:
                first = c.reference is Reference.PREVIOUS
                work.drift.put(
                    batch,
                    c.reference,
                    c.name,
                    c.report,
                    advice if first else None,
                    reference_id=c.reference_id,
                    note=c.note,
                )
            for score in evidence.scores:
                work.scores.put(score)
            queued = self._hold(run, work, batch, advice, faults_seen)
            queued += self._end(run, work, batch, compared, advice)
        for job_id in queued:
            self.submit(job_id)

    def _hold(
        self, run: Run, work: Work, batch: Batch, advice: Advice, faults_seen: tuple[str, ...]
    ) -> list[int]:
        """Hold the batch if it looks broken; returns the comparisons that are made again."""
        if advice.recommendation is not Recommendation.BLOCK:
            return []
        again = batch_holds.hold_broken(work, batch, faults_seen or advice.reasons)
        if work.batches.get(batch.id).is_held:
            note = (
                f"Batch {batch.number} is held: nothing is compared with it or trained on it "
                "until it is released."
            )
        else:
            note = f"Batch {batch.number} looks broken; it is not held, because it was released."
        work.jobs.log(run.job.id, note, "warning")
        return [job.id for job in again]

    def _evidence(self, run: Run, batch: Batch) -> Evidence:
        if self.weigh:
            return self.weigh(run, batch)
        with run.store.read() as work:
            live = work.promotions.live()
        return Evidence(live.version if live else None, None, "", ())

    def _end(
        self, run: Run, work: Work, batch: Batch, compared: list[Compared], advice: Advice
    ) -> list[int]:
        """Write the job's end, and ask for training where that is due; returns that job's id."""
        by = {c.reference: c.report for c in compared}
        report, champion = by[Reference.PREVIOUS], by.get(Reference.CHAMPION)
        verdict = verdict_of(work, batch, names_epoch=True)
        training = self._train(run, work, verdict)
        work.jobs.log(run.job.id, verdict.sentence)
        if note := compared[0].note:
            work.jobs.log(run.job.id, f"It was compared with {compared[0].name}: {note}.")
        first_of_all = not any(c.before for c in compared)
        untaught = not verdict.is_answered and verdict.learned_by is None
        if verdict.required and untaught and not first_of_all:
            work.notifications.add(Event.BREACH, batch.subject, verdict.sentence)
        recommendation = advice.recommendation.value
        if verdict.decided_by is not RetrainWhen.RECOMMENDATION:
            note = f"Recommendation, which does not decide: {recommendation}. {advice.reasons[0]}"
            work.jobs.log(run.job.id, note)
        run.complete(
            work,
            BatchCompared(
                batch=batch.number,
                epoch=batch.epoch,
                compared_with=compared[0].name,
                compared_note=compared[0].note,
                held=work.batches.get(batch.id).is_held,
                retrain=report.retrain,
                retrain_by_champion=champion.retrain if champion else None,
                reasons=tuple(r.says for r in report.reasons),
                recommendation=recommendation,
                advice=advice.reasons,
                verdict=verdict.sentence,
                retrain_when=verdict.decided_by.value,
                required=verdict.required,
                train_job=training,
            ),
        )
        return [training] if training else []

    def _train(self, run: Run, work: Work, verdict: BatchVerdict) -> int | None:
        """Request training if TRAIN_ON_DRIFT is set and the verdict requires it; logs why not.

        It is on record as driftdesk's own act unless a person asked for it with the ingest.
        """
        by_person = bool(run.job.args.get("then_train"))
        wanted, actor = self.trains or by_person, run.job.actor if by_person else ITSELF
        if not (wanted and (verdict.required or verdict.looks_broken)):
            return None
        if not verdict.asks:
            title = verdict.title[:1].lower() + verdict.title[1:]
            note = f"Training is not queued by itself: {title}."
        elif same := already_learned(work, today(work, self.dataset)):
            note = f"Training is not queued by itself. {nothing_new(same)}"
        else:
            try:
                job, _ = request(work, JobKind.TRAIN, {}, actor=actor, reason=verdict.detail)
            except JobUnderWay as open_job:
                note = f"Training is not queued by itself. {open_job}"
            else:
                return job.id
        work.jobs.log(run.job.id, note, "warning")
        return None


def _compare(work: Work, batch: Batch, profile: Profiles, dataset: Dataset) -> list[Compared]:
    previous = work.holds.lock_reference(before=batch.id)
    note = batch_holds.why_not_before(work, previous, batch)
    name = f"epoch {previous.epoch}, batch {previous.number}" if previous else "none"
    before = work.batches.profile("batch", previous.id) if previous else None
    live = work.promotions.live()
    rows = work.batches.profile("model", live.version) if live else ()
    share = 1 / max(sum(map(bool, (before, rows))), 1)
    report = drift_report(before, profile, dataset, share=share)
    reference_id = previous.id if previous else None
    compared = [Compared(Reference.PREVIOUS, name, before or (), report, reference_id, note)]
    if live and rows:
        report = drift_report(rows, profile, dataset, share=share)
        name = f"version {live.version}"
        compared.append(Compared(Reference.CHAMPION, name, rows, report, live.version))
    return compared


def _faults(compared: list[Compared], profile: Profiles, dataset: Dataset) -> tuple[str, ...]:
    """What looks broken in the batch.

    It is measured by the rows that the champion knows, column by column, and by the batch before
    where it knows none: that batch may have been broken itself.
    """
    return faults(_measure(compared), profile, dataset)


def _far(compared: list[Compared], profile: Profiles, dataset: Dataset) -> tuple[FarValues, ...]:
    """The values far outside the range of the same rows."""
    return far_values(_measure(compared), profile, dataset)


def _measure(compared: list[Compared]) -> Collection[ColumnProfile]:
    return {p.column: p for seen in compared for p in seen.before}.values()


def _advise(
    work: Work,
    dataset: Dataset,
    faults_seen: tuple[str, ...],
    compared: list[Compared],
    evidence: Evidence,
    *,
    far: tuple[FarValues, ...],
    has_rows: bool,
) -> Advice:
    """Weigh everything."""
    importance = None
    if evidence.champion is not None:
        try:
            dossier = work.promotions.of_version(evidence.champion).dossier
        except Missing:  # a version that was never proposed at this desk
            dossier = None
        importance = importance_of(dossier, dataset.names)
    return advise(
        dataset,
        [c.report for c in compared],
        faults=faults_seen,
        far=far,
        champion=evidence.champion,
        error=evidence.error,
        error_note=evidence.note,
        importance=importance,
        has_rows=has_rows,
    )


def _batch(work: Work, batch_id: int | None) -> Batch:
    batch = work.batches.get(batch_id) if batch_id else work.batches.last_stored()
    if batch is None:
        raise Missing("No batch has been stored yet. Ingest one first.")
    return batch
