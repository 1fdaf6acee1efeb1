"""The tables that serving and the store share: their names, and the columns of each.

Serving uses the drivers directly and the store uses SQLAlchemy; both take the names from here.
"""

from __future__ import annotations

from dataclasses import fields
from typing import NamedTuple

from core.domain.predictions import LoggedPrediction, ReportedActual
from core.domain.promotions import Replica


class ServingTable(NamedTuple):
    """A table's name and its columns, in order."""

    name: str
    columns: tuple[str, ...]


PREDICTIONS = ServingTable("predictions", tuple(f.name for f in fields(LoggedPrediction)))
FEEDBACK = ServingTable("feedback", tuple(f.name for f in fields(ReportedActual)))
REPLICAS = ServingTable("replicas", tuple(f.name for f in fields(Replica)))
PROMOTIONS = ServingTable("promotions", ("version", "state", "live_key", "dossier"))
"""Only read by serving, and only these columns."""
