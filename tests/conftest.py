"""Stores and servers that tests share."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from tests import stacks
from tests.databases import Pool, drop_databases, fresh_database, migrated

# Where it is set, each of the many programs that tests start would compile the project again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# An MLflow that is away is asked again at once, not after four seconds.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")

# The same examples in every run: what fails here fails everywhere, and what lands stays green.
settings.register_profile(
    "steady", derandomize=True, deadline=None, max_examples=100 if stacks.THOROUGH else 30
)
settings.load_profile("steady")

WHOLE = (
    "campaign", "faults", "e2e", "local/test_whole.py", "monitoring/test_whole.py",
    "serving/test_fuzz.py", "contract/test_ingest_mutations.py", "contract/test_mlflow_guard.py",
    "architecture/test_given_servers.py",
)  # fmt: skip
"""Whole systems, kill loops, the campaign, browsers and fuzz; the longest first.

Elsewhere a test is marked by hand.
"""

HERE = Path(__file__).parent
MAIN = sys.modules["__main__"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of `make test-all` alone, and begin with what takes longest.

    Files go to the processes in this order: a long one at the end would keep one process waiting.
    """
    for item in items:
        if _rank(item) < len(WHOLE):
            item.add_marker(pytest.mark.whole)
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    path = item.path.relative_to(HERE)
    for rank, name in enumerate(WHOLE):
        if path.is_relative_to(name):
            return rank
    first = ("contract", "views", "serving")
    if item.get_closest_marker("whole"):
        return len(WHOLE) - 1
    return len(WHOLE) + (first.index(path.parts[0]) if path.parts[0] in first else len(first))


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Undo what a test configured of the log: the next one begins with plain lines on stdout.

    With structlog's defaults, rich would draw a traceback with all its variables, in a second each.
    """
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    _plain_log()
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    _plain_log()


@pytest.fixture(autouse=True)
def _own_signals() -> Iterator[None]:
    """Undo the signal handlers that a test installed: RQ's worker leaves its own behind."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def _own_main() -> Iterator[None]:
    """Undo that Streamlit's AppTest makes a page the module `__main__`.

    A process that multiprocessing spawns would run that page first, and die or wait for ever.
    """
    sys.modules["__main__"] = MAIN
    yield
    sys.modules["__main__"] = MAIN


def _plain_log() -> None:
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    plain = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under REQUIRE_ALL nothing may be skipped, whoever asks for it, but what MAY_LACK names.

    Under TEST_SECONDS no phase of a test of `make test` may take longer; the start of a server that
    tests share is charged to none of them. Where SLOW_TESTS names a file, such a test is listed
    there instead, to be measured again with nothing beside it.
    """
    report = yield
    limit = float(os.environ.get("TEST_SECONDS", "inf"))
    seconds = report.duration - stacks.shared_starts.pop()
    if report.passed and seconds > limit and not item.get_closest_marker("whole"):
        if listed := os.environ.get("SLOW_TESTS"):
            with Path(listed).open("a", encoding="utf-8") as file:
                file.write(f"{item.nodeid}\n")
        else:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} took {seconds:.1f} s, and {limit:g} s are allowed"
    if report.skipped and os.environ.get("REQUIRE_ALL") and not may_lack(str(report.longrepr)):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and REQUIRE_ALL is set: {report.longrepr}"
    return report


def may_lack(why: str) -> bool:
    """Whether MAY_LACK, a list with commas, has words that a reason to skip has too."""
    words = [said.strip() for said in os.environ.get("MAY_LACK", "").split(",")]
    return any(said and said in why for said in words)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("real_rows") and not stacks.REAL_ROWS.exists():
        stacks.lacking("the folder of real rows")


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    return load(SHIPPED_DATASETS / "real_estate.toml")


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server to make databases on: the one of TEST_DATABASE_SERVER, or a private one."""
    if server := os.environ.get("TEST_DATABASE_SERVER"):
        yield server
        drop_databases(server)
        return
    with (
        stacks.memory_folder(tmp_path_factory) as folder,
        stacks.shared_starts(stacks.mariadb(folder)) as url,
    ):
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
    with stacks.shared_starts(stacks.mlflow(tmp_path_factory.mktemp("mlflow"))) as url:
        yield url


@pytest.fixture(
    params=["stand-in", pytest.param("real", marks=pytest.mark.real_rows)], scope="session"
)
def batch_files(request: pytest.FixtureRequest) -> list[Path]:
    """Batches of houses: 500 rows of the stand-in in two, or the real ones."""
    folder = stacks.STAND_IN_ROWS if request.param == "stand-in" else stacks.REAL_ROWS / "api"
    return sorted(folder.glob("batch_*.csv"))


@pytest.fixture(scope="session")
def pools(mariadb: str) -> Iterator[dict[str, Pool]]:
    """A pool for each dataset: some modules have a table of their own."""
    opened: dict[str, Pool] = {}
    yield opened
    for pool in opened.values():
        pool.close()


@pytest.fixture(params=["sqlite", "mariadb"])
def backend(request: pytest.FixtureRequest) -> str:
    """Every test that takes a database runs on both."""
    return str(request.param)


@pytest.fixture
def database_url(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path, dataset: Dataset
) -> str:
    """A migrated database without rows."""
    if backend == "mariadb":
        pools: dict[str, Pool] = request.getfixturevalue("pools")
        server = request.getfixturevalue("mariadb")
        return pools.setdefault(repr(dataset), Pool(server, dataset)).take()
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrated(url, dataset)
    return url


@pytest.fixture
def empty_database(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if backend == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    server = request.getfixturevalue("mariadb")
    yield fresh_database(server)
    drop_databases(server)


@pytest.fixture
def store(database_url: str, dataset: Dataset) -> Iterator[Store]:
    opened = Store.open(database_url, dataset)
    yield opened
    opened.close()
