"""The lineage of one id: everything on record that it depends on or that depends on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from console.desk import Desk
from console.queries import prediction_log
from console.text.lineage import Lineage
from core.adapters.store import Work
from core.domain.audit_event import AuditEvent
from core.domain.batches import Batch, BatchState
from core.domain.errors import BadInput, Missing
from core.domain.job_results import VersionPromoted, VersionProposed
from core.domain.promotions import Promotion
from core.domain.subject import Kind, Subject, subject_of
from core.usecases import live_terms
from core.usecases.batch_facts import verdict_of

_MOST_VERSIONS = 500

_NEWEST = 3
"""How many versions, batches and predictions each are offered to begin with."""

_ENTRY = re.compile(r"(?:(?P<epoch>N)/)?(?P<number>N)".replace("N", r"\d{1,18}"), re.ASCII)
"""An id column holds 18 digits."""

_FORMS = (
    "Enter a prediction id, or one of version 3, job 7, batch 2/3 (batch 3 of epoch 2) and batch 3 "
    "(of the current epoch)"
)

_IN_AN_ID = frozenset("0123456789abcdef-")


@dataclass(frozen=True, slots=True)
class Choice:
    """What has the id that was asked for, in a sentence, and a subject for each."""

    says: str
    subjects: tuple[str, ...]


class _Ambiguous(BadInput):
    """Several things have an id."""

    def __init__(self, choice: Choice) -> None:
        super().__init__(choice.says)
        self.choice = choice


def passport(desk: Desk, subject: str) -> Lineage:
    """The lineage of an id.

    `subject` is a prediction's id or its start, or what the search finds by name: `version:3`,
    `job 7`, `batch:2/3` or `2/3` for batch 3 of epoch 2, `batch 3` for batch 3 of the current
    epoch, `batch-id:12` for the database's id (which old records call `batch:12`), or a number
    that only a version or only a job has.

    Raises:
        BadInput: the subject has an unknown form, or several things have it.
        Missing: it is not on record.
    """
    subject = subject.strip()
    named = subject_of(subject)
    with desk.store.read() as work:
        return replace(_read(work, subject, named), unit=desk.dataset.target.unit or "")


def _read(work: Work, subject: str, named: Subject | None) -> Lineage:
    if named:
        return _READ[named.kind](work, named)
    kind, colon, name = subject.partition(":")
    if colon and kind != "prediction":
        raise BadInput(f"{_FORMS}, not {subject[:60]!r}.")
    return _of_prediction(work, (name or kind).strip().removeprefix("prediction "))


def found_or_choice(desk: Desk, subject: str) -> Lineage | Choice:
    """The lineage of an id, or the ids to choose from where several things have it.

    Raises:
        BadInput: the subject has an unknown form.
        Missing: it is not on record.
    """
    try:
        return passport(desk, subject)
    except _Ambiguous as several:
        return several.choice


def starting_points(desk: Desk) -> tuple[str, ...]:
    """Subjects to begin with: the newest versions, batches and predictions that are on record.

    Raises:
        StoreUnavailable: the database is unreachable.
    """
    with desk.store.read() as work:
        versions, batches = work.promotions.latest(_NEWEST), work.batches.newest_stored(_NEWEST)
        predictions = work.predictions.latest(_NEWEST)
    return (
        *(f"version:{promotion.version}" for promotion in versions),
        *(batch.subject for batch in batches),
        *(prediction.id for prediction in predictions),
    )


def ledger_id(desk: Desk, entry: str) -> int:
    """The id of an entry of the ledger that a person names by it, or as EPOCH/NUMBER.

    Raises:
        BadInput: it is neither.
        Missing: that epoch has no batch of that number.
    """
    named = _ENTRY.fullmatch(entry.strip())
    if named is None:
        raise BadInput(
            "Name a batch as EPOCH/NUMBER, such as 2/3, or by the first number of `driftdesk "
            f"batch list`, not {entry[:60]!r}."
        )
    epoch, number = named["epoch"], int(named["number"])
    if epoch is None:
        return number
    with desk.store.read() as work:
        entries = work.batches.numbered(int(epoch), number)
    if not entries:
        raise Missing(f"There is no batch {number} in epoch {epoch}.")
    return entries[0].id


def _batch(work: Work, number: int, epoch: int | None) -> Batch:
    """A batch by its number in an epoch, by default the current one."""
    if epoch is None:
        current = work.batches.epoch()
        epoch = current.number if current else 0
    entries = work.batches.numbered(epoch, number)
    if not entries:
        raise Missing(
            f"There is no batch {number} in epoch {epoch}. In old records batch:{number} is the "
            f"database's id: use batch-id:{number}."
        )
    return entries[0]


def _of_number(work: Work, number: int) -> Lineage:
    """The version or the job of that number, or the prediction whose id begins so."""
    there = {}
    for kind, lineage in (("version", _of_version), ("job", _of_job)):
        with suppress(Missing):
            there[kind] = lineage(work, number)
    if len(there) > 1:
        says = f"There are a version {number} and a job {number}"
        subjects = (f"version:{number}", f"job:{number}")
        raise _Ambiguous(Choice(f"{says}: enter {' or '.join(subjects)}.", subjects))
    if there:
        return next(iter(there.values()))
    with suppress(Missing):
        return _of_prediction(work, str(number))
    raise Missing(f"There is no version, no job and no prediction {number}.")


def _of_job(work: Work, number: int) -> Lineage:
    """A job, with the lineage of the version that it made or promoted."""
    job = work.jobs.get(number)
    subject = f"job:{job.id}"
    if isinstance(job.result, VersionProposed | VersionPromoted):
        with suppress(Missing):
            return replace(_of_version(work, job.result.version), subject=subject, jobs=(job,))
    decisions = work.audit.of(subjects=[subject])
    return Lineage(subject=subject, jobs=(job,), decisions=tuple(decisions))


def _of_prediction(work: Work, prediction_id: str) -> Lineage:
    try:
        logged = prediction_log.named(work, prediction_id)
    except prediction_log.SeveralBegin as error:
        raise _Ambiguous(Choice(str(error), error.ids)) from error
    except Missing:
        if not set(prediction_id.lower()) <= _IN_AN_ID:
            raise BadInput(f"{_FORMS}, not {prediction_id[:60]!r}.") from None
        raise
    subject = f"prediction:{logged.id}"
    feedback = work.feedback.of(logged.id)
    try:
        of_version = _of_version(work, logged.model_version)
    except Missing:
        return Lineage(subject=subject, prediction=logged, feedback=feedback)
    return replace(of_version, subject=subject, prediction=logged, feedback=feedback)


def _of_version(work: Work, version: int) -> Lineage:
    promotion = work.promotions.of_version(version)
    batches = _batches(work, promotion)
    digest, summary = promotion.dossier_digest, promotion.dossier
    jobs = [summary.job] if summary and summary.job is not None else []
    own = work.audit.of(subjects=[f"version:{version}", *(f"job:{job}" for job in jobs)])
    decisions = sorted({e.id: e for e in [*own, *_replaced(work, version)]}.values(), key=_id)
    return Lineage(
        subject=f"version:{version}",
        version=promotion,
        decisions=tuple(decisions),
        dossier=work.dossiers.get(digest) if digest else None,
        batches=tuple(batches),
        drift=tuple(report for b in batches for report in work.drift.latest(4, batch_id=b.id)),
        jobs=tuple(work.jobs.get(job) for job in jobs),
        terms=tuple(term for term in live_terms.terms(work) if term.version == version),
        answered=work.predictions.answered(version),
    )


def _id(event: AuditEvent) -> int:
    return event.id


def _replaced(work: Work, version: int) -> list[AuditEvent]:
    """How another version came in the place of this one: the decision, and that it went live."""
    events: list[AuditEvent] = []
    for other in work.audit.latest(_MOST_VERSIONS, action="live"):
        if other.details.get("before") != version:
            continue
        decided = work.audit.latest(
            1, subject=other.subject, action=str(other.details.get("action")), before_id=other.id
        )
        events += [*decided, other]
    return events


def _batches(work: Work, promotion: Promotion) -> list[Batch]:
    """The batches that a version was trained on."""
    batches = []
    for batch_id in promotion.dossier.batch_ids if promotion.dossier else ():
        with suppress(Missing):
            batches.append(work.batches.get(batch_id))
    return batches


def _of_batch(work: Work, batch: Batch) -> Lineage:
    """A batch, with every entry of the ledger that has its number.

    In the audit log `batch:12` always names the database's id (from older versions).
    """
    named = work.batches.numbered(batch.epoch, batch.number) if batch.number is not None else []
    versions = work.promotions.latest(_MOST_VERSIONS)
    return Lineage(
        subject=batch.subject if batch.number is not None else f"batch-id:{batch.id}",
        verdict=verdict_of(work, batch) if batch.state is BatchState.STORED else None,
        decisions=tuple(work.audit.of(subjects=[batch.subject, f"batch:{batch.id}"])),
        batches=(batch, *(other for other in named if other.id != batch.id)),
        drift=tuple(work.drift.latest(10, batch_id=batch.id)),
        versions=tuple(
            p.version for p in versions if p.dossier and batch.id in p.dossier.batch_ids
        ),
    )


def _of_epoch(_work: Work, named: Subject) -> Lineage:
    raise BadInput(
        f"An epoch has no lineage, but each of its batches has: enter one, such as "
        f"{named.number}/1."
    )


_READ: dict[Kind, Callable[[Work, Subject], Lineage]] = {
    Kind.VERSION: lambda work, named: _of_version(work, named.number),
    Kind.JOB: lambda work, named: _of_job(work, named.number),
    Kind.BATCH: lambda work, named: _of_batch(work, _batch(work, named.number, named.epoch)),
    Kind.ENTRY: lambda work, named: _of_batch(work, work.batches.get(named.number)),
    Kind.EPOCH: _of_epoch,
    Kind.ANY: lambda work, named: _of_number(work, named.number),
}
