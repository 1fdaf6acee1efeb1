"""How SQLite, MySQL and MariaDB report a database that is not set up, or not migrated. Pure.

The functions take the `args` of a driver's error: an error code of the server and a message, or
SQLite's message alone.
"""

from __future__ import annotations

from collections.abc import Sequence

_BAD_DATABASE, _BAD_FIELD, _NO_SUCH_TABLE = 1049, 1054, 1146
"""ER_BAD_DB_ERROR, ER_BAD_FIELD_ERROR and ER_NO_SUCH_TABLE of MySQL and MariaDB."""

_NO_FILE, _NO_COLUMN, _NO_TABLE = "unable to open database file", "no such column", "no such table"


def is_not_migrated(error: Sequence[object]) -> bool:
    """Whether a table or a column is missing, which a migration adds."""
    return _is_one_of(error, (_BAD_FIELD, _NO_SUCH_TABLE), (_NO_COLUMN, _NO_TABLE))


def is_not_set_up(error: Sequence[object]) -> bool:
    """Whether the database, its file or the table is missing: no desk has been set up there."""
    return _is_one_of(error, (_BAD_DATABASE, _NO_SUCH_TABLE), (_NO_FILE, _NO_TABLE))


def _is_one_of(error: Sequence[object], codes: tuple[int, ...], messages: tuple[str, ...]) -> bool:
    return bool(error) and (error[0] in codes or str(error[-1]).startswith(messages))
