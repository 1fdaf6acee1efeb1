"""Profiles of columns: of each batch, and of each model's training rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from core.adapters.store.part import select
from core.adapters.store.tables import column_profiles
from core.domain.profiles import ColumnProfile, Tails

_RENAMED = {"column": "column_name", "distinct": "distinct_values"}
"""The columns of fields with another name."""


def as_profile(stored: dict[str, Any]) -> ColumnProfile:
    """A profile from its fields, as JSON has them."""
    return ColumnProfile(
        **stored | {"grid": tuple(stored["grid"]), "tails": _tails(stored["tails"])}
    )


def _tails(stored: dict[str, Any] | None) -> Tails | None:
    if not stored:
        return None
    lists = {name: tuple(stored[name]) for name in ("low", "high")}
    return Tails(**stored | lists | {"steps": tuple(map(tuple, stored["steps"]))})


def write_profile(
    connection: sa.Connection, owner: str, owner_id: int, profiles: Iterable[ColumnProfile]
) -> None:
    """Store the profile of a batch (`owner` "batch") or of a model's training rows ("model").

    Non-finite figures are stored as null, since databases and JSON do not support them.
    """
    rows = []
    for profile in profiles:
        values = asdict(profile.finite())
        named = {column: values.pop(field) for field, column in _RENAMED.items()}
        rows.append(values | named | {"owner": owner, "owner_id": owner_id})
    if rows:  # SQLAlchemy would insert a row of defaults for none
        connection.execute(sa.insert(column_profiles), rows)


def read_profile(connection: sa.Connection, owner: str, owner_id: int) -> tuple[ColumnProfile, ...]:
    """A stored profile; empty if there is none."""
    table = column_profiles.c
    query = select(ColumnProfile, column_profiles, **_RENAMED).where(
        table.owner == owner, table.owner_id == owner_id
    )
    return tuple(as_profile(row._asdict()) for row in connection.execute(query.order_by(table.id)))
