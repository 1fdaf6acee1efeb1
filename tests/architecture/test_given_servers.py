"""Tests run on servers that were given, as CI gives MySQL and Redis, and leave nothing on them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa

from tests import stacks
from tests.conftest import may_lack

SOME = [
    "tests/contract/test_store.py::test_rows_come_back_as_they_went_in[mariadb]",
    "tests/contract/test_queue.py::test_a_worker_refuses_unknown_jobs",
]


def databases(server: str) -> set[str]:
    engine = sa.create_engine(server)
    with engine.connect() as connection:
        names = {row[0] for row in connection.exec_driver_sql("SHOW DATABASES")}
    engine.dispose()
    return names


def made_databases(server: str) -> int:
    engine = sa.create_engine(server)
    with engine.connect() as connection:
        said = connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Com_create_db'").one()
    engine.dispose()
    return int(said[1])


def run_tests(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp",
         str(folder / "tests"), *SOME],
        cwd=stacks.ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip


def test_given_servers_are_used_and_left_as_they_were(mariadb: str, tmp_path: Path) -> None:
    with stacks.valkey(tmp_path) as url:
        before, made = databases(mariadb), made_databases(mariadb)
        done = run_tests(tmp_path, TEST_DATABASE_SERVER=mariadb, TEST_REDIS_URL=url)
        assert done.returncode == 0, done.stdout
        assert databases(mariadb) == before
        with redis.Redis.from_url(url) as connection:
            assert connection.dbsize() == 0
            assert "cmdstat_rpush" in connection.info("commandstats"), "nothing was queued on it"
        assert made_databases(mariadb) > made


def test_a_redis_that_holds_something_is_not_touched(tmp_path: Path) -> None:
    with stacks.valkey(tmp_path) as url, redis.Redis.from_url(url) as connection:
        connection.set("somebody's", "own")
        done = run_tests(tmp_path, TEST_REDIS_URL=url)
        assert done.returncode != 0
        assert "TEST_REDIS_URL names a database that is not empty" in done.stdout
        assert connection.get("somebody's") == b"own"


@pytest.mark.parametrize(
    ("named", "may"), [("real rows", True), ("curl, real rows", True), ("", False), (",", False)]
)
def test_only_what_is_named_may_be_lacking(
    named: str,
    may: bool,  # noqa: FBT001 - a case's own answer
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MAY_LACK", named)
    assert may_lack("Skipped: the folder of real rows is not on this machine") is may
