"""Inputs that once went wrong, from the spool file to the tables, a backup and another database."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from console.actions.backup.create import back_up
from console.actions.backup.restore import restore
from console.desk import Desk
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.drift import Finding
from core.domain.jobs import JobState
from core.platform.settings import Settings
from core.rules.drift.compare import compare
from tests.build import somebody
from tests.databases import migrated
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.work import ingest

NOWHERE = "http://127.0.0.1:9"  # the answers lie in the spool already


def houses(count: int, seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [
        {
            "brokered_by": 7.0,
            "status": "for_sale",
            "price": float(chance.randint(50_000, 400_000)),
            "bed": float(chance.randint(1, 6)),
            "bath": 2.0,
            "acre_lot": 0.1,
            "street": float(chance.randint(1, 9_999)),
            "city": "Añasco",
            "state": "Puerto Rico",
            "zip_code": 610.0,
            "house_size": float(chance.randint(500, 3_000)),
            "prev_sold_date": None,
        }
        for _ in range(count)
    ]


def arrived(spool: Path, number: int, rows: str) -> None:
    """An answer that an earlier run left on disk."""
    spool.mkdir(exist_ok=True)
    body = f'{{"group_number": 7, "batch_number": {number}, "data": {rows}}}'
    (spool / f"e1-{number:032x}.json").write_text(body)


@pytest.mark.parametrize("to", ["sqlite", "mariadb"])
def test_case_a2_a_spread_beyond_every_float_is_stored_backed_up_and_restored(
    empty_database: str, dataset: Dataset, tmp_path: Path, to: str, request: pytest.FixtureRequest
) -> None:
    from tests.databases import fresh_database

    migrated(empty_database, dataset)
    store = Store.open(empty_database, dataset)
    far = houses(400, 1)
    far[7]["price"] = 1e200
    far[8]["acre_lot"] = -1.7e308
    far[9]["acre_lot"] = 1.7e308
    spool = tmp_path / "spool"
    for number, rows in enumerate([houses(400, 0), far]):
        arrived(spool, number, json.dumps(rows))
        job = ingest(store, NOWHERE, spool)
        assert job.state is JobState.SUCCEEDED, job.error
        assert (job.result.stored, job.result.quarantined) == (400, 0)
    with store.read() as work:
        then, now = (work.batches.profile("batch", b.id) for b in work.batches.stored(1))
    price, acre = ({p.column: p for p in now}[name] for name in ("price", "acre_lot"))
    assert (price.std, acre.std) == (None, None)
    report = compare(then, now, dataset)
    found = {c.name: c.finding for c in report.changes}
    assert (found["price_std"], found["acre_lot_std"]) == (Finding.UNDEFINED,) * 2
    assert max(len(r.text) for r in report.reasons) < 200
    told = Settings(_env_file=None, data_dir=tmp_path, database_url=empty_database, actor="ana")
    desk = Desk(told, dataset, store, FakeQueue(), FakeRegistry(), FakeServing())  # type: ignore[arg-type]
    saved = back_up(desk, somebody(), tmp_path / "saved.tar.gz", models=False).path
    store.close()
    if to == "sqlite":
        url = f"sqlite:///{tmp_path / 'target.db'}"
    else:
        url = fresh_database(request.getfixturevalue("mariadb"))
    target = Settings(_env_file=None, data_dir=tmp_path / "to", database_url=url, actor="ana")
    restore(target, somebody(), saved, models=False)
    restored = Store.open(url, dataset)
    with restored.read() as work:
        assert work.rows.count() == 800
        prices = [
            work.rows.columns(["price"], held_out=side)["price"].max() for side in (False, True)
        ]
        _, again = (work.batches.profile("batch", b.id) for b in work.batches.stored(1))
    restored.close()
    assert max(prices) == 1e200
    assert again == now


def test_case_b_bad_tokens_cost_their_rows_on_each_database(store: Store, tmp_path: Path) -> None:
    bad = {"price": "1e400", "bed": "NaN", "bath": "-Infinity", "street": "9" * 5_000,
           "city": '"\\ud800"', "zip_code": "1" + "0" * 20, "house_size": "[[[1]]]"}  # fmt: skip
    rows = [json.dumps(row) for row in houses(30, 2)]
    for n, (name, token) in enumerate(bad.items()):
        row = json.loads(rows[n])
        row[name] = "HERE"
        rows[n] = json.dumps(row).replace('"HERE"', token)
    rows[20] = rows[20][:-1] + ', "more": [NaN, 1e400, 18446744073709551616]}'
    arrived(tmp_path / "spool", 0, f"[{', '.join(rows)}]")
    job = ingest(store, NOWHERE, tmp_path / "spool")
    assert job.state is JobState.SUCCEEDED, job.error
    assert (job.result.stored, job.result.quarantined) == (23, 7)
    with store.read() as work:
        kept = work.batches.quarantined(job.result.batch_id)
    assert [q.reason.split(":")[0] for q in kept] == list(bad)
