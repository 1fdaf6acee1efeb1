"""What is put on record and what is told to the outside.

Audit events are named where they are written, in many modules; this page says when each is written.
A test finds every place that writes one and holds the two together.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from core.notice import MAX_ATTEMPTS, Delivery, Event, Notice, body, pause_after
from core.records import JobKind
from handbook.markdown import code, page, table

_WHAT = {
    JobKind.INGEST: "the next batch",
    JobKind.DRIFT: "a comparison",
    JobKind.TRAIN: "training",
    JobKind.JUDGE: "a version to be judged anew",
    JobKind.PROMOTE: "",  # is asked for by a decision, which is the event
}

AUDIT = {
    **{
        f"request {kind.value}": ("`job:ID`", f"Somebody, a schedule or a step asked for {what}.")
        for kind, what in _WHAT.items()
        if what
    },
    "cancel": ("`job:ID`", "A job was cancelled, or asked to stop."),
    "retry": ("`job:ID`", "A job that had failed or was cancelled was asked for once more."),
    "propose": ("`version:N`", "A trained version was registered with its dossier."),
    "judge anew": ("`version:N`", "A new dossier took the place of the one before."),
    "approve": ("`version:N`", "A version was approved on the dossier that `details` names."),
    "reject": ("`version:N`", "A version was turned down."),
    "force": ("`version:N`", "A version was promoted over the gates that `details` names."),
    "ask to force": ("`version:N`", "A force waits for a second person."),
    "withdraw force": ("`version:N`", "A force that waited was taken back or turned down."),
    "rollback": ("`version:N`", "Back to the version that was live before."),
    "live": ("`version:N`", "Every replica of serving answers with the version."),
    "promotion failed": ("`version:N`", "It did not come to be served; the alias was put back."),
    "put back": ("`version:N`", "The alias named something else and was set to what is live."),
    "close follow-up": ("as opened", "What a force left to be looked at was closed with a note."),
    "set limits": ("`limits`", "Drift limits were set or given back to the dataset file."),
    "add schedule": ("`schedule:ID`", "A schedule was added."),
    "edit schedule": ("`schedule:ID`", "A schedule was changed."),
    "pause schedule": ("`schedule:ID`", "A schedule was paused, or has no next time."),
    "resume schedule": ("`schedule:ID`", "A schedule goes on."),
    "remove schedule": ("`schedule:ID`", "A schedule was removed."),
    "left out": ("`schedule:ID`", "A scheduled time passed without a job; `reason` says why."),
    "key added": ("`key:NAME`", "An API key of serving was made."),
    "key removed": ("`key:NAME`", "An API key of serving was removed."),
    "refused": ("`right:RIGHT`", "Somebody without that right asked for the verb in `details`."),
    "backup": ("`backup:FILE`", "A backup was made."),
    "restore": ("`backup:FILE`", "A backup was put in the place of what was there."),
    "prune": ("`retention`", "The rows and files that `details` counts are about to go."),
    "test webhook": ("`webhook`", "Somebody asked for a test notification."),
}
"""Each action, its subject, and when it is written."""

_TOLD = {
    Event.BREACH: (
        "`batch:ID`, `window:ID`",
        "A comparison of a batch or of live traffic broke a limit.",
    ),
    Event.CANDIDATE: ("`version:N`", "A trained version waits for a decision."),
    Event.PROMOTED: ("`version:N`", "Serving answers with a version that was approved."),
    Event.FAILED: ("`job:ID`", "A job failed, or was given up."),
    Event.TEST: ("`webhook`", "Somebody asked for a test."),
}

_INTRO = """\
driftdesk keeps two kinds of events. The **audit trail** says who did what, and stays.
**Notifications** tell a receiver of yours, by webhook. Both are written in the transaction of
what they tell of, so neither can be missing or untrue."""

_AUDIT = """\
Table [`audit`](tables.md#audit), page Audit, `driftdesk audit`. An event has a time, an actor,
an action, a subject, a reason and details. Its hash covers it and the hash before
([0009](../adr/0009-the-audit-trail-is-a-chain.md)). The actor is a person, `auto` for
`PROMOTION=auto`, `schedule N` for a schedule, or `driftdesk` for what it did by itself."""

_TELL = """\
Table [`notifications`](tables.md#notifications), page Services. `WEBHOOK_EVENTS` chooses among
them; a test is always sent. [Webhooks](../webhooks.md) says how to receive them and check their
signature."""


def render() -> str:
    """The page."""
    acts = table(["action", "subject", "when"], [[code(a), s, w] for a, (s, w) in AUDIT.items()])
    told = table(
        ["event", "subject", "when"],
        [[code(event.value), *_TOLD[event]] for event in Event],
    )
    pauses = ", ".join(f"{pause_after(n).total_seconds():,.0f} s" for n in range(1, MAX_ATTEMPTS))
    states = ", ".join(code(state.value) for state in Delivery)
    delivery = (
        f"A delivery is one of {states}. It is tried {MAX_ATTEMPTS} times, with pauses of {pauses}."
    )
    return page(
        "Events",
        _INTRO,
        "## Audit events",
        _AUDIT,
        acts,
        "## Notifications",
        _TELL,
        told,
        delivery,
        "Posted as JSON:",
        f"```json\n{example()}\n```",
    )


def example() -> str:
    """A notification as it is posted."""
    at = datetime(2026, 11, 23, 12, tzinfo=UTC)
    notice = Notice(
        1, "02fba34b-9258-4d19-b0e2-30ae61bb653e", Event.CANDIDATE, "version:2",
        "Version 2 waits for a decision (recommended): …", at, Delivery.PENDING, 0, at,
    )  # fmt: skip
    return json.dumps(body(notice, "http://127.0.0.1:8501"), indent=2, ensure_ascii=False)
