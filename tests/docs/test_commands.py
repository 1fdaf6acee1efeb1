"""Every shell block of the documentation is run, or says beside it why it is not."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pymysql
import pytest
import requests
import sqlalchemy as sa

from compose.data_api.app import create_app
from compose.data_api.options import Options
from compose.local.children import children, read_surroundings
from core.adapters.readers import parse
from core.adapters.store import Store
from core.domain.errors import SourceExhausted
from core.domain.jobs import JobState
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS, Settings
from core.rules.data.profile import Profiler
from serving.database import Database
from tests.data_api.serving import SMALL
from tests.data_api.serving import serving as data_api
from tests.house import House
from tests.pages import DOCS, NOT_RUN, blocks, follow, shell, steps, titled
from tests.receiver import receiver
from tests.stacks import ROOT, answers, free_port, mariadb, process, serve, wait_for
from tests.work import ingest
from workers.sources.data_api import DataApi
from workers.sources.http_exchange import Limits
from workers.sources.port import NOTHING_KNOWN

HERE = "tests/docs/test_commands.py"
RUN_BY = {
    "tutorial/first-day.md": HERE,
    "tutorial/own-data.md": HERE,
    "how-to/own-data-api.md": HERE,
    "how-to/real-stores.md": HERE,
    "how-to/alerts.md": HERE,
    "tutorial/classes.md": HERE,
    "how-to/own-code.md": HERE,
    "how-to/several-datasets.md": HERE,
    "how-to/files.md": "tests/contract/test_source_check.py",
    "how-to/sql.md": "tests/contract/test_source_check.py",
    "serving.md": "tests/serving/test_docs.py",
    "operations.md": "tests/e2e/test_operate.py",
    "monitoring.md": "tests/monitoring/test_whole.py",
}
"""Pages with commands, and the test that runs them."""

PAGES = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
FIRST_DAY, OWN_DATA, OWN_API, STORES, ALERTS, CLASSES, OWN_CODE, SEVERAL = list(RUN_BY)[:8]


@pytest.mark.parametrize("page", PAGES)
def test_each_block_is_run_or_says_why_not(page: str) -> None:
    for block in blocks(page):
        assert block.language not in ("bash", "shell", "console"), f"{page}: call it sh"
        if block.language != "sh" or block.note.startswith(NOT_RUN):
            continue
        assert page in RUN_BY, (
            f"{page} has commands that nothing runs: name its test in RUN_BY, or write "
            f"<!-- {NOT_RUN}why --> above the block"
        )
        assert Path(page).name in (ROOT / RUN_BY[page]).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_what_is_set_before_make_run_is_understood(page: str) -> None:
    for block in blocks(page):
        for command in block.commands if block.language == "sh" else []:
            if not command.endswith("make run") or "=" not in command:
                continue
            told = dict(re.findall(r'\b([A-Z_]+)=("[^"]*"|\S+)', command))
            told.pop("PYTHONPATH", None)  # Python's own
            assert {n.lower() for n in told} <= set(Settings.model_fields) | {"data_api_options"}
            around = read_surroundings({k: v.strip('"') for k, v in told.items()}, Path("none"))
            started = {child.name for child in children(around)}
            own = {
                "REDIS_URL": "queue",
                "MLFLOW_TRACKING_URI": "mlflow",
                "DATA_API_URL": "data-api",
            }
            assert not {own[name] for name in told if name in own} & started


@pytest.mark.whole
def test_the_first_day(tmp_path: Path) -> None:
    """And the alerts after it, which need something that has happened."""
    with receiver() as heard:
        house = House(tmp_path / "data", "", WEBHOOK_URL=heard.url)
        with house.running():
            follow(FIRST_DAY, house.cli_env)
            follow(ALERTS, house.cli_env)
        told = {event["event"] for event in heard.events}
    assert told == {"candidate", "promoted", "breach", "test"}


@pytest.mark.whole
def test_own_data_in_ten_minutes(tmp_path: Path) -> None:
    script = titled(OWN_DATA, "make_rides.py")
    (tmp_path / "make_rides.py").write_text(script, encoding="utf-8")
    house = House(tmp_path / ".data-rides", "", DATASET=str(tmp_path / "rides.toml"))
    with ExitStack() as stack:
        start = partial(stack.enter_context, house.running())
        follow(OWN_DATA, house.cli_env, tmp_path, start)


@pytest.mark.whole
def test_a_classifier_in_ten_minutes(tmp_path: Path) -> None:
    for name in ("make_tumours.py", "report.py"):
        (tmp_path / name).write_text(titled(CLASSES, name), encoding="utf-8")
    house = House(tmp_path / ".data-tumours", "", DATASET=str(tmp_path / "tumours.toml"))
    with ExitStack() as stack:
        start = partial(stack.enter_context, house.running())
        follow(CLASSES, house.cli_env, tmp_path, start)


@pytest.mark.whole
def test_metrics_of_ones_own(tmp_path: Path) -> None:
    files = {"make_rides.py": OWN_DATA, "rides_metrics.py": OWN_CODE, "metrics.toml": OWN_CODE}
    for name, page in files.items():
        (tmp_path / name).write_text(titled(page, name), encoding="utf-8")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    dataset = str(tmp_path / "rides.toml")
    house = House(tmp_path / ".data-rides", "", DATASET=dataset, PYTHONPATH=path)
    with ExitStack() as stack:
        start = partial(stack.enter_context, house.running())
        follow(OWN_CODE, house.cli_env, tmp_path, start)


@pytest.mark.whole
def test_several_datasets(tmp_path: Path) -> None:
    """Its commands need the folder and the database alone."""
    script = titled(SEVERAL, "make_tables.py")
    (tmp_path / "make_tables.py").write_text(script, encoding="utf-8")
    env = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "ACTOR": "ana",
        "DATASETS": "datasets", "REDIS_URL": "redis://127.0.0.1:1/0",
    }  # fmt: skip
    migrate = partial(shell, [".venv/bin/python -m workers migrate"], env, tmp_path)
    follow(SEVERAL, env, tmp_path, migrate)


@pytest.mark.whole
def test_a_data_api_of_ones_own(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    code = titled(OWN_API, "api.py").replace("8010", str(port))
    (tmp_path / "api.py").write_text(code, encoding="utf-8")
    (tmp_path / "rides.toml").write_text(
        titled("how-to/own-dataset.md", "rides.toml"), encoding="utf-8"
    )
    dataset = load(tmp_path / "rides.toml")
    with process([sys.executable, str(tmp_path / "api.py")], tmp_path / "log"):
        wait_for("the example is not up", answers(f"{url}/health"))
        check_the_api(url)
        source = DataApi(url, 7, "", Limits(silence=10))
        for number in (0, 1):
            received = source.fetch(tmp_path / f"{number}.part", NOTHING_KNOWN, lambda *_: None)
            whole = received.path.rename(tmp_path / f"{number}.json")
            assert parse.batch_number(whole) == number
            (chunk,) = parse.chunks(whole, dataset, Profiler(dataset), lambda _: None)
            assert (chunk.rows.num_rows, chunk.quarantined) == (400, [])
        with pytest.raises(SourceExhausted):
            source.fetch(tmp_path / "none.part", NOTHING_KNOWN, lambda *_: None)
        mine = requests.get(f"{url}/data?group_number=7", timeout=5)
        source.restart()
        source.fetch(tmp_path / "again.part", NOTHING_KNOWN, lambda *_: None)
    with serve(create_app(Options(scale=0.0001))) as theirs:
        check_the_api(theirs)
        for _ in range(6):
            requests.get(f"{theirs}/data?group_number=7", timeout=5)
        end = requests.get(f"{theirs}/data?group_number=7", timeout=5)
    assert (mine.status_code, mine.json()) == (end.status_code, end.json())
    shown = next(json.loads(b.text) for b in blocks(OWN_API) if b.language == "json")
    assert set(shown) == {"group_number", "batch_number", "data"}
    assert set(shown["data"][0]) == set(dataset.names)


def check_the_api(url: str) -> None:
    """The page's own commands, on whatever says that it is a data API."""
    (block,) = [b for b, _ in steps(OWN_API)]
    commands = [c.replace("http://127.0.0.1:8010", url) for c in block.commands]
    health, batch, restart = (json.loads(shell([c], os.environ)) for c in commands)
    assert health == {"status": "OK"}
    assert set(batch) == {"group_number", "batch_number", "data"}
    assert batch["batch_number"] == 0
    assert restart == {"ok": True}


@pytest.mark.whole
def test_a_database_of_ones_own(tmp_path: Path) -> None:
    with mariadb(tmp_path / "mariadb") as root:
        where = sa.make_url(root)
        connect = partial(pymysql.connect, host=where.host, port=int(where.port or 0), user="root")

        def execute(*texts: str) -> None:
            with connect() as connection, connection.cursor() as cursor:
                for statement in filter(str.strip, "".join(texts).split(";")):
                    cursor.execute(statement)

        first, *others = [b.text for b in blocks(STORES) if b.language == "sql"]
        execute(first)
        host = f"{where.host}:{where.port}"
        migrate = next(b for b, _ in steps(STORES)).commands
        for _ in range(2):  # it can be run again
            shell([c.replace("db.example", host) for c in migrate], os.environ)
        only_migrations = "CREATE, ALTER, INDEX, DROP, CREATE VIEW"
        execute(*others, f"REVOKE {only_migrations} ON driftdesk.* FROM driftdesk@'%'")
        urls = {
            name: f"mysql+pymysql://{name}:secret@{host}/driftdesk"
            for name in ("driftdesk", "serving")
        }
        check_the_rights(urls, tmp_path)


def check_the_rights(urls: dict[str, str], spool: Path) -> None:
    """A whole epoch and its end, and what serving writes, each with its own user."""
    store = Store.open(urls["driftdesk"], load(SHIPPED_DATASETS / "real_estate.toml"))
    with closing(store), data_api(Options(scale=SMALL)) as api:
        jobs = [ingest(store, api.url, spool) for _ in range(7)]
        assert {job.state for job in jobs} == {JobState.SUCCEEDED}, jobs
        assert jobs[-1].result.epoch == 2
        writes = Database(urls["serving"])
        at = datetime(2026, 11, 26, tzinfo=UTC).replace(tzinfo=None)
        asked = ("real_estate", "a" * 36, at, 1, "{}", 1.0, None, "ana")
        told = ("real_estate", "b" * 36, "a" * 36, 2.0, at, "", None)
        for _ in range(2):  # what is sent twice is there once
            assert writes.insert([asked], [told]) == 0
            url = "http://127.0.0.1:8000"
            writes.upsert_replica([("real_estate", "c" * 36, url, 1, "", "", at, at)])
        with store.read() as work:
            assert len(work.predictions.latest(5)) == 1
        writes.delete_replica("c" * 36)
        writes.close()
