"""Reads what the verdict about a batch depends on, and what a training now would use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.adapters.store import Work
from core.domain.audit_event import DISMISS, ITSELF
from core.domain.batches import Batch
from core.domain.dataset import Dataset
from core.domain.dossier import Lesson
from core.domain.errors import NothingToTrainOn
from core.domain.jobs import JobKind
from core.domain.promotions import Decision, Promotion
from core.rules.data.training_set import learned_from, lesson, same_as
from core.rules.drift.batch_verdict import BatchVerdict, verdict
from core.rules.drift.training_reason import why_a_reason
from core.rules.drift.verdict_facts import Facts
from core.rules.drift.verdict_findings import findings, will_read
from core.rules.model.verdict_validity import not_recommended
from core.usecases.epoch_end import trainable

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
    `usable` are the batches whose rows a training now would use. `same_as` is the version that was
    trained on the same rows by the same recipe; `why_a_reason` says why a training now needs a
    reason, and is empty if the data justifies it.
    """

    verdicts: tuple[BatchVerdict, ...]
    usable: tuple[Batch, ...]
    same_as: int | None
    why_a_reason: str

    @property
    def newest(self) -> BatchVerdict | None:
        """The newest batch's verdict."""
        return self.verdicts[0] if self.verdicts else None

    def about(self, epoch: int, number: int | None) -> BatchVerdict | None:
        """The verdict about one of them; None about an older batch."""
        named = (v for v in self.verdicts if (v.epoch, v.number) == (epoch, number))
        return next(named, None)

    @property
    def waiting(self) -> tuple[BatchVerdict, ...]:
        """The batches that wait for a person, newest first."""
        return tuple(v for v in self.verdicts if v.waits)


@dataclass(frozen=True, slots=True)
class TrainingNow:
    """What a training on one epoch would use now: the rule of every page and command.

    `earlier` is the epoch, if it is not the current one. `usable` are the batches whose rows it
    would read, and `same_as` the version that was trained on these by the same recipe.
    `why_a_reason` says why it needs a person's reason, and is empty if the data justifies it;
    `obstacle` says why nothing can be trained on an earlier epoch.
    """

    earlier: int | None
    usable: tuple[Batch, ...]
    same_as: int | None
    why_a_reason: str
    obstacle: str = ""


def training_now(
    work: Work, dataset: Dataset, epoch: int | None = None, newest: NewestBatches | None = None
) -> TrainingNow:
    """What a training on an epoch would use, by default on the current one.

    `newest` are the newest batches, where they are known.
    """
    current = work.batches.epoch()
    if epoch is None or (current and epoch == current.number):
        now = newest or newest_batches(work, dataset)
        return TrainingNow(None, now.usable, now.same_as, now.why_a_reason)
    try:
        trainable(work, epoch)
    except NothingToTrainOn as obstacle:
        return TrainingNow(epoch, (), None, why_a_reason((), None, epoch), str(obstacle))
    usable = _usable(work, epoch)
    same = already_learned(work, lesson(usable, dataset))
    return TrainingNow(epoch, tuple(usable), same, why_a_reason((), same, epoch))


def newest_batches(work: Work, dataset: Dataset) -> NewestBatches:
    """The verdicts about the newest batches."""
    versions = _versions(work)
    newest, earlier = work.batches.newest_stored(WATCHED), []
    if len(newest) == WATCHED:
        live = work.promotions.live_version()
        earlier = work.batches.in_question(newest[-1].id, live, DISMISS, EARLIER)
    watched = {batch.id for batch in newest}
    every = _verdicts(work, [*newest, *earlier], versions)
    verdicts = [v for v in every if v.batch_id in watched or v.waits]
    usable = _usable(work)
    same = same_as(lesson(usable, dataset), versions)
    of_today = [v for v in verdicts if v.is_current]
    return NewestBatches(tuple(verdicts), tuple(usable), same, why_a_reason(of_today, same))


def verdict_of(work: Work, batch: Batch, *, names_epoch: bool = False) -> BatchVerdict:
    """The verdict about one batch; with `names_epoch` its epoch is named even if it is current."""
    (verdict_found,) = _verdicts(work, [batch], _versions(work), names_epoch=names_epoch)
    return verdict_found


def verdicts_of(work: Work, batches: Sequence[Batch]) -> dict[int, BatchVerdict]:
    """The verdicts about these stored batches, by the batch's id."""
    return {v.batch_id: v for v in _verdicts(work, batches, _versions(work))}


def today(work: Work, dataset: Dataset) -> Lesson:
    """The rows of the current epoch that a training would use now."""
    return lesson(_usable(work), dataset)


def _usable(work: Work, epoch: int | None = None) -> list[Batch]:
    current = work.batches.epoch()
    number = current.number if current and epoch is None else epoch
    return work.holds.usable(number) if number is not None else []


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
    number = epoch.number if epoch else 0
    reports = work.drift.verdicts([b.id for b in batches])
    dismissed = {
        e.subject: e
        for e in work.audit.of(subjects=[b.subject for b in batches], actions=[DISMISS], now=True)
    }
    trainings = [job for job in work.jobs.open() if job.kind is JobKind.TRAIN]
    live = work.promotions.live()
    numbers = {e: work.batches.stored_numbers(e) for e in {b.epoch for b in batches}}
    learned = [(p.version, p.state, learned_from(p.dossier)) for p in versions]
    unfit = not_recommended(versions, live.version if live else None)
    verdicts = []
    for batch in batches:
        rule, beyond, advised = findings([r for r in reports if r.batch_id == batch.id])
        is_held_by_person = batch.is_held and batch.held_by not in (None, ITSELF)
        dismissal = dismissed.get(batch.subject)
        facts = Facts(
            batch.id,
            batch.epoch,
            batch.number or 0,
            number,
            rule=rule,
            beyond=beyond,
            advised=advised,
            when=work.dataset.retrain_when,
            live=live.version if live else None,
            live_again=live is not None and live.decided_as is Decision.ROLLBACK,
            unfit=unfit,
            learned=tuple((version, state) for version, state, of in learned if of.has(batch)),
            training=next((j.id for j in trainings if will_read(j, batch, number)), None),
            later=tuple(n for id_, n in numbers[batch.epoch].items() if id_ > batch.id),
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
