"""A search over several datasets: by a number, by an id or its beginning, by a dataset's name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from core.adapters.store.tables import batches, epochs, jobs, predictions, promotions
from core.domain.fleet import Hit
from core.domain.subject import Kind, Subject, subject_of

_NUMBERS_END = 10**9
"""Numbers from here on fit in no column of numbers."""

_SHORTEST_ID = 4
"""The characters that the beginning of a prediction's id needs."""

_AFTER_ID = "g"
"""Sorts after every character of an id."""

_ID = frozenset("0123456789abcdef-")


def search(
    connection: sa.Connection, text: str, titles: Mapping[str, str], limit: int
) -> list[Hit]:
    """The hits in these datasets: datasets first, then what a number or an id names."""
    words = text.strip().casefold()
    if not words or not titles:
        return []
    hits = [
        Hit("dataset", name, title, name)
        for name, title in titles.items()
        if words in name or words in title.casefold()
    ]
    subject = subject_of(words)
    if subject and max(subject.number, subject.epoch or 0) < _NUMBERS_END:
        hits += _numbered(connection, subject, titles, limit)
    if len(words) >= _SHORTEST_ID and _ID.issuperset(words):
        p = predictions.c
        query = sa.select(p.id, p.dataset, p.model_version, p.at).where(p.id >= words)
        query = query.where(p.id < words + _AFTER_ID, p.dataset.in_(titles)).order_by(p.id)
        hits += [
            Hit("prediction", row.dataset, f"Prediction {row.id[:8]} of version "
                f"{row.model_version}", row.id, at=row.at)
            for row in connection.execute(query.limit(limit))
        ]  # fmt: skip
    return hits[:limit]


def _numbered(
    connection: sa.Connection, subject: Subject, titles: Mapping[str, str], limit: int
) -> Iterator[Hit]:
    for kinds, query, title in _QUERIES:
        if subject.kind in kinds:
            here = query(subject)
            here = here.where(here.selected_columns.dataset.in_(titles)).limit(limit)
            for row in connection.execute(here):
                state, named = str(row.state).lower(), title.format(row)
                if query is _batches and row.number != subject.number:
                    named += f" (entry {row.ref} of the ledger)"
                yield Hit(kinds[0], row.dataset, named, str(row.ref), state, row.at)


def _versions(subject: Subject) -> sa.Select[Any]:
    p = promotions.c
    at = sa.func.coalesce(p.ended_at, p.live_at, p.proposed_at).label("at")
    query = sa.select(p.version.label("ref"), p.dataset, p.state, at)
    return query.where(p.version == subject.number).order_by(p.dataset)


def _jobs(subject: Subject) -> sa.Select[Any]:
    j = jobs.c
    at = sa.func.coalesce(j.finished_at, j.started_at, j.requested_at).label("at")
    query = sa.select(j.id.label("ref"), j.dataset, j.state, at, j.kind)
    return query.where(j.id == subject.number)


def _batches(subject: Subject) -> sa.Select[Any]:
    """By number, in its epoch if one is named; a number alone may also be the ledger's id."""
    b = batches.c
    by_number, by_id = b.number == subject.number, b.id == subject.number
    wanted = {Kind.ENTRY: by_id, Kind.ANY: by_number | by_id}.get(subject.kind, by_number)
    if subject.epoch is not None:
        wanted &= b.epoch == subject.epoch
    state = sa.case((b.held_at.is_not(None), "held"), else_=sa.cast(b.state, sa.String(20)))
    at = sa.func.coalesce(b.held_at, b.stored_at, b.received_at).label("at")
    query = sa.select(b.id.label("ref"), b.dataset, state.label("state"), at, b.epoch, b.number)
    return query.where(wanted).order_by(b.id.desc())


def _epochs(subject: Subject) -> sa.Select[Any]:
    e = epochs.c
    query = sa.select(e.number.label("ref"), e.dataset, e.state, e.started_at.label("at"))
    return query.where(e.number == subject.number).order_by(e.dataset)


_QUERIES: tuple[tuple[tuple[Kind, ...], Callable[[Subject], sa.Select[Any]], str], ...] = (
    ((Kind.VERSION, Kind.ANY), _versions, "Version {0.ref}"),
    ((Kind.JOB, Kind.ANY), _jobs, "Job {0.ref} ({0.kind})"),
    ((Kind.BATCH, Kind.ENTRY, Kind.ANY), _batches, "Epoch {0.epoch}, batch {0.number}"),
    ((Kind.EPOCH, Kind.ANY), _epochs, "Epoch {0.ref}"),
)
"""The kinds of subject that each query answers for, the first of them a hit's, and its title.

Each selects `ref`, `dataset`, `state`, and `at`, the time of the last change.
"""
