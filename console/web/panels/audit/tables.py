"""Rows of the Audit page's tables, and its CSV download."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from console.desk import Desk
from console.queries import promotion
from console.queries.promotion import Scope
from console.text import audit_sentences, formatting
from console.text.as_json import jsonable
from console.text.csv_output import inert_csv
from console.web import addresses
from console.web.html_table import Anchor, When
from core.domain.audit_event import AuditEvent
from core.domain.batches import Batch
from core.domain.drift import StoredReport
from core.domain.safe_text import printable_json

_MOST = 10_000
_KEPT = ("id", "at", "actor", "action", "subject", "reason")


def events(
    found: Sequence[AuditEvent], now: datetime, *, names_datasets: bool = False
) -> list[dict[str, Any]]:
    """Events as rows for the page; `About` is a link to the subject's lineage if it has one.

    `names_datasets` adds the dataset of each; "the whole desk" is that of no single one.
    """
    return [
        ({"Dataset": e.dataset or "the whole desk"} if names_datasets else {})
        | {
            "When": When(e.at, now),
            "What happened": audit_sentences.sentence(e),
            "Reason": e.reason,
            "About": _about(e.subject, e.dataset if names_datasets else ""),
            "Who": e.actor,
            "Role": e.details.get("by", {}).get("role", ""),
            "At (UTC)": f"{e.at:%Y-%m-%d %H:%M:%S}",
            "Id": e.id,
        }
        for e in found
    ]


def _about(subject: str, dataset: str) -> Anchor | str:
    """A link to a subject's lineage, of another dataset if one is named; others as they are."""
    kind, named = subject.partition(":")[0], subject
    if kind not in ("version", "job", "batch"):
        return subject
    entry = kind == "batch" and "/" not in subject  # an entry of the ledger, by its id
    subject = subject.replace("batch:", "batch-id:", 1) if entry else subject
    if dataset:
        query = {"part": "Lineage", "follow": subject}
        return Anchor(named, addresses.of(dataset, "audit", query))
    return Anchor(named, _lineage(subject))


def _lineage(subject: str) -> str:
    """The address of a subject's lineage, of the dataset of this page."""
    return addresses.kept(f"audit?part=Lineage&follow={quote(subject, safe=':/')}")


def batches(ledger: Sequence[Batch], now: datetime) -> list[dict[str, Any]]:
    """Ledger entries as rows for the page."""
    return [
        {
            "Batch": _batch("pipeline", b.epoch, b.number),
            "State": formatting.STATES[b.state][1],
            "Stored": b.stored,
            "Quarantined": b.quarantined,
            "Content hash": b.content_hash[:16],
            "Received": When(b.received_at, now),
        }
        for b in ledger
    ]


def reports(stored: Sequence[StoredReport]) -> list[dict[str, Any]]:
    """Drift reports as rows for the page."""
    return [
        {
            "Batch": _batch("drift", r.epoch, r.batch_number),
            "Compared with": r.compared_with,
            "Drift rule": r.report.verdict,
            "Reasons": " ".join(reason.text for reason in r.report.reasons),
        }
        for r in stored
    ]


def _batch(page: str, epoch: int, number: int | None) -> Anchor | str:
    """A link to what a page shows of a batch."""
    if number is None:
        return f"of epoch {epoch}"
    return Anchor(f"{epoch}/{number}", addresses.kept(f"{page}?batch={epoch}/{number}"))


def choices(subjects: Sequence[str]) -> str:
    """Links, as a list in HTML, to the lineage of each of these subjects."""
    links = (
        addresses.anchor(
            audit_sentences.in_words(subject) if ":" in subject else subject,
            _lineage(subject),
        )
        for subject in subjects
    )
    return f'<ul class="choices">{"".join(f"<li>{link}</li>" for link in links)}</ul>'


def csv(desk: Desk, **wanted: Any) -> bytes:
    """The events that `matching` finds as CSV, with formulas escaped."""
    rows = [e | {"details": json.dumps(e["details"], ensure_ascii=False)}
            for e in matching(desk, **wanted)]  # fmt: skip
    return inert_csv(rows).encode("utf-8-sig")


def as_json(desk: Desk, **wanted: Any) -> bytes:
    """The events that `matching` finds as JSON."""
    text = json.dumps(jsonable(matching(desk, **wanted)), ensure_ascii=False, indent=2)
    return printable_json(text).encode()


def matching(
    desk: Desk, *, scope: Scope, action: str, actor: str, subject: str, days: int
) -> list[dict[str, Any]]:
    """The matching events with the sentence of each, newest first, at most ten thousand."""
    found = promotion.audit(
        desk, _MOST, scope=scope, action=action, actor=actor, subject=subject, days=days
    )
    names = _KEPT if scope is Scope.DATASET else (*_KEPT, "dataset")
    return [
        {name: getattr(e, name) for name in names}
        | {"sentence": audit_sentences.sentence(e), "details": e.details, "hash": e.hash}
        for e in found
    ]
