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

_DATASET, _VERSION, _STATE, _LIVE, _DOSSIER = PROMOTIONS.columns
_SELECT = (
    f"SELECT {_VERSION}, CASE WHEN {_LIVE} = 1 THEN '{PromotionState.LIVE}' ELSE {_STATE} END, "  # noqa: S608 - constants
    f"JSON_EXTRACT({_DOSSIER}, '$.digest') FROM {PROMOTIONS.name} WHERE {_DATASET} = {{mark}} "
    f"AND ({_LIVE} = 1 OR {_STATE} = '{PromotionState.APPROVED}' OR {_VERSION} = {{mark}})"
)
_SELECT_DECIDED = (
    f"SELECT {_DATASET}, {_VERSION}, {_STATE} FROM {PROMOTIONS.name} "  # noqa: S608 - constants
    f"WHERE {_LIVE} = 1 OR {_STATE} = '{PromotionState.APPROVED}'"
)


class DeskRecord:
    """The promotions of the desk, of all its datasets, as serving needs them.

    Several threads may ask at once; each has a connection of its own. What one of them learns about
    the database counts for all: one that is away is not waited for by each dataset in turn.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._away_since: float | None = None
        self._not_before = 0.0
        self._trouble = ""

    def about(self, dataset: str, version: int | None) -> Record:
        """A dataset's live version, its approved ones, and this version.

        After a failure the database is not queried for a few seconds. A database without promotions
        (or without its file) belongs to no desk; it is reported like one that is unreachable.
        """
        if time.monotonic() < self._not_before:
            return Record(None, self._trouble)
        try:
            rows = self._database.select(_SELECT, (dataset, -1 if version is None else version))
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

    def decided(self) -> dict[str, frozenset[tuple[int, str]]]:
        """The live and the approved versions with their states, by dataset; one query for all.

        It is empty while the record cannot be read.
        """
        if time.monotonic() < self._not_before:
            return {}
        try:
            rows = self._database.select(_SELECT_DECIDED, ())
        except DatabaseAway:  # `about` says why
            return {}
        found: dict[str, set[tuple[int, str]]] = {}
        for dataset, version, state in rows:
            found.setdefault(str(dataset), set()).add((int(version), str(state)))
        return {dataset: frozenset(entries) for dataset, entries in found.items()}

    @property
    def away_seconds(self) -> float:
        """Seconds for which the record has been unreachable; 0 if it answered or does not exist."""
        since = self._away_since
        return 0.0 if since is None else time.monotonic() - since

    def retry(self) -> None:
        """Query again without waiting for the pause after a failure."""
        self._not_before = 0.0

    def close(self) -> None:
        """Close the connection of this thread."""
        self._database.close()

    def _unreadable(self, trouble: str, reason: str) -> Record:
        if self._trouble != trouble:
            log.warning("the record cannot be read", reason=reason)
        self._trouble = trouble
        self._not_before = time.monotonic() + _RETRY_SECONDS
        return Record(None, trouble)
