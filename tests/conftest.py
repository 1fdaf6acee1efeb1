"""Stores and servers that tests share."""

from __future__ import annotations

import itertools
import os
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

_numbers = itertools.count()

# The same examples in every run: what fails here fails everywhere, and what lands stays green.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under REQUIRE_ALL nothing may be skipped, whoever asks for it."""
    report = yield
    if report.skipped and os.environ.get("REQUIRE_ALL"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and REQUIRE_ALL is set: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return load(DATASETS / "real_estate.toml")


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stacks.mariadb(tmp_path_factory.mktemp("mariadb")) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stacks.valkey(tmp_path_factory.mktemp("valkey")) as url:
        yield url


@pytest.fixture(scope="session")
def mlflow_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stacks.mlflow(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


def fresh_database(server: str) -> str:
    """An empty database of its own on a MariaDB server."""
    name = f"driftdesk_{next(_numbers)}"
    engine = sa.create_engine(server)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    engine.dispose()
    return f"{server}/{name}"


@pytest.fixture(params=["sqlite", "mariadb"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: every test that takes it runs on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.db'}"
    return fresh_database(request.getfixturevalue("mariadb"))


@pytest.fixture
def store(database_url: str, dataset: Dataset) -> Iterator[Store]:
    migrate(database_url, dataset)
    opened = Store.open(database_url, dataset)
    yield opened
    opened.close()
