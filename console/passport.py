"""The passport of one id: everything on record that led to it, or that it led to."""

from __future__ import annotations

from typing import Any

from console.desk import Desk
from core.errors import BadInput, Missing
from core.records import Batch, Promotion
from core.store import Work

_MOST_VERSIONS = 500


def passport(desk: Desk, subject: str) -> dict[str, Any]:
    """Follow an id the whole way.

    `subject` is a prediction's id, or `version:3`, `batch:12`, `job:7`. The parts that apply are
    filled, in the order in which one looks back: prediction, version, decisions, dossier,
    batches, drift, jobs.

    Raises:
        BadInput: the subject is of no known kind.
        Missing: there is no such thing on record.
    """
    kind, colon, name = subject.strip().partition(":")
    if not colon:
        kind, name = "prediction", kind
    with desk.store.read() as work:
        if kind == "prediction":
            return _of_prediction(work, name)
        if kind not in ("version", "batch", "job") or not name.isdecimal():
            raise BadInput(
                "Give a prediction's id, or one of version:3, batch:12, job:7, not "
                f"{subject[:60]!r}."
            )
        if kind == "version":
            return {"subject": subject} | _of_version(work, int(name))
        if kind == "batch":
            return {"subject": subject} | _of_batch(work, work.batches.get(int(name)))
        job = work.jobs.get(int(name))
        return {
            "subject": subject,
            "jobs": [job],
            "decisions": work.audit.of(subjects=[f"job:{job.id}"]),
        }


def _of_prediction(work: Work, prediction_id: str) -> dict[str, Any]:
    found = work.predictions.get(prediction_id)
    if found is None:
        raise Missing(f"There is no prediction {prediction_id[:60]} on record (yet).")
    start = {"subject": f"prediction:{found.id}", "prediction": found}
    try:
        return start | _of_version(work, found.model_version)
    except Missing:
        return start


def _of_version(work: Work, version: int) -> dict[str, Any]:
    promotion = work.promotions.of_version(version)
    batches = _batches(work, promotion)
    jobs = [promotion.dossier[key] for key in ("job",) if key in promotion.dossier]
    subjects = [f"version:{version}", *(f"job:{job}" for job in jobs)]
    return {
        "version": promotion,
        "decisions": work.audit.of(subjects=subjects),
        "dossier": {"dossier": promotion.dossier_digest}
        | (work.dossiers.get(promotion.dossier_digest) if promotion.dossier_digest else {}),
        "batches": batches,
        "drift": [report for b in batches for report in work.drift.latest(4, batch_id=b.id)],
        "jobs": [work.jobs.get(int(job)) for job in jobs],
    }


def _batches(work: Work, promotion: Promotion) -> list[Batch]:
    found = []
    for entry in promotion.dossier.get("batches", []):
        try:
            found.append(work.batches.get(int(entry["id"])))
        except Missing:
            continue
    return found


def _of_batch(work: Work, batch: Batch) -> dict[str, Any]:
    trained = [
        p.version
        for p in work.promotions.latest(_MOST_VERSIONS)
        if any(entry["id"] == batch.id for entry in p.dossier.get("batches", []))
    ]
    return {
        "batches": [batch],
        "drift": work.drift.latest(10, batch_id=batch.id),
        "versions": trained,
    }
