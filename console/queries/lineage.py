"""The lineage of one id: everything on record that it depends on or that depends on it."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from console.desk import Desk
from console.text.as_json import jsonable
from core.adapters.store import Work
from core.domain.audit_event import AuditEvent
from core.domain.batches import Batch, BatchState
from core.domain.dossier import Dossier
from core.domain.drift import StoredReport
from core.domain.errors import BadInput, Missing
from core.domain.jobs import Job
from core.domain.predictions import LoggedPrediction
from core.domain.promotions import Promotion
from core.rules.drift.batch_verdict import BatchVerdict
from core.usecases.batch_facts import verdict_of

_MOST_VERSIONS = 500

_ENTRY = re.compile(r"(?:(?P<epoch>N)/)?(?P<number>N)".replace("N", r"\d{1,18}"), re.ASCII)
"""An id column holds 18 digits."""

_SUBJECT = re.compile(
    r"version:(?P<version>N)|job:(?P<job>N)|batch-id:(?P<batch_id>N)"
    r"|batch:(?:(?P<epoch>N)/)?(?P<number>N)|batch (?P<n>N)(?: of epoch (?P<e>N))?".replace(
        "N", r"\d{1,18}"
    ),
    re.ASCII,
)

_OF_VERSION = ("version", "decisions", "dossier", "batches", "drift", "jobs")
_OF_BATCH = ("verdict", "decisions", "batches", "drift", "versions")
_OF_JOB = ("jobs", "decisions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The lineage of an id; parts that do not apply to it are empty.

    `dossier` is the frozen dossier of `version`; `versions` are those that were trained on the
    first of `batches`, which `verdict` is about.
    """

    subject: str
    prediction: LoggedPrediction | None = None
    version: Promotion | None = None
    dossier: Dossier | None = None
    verdict: BatchVerdict | None = None
    batches: tuple[Batch, ...] = ()
    versions: tuple[int, ...] = ()
    decisions: tuple[AuditEvent, ...] = ()
    drift: tuple[StoredReport, ...] = ()
    jobs: tuple[Job, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The parts that apply, as the command line and the page give them to programs."""
        names = ("subject", *(["prediction"] if self.prediction else []))
        if self.version:
            names += _OF_VERSION
        elif self.batches:
            names += _OF_BATCH
        elif self.jobs:
            names += _OF_JOB
        parts = {name: jsonable(getattr(self, name)) for name in names}
        if self.version:
            parts["dossier"] = {"dossier": self.version.dossier_digest, **(parts["dossier"] or {})}
        return parts


def passport(desk: Desk, subject: str) -> Lineage:
    """The lineage of an id.

    `subject` is a prediction's id, or `version:3`, `job:7`, `batch:2/3` for batch 3 of epoch 2,
    `batch:3` for batch 3 of the current epoch, `batch-id:12` for the database's id (which old
    records call `batch:12`).

    Raises:
        BadInput: the subject has an unknown form.
        Missing: it is not on record.
    """
    subject = subject.strip()
    named = _SUBJECT.fullmatch(subject)
    groups = named.groupdict() if named else {}
    ids = {name: int(digits) for name, digits in groups.items() if digits}
    with desk.store.read() as work:
        if "version" in ids:
            return _of_version(work, ids["version"], subject)
        if "job" in ids:
            job = work.jobs.get(ids["job"])
            decisions = work.audit.of(subjects=[f"job:{job.id}"])
            return Lineage(subject=subject, jobs=(job,), decisions=tuple(decisions))
        if "batch_id" in ids:
            return _of_batch(work, work.batches.get(ids["batch_id"]))
        if ids:
            number, epoch = ids.get("number", ids.get("n", 0)), ids.get("epoch", ids.get("e"))
            return _of_batch(work, _batch(work, number, epoch))
        kind, colon, name = subject.partition(":")
        if colon and kind != "prediction":
            raise BadInput(
                "Enter a prediction id, or one of version:3, job:7, batch:2/3 (batch 3 of epoch 2) "
                f"and batch:3 (of the current epoch), not {subject[:60]!r}."
            )
        return _of_prediction(work, name or kind)


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


def _of_prediction(work: Work, prediction_id: str) -> Lineage:
    logged = work.predictions.get(prediction_id)
    if logged is None:
        raise Missing(f"There is no prediction {prediction_id[:60]} on record (yet).")
    subject = f"prediction:{logged.id}"
    try:
        of_version = _of_version(work, logged.model_version, subject)
    except Missing:
        return Lineage(subject=subject, prediction=logged)
    return replace(of_version, prediction=logged)


def _of_version(work: Work, version: int, subject: str) -> Lineage:
    promotion = work.promotions.of_version(version)
    batches = _batches(work, promotion)
    digest, summary = promotion.dossier_digest, promotion.dossier
    jobs = [summary.job] if summary and summary.job is not None else []
    decisions = work.audit.of(subjects=[f"version:{version}", *(f"job:{job}" for job in jobs)])
    return Lineage(
        subject=subject,
        version=promotion,
        decisions=tuple(decisions),
        dossier=work.dossiers.get(digest) if digest else None,
        batches=tuple(batches),
        drift=tuple(report for b in batches for report in work.drift.latest(4, batch_id=b.id)),
        jobs=tuple(work.jobs.get(job) for job in jobs),
    )


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
