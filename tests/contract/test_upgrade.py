"""From the first release's tables to today's: nothing is lost, no version works on another's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from console.actions.backup import archive
from core.adapters.store import Store, schema_version
from core.adapters.store.dump import shapes, snapshot
from core.adapters.store.engine import WRITE, make_engine, make_file
from core.adapters.store.migrate import migrate, prepare, upgrade
from core.adapters.store.tables import metadata
from core.domain.dataset import Dataset
from core.domain.dossier import Score
from core.domain.errors import DatasetError, SchemaMismatch
from core.domain.job_results import VersionProposed
from core.domain.jobs import JobKind, JobState
from core.domain.promotions import Decision, PromotionState
from core.platform.dataset_file import parse
from tests import build
from tests.house import CLI
from tests.stacks import ROOT

FIRST = schema_version.KNOWN[0]
NOON = build.NOON.replace(tzinfo=None)


@contextmanager
def writing(url: str) -> Iterator[sa.Connection]:
    make_file(url)
    engine = make_engine(url)
    with engine.connect() as opened:
        yield opened.execution_options(**{WRITE: True})
    engine.dispose()


def insert(connection: sa.Connection, table: str, **values: Any) -> None:
    """One row, in SQL that knows nothing of today's tables."""
    quote = connection.dialect.identifier_preparer.quote
    kept = {k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in values.items()}
    types = {k: sa.DateTime() if isinstance(v, datetime) else None for k, v in kept.items()}
    columns, marks = ", ".join(map(quote, kept)), ", ".join(f":{k}" for k in kept)
    bound = [sa.bindparam(k, type_=t) for k, t in types.items() if t is not None]
    statement = sa.text(f"INSERT INTO {quote(table)} ({columns}) VALUES ({marks})")
    connection.execute(statement.bindparams(*bound), kept)


FIRST_DOSSIER = {
    "job": 1, "digest": "f" * 64, "data_digest": "a" * 64, "primary_metric": "mae",
    "training_rows": 80, "held_out_rows": 20, "parity": 1e-7,
    "candidate": {"version": 1, "metrics": {"mae": 9.0}}, "champion": None,
    "batches": [{"id": 1, "epoch": 1, "number": 0, "rows": 100}],
}  # fmt: skip
"""What the first release stored, before gates and differences."""


def first_release(url: str, dataset: Dataset) -> None:
    """A database as the first release left it: one epoch, one decision, one answer."""
    with writing(url) as connection:
        upgrade(connection, FIRST)
        insert(connection, "epochs", number=1, state="OPEN", started_at=NOON)
        insert(
            connection, "batches", id=1, epoch=1, state="STORED", number=0, content_hash="h" * 64,
            spool="b.json", bytes=9, received_at=NOON, rows=2, stored=2, quarantined=1, gap=0,
            note="Ñandú 🏠", stored_at=NOON, stored_key="1:0",
        )  # fmt: skip
        insert(connection, "quarantine", batch_id=1, row_number=3, reason="no price", content="{}")
        insert(
            connection, "column_profiles", id=1, owner="batch", owner_id=1, column_name="price",
            count=2, nulls=0, mean=1234567.89, std=1.5, q50=1.0, q75=2.0, minimum=1.0, maximum=2.0,
            grid=[1.0, 2.0], categories={}, distinct_values=2,
        )  # fmt: skip
        insert(
            connection, "drift_reports", id=1, batch_id=1, epoch=1, batch_number=0,
            reference="previous", reference_name="0", retrain=True, reasons=["price mean"],
            created_at=NOON,
        )  # fmt: skip
        insert(
            connection, "drift_stats", report_id=1, position=0, column_name="price",
            statistic="mean", reference_value=1.0, current_value=2.0, ratio=1.0, limit_value=0.5,
            finding="breach",
        )  # fmt: skip
        insert(
            connection, "jobs", id=1, kind="train", state="SUCCEEDED", attempt=1, args={"a": 1},
            actor="ana", requested_at=NOON, progress=1.0, stage="", error="", result={"version": 1},
            cancel_requested=False, key="train", finished_at=NOON,
        )  # fmt: skip
        insert(connection, "job_logs", job_id=1, at=NOON, level="info", message="trained")
        insert(
            connection, "promotions", id=1, version=1, state="LIVE", recommended=True,
            reasons=["better"], dossier=FIRST_DOSSIER, proposed_at=NOON,
            proposed_by="driftdesk", forced=False, reason="", decided_at=NOON, decided_by="ana",
            live_at=NOON, failure="", live_key=True,
        )  # fmt: skip
        for n in (3, 7):  # ids with holes, as the database gave them out
            insert(
                connection, "audit", id=n, at=NOON + timedelta(microseconds=n), actor="añna",
                action="approve", subject="version:1", reason="", details={"n": n},
            )  # fmt: skip
        insert(
            connection, "predictions", id="p1", at=NOON, model_version=1, inputs={"bed": 3},
            prediction=1505.25,
        )  # fmt: skip
        connection.commit()
        prepare_first(connection, dataset)
        connection.commit()


def archived_first_release(folder: Path, dataset: Dataset) -> Path:
    """A backup of that database, as the first release would have made it."""
    url, path = f"sqlite:///{folder / 'old.db'}", folder / "old.tar.gz"
    first_release(url, dataset)
    engine = make_engine(url)
    with archive.create(path) as (writer, manifest), snapshot(engine) as rows:
        writer.add("dataset.toml", b"")
        there, tables = sa.inspect(engine), {}
        for today in shapes([dataset]):
            if not there.has_table(today.name):
                continue
            had = {str(column["name"]) for column in there.get_columns(today.name)}
            shape = today.without({name for name, _ in today.columns} - had)
            parts = list(rows.lines(shape))
            for number, (part, _) in enumerate(parts):
                writer.add(f"tables/{shape.name}/{number:06}.ndjson", part)
            tables[shape.name] = {"columns": shape.columns, "rows": sum(n for _, n in parts)}
        manifest |= {
            "made_at": "2026-01-01T00:00:00+00:00", "made_by": "driftdesk 0.0.1", "schema": FIRST,
            "dataset": {"name": dataset.name, "columns": [c.name for c in dataset.columns]},
            "tables": tables, "chain": {"whole": True}, "spool": [], "versions": [], "model": None,
        }  # fmt: skip
    engine.dispose()
    return path


def prepare_first(connection: sa.Connection, dataset: Dataset) -> None:
    prepare(connection, dataset, views=())  # the rows' table has not changed since
    connection.exec_driver_sql("CREATE VIEW data_comp AS SELECT epoch, retrain FROM drift_reports")
    for n in range(2):
        insert(
            connection, dataset.rows_table, id=n + 1, epoch=1, batch_id=1, row_number=n,
            held_out=bool(n), **{c.name: "x" if c.is_text else None for c in dataset.columns
                                 if c.name not in ("price", "prev_sold_date")}, price=100.5 + n,
        )  # fmt: skip


def counts(url: str) -> dict[str, int]:
    with writing(url) as connection:
        names = set(sa.inspect(connection).get_table_names()) - {"alembic_version"}
        quote = connection.dialect.identifier_preparer.quote
        return {
            n: int(connection.exec_driver_sql(f"SELECT count(*) FROM {quote(n)}").scalar_one())
            for n in sorted(names)
        }


def at(url: str, version: str) -> None:
    with writing(url) as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{version}'")
        connection.commit()


@pytest.fixture
def first(empty_database: str, dataset: Dataset) -> str:
    first_release(empty_database, dataset)
    return empty_database


def test_the_first_releases_rows_are_all_there_after_the_upgrade(
    first: str, dataset: Dataset
) -> None:
    before = counts(first)
    assert before["audit"] == 2
    assert before[dataset.rows_table] == 2
    migrate(first, dataset)
    after = counts(first)
    assert {name: after[name] for name in before} == before
    store = Store.open(first, dataset)
    with store.read() as work:
        assert work.audit.verify() is None
        assert [(e.id, e.actor, e.details) for e in work.audit.latest()] == [
            (2, "añna", {"n": 7}),
            (1, "añna", {"n": 3}),
        ]
        assert work.batches.get(1).note == "Ñandú 🏠"
        (profile,) = work.batches.profile("batch", 1)
        assert (profile.mean, profile.grid, profile.tails) == (1234567.89, (1.0, 2.0), None)
        (report,) = work.drift.latest(1)
        assert report.report.retrain
        assert (report.report.measures, report.report.measure_reasons) == ((), ())
        live = work.promotions.live()
        assert live
        assert (live.version, live.state, live.file_digest) == (1, PromotionState.LIVE, "f" * 64)
        assert live.dossier
        assert live.dossier.candidate == Score(1, 20, {"mae": 9.0})
        answer = work.predictions.get("p1")
        assert answer
        assert (answer.at, answer.inputs, answer.prediction) == (build.NOON, {"bed": 3}, 1505.25)
        assert answer.caller is None
        assert work.jobs.get(1).result == VersionProposed(1)
        assert work.rows.columns(["price"], held_out=True)["price"].tolist() == [101.5]
    store.close()


def test_how_each_version_was_decided_follows_from_the_trail(
    empty_database: str, dataset: Dataset
) -> None:
    with writing(empty_database) as connection:
        upgrade(connection, "0007")
        for version, state, forced in (
            (1, "RETIRED", True), (2, "LIVE", True), (3, "REJECTED", False), (4, "RETIRED", True),
            (5, "PROPOSED", False),
        ):  # fmt: skip
            decided = {} if state == "PROPOSED" else {"decided_at": NOON}
            insert(
                connection, "promotions", id=version, version=version, state=state,
                recommended=True, reasons=["good"], dossier={}, proposed_at=NOON,
                proposed_by="driftdesk", forced=forced, reason="", decided_by="ana", failure="",
                live_key=True if state == "LIVE" else None, **decided,
            )  # fmt: skip
        for n, (version, action) in enumerate(
            [(1, "approve"), (2, "force"), (2, "rollback"), (1, "force"), (3, "reject")]
        ):
            insert(
                connection, "audit", id=n + 1, at=NOON, actor="ana", action=action, details={},
                subject=f"version:{version}", reason="",
            )  # fmt: skip
        for n, version in enumerate((2, 5)):
            insert(
                connection, "force_requests", id=n + 1, version=version, reason="now",
                asked_at=NOON - timedelta(hours=1), asked_by="eve", closed_by="", outcome="",
                open_key=version,
            )  # fmt: skip
        connection.commit()
        upgrade(connection, dataset=dataset.name)
        connection.commit()
    store = Store.open(empty_database, dataset)
    with store.read() as work:
        found = {p.version: (p.decided_as, p.forced) for p in work.promotions.latest()}
        waiting = [request.version for request in work.force_requests.open_forces()]
    store.close()
    assert found == {
        1: (Decision.FORCE, True), 2: (Decision.ROLLBACK, False), 3: (Decision.REJECT, False),
        4: (Decision.FORCE, True), 5: (None, False),
    }  # fmt: skip
    assert waiting == [5]


def test_an_open_force_request_is_bound_to_the_dossier_that_is_there_at_the_upgrade(
    empty_database: str, dataset: Dataset
) -> None:
    with writing(empty_database) as connection:
        upgrade(connection, "0010")
        insert(
            connection, "promotions", id=1, version=2, state="PROPOSED", recommended=False,
            reasons=["worse"], dossier={}, dossier_digest="abc", proposed_at=NOON,
            proposed_by="driftdesk", forced=False, reason="", decided_by="", failure="",
        )  # fmt: skip
        for version, open_key in ((2, 2), (7, 7), (2, None)):
            insert(
                connection, "force_requests", version=version, reason="now", asked_at=NOON,
                asked_by="eve", closed_by="", outcome="", open_key=open_key,
            )  # fmt: skip
        connection.commit()
        upgrade(connection, dataset=dataset.name)
        connection.commit()
        rows = connection.exec_driver_sql("SELECT dossier_digest FROM force_requests ORDER BY id")
        assert [digest for (digest,) in rows] == ["abc", "", ""]


def test_feedback_of_numbers_stays_when_labels_come(empty_database: str, dataset: Dataset) -> None:
    with writing(empty_database) as connection:
        upgrade(connection, "0016")
        insert(
            connection, "predictions", id="p1", at=NOON, model_version=1, inputs={"bed": 3},
            prediction=1505.25,
        )  # fmt: skip
        insert(
            connection, "feedback", id="f1", prediction_id="p1", actual=1500.0, at=NOON, source="a"
        )
        connection.commit()
        upgrade(connection, dataset=dataset.name)
        connection.commit()
    store = Store.open(empty_database, dataset)
    with store.read() as work:
        assert [(o.predicted, o.actual) for o in work.feedback.told()] == [(1505.25, 1500.0)]
    store.close()


def test_the_store_works_on_after_the_upgrade(first: str, dataset: Dataset) -> None:
    migrate(first, dataset)
    store = Store.open(first, dataset)
    build.stored_batch(store, 1)
    build.proposed(store, 2, champion=1)
    with store.begin() as work:
        job = build.approve(work, 2, champion=1)
        work.jobs.cancel(job.id)
        drift, _ = work.jobs.request(JobKind.DRIFT, {}, "ana")
        work.commit()
        assert work.jobs.get(drift.id).state is JobState.REQUESTED
    with store.read() as work:
        assert work.audit.head()[0] > 2
        assert work.audit.verify() is None
    store.close()


@pytest.mark.whole
def test_each_step_keeps_every_row_and_the_last_makes_what_the_code_describes(
    first: str, dataset: Dataset
) -> None:
    before = counts(first)
    for step in schema_version.KNOWN[1:]:
        with writing(first) as connection:
            upgrade(connection, step, dataset=dataset.name)
        with writing(first) as connection:
            assert schema_version.recorded(connection) == step
        after = counts(first)
        assert {name: after[name] for name in before} == before, step
        before = after
    with writing(first) as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_object": lambda _o, name, kind, _r, _c: (
                kind != "table" or name in metadata.tables
            )},
        )  # fmt: skip
        assert compare_metadata(context, metadata) == []


def test_the_revisions_are_those_that_alembic_knows_in_its_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema_version.MIGRATIONS))
    scripts = ScriptDirectory.from_config(config)
    walked = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(walked)) == schema_version.KNOWN
    assert scripts.get_heads() == [schema_version.HEAD]


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ("", r"not prepared .* Run `python -m workers migrate`"),
        (FIRST, r"at revision 0001 and .* needs .* run `python -m workers migrate`"),
        ("9999", r"made by a newer driftdesk.*Install the newer version"),
        ("3f2a", r"no driftdesk made.*DATABASE_URL"),
    ],
)
def test_a_database_of_another_version_is_not_worked_on(
    store: Store, database_url: str, dataset: Dataset, there: str, says: str
) -> None:
    at(database_url, there)
    other = Store.open(database_url, dataset)
    for door in (other.read, other.begin):
        with pytest.raises(SchemaMismatch, match=says), door():
            pass
    other.close()


@pytest.mark.parametrize("there", ["9999", "3f2a"])
def test_migrating_does_not_touch_what_is_newer_or_not_ours(
    store: Store, database_url: str, dataset: Dataset, there: str
) -> None:
    at(database_url, there)
    with pytest.raises(SchemaMismatch):
        migrate(database_url, dataset)
    with writing(database_url) as connection:
        assert schema_version.recorded(connection) == there


@pytest.mark.parametrize(
    "command",
    [
        [sys.executable, "-m", "workers", "run", "--queue", "work"],
        [sys.executable, "-m", "workers", "reconcile"],
        [CLI, "audit"],
    ],
)
def test_every_program_refuses_to_start_on_another_versions_tables(
    tmp_path: Any, dataset: Dataset, command: list[str]
) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    first_release(url, dataset)
    env = {"DATABASE_URL": url, "DATA_DIR": str(tmp_path), "PATH": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "run `python -m workers migrate`" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("count", "kind"), [(2_100, "number"), (90, "category")])
def test_a_table_that_the_database_cannot_hold_is_refused_with_what_it_can(
    empty_database: str, count: int, kind: str
) -> None:
    features = [{"name": f"c{n}", "type": kind, "role": "feature"} for n in range(count)]
    target = {"name": "y", "type": "number", "role": "target"}
    wide = parse({"name": "wide", "columns": [*features, target]}, "wide.toml")
    if empty_database.startswith("sqlite") and kind == "category":
        migrate(empty_database, wide)  # SQLite has no limit on a row
        return
    with pytest.raises(DatasetError, match=f"has {count + 1:,} columns, and this database holds"):
        migrate(empty_database, wide)
