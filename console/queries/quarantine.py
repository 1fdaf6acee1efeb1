"""Queries about quarantined rows: bounded, and in the words of the dataset's columns."""

from __future__ import annotations

from dataclasses import asdict

from console.desk import Desk
from console.text.csv_output import inert_csv
from console.text.quarantine import BrokenRule, broken_rules
from core.domain.batches import KEPT_CONTENTS, Batch

ON_PAGE = 1_000
"""How many quarantined rows of a batch are shown."""


def batches(desk: Desk, epoch: int | None = None) -> list[Batch]:
    """The batches of an epoch, by default the current one, that have quarantined rows."""
    with desk.store.read() as work:
        current = work.batches.epoch()
        number = epoch if epoch is not None else current.number if current else 0
        return [batch for batch in work.batches.stored(number) if batch.quarantined]


def rules(desk: Desk, batch_id: int, limit: int = ON_PAGE) -> list[BrokenRule]:
    """The rules that the first quarantined rows of a batch break.

    Raises:
        Missing: there is no such batch.
    """
    with desk.store.read() as work:
        batch = work.batches.get(batch_id)
        return broken_rules(work.batches.quarantined(batch.id, limit), desk.dataset)


def content(desk: Desk, batch_id: int) -> bytes:
    """The rules as a CSV file, of the rows whose content is kept."""
    rows = [asdict(rule) for rule in rules(desk, batch_id, KEPT_CONTENTS)]
    return inert_csv(rows).encode("utf-8-sig")
