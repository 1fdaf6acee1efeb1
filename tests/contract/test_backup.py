"""Backup and restore: all of it comes back, on whichever database, or nothing is touched."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import random
import resource
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from console.actions.backup import archive
from console.actions.backup.create import back_up
from console.actions.backup.restore import Restored, restore
from console.desk import Desk
from core.adapters.store import Store
from core.adapters.store.dump import shapes, snapshot
from core.adapters.store.engine import make_engine
from core.adapters.store.tables import job_logs, predictions
from core.domain.dataset import Dataset
from core.domain.drift import DriftReport, Finding, Measure, Measured, Reason, Reference
from core.domain.errors import (
    BackupUnusable,
    DiskRefused,
    Missing,
    NotEmpty,
    SchemaMismatch,
    Unavailable,
)
from core.domain.forward_scores import ForwardScore
from core.domain.jobs import JobKind, JobState
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS, Settings
from core.rules.ops.notification import Event
from tests import build
from tests.build import somebody
from tests.contract.test_upgrade import FIRST, archived_first_release
from tests.databases import migrated
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.house import CLI
from tests.stacks import ROOT, wait_for
from tests.traffic import record, say, trained, write_raw

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours

ODD = ["a,\"b'\n\\x\t", "Añasco 日本 🏠", None, "NULL", "\\N"]


def fresh(kind: str, request: pytest.FixtureRequest, folder: Path, name: str) -> str:
    from tests.databases import fresh_database

    if kind == "sqlite":
        return f"sqlite:///{folder / name}.db"
    return fresh_database(request.getfixturevalue("mariadb"))


def settings(url: str, folder: Path, **more: Any) -> Settings:
    folder.mkdir(exist_ok=True)
    told = {"data_dir": folder, "database_url": url, "actor": "ana"} | more
    return Settings(_env_file=None, **told)


@contextmanager
def at_desk(told: Settings, dataset: Dataset) -> Iterator[Desk]:
    store = Store.open(told.database, dataset)
    yield Desk(told, dataset, store, FakeQueue(), FakeRegistry(), FakeServing())  # type: ignore[arg-type]
    store.close()


def filled(url: str, dataset: Dataset) -> None:
    """A database with something odd in every kind of table."""
    migrated(url, dataset)
    store = Store.open(url, dataset)
    build.stored_batch(store, 0)
    trained(store, 1, rows=60)
    build.proposed(store, 2, champion=1)
    answers = record(store, [{"bed": n, "city": "Añasco 🏠"} for n in range(30)])
    say(store, answers[0], 1e-300)
    say(store, answers[2], None, label="ñ")
    if store.engine.dialect.name == "sqlite":
        write_raw(store, answers[1], "no JSON at all")
    with store.begin() as work:
        sent = build.chunk(
            dataset, 5, price=[1234567.89, 1e-300, 5e15, -0.5, 2.0], city=ODD,
            bed=[None, 1.0, None, 2.0, 3.0], held_out=[0, 1, 0, 0, 1],
            prev_sold_date=[dt.date(1850, 1, 1), None, dt.date(1999, 9, 30), None, None],
        )  # fmt: skip
        work.rows.load(1, 1, [sent])
        job, _ = work.jobs.request(JobKind.INGEST, {"then_train": True}, "ana")
        work.jobs.log(job.id, "line \u2028 with\nbreaks and \x00-free text")
        work.notifications.add(Event.BREACH, "window:1", "told")
        work.forward_scores.put(ForwardScore(1, 1, 9, {"mae": 0.1}, 0.9, "ñ"))
        unseen = Measured(
            "city", Measure.NEW, 0.0, 0.5, 0.5, 0.05, Finding.BREACH, 0.01, unseen=True
        )
        told = (Reason("city: ñ", "city_new"),)
        report = DriftReport(True, told, (), (unseen,), told)
        work.drift.put(work.batches.get(1), Reference.PREVIOUS, "none", report)
        work.force_requests.ask_force(2, "ñ", "ana", "d" * 64)
        work.audit.add("añna", "act", "job:1", reason="why\n", details={"f": 0.1, "n": None})
        work.commit()
    store.close()


def alike(line: bytes) -> bytes:
    """A row whose documents have their keys in order: MySQL keeps them in one of its own."""

    def ordered(cell: Any) -> Any:
        try:
            return json.dumps(json.loads(cell), sort_keys=True)
        except (TypeError, ValueError):
            return cell

    return json.dumps([ordered(cell) for cell in json.loads(line)]).encode()


def contents(url: str, dataset: Dataset) -> dict[str, list[bytes]]:
    """Every carried row, without what backup and restore put on record themselves."""
    engine = make_engine(url)
    with snapshot(engine) as seen:
        found = {
            shape.name: sorted(
                alike(line) for part, _ in seen.lines(shape) for line in part.splitlines()
                if b'"backup:' not in line
            )
            for shape in shapes([dataset])
        }  # fmt: skip
    engine.dispose()
    found.pop("audit_head")
    return found


def backed_up(told: Settings, dataset: Dataset, where: Path) -> Path:
    with at_desk(told, dataset) as desk:
        return back_up(desk, somebody(), where, models=False).path


@pytest.fixture
def source(tmp_path: Path, dataset: Dataset) -> Settings:
    told = settings(f"sqlite:///{tmp_path / 'source.db'}", tmp_path / "source")
    filled(told.database, dataset)
    return told


@pytest.fixture
def saved(source: Settings, dataset: Dataset, tmp_path: Path) -> Path:
    return backed_up(source, dataset, tmp_path / "saved.tar.gz")


def empty(tmp_path: Path) -> Settings:
    return settings(f"sqlite:///{tmp_path / 'target.db'}", tmp_path / "target")


def put_back(told: Settings, path: Path, **how: Any) -> Restored:
    return restore(told, somebody("ben"), path, models=False, **how)


@pytest.mark.parametrize("to", ["sqlite", "mariadb"])
@pytest.mark.parametrize("of", ["sqlite", "mariadb"])
def test_every_row_comes_back_on_either_database(
    of: str, to: str, request: pytest.FixtureRequest, tmp_path: Path, dataset: Dataset
) -> None:
    source = settings(fresh(of, request, tmp_path, "source"), tmp_path / "source")
    target = settings(fresh(to, request, tmp_path, "target"), tmp_path / "target")
    filled(source.database, dataset)
    before = contents(source.database, dataset)
    of_all = ("audit", "jobs", "predictions", "dossiers", "forward_scores", "drift_measures")
    assert min(len(before[name]) for name in of_all) > 0
    path = backed_up(source, dataset, tmp_path / "saved.tar.gz")
    assert contents(source.database, dataset) == before
    done = put_back(target, path)
    after = contents(target.database, dataset)
    unread = [line for line in before["predictions"] if b"no JSON" in line]
    assert len(unread) == (of == "sqlite")
    assert after == before
    assert done.rows == sum(map(len, before.values())) + 1  # and the head of the trail
    store = Store.open(target.database, dataset)
    with store.read() as work:
        assert work.audit.verify() is None
        newest = work.audit.latest(1)[0]
        assert (newest.actor, newest.action, newest.subject) == (
            "ben", "restore", "backup:saved.tar.gz",
        )  # fmt: skip
        assert newest.details["by"] == somebody("ben").on_record()
        live = work.promotions.live()
        assert live
        assert work.dossiers.get(work.promotions.of_version(2).dossier_digest)
    with store.begin() as work:  # and goes on: numbers are given out behind those that came
        new, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
        work.commit()
        assert new.id > 1
    store.close()


def test_the_file_is_ours_alone_and_named_by_its_time(source: Settings, dataset: Dataset) -> None:
    path = backed_up(source, dataset, source.data_dir)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.name.startswith("driftdesk-2")
    assert path.parent == source.data_dir
    with pytest.raises(NotEmpty, match="name another file"):
        backed_up(source, dataset, path)
    with pytest.raises(Missing, match="make it first"):
        backed_up(source, dataset, source.data_dir / "none" / "x.tar.gz")


def test_what_is_written_meanwhile_is_in_no_table(
    empty_database: str, tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = settings(empty_database, tmp_path / "source")
    filled(empty_database, dataset)
    before = contents(empty_database, dataset)
    add, other = archive.Writer.add, Store.open(empty_database, dataset)

    def and_somebody_writes(self: archive.Writer, name: str, content: bytes) -> None:
        if name.startswith("tables/"):
            with other.begin() as work:
                job, _ = work.jobs.request(JobKind.TRAIN, {}, "ben", key=name)
                work.jobs.log(job.id, name)
                work.audit.add("ben", "meanwhile", "job:1")
                work.commit()
        add(self, name, content)

    monkeypatch.setattr(archive.Writer, "add", and_somebody_writes)
    path = backed_up(told, dataset, tmp_path / "saved.tar.gz")
    other.close()
    target = empty(tmp_path)
    put_back(target, path)
    assert contents(target.database, dataset) == before


# The spool


def unread(told: Settings, dataset: Dataset, name: str = "e1-abc.json") -> Path:
    store = Store.open(told.database, dataset)
    with store.begin() as work:
        work.batches.receive(1, "h" * 64, name, 9)
        work.commit()
    store.close()
    told.spool.mkdir(exist_ok=True)
    (told.spool / name).write_bytes(b'{"data": 1')
    return told.spool / name


def test_answers_that_nobody_has_read_come_back(
    source: Settings, dataset: Dataset, tmp_path: Path
) -> None:
    answer = unread(source, dataset)
    (source.spool / "e1-def.lost").write_bytes(b"half")
    (source.spool / "e1-abc.1.arrow").write_bytes(b"prepared")
    path = backed_up(source, dataset, tmp_path / "saved.tar.gz")
    target = empty(tmp_path)
    assert put_back(target, path).spool_files == 2
    assert {f.name: f.read_bytes() for f in target.spool.iterdir()} == {
        answer.name: b'{"data": 1', "e1-def.lost": b"half",
    }  # fmt: skip


def test_an_answer_that_is_nowhere_stops_the_backup(
    source: Settings, dataset: Dataset, tmp_path: Path
) -> None:
    unread(source, dataset).unlink()
    where = tmp_path / "kept"
    where.mkdir()
    with pytest.raises(Unavailable, match=r"e1-abc.json was read .* try again"):
        backed_up(source, dataset, where)
    assert list(where.iterdir()) == []


# What is refused


def test_a_database_that_holds_something_is_left_alone_without_force(
    source: Settings, saved: Path, tmp_path: Path, dataset: Dataset
) -> None:
    before = contents(source.database, dataset)
    with pytest.raises(NotEmpty, match="--force"):
        put_back(source, saved)
    assert contents(source.database, dataset) == before


def test_a_desk_that_runs_and_has_done_nothing_is_empty(
    saved: Path, tmp_path: Path, dataset: Dataset
) -> None:
    target = empty(tmp_path)
    migrated(target.database, dataset)
    store = Store.open(target.database, dataset)
    with store.desk_transaction() as desk:
        desk.saw(dataset.name, "d" * 64)  # the reconciler does so at once
    put_back(target, saved)
    store.close()


def test_force_puts_the_backup_in_the_place_of_all_that_is_there(
    source: Settings, saved: Path, dataset: Dataset
) -> None:
    before = contents(source.database, dataset)
    store = Store.open(source.database, dataset)
    build.proposed(store, 3)
    assert contents(source.database, dataset) != before
    put_back(source, saved, force=True)
    assert contents(source.database, dataset) == before
    with store.begin() as work:
        (job,) = (j for j in work.jobs.open() if j.kind is JobKind.INGEST)
        work.jobs.claim(job.id, job.attempt, "a", dt.timedelta(seconds=30))
        work.commit()
    with pytest.raises(NotEmpty, match=f"Job {job.id} is running"):
        put_back(source, saved, force=True)
    store.close()


def rewritten(path: Path, **changes: Any) -> Path:
    """The same backup with another manifest: what somebody else's version would have made."""
    whole = archive.check(path)
    other = path.with_name("other.tar.gz")
    with archive.create(other) as (writer, manifest):
        manifest.update(whole.manifest | changes)
        for name, content in archive._walk(path):
            if name != archive.MANIFEST:
                writer.add(name, content.read())
    return other


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": "9999"}, "install the version that made it"),
        ({"format": 2}, "restore with the version that made it"),
        ({"dataset": {"name": "rides", "columns": []}}, "Set DATASET"),
    ],
)
def test_a_backup_from_elsewhere_is_refused(
    saved: Path, tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    target = empty(tmp_path)
    with pytest.raises(BackupUnusable, match=says):
        put_back(target, rewritten(saved, **changes))
    assert not (tmp_path / "target.db").exists()


def damaged(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "cut short":
        content = content[: len(content) * 2 // 3]
    elif how == "a byte":
        content[len(content) // 2] ^= 0xFF
    elif how == "no archive":
        content = bytearray(b"hello")
    else:  # well-formed, with another content: what somebody did on purpose
        plain = gzip.decompress(bytes(content))
        content = bytearray(gzip.compress(plain.replace(b"no JSON at all", b"no JSON at lla", 1)))
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("how", ["cut short", "a byte", "no archive", "on purpose"])
def test_a_damaged_backup_changes_nothing(saved: Path, tmp_path: Path, how: str) -> None:
    damaged(saved, how)
    with pytest.raises(BackupUnusable):
        put_back(empty(tmp_path), saved)
    assert not (tmp_path / "target.db").exists()
    assert list((tmp_path / "target").iterdir()) == []


def test_rows_that_the_database_refuses_leave_it_as_it_was(
    source: Settings, saved: Path, dataset: Dataset
) -> None:
    whole = archive.check(saved)
    twice = saved.with_name("twice.tar.gz")
    with archive.create(twice) as (writer, manifest):
        manifest.update(whole.manifest)
        for name, content in archive._walk(saved):
            data = content.read()
            if name != archive.MANIFEST:
                writer.add(name, data)
            if name.startswith("tables/predictions/"):
                writer.add(name.replace("000000", "000001"), data)
    before = contents(source.database, dataset)
    with pytest.raises(BackupUnusable, match=r"refused a row .* nothing was changed"):
        put_back(source, twice, force=True)
    assert contents(source.database, dataset) == before


def test_a_database_of_another_version_is_not_written_to(saved: Path, tmp_path: Path) -> None:
    target = empty(tmp_path)
    put_back(target, saved)
    engine = make_engine(target.database)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(SchemaMismatch):
        put_back(target, saved, force=True)


# Older backups


def test_a_backup_of_the_first_release_is_migrated(
    empty_database: str, tmp_path: Path, dataset: Dataset
) -> None:
    path = archived_first_release(tmp_path, dataset)
    done = put_back(settings(empty_database, tmp_path / "target"), path)
    assert done.migrated_from == FIRST
    store = Store.open(empty_database, dataset)
    with store.read() as work:
        assert work.audit.verify() is None
        assert [e.action for e in work.audit.latest()] == ["restore", "approve", "approve"]
        assert work.promotions.live()
        assert work.rows.count() == 2
        answer = work.predictions.get("p1")
        assert answer
        assert answer.inputs == {"bed": 3}
    store.close()


# Killed, and full


def test_a_backup_from_before_a_column_was_added_is_restored_with_nulls(
    saved: Path, tmp_path: Path, dataset: Dataset
) -> None:
    shipped = (SHIPPED_DATASETS / "real_estate.toml").read_text(encoding="utf-8")
    file = tmp_path / "real_estate.toml"
    pool = '[[columns]]\nname = "pool"\ntype = "boolean"\nrole = "feature"\n'
    file.write_text(f"{shipped}\n{pool}added_later = true\n", encoding="utf-8")
    newer = load(file)
    target = settings(f"sqlite:///{tmp_path / 'target.db'}", tmp_path / "target", dataset=str(file))
    put_back(target, saved)
    store = Store.open(target.database, newer)
    with store.read() as work:
        rows = [row for batch in work.rows.stream() for row in batch.to_pylist()]
    store.close()
    assert len(rows) == 8
    assert {row["pool"] for row in rows} == {None}
    assert 1234567.89 in {row["price"] for row in rows}
    # The other way round the rows would lose their column.
    newest = backed_up(target, newer, tmp_path / "newest.tar.gz")
    with pytest.raises(BackupUnusable, match="Set DATASET to the file that it was made with"):
        put_back(settings(f"sqlite:///{tmp_path / 'older.db'}", tmp_path / "older"), newest)


def command(told: Settings, *arguments: str, **how: Any) -> subprocess.Popen[str]:
    env = {
        "DATABASE_URL": told.database_url, "DATA_DIR": str(told.data_dir), "PATH": "/usr/bin",
        "PYTHONPATH": str(ROOT), "DATASETS": told.datasets,
    }  # fmt: skip
    return subprocess.Popen(
        [CLI, *arguments, "--without-models"], cwd=told.data_dir, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, **how,
    )  # fmt: skip


def test_a_killed_backup_leaves_no_backup_and_the_next_clears_up(
    mariadb: str, tmp_path: Path, dataset: Dataset
) -> None:
    from tests.databases import fresh_database

    told = settings(fresh_database(mariadb), tmp_path / "source")
    filled(told.database, dataset)
    where = tmp_path / "kept"
    where.mkdir()
    engine = make_engine(told.database)
    with engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLES job_logs WRITE")  # here it has to wait
        child = command(told, "backup", str(where))
        try:
            wait_for("no backup was begun", lambda: bool(list(where.iterdir())), 120)
        finally:
            child.send_signal(signal.SIGKILL)
            child.communicate()
        connection.exec_driver_sql("UNLOCK TABLES")
    engine.dispose()
    (left,) = where.iterdir()
    assert left.suffix == ".part"
    path = backed_up(told, dataset, where)
    assert list(where.iterdir()) == [path]
    archive.check(path)


def asked(engine: sa.Engine, question: str) -> Any:
    with engine.connect() as connection:
        return connection.exec_driver_sql(question).one()


def test_a_killed_restore_leaves_the_database_as_it_was_and_begins_again(
    mariadb: str, saved: Path, source: Settings, tmp_path: Path, dataset: Dataset
) -> None:
    from tests.databases import fresh_database

    told = settings(fresh_database(mariadb), tmp_path / "target")
    migrated(told.database, dataset)
    before = contents(told.database, dataset)
    engine = make_engine(told.database)
    taken = contents(source.database, dataset)["job_logs"]
    assert taken
    with engine.connect() as connection:
        connection.execute(  # a row that nobody sees and that the restore has to wait for
            sa.insert(job_logs).values(
                id=1, dataset=dataset.name, job_id=1, at=build.NOON, level="", message=""
            )
        )
        child = command(told, "restore", str(saved))
        try:
            waits = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"
            wait_for("the restore does not wait", lambda: int(asked(engine, waits)[1]) > 0, 120)
        finally:
            child.send_signal(signal.SIGKILL)
            child.communicate()
        connection.rollback()
    others = (
        "SELECT count(*) FROM information_schema.processlist "
        "WHERE db = DATABASE() AND id <> CONNECTION_ID() AND command <> 'Sleep'"
    )
    wait_for("the server has not rolled it back", lambda: int(asked(engine, others)[0]) == 0, 60)
    engine.dispose()
    assert contents(told.database, dataset) == before
    put_back(told, saved)
    assert contents(told.database, dataset) == contents(source.database, dataset)


def test_a_full_disk_is_said_and_leaves_nothing(source: Settings, tmp_path: Path) -> None:
    source.spool.mkdir()
    noise = random.Random(1).randbytes(3_000_000)
    (source.spool / "e1-big.lost").write_bytes(noise)
    where = tmp_path / "kept"
    where.mkdir()

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    child = command(source, "backup", str(where), preexec_fn=small)
    _, said = child.communicate(timeout=120)
    assert child.returncode == 1
    assert said.startswith("The disk is full")
    assert "no backup was made" in said
    assert list(where.iterdir()) == []


def test_a_folder_that_refuses_is_said(source: Settings, dataset: Dataset, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        where = Path("/proc/driftdesk.tar.gz")  # where not even root may write
    else:
        (tmp_path / "closed").mkdir(mode=0o500)
        where = tmp_path / "closed" / "x.tar.gz"
    with pytest.raises(DiskRefused, match="no backup was made"):
        backed_up(source, dataset, where)


def test_a_running_job_is_running_again_after_the_restore_and_is_taken_over(
    source: Settings, dataset: Dataset, tmp_path: Path
) -> None:
    store = Store.open(source.database, dataset)
    with store.begin() as work:
        (job,) = (j for j in work.jobs.open() if j.kind is JobKind.INGEST)
        work.jobs.claim(job.id, job.attempt, "gone", dt.timedelta(seconds=30))
        work.commit()
    store.close()
    path = backed_up(source, dataset, tmp_path / "saved.tar.gz")
    target = empty(tmp_path)
    put_back(target, path)
    later = Store(
        make_engine(target.database), dataset,
        clock=lambda: dt.datetime.now(dt.UTC) + dt.timedelta(seconds=40),
    )  # fmt: skip
    with later.begin() as work:
        (left,) = work.jobs.overdue()
        after = work.jobs.take_over(left, 3)
    assert after is not None
    assert after.state is JobState.REQUESTED
    later.close()


def test_every_table_is_carried_or_left_out_on_purpose(dataset: Dataset) -> None:
    from core.adapters.store.tables import metadata

    carried = {shape.name for shape in shapes([dataset])}
    assert set(metadata.tables) - carried == {"replicas"}
    assert dataset.rows_table in carried
    assert predictions.name in carried
