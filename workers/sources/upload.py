"""The source `upload`: there is nothing to ask; people put files into the spool themselves."""

from __future__ import annotations

from pathlib import Path

from core.domain.errors import NothingNew, SourceRefused
from core.domain.sources import NO_RESTART
from workers.sources.port import Known, Progress, Received

_EMPTY = "No uploaded file waits. Upload one on the Pipeline page, or with `driftdesk ingest FILE`."


class Uploads:
    """Uploaded files are found in the spool before the source is asked, so there are no others."""

    asks_once = False
    can_restart = False

    def fetch(self, part: Path, known: Known, arrived: Progress) -> Received:  # noqa: ARG002
        """Say that no file waits.

        Raises:
            NothingNew: always.
        """
        raise NothingNew(_EMPTY)

    def restart(self, waiting: Progress) -> None:  # noqa: ARG002
        """Refuse.

        Raises:
            SourceRefused: always.
        """
        raise SourceRefused(NO_RESTART)

    def check(self, known: Known) -> str:  # noqa: ARG002
        """Say where files come from."""
        return "Batches of this dataset are files that people upload; there is nothing to ask."
