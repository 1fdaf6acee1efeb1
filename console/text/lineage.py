"""The lineage of an id, and it as a chain: batches, training, decision, predictions, feedback."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from console.text import formatting
from console.text.as_json import jsonable
from console.text.prediction import amount
from core.domain.audit_event import AuditEvent
from core.domain.batches import Batch
from core.domain.dossier import Dossier
from core.domain.drift import StoredReport
from core.domain.jobs import Job
from core.domain.predictions import ANSWERS_COUNTED, Answered, LoggedPrediction
from core.domain.promotions import Promotion, Term
from core.rules.drift.batch_verdict import BatchVerdict
from core.rules.model.promotion_states import decision_in_words

_SHOWN = 3

_OF_VERSION = ("version", "decisions", "dossier", "batches", "drift", "jobs", "terms", "answered")
_OF_BATCH = ("verdict", "decisions", "batches", "drift", "versions")
_OF_JOB = ("jobs", "decisions")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The lineage of an id; parts that do not apply to it are empty.

    `dossier` is the frozen dossier of `version`, `terms` are the times in which it was live, newest
    first, and `answered` counts its predictions; `versions` are those that were trained on the
    first of `batches`, which `verdict` is about. `feedback` is what was reported of `prediction`,
    an amount in `unit`.
    """

    subject: str
    prediction: LoggedPrediction | None = None
    feedback: float | str | None = None
    unit: str = ""
    version: Promotion | None = None
    dossier: Dossier | None = None
    verdict: BatchVerdict | None = None
    batches: tuple[Batch, ...] = ()
    versions: tuple[int, ...] = ()
    decisions: tuple[AuditEvent, ...] = ()
    drift: tuple[StoredReport, ...] = ()
    jobs: tuple[Job, ...] = ()
    terms: tuple[Term, ...] = ()
    answered: Answered | None = None

    def to_json(self) -> dict[str, Any]:
        """The parts that apply, as the command line and the page give them to programs."""
        names = ("subject", *(["prediction", "feedback"] if self.prediction else []))
        if self.version:
            names += _OF_VERSION
        elif self.batches:
            names += _OF_BATCH
        elif self.jobs:
            names += _OF_JOB
        parts = {name: jsonable(getattr(self, name)) for name in names}
        parts["chain"] = jsonable(chain(self))
        if self.version:
            parts["dossier"] = {"dossier": self.version.dossier_digest, **(parts["dossier"] or {})}
        return parts


@dataclass(frozen=True, slots=True)
class Link:
    """One link of the chain: what it is, what is on record of it, and the page that shows more."""

    title: str
    says: str
    page: str
    query: Mapping[str, str] = field(default_factory=dict)


def chain(lineage: Lineage) -> list[Link]:
    """The links of a lineage in the order of time."""
    return [link for links in (_data(lineage), _model(lineage), _use(lineage)) for link in links]


def _data(lineage: Lineage) -> Iterator[Link]:
    if batches := lineage.batches:
        first = batches[0]
        numbers = sorted({b.number for b in batches if b.number is not None})
        rows = formatting.count(sum(b.stored for b in batches), "row")
        named = ", ".join(map(str, numbers[:_SHOWN]))
        if more := len(numbers[_SHOWN:]):
            named += f" and {more:,} more"
        says = f"{named} of epoch {first.epoch}: {rows}"
        if len(numbers) == 1:
            yield Link("Batch", says, "pipeline", {"batch": f"{first.epoch}/{first.number}"})
        else:
            yield Link("Batches", says, "pipeline", {"view": "Batches"})
    for version in lineage.versions[:_SHOWN]:
        query = {"version": f"{version}"}
        yield Link(f"Version {version}", "was trained on it", "promotion", query)
    if len(lineage.versions) > _SHOWN:
        says = f"and {len(lineage.versions) - _SHOWN:,} more"
        yield Link("Versions", says, "promotion", {"tab": "History"})


def _model(lineage: Lineage) -> Iterator[Link]:
    for job in lineage.jobs[:1]:
        took = formatting.duration(job.started_at, job.finished_at)
        query = {"job": str(job.id)}
        says = f"{job.kind.value}, {formatting.STATES[job.state][1]}, {took}"
        yield Link(f"Job {job.id}", says, "pipeline", query)
    if version := lineage.version:
        query = {"version": str(version.version)}
        held_out = version.dossier.candidate.rows if version.dossier else 0
        says = formatting.count(held_out, "held-out row") if held_out else "never evaluated here"
        yield Link(f"Version {version.version}", says, "promotion", query)
        yield Link("Decision", _decision(version), "promotion", query)
        yield Link("Live", _live(lineage, version), "promotion", query)


def _decision(version: Promotion) -> str:
    return decision_in_words(version) if version.decided_by else "awaits a decision"


def _live(lineage: Lineage, version: Promotion) -> str:
    if not lineage.terms:
        return "was never live" if version.decided_by else "not live yet"
    newest = lineage.terms[0]
    until = f"until {newest.until:%Y-%m-%d %H:%M} UTC" if newest.until else "until now"
    times = f", {len(lineage.terms)} times in all" if len(lineage.terms) > 1 else ""
    return f"{newest.since:%Y-%m-%d %H:%M} UTC {until}{times}"


def _use(lineage: Lineage) -> Iterator[Link]:
    version = lineage.version
    if lineage.prediction:
        query = {"id": lineage.prediction.id}
        yield Link("Prediction", lineage.prediction.id[:8], "predict", query)
        yield Link("Feedback", _reported(lineage.feedback, lineage.unit), "predict", query)
    elif version and lineage.answered:
        query = {"ask": "History", "model": str(version.version)}
        answered = lineage.answered
        yield Link("Predictions", _count(answered, answered.predictions), "predict", query)
        says = _count(answered, answered.with_feedback)
        yield Link("Feedback", says, "predict", query)


def _reported(actual: float | str | None, unit: str) -> str:
    if actual is None:
        return "none reported yet"
    return f"actual {actual if isinstance(actual, str) else amount(actual, unit)}"


def _count(answered: Answered, number: int) -> str:
    newest = (
        f" of the newest {ANSWERS_COUNTED:,}" if answered.predictions >= ANSWERS_COUNTED else ""
    )
    return f"{number:,}{newest}"
