"""The schema revision of a database, and whether this version of driftdesk can use it.

Migrations are linear and numbered in their file names, so no program needs Alembic to check.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa

from core.domain.errors import SchemaMismatch

MIGRATIONS = Path(__file__).parent / "migrations"

KNOWN = tuple(sorted(file.name.split("_", 1)[0] for file in MIGRATIONS.glob("versions/[0-9]*.py")))
"""Every revision of this version of driftdesk, oldest first."""

HEAD = KNOWN[-1]
"""The revision that it requires."""

MIGRATE = "python -m workers migrate"

_RECORDED = sa.table("alembic_version", sa.column("version_num", sa.String))


class Standing(StrEnum):
    """A database's revision relative to this version of driftdesk."""

    FITS = "fits"
    UNPREPARED = "unprepared"
    BEHIND = "behind"
    AHEAD = "ahead"
    UNKNOWN = "unknown"


def standing(revision: str) -> Standing:
    """The standing of a revision; "" is a database without migrations."""
    if revision == HEAD:
        return Standing.FITS
    if not revision:
        return Standing.UNPREPARED
    if revision in KNOWN:
        return Standing.BEHIND
    return Standing.AHEAD if revision.isdecimal() and revision > HEAD else Standing.UNKNOWN


def advice(revision: str) -> str:
    """The problem with a revision and the command that fixes it; "" if it fits."""
    return {
        Standing.FITS: "",
        Standing.UNPREPARED: "The database is not prepared for this version of driftdesk. Run "
        f"`{MIGRATE}`, then try again.",
        Standing.BEHIND: f"The database is at revision {revision} and this version of driftdesk "
        f"needs {HEAD}. Make a backup with the version that ran before, run `{MIGRATE}`, then "
        "try again.",
        Standing.AHEAD: f"The database is at revision {revision}, made by a newer driftdesk; this "
        f"one knows {HEAD} and will not touch it. Install the newer version again, or restore a "
        "backup from before with `driftdesk restore`.",
        Standing.UNKNOWN: f"The database is at revision {revision!r}, which no driftdesk made; it "
        "may belong to another program. Check DATABASE_URL.",
    }[standing(revision)]


def recorded(connection: sa.Connection) -> str:
    """The recorded revision, or ""."""
    if not sa.inspect(connection).has_table(_RECORDED.name):
        return ""
    return str(connection.execute(sa.select(_RECORDED.c.version_num)).scalar() or "")


def require(connection: sa.Connection) -> None:
    """Check that the database has the required revision.

    Raises:
        SchemaMismatch: it is older, newer, never prepared, or not ours.
    """
    # A missing table is translated by `translated`.
    revision = str(connection.execute(sa.select(_RECORDED.c.version_num)).scalar() or "")
    if said := advice(revision):
        raise SchemaMismatch(said)
