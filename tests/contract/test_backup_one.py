"""Backup and restore of one dataset: it is as it was, and nothing of the others has changed."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from console.actions.backup import archive, restore_dataset
from console.actions.backup.create import back_up
from console.actions.backup.restore import Restored
from core.adapters.store import Store, replacement
from core.adapters.store import dump as dump_of
from core.adapters.store.dump import Shape
from core.adapters.store.engine import make_engine
from core.adapters.store.migrate import prepare_dataset
from core.adapters.store.replacement import Replacement
from core.adapters.store.scope import is_scoped
from core.adapters.store.tables import job_logs, metadata
from core.domain.audit_event import DISMISS
from core.domain.batches import BatchState
from core.domain.dataset import Dataset
from core.domain.errors import (
    BackupUnusable,
    BadInput,
    DatasetError,
    NotAllowed,
    NotEmpty,
    StoreBusy,
)
from core.domain.jobs import JobKind
from core.domain.promotions import Cause
from core.platform.dataset_folder import DatasetFolder
from core.platform.settings import Settings
from core.rules.access.roles import Actor, Role
from core.usecases import live_terms
from tests import build
from tests.build import somebody
from tests.contract.test_backup import asked, command, put_back, rewritten, settings
from tests.contract.test_backup_datasets import at_first, datasets
from tests.contract.test_datasets_apart import THEIRS, fill
from tests.contract.test_upgrade import FIRST, archived_first_release
from tests.databases import migrated
from tests.stacks import wait_for

FILE = """\
name = "{name}"
title = "{name}"
fit_on = "value"
primary_metric = "rmse"
[source]
kind = "upload"
[[columns]]
name = "rides"
type = "number"
role = "target"
nullable = false
[[columns]]
name = "dataset"
type = "category"
role = "feature"
"""
MINE, OTHER = "boats", "cars"
SAYS = {MINE: "ours", OTHER: THEIRS}
SHARED = ("datasets", "deliveries")
Dump = dict[str, list[str]]


def several(folder: Path, url: str, *names: str) -> Settings:
    """The settings of a desk with these datasets, in a database that is prepared for them."""
    files = folder / "datasets"
    files.mkdir(parents=True)
    for name in names:
        (files / f"{name}.toml").write_text(FILE.format(name=name))
    told = settings(url, folder, datasets=str(files))
    if names:
        migrated(url, datasets(told))
    return told


@contextmanager
def opened(told: Settings, name: str) -> Iterator[Store]:
    dataset = DatasetFolder(told).read().usable[name]
    store = Store.open(told.database, dataset)
    yield store
    store.close()


def dump(url: str, name: str) -> Dump:
    """Every row of a dataset as the driver reads it, but the trail and what serving reports."""
    engine = make_engine(url)
    tables = [t.name for t in metadata.sorted_tables if is_scoped(t)]
    queries = {t: f"SELECT * FROM {t} WHERE dataset = '{name}'" for t in tables}
    queries |= {"rows": f"SELECT * FROM rows_{name}"}
    with engine.connect() as connection:
        found = {
            table: sorted(str(tuple(row)) for row in connection.exec_driver_sql(query))
            for table, query in queries.items() if table not in ("audit", "replicas")
        }  # fmt: skip
    engine.dispose()
    return found


def whole_tables(url: str) -> Dump:
    """The tables of the whole desk, and the trail."""
    engine = make_engine(url)
    with engine.connect() as connection:
        found = {}
        for table in (*SHARED, "audit"):
            rows = connection.exec_driver_sql(f"SELECT * FROM {table}")
            found[table] = sorted(str(tuple(row)) for row in rows)
    engine.dispose()
    return found


@pytest.fixture
def desk(empty_database: str, tmp_path: Path) -> Settings:
    """Two datasets with something in every table."""
    told = several(tmp_path / "desk", empty_database, MINE, OTHER)
    for name, says in SAYS.items():
        with opened(told, name) as store:
            fill(store, says)
            with store.desk_transaction() as work:
                work.saw(name, "d" * 64)
            with store.transaction() as work:
                work.deliveries.accept(f"{name}1", kept=timedelta(days=1), most=9)
    return told


def spooled(told: Settings) -> None:
    """The answers that nobody has read yet, in the spool."""
    told.spool.mkdir(exist_ok=True)
    for dataset in DatasetFolder(told).read().usable:
        with opened(told, dataset) as store, store.read() as work:
            for batch in work.batches.in_state(BatchState.RECEIVED):
                (told.spool / batch.spool).write_text("{}")


def saved(told: Settings, where: Path, only: str = "") -> Path:
    spooled(told)
    with at_first(told) as first:
        return back_up(first, somebody(), where, models=False, only=only).path


def back(told: Settings, path: Path, name: str = MINE, **how: Any) -> Restored:
    return restore_dataset.restore_dataset(told, somebody("ben"), path, name, models=False, **how)


def change(store: Store, dice: random.Random, first: int) -> None:
    """Something that goes on in a dataset: rows come, change and go."""

    def delete_lines() -> None:
        with store.engine.begin() as connection:
            connection.execute(sa.delete(job_logs))

    def remove_schedules() -> None:
        with store.transaction() as work:
            for schedule in work.schedules.all():
                work.schedules.remove(schedule)

    def request() -> None:
        with store.transaction() as work:
            kind = dice.choice([JobKind.TRAIN, JobKind.INGEST])
            job, _ = work.jobs.request(kind, {}, "eve", key=f"k{first}")
            work.jobs.log(job.id, "…")

    def more() -> None:
        fill(store, SAYS[store.dataset.name], first)

    dice.choice([delete_lines, remove_schedules, request, more])()


# What a backup of one has


def test_a_backup_of_one_has_its_rows_and_the_whole_trail(desk: Settings, tmp_path: Path) -> None:
    spooled(desk)
    with at_first(desk) as first:
        made = back_up(first, somebody(), tmp_path, models=False, only=OTHER)
        with first.store.desk() as work:
            (event,) = work.audit.latest(1)
            events = len(work.audit.latest(1000))
    assert made.path.name.startswith("driftdesk-cars-2")
    assert (event.action, event.dataset) == ("backup", OTHER)
    assert event.subject == f"backup:{made.path.name}"
    manifest = archive.check(made.path).manifest
    assert manifest["only"] == made.dataset == OTHER
    rows = {name: table["rows"] for name, table in manifest["tables"].items()}
    own = dump(desk.database, OTHER)
    assert rows == {
        "audit": events - 1, "audit_head": 1, "datasets": 1, "deliveries": 2, "rows_cars": 3,
    } | {name: len(lines) for name, lines in own.items() if name != "rows"}  # fmt: skip
    assert min(rows.values()) > 0
    inside = b"".join(
        content.read() for name, content in archive._walk(made.path) if "/audit/" not in name
    )
    assert b"theirs" in inside
    assert b"ours" not in inside
    assert b"rows_boats" not in inside


def test_it_becomes_a_desk_with_that_dataset_whose_chain_holds(
    desk: Settings, tmp_path: Path
) -> None:
    before = dump(desk.database, MINE)
    path = saved(desk, tmp_path / "saved.tar.gz", MINE)
    target = several(tmp_path / "target", f"sqlite:///{tmp_path / 't.db'}")
    put_back(target, path)
    assert [d.name for d in datasets(target)] == [MINE]
    if "sqlite" in desk.database_url:
        assert dump(target.database, MINE) == before
    with opened(target, MINE) as store, store.desk() as work:
        assert work.audit.verify() is None
        assert {e.dataset for e in work.audit.latest(1000)} == {MINE, OTHER}


def test_only_the_datasets_own_files_of_the_spool_are_in_it(desk: Settings, tmp_path: Path) -> None:
    desk.spool.mkdir()
    names = ("boats--e1-aa.lost", "cars--e1-bb.lost", "e1-cc.lost", "ours1.json", "theirs1.json")
    for name in names:
        (desk.spool / name).write_text(name)
    own = ["boats--e1-aa.lost", "ours1.json"]
    path = saved(desk, tmp_path / "one.tar.gz", MINE)
    assert archive.check(path).manifest["spool"] == own
    every = saved(desk, tmp_path / "all.tar.gz")
    for file in desk.spool.iterdir():
        file.unlink()
    for backup in (path, every):
        assert back(desk, backup, force=True).spool_files == 2
        assert {f.name: f.read_text() for f in desk.spool.iterdir()} == dict(
            zip(own, ("boats--e1-aa.lost", "{}"), strict=True)
        )


def test_a_dataset_that_is_not_there_is_said(desk: Settings, tmp_path: Path) -> None:
    spooled(desk)
    with pytest.raises(BadInput, match=r"no dataset 'planes' on this desk. .*boats, cars"):
        saved(desk, tmp_path / "x.tar.gz", "planes")
    (Path(desk.datasets) / "cars.toml").write_text("name = 7")
    with pytest.raises(DatasetError, match=r"cars.toml"):
        saved(desk, tmp_path / "x.tar.gz", OTHER)
    saved(desk, tmp_path / "y.tar.gz", MINE)  # another dataset's file does not matter here


# Into a desk with others


@pytest.mark.parametrize("only", [MINE, ""])
def test_one_comes_back_from_a_backup_of_one_or_of_all(
    desk: Settings, tmp_path: Path, only: str
) -> None:
    mine = dump(desk.database, MINE)
    path = saved(desk, tmp_path / "saved.tar.gz", only)
    for name, says in SAYS.items():
        with opened(desk, name) as store:
            fill(store, says, 11)
    theirs, whole = dump(desk.database, OTHER), whole_tables(desk.database)
    assert dump(desk.database, MINE) != mine
    with pytest.raises(NotEmpty, match=r"dataset boats has rows here. .*--force"):
        back(desk, path)
    done = back(desk, path, force=True)
    assert dump(desk.database, MINE) == mine
    assert dump(desk.database, OTHER) == theirs
    after = whole_tables(desk.database)
    assert {t: after[t] for t in SHARED} == {t: whole[t] for t in SHARED}
    assert set(whole["audit"]) < set(after["audit"])
    with opened(desk, MINE) as store, store.desk() as work:
        assert work.audit.verify() is None
        (event,) = work.audit.latest(1)
    assert (event.actor, event.action, event.dataset) == ("ben", "restore", MINE)
    assert event.subject == "backup:saved.tar.gz"
    assert event.details["rows"] == done.rows == sum(map(len, mine.values()))
    assert done.dataset == MINE


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_happened_since_one_is_as_before_and_the_other_as_changed(
    desk: Settings, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    print("seed", seed)
    with opened(desk, MINE) as mine, opened(desk, OTHER) as other:
        first, paths, kept = 21, [], []
        for n in range(3):
            for _ in range(dice.randint(2, 6)):
                change(dice.choice([mine, other]), dice, first)
                first += 2
            paths.append(saved(desk, tmp_path / f"{n}.tar.gz", dice.choice([MINE, ""])))
            kept.append(dump(desk.database, MINE))
        for _ in range(6):  # forwards and backwards, as what the other does goes on
            change(other, dice, first)
            if dice.random() < 0.5:
                change(mine, dice, first + 1)
            first += 2
            theirs, n = dump(desk.database, OTHER), dice.randrange(3)
            back(desk, paths[n], force=True)
            assert dump(desk.database, OTHER) == theirs
            now = dump(desk.database, MINE)
            assert without_ids(now) == without_ids(kept[n])
            assert numbered(now) == numbered(kept[n])
        with mine.desk() as work:
            assert work.audit.verify() is None


def numbered(found: Dump) -> Dump:
    """The tables whose ids are named elsewhere."""
    drift = ("drift_reports", "drift_stats", "drift_measures")
    return {table: found[table] for table in ("jobs", "batches", "live_windows", *drift)}


def without_ids(found: Dump) -> Dump:
    """The rows without their first column, which may be another number where it was taken."""
    return {table: sorted(row.partition(",")[2] for row in rows) for table, rows in found.items()}


def test_rows_that_nothing_refers_to_get_new_ids_where_theirs_are_taken(
    desk: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (dump_of, replacement):  # several parts, and several pages
        monkeypatch.setattr(module, "PAGE", 2)
    monkeypatch.setattr(dump_of, "_PART_BYTES", 1)
    with opened(desk, MINE) as store, store.transaction() as work:
        (job, *_) = work.jobs.open()
        for n in range(5):
            work.jobs.log(job.id, f"line {n}")
    path = saved(desk, tmp_path / "saved.tar.gz", MINE)
    with opened(desk, MINE) as store, store.read() as work:
        lines = [line.message for line in work.jobs.lines(job.id)]
    with opened(desk, MINE) as mine, mine.engine.begin() as connection:
        ids = connection.execute(sa.select(job_logs.c.id).order_by(job_logs.c.id)).scalars().all()
        connection.execute(sa.delete(job_logs))
    with opened(desk, OTHER) as other, other.engine.begin() as connection:
        row = {"job_id": 1, "at": build.NOON, "level": "", "message": "theirs"}
        connection.execute(sa.insert(job_logs).values(id=ids[2], **row))
    theirs = dump(desk.database, OTHER)
    back(desk, path, force=True)
    assert dump(desk.database, OTHER) == theirs
    with opened(desk, MINE) as store, store.read() as work:
        assert [line.message for line in work.jobs.lines(job.id)] == lines
        assert len(lines) == 5


def test_a_number_that_was_given_out_is_not_given_out_again(desk: Settings, tmp_path: Path) -> None:
    older = saved(desk, tmp_path / "older.tar.gz", MINE)
    with opened(desk, MINE) as mine, opened(desk, OTHER) as other:
        fill(mine, SAYS[MINE], 11)
        newer, kept = saved(desk, tmp_path / "newer.tar.gz", MINE), dump(desk.database, MINE)
        with mine.read() as work:
            job, batch = work.jobs.recent(1)[0].id, work.batches.newest_stored(1)[0].id
        back(desk, older, force=True)
        fill(other, SAYS[OTHER], 11)
        with other.read() as work:
            assert min(j.id for j in work.jobs.recent(2)) > job
            assert work.batches.newest_stored(1)[0].id > batch
        back(desk, newer, force=True)  # it was the older one by mistake
        assert numbered(dump(desk.database, MINE)) == numbered(kept)


def test_a_running_job_of_the_dataset_is_waited_for_and_anothers_is_not(
    desk: Settings, tmp_path: Path
) -> None:
    path = saved(desk, tmp_path / "saved.tar.gz", MINE)
    for name in (OTHER, MINE):
        with opened(desk, name) as store, store.transaction() as work:
            job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
            work.jobs.claim(job.id, job.attempt, "w", timedelta(minutes=5))
        if name == OTHER:
            back(desk, path, force=True)
    before = dump(desk.database, MINE)
    with pytest.raises(NotEmpty, match=f"Job {job.id} is running"):
        back(desk, path, force=True)
    assert dump(desk.database, MINE) == before


# What the trail says of the time that was taken back


def test_what_was_decided_since_the_backup_is_history(desk: Settings, tmp_path: Path) -> None:
    with opened(desk, MINE) as mine, opened(desk, OTHER) as other:
        with mine.transaction() as work:
            work.audit.add("ana", DISMISS, "batch:1/1", reason="kept")
        with mine.read() as work:
            terms = [term.version for term in live_terms.terms(work)]
        path = saved(desk, tmp_path / "saved.tar.gz", MINE)
        for store in (mine, other):
            build.live(store, 5)
            with store.transaction() as work:
                work.audit.add("ana", DISMISS, "batch:1/2", reason="since")
        back(desk, path, force=True)
        with mine.transaction() as work:
            dismissed = work.audit.of(actions=[DISMISS], now=True)
            assert [e.subject for e in dismissed] == ["batch:1/1"]
            assert len(work.audit.of(actions=[DISMISS])) == 2
            assert [term.version for term in live_terms.terms(work)] == terms == [1]
            work.audit.add("ana", DISMISS, "batch:1/2", reason="again")
        with mine.read() as work:
            assert len(work.audit.latest(action=DISMISS, now=True)) == 2
        with other.read() as work:
            assert len(work.audit.of(actions=[DISMISS], now=True)) == 1
            assert [term.version for term in live_terms.terms(work)] == [5, 1]


def test_a_batch_that_was_dismissed_since_waits_again(desk: Settings, tmp_path: Path) -> None:
    path = saved(desk, tmp_path / "saved.tar.gz", MINE)
    with opened(desk, MINE) as store:
        with store.transaction() as work:
            work.audit.add("ana", DISMISS, "batch:1/1")
        assert facts(store) == (True, [])
        back(desk, path, force=True)
        assert facts(store) == (False, [1])


def facts(store: Store) -> tuple[bool, list[int | None]]:
    """Whether the newest comparison was answered, and the batches that wait for a person."""
    with store.engine.begin() as connection:  # `fill` has trained on it, and holds it
        connection.exec_driver_sql("DELETE FROM trained_on")
        connection.exec_driver_sql("UPDATE batches SET held_at = NULL")
    with store.desk() as desk:
        found = desk.needs([store.dataset.name])[store.dataset.name].verdicts
    with store.read() as work:
        waiting = work.batches.in_question(10**9, None, DISMISS, 9)
    dismissed = [f for f in found if f.number == 1 and f.dismissed_by]
    return bool(dismissed), [batch.number for batch in waiting]


# Into another desk


def test_ids_that_are_anothers_there_are_refused_and_nothing_changes(
    desk: Settings, tmp_path: Path
) -> None:
    path = saved(desk, tmp_path / "saved.tar.gz", MINE)
    target = several(tmp_path / "target", f"sqlite:///{tmp_path / 't.db'}", "planes")
    with opened(target, "planes") as store:
        fill(store, THEIRS)
    before = dump(target.database, "planes"), whole_tables(target.database)
    with pytest.raises(NotEmpty, match=r"is of the dataset planes, so nothing was changed"):
        back(target, path)
    assert (dump(target.database, "planes"), whole_tables(target.database)) == before
    assert [d.name for d in datasets(target)] == ["planes"]
    assert not target.spool.exists()


def test_it_joins_a_desk_whose_ids_are_others_with_its_file_last(
    desk: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, path = dump(desk.database, MINE), saved(desk, tmp_path / "saved.tar.gz")
    target = several(tmp_path / "target", f"sqlite:///{tmp_path / 't.db'}", "planes")
    with opened(target, "planes") as store, store.transaction() as work:
        work.audit.add("ana", "act", "x")
    files, commit = [], Replacement.commit

    def seen(self: Replacement, *about: Any) -> None:
        files.extend(d.name for d in datasets(target))
        commit(self, *about)

    monkeypatch.setattr(Replacement, "commit", seen)
    back(target, path)
    assert files == ["planes"]
    assert [d.name for d in datasets(target)] == [MINE, "planes"]
    now = dump(target.database, MINE)
    if "sqlite" in desk.database_url:
        assert now == mine
    assert {t: len(rows) for t, rows in now.items()} == {t: len(r) for t, r in mine.items()}
    with opened(target, MINE) as store, store.desk() as work:
        (event,) = work.audit.latest(1)
        assert event.details["trail"] == 0
        assert work.audit.verify() is None


def test_a_backup_of_one_does_not_take_the_place_of_a_desk_with_others(
    desk: Settings, tmp_path: Path
) -> None:
    path = saved(desk, tmp_path / "saved.tar.gz", MINE)
    before = dump(desk.database, MINE), dump(desk.database, OTHER)
    for force in (False, True):
        with pytest.raises(NotEmpty, match=r"cars has rows here.*--dataset boats"):
            put_back(desk, path, force=force)
    assert (dump(desk.database, MINE), dump(desk.database, OTHER)) == before


def test_a_backup_of_a_desk_with_one_dataset_joins_others(tmp_path: Path) -> None:
    alone = several(tmp_path / "alone", f"sqlite:///{tmp_path / 'a.db'}", MINE)
    with opened(alone, MINE) as store:
        fill(store, "ours")
    alone.spool.mkdir()
    for name in ("e1-aa.lost", "ours1.json"):
        (alone.spool / name).write_text("x")
    path = saved(alone, tmp_path / "saved.tar.gz")
    target = several(tmp_path / "target", f"sqlite:///{tmp_path / 't.db'}", OTHER)
    back(target, path)
    assert dump(target.database, MINE) == dump(alone.database, MINE)
    # What no ledger names is found by its own name where there are several.
    assert {f.name for f in target.spool.iterdir()} == {"boats--e1-aa.lost", "ours1.json"}


# What is refused


def test_a_backup_that_does_not_fit_changes_nothing(desk: Settings, tmp_path: Path) -> None:
    path = saved(desk, tmp_path / "saved.tar.gz", MINE)
    before = dump(desk.database, MINE), dump(desk.database, OTHER), whole_tables(desk.database)
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(path.read_bytes()[:-200])
    for file, name, says in (
        (path, OTHER, "no dataset 'cars'. Its datasets: boats"),
        (rewritten(path, schema="9999"), MINE, "install the version that made it"),
        (cut, MINE, "cut short"),
    ):
        with pytest.raises(BackupUnusable, match=says):
            back(desk, file, name, force=True)
    file = Path(desk.datasets) / f"{MINE}.toml"
    text = file.read_text()
    file.write_text(text.replace('"dataset"', '"weight"'))
    with pytest.raises(BackupUnusable, match="dataset boats with other columns"):
        back(desk, path, force=True)
    file.write_text("name = 7")
    with pytest.raises(DatasetError, match=r"boats\.toml"):
        back(desk, path, force=True)
    file.write_text(text)
    now = dump(desk.database, MINE), dump(desk.database, OTHER), whole_tables(desk.database)
    assert now == before


def test_a_role_for_one_dataset_restores_none_of_it(desk: Settings, tmp_path: Path) -> None:
    path = saved(desk, tmp_path / "saved.tar.gz", MINE)
    before = dump(desk.database, MINE)
    for actor in (somebody("vic", Role.APPROVER), Actor("tess", Role.ADMIN, "a test", MINE)):
        with at_first(desk) as first, pytest.raises(NotAllowed):
            back_up(first, actor, tmp_path / "x.tar.gz", models=False, only=MINE)
        with pytest.raises(NotAllowed):
            restore_dataset.restore_dataset(desk, actor, path, MINE, force=True)
    assert dump(desk.database, MINE) == before


# Killed


def test_broken_off_it_leaves_the_rows_as_they_were_and_begins_again(
    desk: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, kept = saved(desk, tmp_path / "saved.tar.gz"), dump(desk.database, MINE)
    with opened(desk, MINE) as store:
        fill(store, SAYS[MINE], 11)
    before = dump(desk.database, MINE), dump(desk.database, OTHER), whole_tables(desk.database)
    add = Replacement.add

    def broken(self: Replacement, shape: Shape, lines: Any) -> int:
        if shape.name == "rows_boats":
            raise KeyboardInterrupt
        return add(self, shape, lines)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Replacement, "add", broken)
        back(desk, path, force=True)
    now = dump(desk.database, MINE), dump(desk.database, OTHER), whole_tables(desk.database)
    assert now == before
    back(desk, path, force=True)
    assert dump(desk.database, MINE) == kept


def test_killed_it_leaves_the_rows_as_they_were(mariadb: str, tmp_path: Path) -> None:
    from tests.databases import fresh_database

    told = several(tmp_path / "desk", fresh_database(mariadb), MINE, OTHER)
    for name, says in SAYS.items():
        with opened(told, name) as store:
            fill(store, says)
    path = saved(told, tmp_path / "saved.tar.gz")
    before = dump(told.database, MINE), dump(told.database, OTHER)
    engine = make_engine(told.database)
    with engine.connect() as connection:  # a row that the restore has to wait for
        connection.exec_driver_sql("SELECT * FROM trained_on WHERE dataset = 'boats' FOR UPDATE")
        child = command(told, "restore", str(path), "--dataset", MINE, "--force")
        try:
            waits = "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'"
            wait_for("the restore does not wait", lambda: int(asked(engine, waits)[1]) > 0, 120)
        finally:
            os.kill(child.pid, signal.SIGKILL)
            child.communicate()
        connection.rollback()
    engine.dispose()
    wait_for("not rolled back", lambda: dump(told.database, MINE) == before[0], 60)
    assert dump(told.database, OTHER) == before[1]
    done = back(told, path, force=True)
    assert (dump(told.database, MINE), done.dataset) == (before[0], MINE)


def test_a_job_begins_before_the_restore_or_after_it(mariadb: str, tmp_path: Path) -> None:
    """Between the look at the jobs and the commit no waiting one is claimed."""
    from tests.databases import fresh_database

    told = several(tmp_path / "desk", fresh_database(mariadb), MINE)
    with opened(told, MINE) as store, store.transaction() as work:
        job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
    from core.adapters.store.replacement import replacing
    from core.adapters.store.timeouts import Timeouts

    impatient = Timeouts(connect=5, lock=1, answer=30, idle=None)
    dataset = datasets(told)[0]
    other = Store.open(told.database, dataset, impatient)
    engine = make_engine(told.database)
    with replacing(engine, [dataset], MINE) as target:
        assert target.running() == []
        with pytest.raises(StoreBusy), other.transaction() as work:
            work.jobs.claim(job.id, 1, "w", timedelta(minutes=5))
    other.close()
    engine.dispose()


# Older backups


def test_one_of_an_older_backup_is_migrated_into_a_desk_with_others(
    empty_database: str, tmp_path: Path, dataset: Dataset
) -> None:
    path = archived_first_release(tmp_path, dataset)
    from core.platform.settings import SHIPPED_DATASETS

    told = several(tmp_path / "desk", empty_database, OTHER)
    file = SHIPPED_DATASETS / f"{dataset.name}.toml"
    (Path(told.datasets) / file.name).write_bytes(file.read_bytes())
    prepare_dataset(told.database, dataset)
    with opened(told, OTHER) as store:
        build.proposed(store, 1)  # with an id that the backup has, too
    with opened(told, OTHER) as store, store.transaction() as work:
        work.force_requests.open_follow_up("version:1", "x", "ana", Cause.FORCED)
    theirs = dump(told.database, OTHER)
    done = back(told, path, dataset.name)
    assert done.migrated_from == FIRST
    assert dump(told.database, OTHER) == theirs
    with opened(told, dataset.name) as store, store.read() as work:
        assert work.audit.verify() is None
        assert [e.action for e in work.audit.latest()] == ["restore"]
        assert work.promotions.live()
        assert work.rows.count() == 2
        answer = work.predictions.get("p1")
    assert answer
