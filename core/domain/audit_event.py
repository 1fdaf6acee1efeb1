"""Audit events: who did what to which subject, when and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

ITSELF = "driftdesk"
"""The actor of what driftdesk does by itself."""

DISMISS = "dismiss batch"
"""The action when a person decides against training on a batch."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """Who did what to which subject, when and why; `hash` chains it to the event before.

    `dataset` is the one that it is about; empty for a fact of the whole desk.
    """

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    reason: str
    details: dict[str, Any]
    hash: str = ""
    dataset: str = ""
