"""Migration 0009 on a database with two epochs, dossiers and reports in it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from core.adapters.store import Store
from core.adapters.store.migrate import migrate, upgrade
from core.domain.dataset import Dataset
from tests.build import NOON
from tests.contract.test_upgrade import insert, writing


@pytest.fixture
def before(empty_database: str) -> str:
    with writing(empty_database) as connection:
        upgrade(connection, "0007")
        for number, state in ((1, "CLOSED"), (2, "EXHAUSTED")):
            insert(
                connection, "epochs", number=number, state=state,
                started_at=NOON + timedelta(days=number),
            )  # fmt: skip
        for n, (epoch, number, state) in enumerate(
            [(1, 0, "STORED"), (1, 1, "STORED"), (1, None, "UNREADABLE"), (2, 0, "STORED"),
             (2, 1, "STORED")], 1
        ):  # fmt: skip
            insert(
                connection, "batches", id=n, epoch=epoch, state=state, number=number,
                content_hash=f"h{number}", spool=f"b{n}.json", bytes=9, received_at=NOON, rows=2,
                stored=2, quarantined=0, gap=0, note="", stored_at=NOON,
                stored_key=f"{epoch}:{number}" if state == "STORED" else None,
            )  # fmt: skip
        for n, (batch, name) in enumerate(
            [(1, "none"), (2, "epoch 1, batch 0"), (4, "epoch 1, batch 1")], 1
        ):
            insert(
                connection, "drift_reports", id=n, batch_id=batch, epoch=1, batch_number=0,
                reference="previous", reference_name=name, retrain=False, reasons=["x"],
                created_at=NOON,
            )  # fmt: skip
        insert(
            connection, "drift_reports", id=9, batch_id=4, epoch=2, batch_number=0,
            reference="champion", reference_name="version 1", retrain=False, reasons=["x"],
            created_at=NOON,
        )  # fmt: skip
        for hours, ids in ((0, [1, 2]), (1, [4])):  # trained, then re-evaluated
            content = json.dumps({"batches": [{"id": i} for i in ids]})
            insert(
                connection, "dossiers", digest=f"d{hours}", version=1,
                made_at=NOON + timedelta(hours=hours), content=content,
            )  # fmt: skip
        insert(connection, "dossiers", digest="odd", version=2, made_at=NOON, content="no JSON")
        connection.commit()
    return empty_database


def test_what_was_known_before_is_filled_in(before: str, dataset: Dataset) -> None:
    migrate(before, dataset)
    store = Store.open(before, dataset)
    with store.read() as work:
        assert [(e.number, e.last_number) for e in work.batches.epochs()] == [(2, 1), (1, None)]
        removed = {b.id: b.rows_removed_at for b in work.batches.ledger()}
        second = NOON + timedelta(days=2)
        assert removed == {1: second, 2: second, 3: None, 4: None, 5: None}
        references = {r.id: r.reference_id for r in work.drift.latest()}
        # A batch's id, or from migration 0012 on the champion's version.
        assert references == {1: None, 2: 1, 3: 2, 9: 1}
        assert {r.note for r in work.drift.latest()} == {""}
        assert [work.lineage.versions_of(batch_id) for batch_id in (1, 2, 3)] == [[1], [1], []]
        assert not any(b.is_held for b in work.batches.ledger())
        (rows,) = work.lineage.rows()
        # Epoch 2's first two batches are the same content again, which version 1 knows.
        assert (rows.epoch, rows.rows, rows.untrained) == (2, 4, 0)
    store.close()
