"""A search over several datasets: by a number, by an id or its beginning, by a dataset's name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from core.adapters.store.tables import batches, jobs, predictions, promotions
from core.domain.fleet import Hit

_LONGEST_NUMBER = 9
"""Numbers with more digits fit in no column of numbers."""

_SHORTEST_ID = 4
"""The characters that the beginning of a prediction's id needs."""

_AFTER_ID = "g"
"""Sorts after every character of an id."""

_ID = frozenset("0123456789abcdef-")
_KINDS = ("version", "job", "batch")


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
    kind, _, rest = words.partition(" ")
    number = (rest if kind in _KINDS else words).strip().lstrip("#v")
    if number.isascii() and number.isdecimal() and len(number) <= _LONGEST_NUMBER:
        wanted = kind if kind in _KINDS else ""
        hits += _numbered(connection, int(number), titles, wanted, limit)
    if len(words) >= _SHORTEST_ID and _ID.issuperset(words):
        p = predictions.c
        query = sa.select(p.id, p.dataset, p.model_version).where(p.id >= words)
        query = query.where(p.id < words + _AFTER_ID, p.dataset.in_(titles)).order_by(p.id)
        hits += [
            Hit("prediction", row.dataset, f"Prediction {row.id[:8]} of version "
                f"{row.model_version}", row.id)
            for row in connection.execute(query.limit(limit))
        ]  # fmt: skip
    return hits[:limit]


def _numbered(
    connection: sa.Connection, number: int, titles: Mapping[str, str], kind: str, limit: int
) -> Iterator[Hit]:
    for of, query, says in (
        ("version", _versions(number), "Version {0.version}"),
        ("job", _jobs(number), "Job {0.id} ({0.kind})"),
        ("batch", _batches(number), "Epoch {0.epoch}, batch {0.number}"),
    ):
        if kind in ("", of):
            here = query.where(query.selected_columns.dataset.in_(titles))
            for row in connection.execute(here.limit(limit)):
                yield Hit(of, row.dataset, says.format(row), str(row[0]))


def _versions(number: int) -> sa.Select[Any]:
    p = promotions.c
    query = sa.select(p.version, p.dataset).where(p.version == number)
    return query.order_by(p.dataset)


def _jobs(number: int) -> sa.Select[Any]:
    return sa.select(jobs.c.id, jobs.c.dataset, jobs.c.kind).where(jobs.c.id == number)


def _batches(number: int) -> sa.Select[Any]:
    """By number, or by the id in the ledger."""
    b = batches.c
    query = sa.select(b.id, b.dataset, b.epoch, b.number)
    return query.where((b.number == number) | (b.id == number)).order_by(b.id.desc())
