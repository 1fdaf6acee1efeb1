"""Tables of the Audit page, and its CSV download."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from console.desk import Desk
from console.queries import promotion
from console.text import audit_sentences, formatting
from console.text.csv_output import inert_csv
from console.web import addresses
from core.domain.audit_event import AuditEvent
from core.domain.batches import Batch
from core.domain.drift import StoredReport

_MOST = 10_000
_CSV = ("id", "at", "actor", "action", "subject", "reason")


def table(events: Sequence[AuditEvent]) -> list[dict[str, Any]]:
    """Events as rows for the page; `About` is a link to the subject's lineage, or empty."""
    return [
        {
            "When (UTC)": e.at.replace(tzinfo=None),
            "What happened": audit_sentences.sentence(e),
            "Reason": e.reason,
            "About": _link(e.subject),
            "Who": e.actor,
            "Role": e.details.get("by", {}).get("role", ""),
            "Id": e.id,
        }
        for e in events
    ]


def _link(subject: str) -> str | None:
    """The address of a subject's lineage; None if it has none."""
    kind = subject.partition(":")[0]
    if kind not in ("version", "job", "batch"):
        return None
    entry = kind == "batch" and "/" not in subject  # an entry of the ledger, by its id
    subject = subject.replace("batch:", "batch-id:", 1) if entry else subject
    return addresses.kept(f"audit?part=Lineage&follow={quote(subject, safe=':/')}")


def batches(ledger: Sequence[Batch]) -> list[dict[str, Any]]:
    """Ledger entries as rows for the page."""
    return [
        {
            "Epoch": b.epoch,
            "Batch": b.number,
            "State": formatting.STATES[b.state][1],
            "Stored": b.stored,
            "Quarantined": b.quarantined,
            "Content hash": b.content_hash[:16],
            "Received (UTC)": b.received_at.replace(tzinfo=None),
        }
        for b in ledger
    ]


def reports(stored: Sequence[StoredReport]) -> list[dict[str, Any]]:
    """Drift reports as rows for the page."""
    return [
        {
            "Batch": r.batch_number,
            "Epoch": r.epoch,
            "Compared with": r.compared_with,
            "Verdict": r.report.verdict,
            "Reasons": " ".join(reason.text for reason in r.report.reasons),
        }
        for r in stored
    ]


def csv(desk: Desk, *, action: str, actor: str, subject: str, days: int) -> bytes:
    """The matching events as CSV, newest first, at most ten thousand."""
    events = promotion.audit(desk, _MOST, action=action, actor=actor, subject=subject, days=days)
    rows = [
        {name: getattr(e, name) for name in _CSV}
        | {"sentence": audit_sentences.sentence(e)}
        | {"details": json.dumps(e.details, ensure_ascii=False), "hash": e.hash}
        for e in events
    ]
    return inert_csv(rows).encode("utf-8-sig")
