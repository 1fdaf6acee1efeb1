"""The audit trail and its neighbours as tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from console import review, words
from console.desk import Desk
from console.inert import inert_csv
from core.records import AuditEvent, Batch, StoredReport

_MOST = 10_000
_PAGE = 1000


def table(events: Sequence[AuditEvent]) -> list[dict[str, Any]]:
    """Events as rows for the page."""
    return [
        {
            "Id": e.id,
            "When (UTC)": e.at.replace(tzinfo=None),
            "Who": e.actor,
            "Role": e.details.get("by", {}).get("role", ""),
            "Did": e.action,
            "About": e.subject,
            "Why": e.reason,
            "Details": json.dumps(e.details, ensure_ascii=False) if e.details else "",
        }
        for e in events
    ]


def batches(found: Sequence[Batch]) -> list[dict[str, Any]]:
    """Ledger entries as rows for the page."""
    return [
        {
            "Id": b.id,
            "Epoch": b.epoch,
            "Batch": b.number,
            "State": words.STATES[b.state][1],
            "Stored": b.stored,
            "Quarantined": b.quarantined,
            "Content hash": b.content_hash[:16],
            "Received (UTC)": b.received_at.replace(tzinfo=None),
        }
        for b in found
    ]


def reports(found: Sequence[StoredReport]) -> list[dict[str, Any]]:
    """Drift reports as rows for the page."""
    return [
        {
            "Batch": r.batch_number,
            "Epoch": r.epoch,
            "Against": r.reference_name,
            "Verdict": "retrain" if r.report.retrain else "no drift",
            "Why": " ".join(r.report.reasons),
        }
        for r in found
    ]


def csv(desk: Desk, *, action: str, actor: str, subject: str, days: int) -> bytes:
    """Everything on record that fits, newest first, as CSV; ten thousand events at most."""
    rows: list[dict[str, object]] = []
    before: int | None = None
    while len(rows) < _MOST:
        page = review.audit(
            desk, _PAGE, action=action, actor=actor, subject=subject, days=days, before_id=before
        )
        if not page:
            break
        before = page[-1].id
        rows += [
            {
                "id": e.id,
                "at": e.at,
                "actor": e.actor,
                "action": e.action,
                "subject": e.subject,
                "reason": e.reason,
                "details": json.dumps(e.details, ensure_ascii=False),
                "hash": e.hash,
            }
            for e in page
        ]
    return inert_csv(rows).encode("utf-8-sig")
