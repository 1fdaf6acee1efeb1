"""Reads what the verdict about a batch depends on, and what a training now would use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.adapters.store import Work
from core.adapters.store.drift import VerdictRow
from core.domain.audit_event import DISMISS
from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.dossier import Lesson
from core.domain.drift import Reason, Reference, breach_reasons
from core.domain.jobs import Job, JobKind, JobState
from core.domain.promotions import Promotion
from core.rules.data.training_set import learned_from, lesson, same_as
from core.rules.drift.batch_verdict import BatchVerdict, verdict, why_a_reason
from core.rules.drift.recommendation import Advice
from core.rules.drift.verdict_facts import Facts, Rule
from core.usecases.batch_holds import DESK

WATCHED = 12
"""The number of newest batches with a verdict."""

EARLIER = 50
"""The number of batches before them that are looked at for a question that nobody answered."""

VERSIONS = 50
"""The number of newest versions that are considered, besides the live one."""


@dataclass(frozen=True, slots=True)
class NewestBatches:
    """The verdicts about the newest batches, newest first, and about a training now.

    Of batches before the `WATCHED` newest only those are among them that wait for a person: a
    question stays until it is answered, however many batches come after it.
    `same_as` is the version that was trained on the same rows by the same recipe; `why_a_reason`
    says why a training now needs a reason, and is empty if the data justifies it.
    """

    verdicts: tuple[BatchVerdict, ...]
    same_as: int | None
    why_a_reason: str

    @property
    def newest(self) -> BatchVerdict | None:
        """The newest batch's verdict."""
        return self.verdicts[0] if self.verdicts else None

    @property
    def waiting(self) -> tuple[BatchVerdict, ...]:
        """The batches that wait for a person, newest first."""
        return tuple(v for v in self.verdicts if v.waits)


def newest_batches(work: Work, dataset: Dataset) -> NewestBatches:
    """The verdicts about the newest batches."""
    versions = _versions(work)
    newest = work.batches.newest_stored(WATCHED)
    verdicts = _verdicts(work, newest, versions)
    if len(newest) == WATCHED:
        live = work.promotions.live_version()
        earlier = work.batches.in_question(newest[-1].id, live, DISMISS, EARLIER)
        verdicts += [v for v in _verdicts(work, earlier, versions) if v.waits]
    same = same_as(today(work, dataset), versions)
    of_today = [v for v in verdicts if v.is_current]
    return NewestBatches(tuple(verdicts), same, why_a_reason(of_today, same))


def verdict_of(work: Work, batch: Batch, *, names_epoch: bool = False) -> BatchVerdict:
    """The verdict about one batch; with `names_epoch` its epoch is named even if it is current."""
    (verdict_found,) = _verdicts(work, [batch], _versions(work), names_epoch=names_epoch)
    return verdict_found


def today(work: Work, dataset: Dataset, epoch: int | None = None) -> Lesson:
    """The rows that a training would use now, of the current epoch or an earlier one."""
    current = work.batches.epoch()
    number = current.number if current and epoch is None else epoch
    return lesson(work.holds.usable(number) if number is not None else [], dataset)


def already_learned(work: Work, wanted: Lesson) -> int | None:
    """The version on record that was trained on these rows, if any."""
    return same_as(wanted, _versions(work))


def _versions(work: Work) -> list[Promotion]:
    live = work.promotions.live()
    newest = {p.version: p for p in [*([live] if live else []), *work.promotions.latest(VERSIONS)]}
    return [newest[version] for version in sorted(newest, reverse=True)]


def _verdicts(
    work: Work,
    batches: Sequence[Batch],
    versions: Sequence[Promotion],
    *,
    names_epoch: bool = False,
) -> list[BatchVerdict]:
    epoch = work.batches.epoch()
    reports = work.drift.verdicts([b.id for b in batches])
    dismissed = {
        e.subject: e
        for e in work.audit.of(subjects=[b.subject for b in batches], actions=[DISMISS])
    }
    trainings = [job for job in work.jobs.open() if job.kind is JobKind.TRAIN]
    live = work.promotions.live()
    stored = {e: work.batches.stored(e) for e in {b.epoch for b in batches}}
    verdicts = []
    for batch in batches:
        rule, beyond, advised = _findings([r for r in reports if r.batch_id == batch.id])
        is_held_by_person = batch.is_held and batch.held_by not in (None, DESK)
        dismissal = dismissed.get(batch.subject)
        facts = Facts(
            batch.id,
            batch.epoch,
            batch.number or 0,
            epoch.number if epoch else 0,
            rule=rule,
            beyond=beyond,
            advised=advised,
            when=work.dataset.retrain_when,
            live=live.version if live else None,
            learned=tuple((p.version, p.state) for p in versions if learned_from(p.dossier, batch)),
            training=next((j.id for j in trainings if _will_read(j, batch)), None),
            later=tuple(b.number or 0 for b in stored[batch.epoch] if b.id > batch.id),
            held=batch.is_held,
            rows_removed=batch.rows_removed_at is not None,
            released=batch.released_at is not None,
            names_epoch=names_epoch,
            held_by=str(batch.held_by) if is_held_by_person else "",
            held_because=batch.hold_reason or "" if is_held_by_person else "",
            dismissed_by=dismissal.actor if dismissal else "",
            dismissed_because=dismissal.reason if dismissal else "",
        )
        verdicts.append(verdict(facts))
    return verdicts


def _findings(rows: Sequence[VerdictRow]) -> tuple[Rule | None, Rule | None, Advice | None]:
    """The findings: the drift rule's, that of breaches beyond noise, and the recommendation."""
    if not rows:
        return None, None, None
    by = {row.reference: row for row in rows}
    ordered = [by[r] for r in Reference if r in by]
    asking = [row for row in ordered if row.retrain]
    asking.sort(key=lambda row: row.reasons[0].could_be_noise)
    first = by.get(Reference.PREVIOUS)
    calm = _says(first or rows[0], (first or rows[0]).reasons[0])
    reasons = [_says(row, row.reasons[0]) for row in asking] or [calm]
    breaches = [(row, reason) for row in ordered for reason in breach_reasons(row)]
    sure = [_says(row, reason) for row, reason in breaches if not reason.could_be_noise]
    noise = [f"Nothing is beyond its noise band. {_says(*told)}" for told in breaches[:1]]
    return (
        Rule(bool(asking), tuple(reasons)),
        Rule(bool(sure), tuple(sure or noise or [calm])),
        first.advice if first else None,
    )


def _says(row: VerdictRow, reason: Reason) -> str:
    is_breach = row.retrain or reason in row.measure_reasons
    by_champion = is_breach and row.reference is Reference.CHAMPION
    return ("Against the champion's rows, " if by_champion else "") + reason.says


def _will_read(job: Job, batch: Batch) -> bool:
    """Whether an open training will read a batch's rows: it starts after they were stored."""
    if job.state is not JobState.RUNNING or job.started_at is None or batch.stored_at is None:
        return True
    return job.started_at >= batch.stored_at
