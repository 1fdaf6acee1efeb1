"""What answers should have been, read side: serving writes it, as it writes the prediction log."""

from __future__ import annotations

import sqlalchemy as sa

from core.hindsight import Told
from core.tables import feedback, predictions

COUNTED = 2_000
"""From how many of the answers that were last told about the error over time is made."""

LOOKED_THROUGH = 3 * COUNTED
"""How many reports are read for them: some correct an earlier one, some name no known answer."""


class Feedback:
    """The reports, as seen from inside one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def told(self) -> list[Told]:
        """The answers that were told about last, the newest report first.

        Of several reports about one answer the newest counts; a report about an answer that is
        not on record, or not yet, counts for nothing.
        """
        said, answer = feedback.c, predictions.c
        newest = (
            sa.select(said.id, said.prediction_id, said.actual, said.at)
            .order_by(said.at.desc(), said.id.desc())
            .limit(LOOKED_THROUGH)
            .subquery()
        )
        query = (
            sa.select(
                answer.id, answer.at, answer.model_version, answer.prediction, newest.c.actual
            )
            .select_from(newest.join(predictions, answer.id == newest.c.prediction_id))
            .order_by(newest.c.at.desc(), newest.c.id.desc())
        )
        found: dict[str, Told] = {}
        for row in self._connection.execute(query):
            told = Told(row.at, row.model_version, row.prediction, row.actual)
            found.setdefault(row.id, told)
            if len(found) == COUNTED:
                break
        return list(found.values())
