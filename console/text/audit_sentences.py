"""Audit events as sentences: who did what to which subject, and the figures that matter.

An action that this version does not know is shown by its name, so that no event is hidden.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from core.domain.audit_event import AuditEvent
from core.domain.jobs import AGAINST, JobKind
from core.domain.number_format import percent

_JOBS = {
    JobKind.INGEST: "an ingest", JobKind.DRIFT: "a drift check", JobKind.TRAIN: "a training",
    JobKind.JUDGE: "a re-evaluation", JobKind.PROMOTE: "a promotion",
}  # fmt: skip

_SENTENCES = {
    "approve": "{actor} approved {subject}",
    "force": "{actor} forced {subject}",
    "rollback": "{actor} rolled back to {subject}",
    "reject": "{actor} rejected {subject}",
    "supersede": "{actor} superseded {subject} with newer candidates",
    "ask to force": "{actor} asked a second person to confirm forcing {subject}",
    "withdraw force": "{actor} withdrew the request to force {subject}",
    "close follow-up": "{actor} closed the follow-up of {subject}",
    "propose": "{subject} became a candidate, from {actor}'s training",
    "re-evaluate": "{subject} was re-evaluated, requested by {actor}",
    "live": "{subject} went live, decided by {actor}",
    "promotion failed": "{subject} did not go live",
    "put back": "{actor} put the registry's alias back to {subject}",
    "cancel": "{actor} cancelled {subject}",
    "retry": "{actor} retried {subject}",
    "hold batch": "{actor} held {subject}",
    "release batch": "{actor} released {subject}",
    "skip batch": "{actor} skipped {subject}",
    "retry batch": "{actor} asked for {subject} to be read again",
    "see alert": "{actor} has seen the alert about {subject}",
    "dismiss batch": "{actor} dismissed the drift of {subject}",
    "close batch": "{actor} closed {subject} after repeated failures",
    "read quarantine": "the quarantined rows of {subject} were read again for {actor}",
    "restart source": "{actor} restarted the source to end {subject}",
    "begin epoch": "{subject} began with {actor}'s ingest",
    "set limits": "{actor} changed drift limits",
    "add columns": "columns were added to the table of {subject}",
    "revise dataset": "the file of {subject} has changed",
    "disable dataset": "{actor} disabled {subject}",
    "enable dataset": "{actor} enabled {subject}",
    "add schedule": "{actor} added {subject}",
    "edit schedule": "{actor} changed {subject}",
    "pause schedule": "{actor} paused {subject}",
    "resume schedule": "{actor} resumed {subject}",
    "remove schedule": "{actor} removed {subject}",
    "left out": "a run of {subject} was left out",
    "key added": "{actor} added an API key for {subject}",
    "key removed": "{actor} removed an API key of {subject}",
    "test webhook": "{actor} sent a test notification",
    "backup": "{actor} made {subject}",
    "restore": "{actor} restored {subject}",
    "prune": "{actor} deleted what had expired",
    "continue numbers": "{actor} let MLflow continue above the versions on record",
    "refused": "{actor} was refused: {verb} needs {subject}",
}
"""For each action; those of jobs are made from the kind."""

_NAMED = {
    re.compile(r"batch:(\d+)/(\d+)"): "batch {1} of epoch {0}",
    re.compile(r"batch:(\d+)"): "entry {0} of the ledger",
    re.compile(r"window:(\d+)"): "window {0} of live traffic",
    re.compile(r"backup:(.+)"): "the backup {0}",
    re.compile(r"key:(.+)"): "{0}",
    re.compile(r"right:(.+)"): "the right {0}",
    re.compile(r"dataset:(.+)"): "{0}",
    re.compile(r"([a-z]+):(.+)"): "{0} {1}",
}
"""Subjects as sentences name them; the first match counts."""


def sentence(event: AuditEvent) -> str:
    """Who did what, without the reason, such as "ana forced version 3 (job 12)."."""
    text = f"{_what(event)}{_figures(event)}."
    return text if text.startswith(event.actor) else text[0].upper() + text[1:]


def in_words(subject: str) -> str:
    """A subject as sentences name it, such as "batch 3 of epoch 1"."""
    for pattern, name in _NAMED.items():
        if match := pattern.fullmatch(subject):
            return name.format(*match.groups())
    return subject


def _what(event: AuditEvent) -> str:
    subject = in_words(event.subject)
    act, _, kind = event.action.partition(" ")
    if act in ("request", "join") and kind in tuple(JobKind):
        verb = "queued" if act == "request" else "joined"
        what = _JOBS[JobKind(kind)]
        if AGAINST in event.details:
            two = event.details.get("version"), event.details[AGAINST]
            what = "a comparison of versions {} and {}".format(*two)
        return f"{event.actor} {verb} {what} ({subject})"
    known = _SENTENCES.get(event.action, "{actor}: {action}, {subject}")
    verb = event.details.get("verb", "")
    return known.format(actor=event.actor, action=event.action, subject=subject, verb=verb)


def _figures(event: AuditEvent) -> str:
    """The details that people ask for first, in brackets; the download has them all."""
    details = event.details
    if event.action == "set limits":
        return ": " + "; ".join(_limit(name, change) for name, change in _limits(details))
    parts = []
    if gates := details.get("failed_gates"):
        parts.append(f"gates not passed: {', '.join(map(str, gates))}")
    if event.action in ("live", "promotion failed") and details.get("before") is not None:
        verb = "in the place of" if event.action == "live" else "live stays"
        parts.append(f"{verb} version {details['before']}")
    if "recommended" in details:
        parts.append("recommended" if details["recommended"] else "not recommended")
    if event.action == "read quarantine":
        parts.append(f"{details.get('added', 0):,} stored, {details.get('left', 0):,} left")
    if added := details.get("added") if event.action == "add columns" else None:
        parts.append(", ".join(map(str, added)))
    return f" ({'; '.join(parts)})" if parts else ""


def _limits(details: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, change) for name, change in details.items() if name != "by"]


def _limit(name: str, change: Mapping[str, Any]) -> str:
    reset = " (the dataset file's)" if change.get("reset") else ""
    return f"{name} from {percent(change['from'])} to {percent(change['to'])}{reset}"
