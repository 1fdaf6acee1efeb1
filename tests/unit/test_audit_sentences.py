"""Audit events are told as sentences, whatever wrote them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from console.text.audit_sentences import sentence
from core.domain.audit_event import AuditEvent
from core.domain.jobs import JobKind
from core.domain.promotions import Decision
from core.rules.ops.live_alerts import SEEN
from core.usecases.batch_facts import DISMISS
from tests.stacks import ROOT

AT = datetime(2026, 1, 1, tzinfo=UTC)


def event(action: str, subject: str, **details: Any) -> AuditEvent:
    return AuditEvent(1, AT, "ana", action, subject, "", details)


def written() -> Iterator[str]:
    """The actions that the code writes as literals."""
    for room in ("core", "console", "workers"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("audit.add"):
                    action = node.args[1]
                    if isinstance(action, ast.Constant):
                        yield str(action.value)


OTHERS = (
    SEEN,
    "revise dataset",
    "disable dataset",
    "enable dataset",
    "key added",
    "key removed",
    "add columns",
    DISMISS,
    *Decision,
)
OF_JOBS = [f"{act} {kind}" for act in ("request", "join") for kind in JobKind]


@pytest.mark.parametrize("action", sorted({*written(), *OTHERS, *OF_JOBS}))
def test_every_action_that_is_written_has_a_sentence(action: str) -> None:
    said = sentence(event(action, "version:3"))
    assert said.endswith(".")
    assert f"ana: {action}" not in said


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (event("force", "version:3", failed_gates=["slices", "baseline"]),
         "ana forced version 3 (gates not passed: slices, baseline)."),
        (event("live", "version:3", before=2),
         "Version 3 went live, decided by ana (in the place of version 2)."),
        (event("propose", "version:3", recommended=False),
         "Version 3 became a candidate, from ana's training (not recommended)."),
        (event("request ingest", "job:7"), "ana queued an ingest (job 7)."),
        (event("hold batch", "batch:2/3"), "ana held batch 3 of epoch 2."),
        (event("close batch", "batch:12"),
         "ana closed entry 12 of the ledger after repeated failures."),
        (event("set limits", "limits", price_mean={"from": 0.2, "to": 0.25, "reset": False},
               by={"role": "admin"}),
         "ana changed drift limits: price_mean from 20.0 % to 25.0 %."),
        (event("refused", "right:decide", verb="approve"),
         "ana was refused: approve needs the right decide."),
        (event("read quarantine", "batch:1/0", added=1200, left=3),
         ("The quarantined rows of batch 0 of epoch 1 were read again for ana "
         "(1,200 stored, 3 left).")),
        (event("of a later version", "version:3"), "ana: of a later version, version 3."),
        (event("hold batch", "{x}"), "ana held {x}."),
    ],
)  # fmt: skip
def test_an_event_is_a_sentence(given: AuditEvent, says: str) -> None:
    assert sentence(given) == says
