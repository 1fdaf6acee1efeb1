"""The tables that serving and the store share: their names, and the columns of each.

Serving uses the drivers directly and the store uses SQLAlchemy; both take the names from here.
"""

from __future__ import annotations

from dataclasses import fields
from typing import NamedTuple

from core.domain.predictions import LoggedPrediction, ReportedActual
from core.domain.promotions import Replica

DATASET = "dataset"
"""The column that says whose a row is: the name of a dataset."""


class ServingTable(NamedTuple):
    """A table's name and its columns, in order."""

    name: str
    columns: tuple[str, ...]


def _of(name: str, record: type) -> ServingTable:
    return ServingTable(name, (DATASET, *(f.name for f in fields(record))))


PREDICTIONS = _of("predictions", LoggedPrediction)
FEEDBACK = _of("feedback", ReportedActual)
REPLICAS = _of("replicas", Replica)
"""A process has a row for each dataset that it serves: the key is the id and the dataset."""
PROMOTIONS = ServingTable("promotions", (DATASET, "version", "state", "live_key", "dossier"))
"""Only read by serving, and only these columns."""
