"""The audit trail's chain: whatever is altered is found, and named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from core.domain.audit_event import AuditEvent
from core.rules.ops.audit_chain import GENESIS, first_break, link
from tests.build import NOON


def trail(length: int) -> list[AuditEvent]:
    events, before = [], GENESIS
    for n in range(1, length + 1):
        event = AuditEvent(
            n, NOON + timedelta(microseconds=n), "ana", "act", f"job:{n}", "é", {"n": n / 3}
        )
        before = link(before, event)
        events.append(replace(event, hash=before))
    return events


def old_link(before: str, event: AuditEvent) -> str:
    """The hash of an event before a desk could have several datasets."""
    at = event.at.isoformat(timespec="microseconds")
    said = [event.actor, event.action, event.subject, event.reason, event.details]
    content = json.dumps(
        [before, event.id, at, *said], sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )
    return hashlib.sha256(content.encode()).hexdigest()


def linked(forms: str) -> list[AuditEvent]:
    """A trail whose events have the old form ("o") or the new one ("n")."""
    events, before = [], GENESIS
    for event, form in zip(trail(len(forms)), forms, strict=True):
        before = (old_link if form == "o" else link)(before, event)
        events.append(replace(event, hash=before))
    return events


def head(events: list[AuditEvent]) -> tuple[int, str]:
    return (events[-1].id, events[-1].hash) if events else (0, GENESIS)


def test_a_whole_trail_holds_and_so_does_an_empty_one() -> None:
    for length in (0, 1, 7):
        events = trail(length)
        assert first_break(events, *head(events)) is None


CHANGES = {
    "actor": "eve",
    "action": "approve",
    "subject": "version:9",
    "reason": "",
    "details": {"n": 1},
    "at": NOON,
    "hash": "f" * 64,
    "dataset": "other",
}


@given(st.integers(1, 8), st.sampled_from(sorted(CHANGES)), st.data())
def test_the_first_altered_event_is_named(length: int, field: str, data: st.DataObject) -> None:
    events = trail(length)
    at = data.draw(st.integers(0, length - 1))
    noted = head(events)
    altered = [*events]
    altered[at] = replace(altered[at], **{field: CHANGES[field]})
    found = first_break(altered, *noted)
    assert found is not None
    assert found.event_id == at + 1


@given(st.integers(1, 8), st.data())
def test_a_removed_event_is_named_the_last_one_too(length: int, data: st.DataObject) -> None:
    events = trail(length)
    at = data.draw(st.integers(0, length - 1))
    found = first_break(events[:at] + events[at + 1 :], *head(events))
    assert found is not None
    assert found.event_id == at + 1
    assert "gone" in found.says


@given(st.integers(0, 4), st.integers(0, 4))
def test_events_from_before_several_datasets_hold_at_the_beginning(old: int, new: int) -> None:
    events = linked("o" * old + "n" * new)
    assert first_break(events, *head(events)) is None


def test_an_event_of_the_old_form_after_one_of_the_new_is_refused() -> None:
    events = linked("onon")
    found = first_break(events, *head(events))
    assert found is not None
    assert found.event_id == 3
