"""A dataset with every option of a column, from its files to a served answer, on both databases."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from compose.data_api.options import Options
from core.adapters.store import Store, migrate
from core.domain.dataset import ColumnType, Dataset
from core.domain.errors import DatasetError
from core.domain.jobs import JobState
from core.platform.dataset_file import load
from core.platform.settings import Settings
from serving.http.app import create_app
from tests.contract.test_pipeline import RegistrySource, promote, train
from tests.data_api.serving import serving as data_api
from tests.databases import migrated
from tests.fakes import FakeRegistry
from tests.stacks import serve
from tests.work import ingest

HOMES = Path(__file__).parent.parent / "datasets" / "homes.toml"


@pytest.fixture(scope="module")
def homes() -> Dataset:
    return load(HOMES)


@pytest.fixture
def store(empty_database: str, homes: Dataset) -> Iterator[Store]:
    migrated(empty_database, homes)
    opened = Store.open(empty_database, homes)
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path, homes: Dataset) -> Path:
    """One batch of 400 homes, and three rows that break a rule; air conditioning costs 50 more."""
    dice = random.Random(7)
    folder = tmp_path / "homes"
    folder.mkdir()
    with (folder / "batch_0.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(homes.source_names)
        for n in range(400):
            air, cars = dice.choice(["Yes", "no", "T", "0", ""]), dice.choice(["", "1", "2"])
            area = dice.randint(50, 200)
            price = 2 * area + 50 * (air in ("Yes", "T")) + 30 * int(cars or 0)
            paved = dice.choice(["true", "FALSE", ""])
            sold = f"{n % 28 + 1:02}/01/2026"
            listed = "" if n % 50 == 0 else f"2026-01-05 {n % 24:02}:00:00"
            touched = "" if n % 50 == 1 else 1_767_225_600_000 + n
            out.writerow([n % 3, air, sold, cars, area, paved, listed, touched, price])
        out.writerow([1, "perhaps", "01/01/2026", 1, 100, "", "", "", 200])
        out.writerow([1, "yes", "2026-01-01", 1, 100, "", "", "", 200])
        out.writerow([1, "yes", "01/01/2026", 1, 100, "", "5 January", "", 200])
    return folder


def test_from_the_file_to_a_served_answer(
    store: Store, folder: Path, tmp_path: Path, homes: Dataset
) -> None:
    registry = FakeRegistry()
    settings = Settings(
        _env_file=None, data_dir=tmp_path / "serving", dataset=str(HOMES),
        database_url=f"sqlite:///{tmp_path / 'log.db'}", serving_poll=0.05,
    )  # fmt: skip
    with (
        data_api(Options(folder=folder)) as api,
        serve(create_app(settings, RegistrySource(registry))) as url,
    ):
        job = ingest(store, api.url, tmp_path / "spool")
        assert job.state is JobState.SUCCEEDED, job.error
        assert job.result.stored == 400
        with store.read() as work:
            reasons = [q.reason for q in work.batches.quarantined(job.result.batch_id, 5)]
        assert reasons == [
            "air: must be true or false, yes or no, or 1 or 0",
            "sold: must be a date as %d/%m/%Y",
            "listed: must be a time as 2026-11-28T10:00:00Z",
        ]
        check_the_rows(store, homes)
        trained = train(store, registry)
        assert trained.state is JobState.SUCCEEDED, trained.error
        assert trained.result.metrics["r2"] > 0.8
        assert promote(store, registry, url, 1).state is JobState.SUCCEEDED

        def answer(**row: Any) -> float:
            got = requests.post(f"{url}/predict", json={"area": 100, "kind": 1} | row, timeout=5)
            assert got.status_code == 200, got.text
            return float(got.json()["prediction"])

        cool = answer(air=True)
        assert cool == answer(air="true", cars=0) == answer(air="Yes", cars=None) == answer(air=1)
        assert cool - answer(air=False) == pytest.approx(50, abs=15)
        answer(listed="2026-01-05 10:00", air=None)
        answer(listed="2026-01-05T10:00:00Z")
        refused = requests.post(f"{url}/predict", json={"air": "oui"}, timeout=5)
        assert refused.json()["errors"] == [
            {"pointer": "#/air", "detail": "must be true or false, yes or no, or 1 or 0"}
        ]
        by_name = requests.post(f"{url}/predict", json={"Central Air": True}, timeout=5)
        assert by_name.json()["errors"][0]["detail"] == "this model takes no such field"
        stream = requests.post(
            f"{url}/predict/batch", data="air,area,kind,cars\nT,100,1,\n,100,1,\n",
            headers={"content-type": "text/csv"}, timeout=5,
        )  # fmt: skip
        first = next(csv.DictReader(stream.text.splitlines()))
        assert float(first["prediction"]) == pytest.approx(cool)


def check_the_rows(store: Store, homes: Dataset) -> None:
    """What is read back for training and for an export is what the file said."""
    with store.read() as work:
        sides = [
            work.rows.columns(["air", "paved", "cars", "sold", "listed", "touched"], held_out=side)
            for side in (False, True)
        ]
        exported = list(work.rows.stream())
    rows = {name: np.concatenate([side[name] for side in sides]) for name in sides[0]}
    assert set(rows["air"]) == set(rows["paved"]) == {"true", "false", ""}
    assert set(rows["cars"]) == {0.0, 1.0, 2.0}
    assert rows["sold"].min() == 20454  # 2026-01-01
    listed, touched = rows["listed"], rows["touched"]
    assert (int(np.isnan(listed).sum()), int(np.isnan(touched).sum())) == (8, 8)
    # 00:00 in Madrid is 23:00 of the day before in UTC.
    assert set(listed[~np.isnan(listed)] % 3_600) == {0.0}
    assert np.nanmin(listed) == datetime(2026, 1, 4, 23, tzinfo=UTC).timestamp()
    assert np.nanmax(touched) == 1_767_225_600.399
    whole = [row for batch in exported for row in batch.to_pylist()]
    assert len(whole) == 400
    assert {row["air"] for row in whole} == {True, False, None}
    counts = {word: int((rows["air"] == word).sum()) for word in ("true", "false", "")}
    given = {True: "true", False: "false", None: ""}
    assert counts == {
        given[value]: sum(row["air"] is value for row in whole) for value in (True, False, None)
    }
    assert sorted(row["touched"].timestamp() for row in whole if row["touched"]) == sorted(
        touched[~np.isnan(touched)]
    )
    with store.read() as work:
        (air,) = [p for p in work.batches.profile("batch", 1) if p.column == "air"]
    assert air.categories == {w: n for w, n in counts.items() if w}
    assert air.nulls == counts[""]


def test_rows_are_the_same_where_the_server_takes_no_files(
    store: Store, folder: Path, tmp_path: Path, homes: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.adapters.store.rows.Rows._load_file", lambda *_: False)
    with data_api(Options(folder=folder)) as api:
        assert ingest(store, api.url, tmp_path / "spool").result.stored == 400
    check_the_rows(store, homes)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("kind", ColumnType.BOOLEAN), ("air", ColumnType.CATEGORY), ("air", ColumnType.NUMBER),
        ("sold", ColumnType.TIMESTAMP), ("listed", ColumnType.DATE), ("cars", ColumnType.CODE),
    ],
)  # fmt: skip
def test_a_column_of_another_type_needs_another_table(
    store: Store, homes: Dataset, name: str, kind: ColumnType
) -> None:
    """A stored "false" read as a boolean would be true."""
    with store.engine.connect() as connection:
        migrate.prepare(connection, homes)
        columns = tuple(replace(c, type=kind) if c.name == name else c for c in homes.columns)
        with pytest.raises(DatasetError, match=f"another type than the dataset file: {name} is"):
            migrate.prepare(connection, replace(homes, columns=columns))
