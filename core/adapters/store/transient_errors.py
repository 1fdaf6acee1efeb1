"""Which database failures are transient, whatever the statement."""

from __future__ import annotations

import sqlalchemy as sa

from core.domain.errors import SchemaMismatch, StoreBusy, StoreUnavailable

_PASSING = {1040, 1203, 1290, 1836, 2002, 2003}
"""MySQL and MariaDB: too many connections, read only, not reachable."""

_PASSING_SQLITE = ("database table is locked", "attempt to write a readonly")


def is_passing(error: StoreUnavailable) -> bool:
    """Whether the cause is certainly unrelated to the data.

    A connection that broke off or a full disk is not among them: what was written may have
    caused it.
    """
    if isinstance(error, (SchemaMismatch, StoreBusy)):
        return True
    cause = error.__cause__
    if isinstance(cause, sa.exc.TimeoutError):
        return True
    arguments = getattr(getattr(cause, "orig", None), "args", ())
    if not arguments:
        return False
    return arguments[0] in _PASSING or str(arguments[-1]).startswith(_PASSING_SQLITE)
