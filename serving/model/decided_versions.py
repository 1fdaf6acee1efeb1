"""What the desk's record says about versions: one small query, through the drivers."""

from __future__ import annotations

import time

import structlog

from core.domain.promotions import PromotionState
from core.domain.serving_tables import PROMOTIONS
from serving.database import Database, DatabaseAway, NoSuchTable
from serving.model.version_choice import Decided, Record

log = structlog.get_logger()

_RETRY_SECONDS = 5.0
"""Seconds for which a database that failed is not queried again."""

_VERSION, _STATE, _LIVE, _DOSSIER = PROMOTIONS.columns
_SELECT = (
    f"SELECT {_VERSION}, CASE WHEN {_LIVE} = 1 THEN '{PromotionState.LIVE}' ELSE {_STATE} END, "  # noqa: S608 - constants
    f"JSON_EXTRACT({_DOSSIER}, '$.digest') FROM {PROMOTIONS.name} "
    f"WHERE {_LIVE} = 1 OR {_STATE} = '{PromotionState.APPROVED}' OR {_VERSION} = {{mark}}"
)


class DeskRecord:
    """The promotions of the desk, as serving needs them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._away_since: float | None = None
        self._not_before = 0.0
        self._trouble = ""

    def about(self, version: int | None) -> Record:
        """The live version, the approved ones, and this version.

        After a failure the database is not queried for a few seconds. A database without promotions
        (or without its file) belongs to no desk; it is reported like one that is unreachable.
        """
        if time.monotonic() < self._not_before:
            return Record(None, self._trouble)
        try:
            rows = self._database.select(_SELECT, (-1 if version is None else version,))
            decided = tuple(
                # MySQL extracts a JSON text with its quotes, SQLite without.
                Decided(int(number), str(state), (digest or "").strip('"'))
                for number, state, digest in rows
            )
        except NoSuchTable as error:
            self._away_since = None
            return self._unreadable("There is no desk's record here", str(error))
        except (DatabaseAway, ValueError, TypeError) as error:
            if self._away_since is None:
                self._away_since = time.monotonic()
            return self._unreadable("The desk's record cannot be read", str(error))
        if self._trouble:
            log.info("the record can be read")
        self._away_since, self._trouble = None, ""
        return Record(decided)

    @property
    def away_seconds(self) -> float:
        """Seconds for which the record has been unreachable; 0 if it answered or does not exist."""
        return 0.0 if self._away_since is None else time.monotonic() - self._away_since

    def retry(self) -> None:
        """Query again without waiting for the pause after a failure."""
        self._not_before = 0.0

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def _unreadable(self, trouble: str, reason: str) -> Record:
        if self._trouble != trouble:
            log.warning("the record cannot be read", reason=reason)
        self._trouble = trouble
        self._not_before = time.monotonic() + _RETRY_SECONDS
        return Record(None, trouble)
