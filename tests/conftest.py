"""Stores and servers that tests share."""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings

from core.dataset import Dataset, load
from core.settings import DATASETS
from core.store import Store
from core.store.schema import migrate
from tests import stacks

_made: list[tuple[str, str]] = []

# The same examples in every run: what fails here fails everywhere, and what lands stays green.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under REQUIRE_ALL nothing may be skipped, whoever asks for it, but what MAY_LACK names."""
    report = yield
    if report.skipped and os.environ.get("REQUIRE_ALL") and not may_lack(str(report.longrepr)):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and REQUIRE_ALL is set: {report.longrepr}"
    return report


def may_lack(why: str) -> bool:
    """Whether MAY_LACK, a list with commas, has words that a reason to skip has too."""
    words = [said.strip() for said in os.environ.get("MAY_LACK", "").split(",")]
    return any(said and said in why for said in words)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return load(DATASETS / "real_estate.toml")


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server to make databases on: the one of TEST_DATABASE_SERVER, or a private one."""
    if server := os.environ.get("TEST_DATABASE_SERVER"):
        yield server
        drop_databases(server)
        return
    with stacks.mariadb(tmp_path_factory.mktemp("mariadb")) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The one of TEST_REDIS_URL, or a private one."""
    if url := os.environ.get("TEST_REDIS_URL"):
        with stacks.empty_redis(url):
            yield url
        return
    with stacks.valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture(scope="session")
def mlflow_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stacks.mlflow(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


def fresh_database(server: str) -> str:
    """An empty database of its own on a server; of a shared one it is dropped in the end."""
    name = f"driftdesk_{uuid.uuid4().hex}"
    _run(server, f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    _made.append((server, name))
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def drop_databases(server: str) -> None:
    """Drop what `fresh_database` made on a server."""
    for made in [pair for pair in _made if pair[0] == server]:
        _run(server, f"DROP DATABASE IF EXISTS {made[1]}")
        _made.remove(made)


def _run(server: str, statement: str) -> None:
    engine = sa.create_engine(server)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.fixture(params=["sqlite", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database: every test that takes it runs on both."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    server = request.getfixturevalue("mariadb")
    yield fresh_database(server)
    drop_databases(server)


@pytest.fixture
def store(database_url: str, dataset: Dataset) -> Iterator[Store]:
    migrate(database_url, dataset)
    opened = Store.open(database_url, dataset)
    yield opened
    opened.close()
