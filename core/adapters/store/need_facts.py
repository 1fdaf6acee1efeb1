"""What the needs of every dataset follow from: a fixed number of queries, each about all of them.

What concerns batches is in `core.adapters.store.need_batches`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from core.adapters.store.dossier_json import readable_summary
from core.adapters.store.every_dataset import EveryDataset, record
from core.adapters.store.in_force import in_force
from core.adapters.store.need_batches import batches_in_question
from core.adapters.store.part import select
from core.adapters.store.promotions import DOSSIER, as_promotion
from core.adapters.store.replicas import ALIVE
from core.adapters.store.tables import (
    audit,
    batches,
    dossiers,
    follow_ups,
    force_requests,
    jobs,
    live_windows,
    notifications,
    promotions,
    replicas,
    trained_on,
)
from core.adapters.store.traffic import as_window
from core.domain.audit_event import ITSELF, AuditEvent
from core.domain.fleet import FailedJob, Refusal
from core.domain.jobs import COMPARES, JobKind, JobState
from core.domain.metrics import error_in
from core.domain.promotions import (
    Decision,
    FollowUp,
    ForceRequest,
    HeldBatch,
    Promotion,
    PromotionState,
)
from core.rules.ops.live_alerts import SEEN, WINDOWS, subject
from core.rules.ops.need_facts import NeedFacts
from core.rules.ops.notification import Delivery, Notice

CANDIDATES, TASKS, NOTICES = 20, 20, 10
"""The newest candidates, follow-ups and notifications that are looked at, of each dataset."""

RESTORED_SHOWN = timedelta(days=1)
"""For how long a restored alias is shown."""

_DECIDED = (Decision.APPROVE, Decision.FORCE, Decision.ROLLBACK)
_OVER = tuple(state for state in JobState if state.is_over)
_FAILED = (jobs.c.dataset, jobs.c.id, jobs.c.kind, jobs.c.finished_at, jobs.c.error)

_Fields = dict[str, dict[str, Any]]


def read_need_facts(
    connection: sa.Connection, names: Collection[str], now: datetime
) -> dict[str, NeedFacts]:
    """What the needs of each of these datasets follow from, in the order of the names."""
    every, valid = EveryDataset(connection, names), in_force(connection)
    found: _Fields = {name: {} for name in names}
    for fields in (
        _promotions(every),
        _decisions(every),
        _jobs(every),
        _traffic(every),
        _replicas(every, now),
        _notes(every, now - RESTORED_SHOWN),
    ):
        for name, of in fields.items():
            found[name] |= of
    live = {name: of["live"] for name, of in found.items() if of.get("live")}
    for name, approved in _approved(every, live, valid).items():
        found[name]["approved"] = approved
    asked = batches_in_question(every, valid, live)
    for name, of in asked.items():
        found[name] |= of
    subjects = {name: _subjects(of) for name, of in found.items() if of.get("live")}
    for name, seen in _seen(every, live, subjects, valid).items():
        found[name]["seen"] = seen
    return {name: replace(NeedFacts(), **found[name]) for name in names}


def _promotions(every: EveryDataset) -> _Fields:
    """The live version, and the newest that await approval, each with its held batches."""
    p, b, t = promotions.c, batches.c, trained_on.c
    columns = [c for c in promotions.c if c.name not in ("dataset", "dossier")]
    waiting = p.state == PromotionState.PROPOSED.value
    newest = every.newest(promotions, CANDIDATES, waiting)
    shown = p.live_key.is_(True) | p.id.in_(sa.select(newest.c.id))
    query = sa.select(p.dataset, *columns, DOSSIER).where(shown).order_by(p.version.desc())
    found = every.gather(query, as_promotion)
    held_of = (
        sa.select(t.dataset, t.version, b.id, b.number, b.held_at, b.hold_reason)
        .join(batches, sa.and_(b.dataset == t.dataset, b.id == t.batch_id))
        .where(b.held_at.is_not(None))
        .order_by(b.id)
    )
    held: dict[tuple[str, int], tuple[HeldBatch, ...]] = {}
    for name, row in every.rows(held_of):
        key = (name, row.version)
        held[key] = (*held.get(key, ()), HeldBatch(*row[2:]))
    fields: _Fields = {}
    for name, of in found.items():
        whole = [replace(p, held=held.get((name, p.version), ())) for p in of]
        fields[name] = {
            "live": next((p for p in whole if p.state is PromotionState.LIVE), None),
            "candidates": tuple(p for p in whole if p.state is PromotionState.PROPOSED),
        }
    return fields


def _approved(
    every: EveryDataset, live: dict[str, Promotion], valid: list[sa.ColumnElement[bool]]
) -> dict[str, float | None]:
    """The live version's error in the dossier of its last approval."""
    a, d = audit.c, dossiers.c
    about = {(name, f"version:{p.version}") for name, p in live.items()}
    decided = sa.select(a.dataset, a.subject, a.details).where(
        a.action.in_(_DECIDED), a.subject.in_({subject for _, subject in about}), *valid
    )
    digests = {
        name: str(row.details.get("dossier") or "")
        for name, row in every.rows(decided.order_by(a.id))
        if (name, row.subject) in about
    }
    other = {d for name, d in digests.items() if d and d != live[name].dossier_digest}
    frozen = sa.select(d.dataset, d.digest, d.version, d.content).where(d.digest.in_(other))
    texts = {(name, row.digest): row for name, row in every.rows(frozen)} if other else {}
    errors = {}
    for name, promotion in live.items():
        row = texts.get((name, digests.get(name, "")))
        summary = readable_summary(row.version, row.content) if row else None
        errors[name] = error_in(summary.candidate.metrics if summary else promotion.metrics)
    return errors


def _decisions(every: EveryDataset) -> _Fields:
    """Forces that await a second person, and open follow-ups."""
    f, u = force_requests.c, follow_ups.c
    forces = select(ForceRequest, force_requests).where(f.open_key.is_not(None)).order_by(f.id)
    of_each = every.newest(follow_ups, TASKS, u.closed_at.is_(None))
    tasks = select(FollowUp, follow_ups).join(of_each, of_each.c.id == u.id).order_by(u.id.desc())
    return _fields(
        forces=every.gather(_named(forces, f.dataset), record(ForceRequest)),
        follow_ups=every.gather(_named(tasks, u.dataset), record(FollowUp)),
    )


def _jobs(every: EveryDataset) -> _Fields:
    """The newest job of each kind that failed, and re-evaluations that run or failed."""
    j = jobs.c
    newest = sa.select(sa.func.max(j.id)).where(j.dataset.in_(every.names))
    last = newest.group_by(j.dataset, j.kind)
    failed = sa.select(*_FAILED).where(j.id.in_(last), j.state == JobState.FAILED)
    evaluated = newest.where(j.kind == JobKind.JUDGE, ~j.key.startswith(COMPARES))
    judged = evaluated.group_by(j.dataset, j.key).order_by(None)
    judging = sa.select(*_FAILED, j.state, j.args).where(
        j.id.in_(judged), j.state.not_in((JobState.SUCCEEDED, JobState.CANCELLED))
    )
    fields = _fields(
        failed_jobs=every.gather(failed.order_by(j.id.desc()), lambda row: FailedJob(*row[1:]))
    )
    for name, row in every.rows(judging):
        of, version = fields.setdefault(name, {}), int(row.args["version"])
        if row.state is JobState.FAILED:
            of.setdefault("unjudged", {})[version] = FailedJob(*row[1:5])
        else:
            of["judging"] = of.get("judging", frozenset()) | {version}
    return fields


def _traffic(every: EveryDataset) -> _Fields:
    """The drifted windows among the newest of live traffic."""
    w = live_windows.c
    newest = every.newest(live_windows, WINDOWS)
    query = (
        sa.select(w.dataset, *(c for c in w if c.name not in ("dataset", "profiles")))
        .join(newest, newest.c.id == w.id)
        .where(w.drifted)
        .order_by(w.id.desc())
    )
    return _fields(windows=every.gather(query, as_window))


def _replicas(every: EveryDataset, now: datetime) -> _Fields:
    """What replicas refuse, and what they answer with since the live version went live."""
    r, p, j = replicas.c, promotions.c, jobs.c
    query = (
        sa.select(r.dataset, r.url, r.refused, r.model_version, r.heard_at > p.live_at)
        .join(promotions, sa.and_(p.dataset == r.dataset, p.live_key.is_(True)))
        .where(r.heard_at > now - ALIVE)
        .order_by(r.url)
    )
    busy = sa.select(j.dataset).where(j.kind == JobKind.PROMOTE, j.state.not_in(_OVER))
    moving = {name for name, _ in every.rows(busy)}
    fields: _Fields = {}
    for name, (_, url, refused, version, is_since) in every.rows(query):
        of = fields.setdefault(name, {"refusals": (), "served": {}})
        if refused:
            of["refusals"] = (*of["refusals"], Refusal(url, refused))
        elif is_since and name not in moving:
            of["served"][url] = version
    return fields


def _notes(every: EveryDataset, since: datetime) -> _Fields:
    """A notification that was given up among the newest, and the last restored alias."""
    n, a = notifications.c, audit.c
    newest = every.newest(notifications, NOTICES)
    given_up = (
        select(Notice, notifications)
        .join(newest, newest.c.id == n.id)
        .where(n.state == Delivery.GIVEN_UP)
        .order_by(n.id)
    )
    restored = sa.select(audit).where(a.action == "put back", a.actor == ITSELF, a.at >= since)
    fields: _Fields = {}
    for name, row in every.rows(_named(given_up, n.dataset)):
        fields.setdefault(name, {})["undelivered"] = record(Notice)(row)
    for name, row in every.rows(_named(restored, a.dataset).order_by(a.id)):
        of = dict(row._mapping) | {"dataset": name}
        fields.setdefault(name, {})["restored"] = AuditEvent(**of)
    return fields


def _seen(
    every: EveryDataset,
    live: dict[str, Promotion],
    subjects: dict[str, set[str]],
    valid: list[sa.ColumnElement[bool]],
) -> dict[str, frozenset[str]]:
    """Those of the subjects whose alert about the live version a person has seen."""
    a = audit.c
    events = sa.select(a.dataset, a.subject, a.details).where(
        a.action == SEEN, a.subject.in_({s for of in subjects.values() for s in of}), *valid
    )
    seen: dict[str, set[str]] = {}
    for name, row in every.rows(events):
        is_mine = row.subject in subjects.get(name, ())
        if is_mine and row.details.get("version") == live[name].version:
            seen.setdefault(name, set()).add(row.subject)
    return {name: frozenset(of) for name, of in seen.items()}


def _subjects(of: dict[str, Any]) -> set[str]:
    """What alerts about the live version are about."""
    scored = {score.batch_id for score in of.get("scores", ())}
    about = {batch.subject for batch in of.get("batches", ()) if batch.id in scored}
    return about | {subject(window) for window in of.get("windows", ())}


def _named(query: sa.Select[Any], dataset: sa.Column[str]) -> sa.Select[Any]:
    """The query with the dataset as its first column."""
    others = [c for c in query.selected_columns if c.name != "dataset"]
    return query.with_only_columns(dataset, *others)


def _fields(**found: dict[str, Any]) -> _Fields:
    """What was found, by dataset and field."""
    fields: _Fields = {}
    for field, of_each in found.items():
        for name, value in of_each.items():
            fields.setdefault(name, {})[field] = value
    return fields
