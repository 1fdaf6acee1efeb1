"""Who holds SQLite's write lock is named, by each refusal and by the doctor, with what to do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.desk import Desk
from console.queries import doctor
from console.queries.doctor_rules import State
from core.adapters.store import Store
from core.adapters.store.lock_holder import _program, write_lock_holder
from core.adapters.store.timeouts import Timeouts
from core.domain.dataset import Dataset
from core.domain.errors import StoreBusy
from core.platform.settings import Settings
from tests.databases import migrated
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.stacks import lacking, process, wait_for

BRIEF = Timeouts(connect=1, answer=1, lock=1, idle=3)
HOLDS = """
import pathlib, sqlite3, sys, threading
connection = sqlite3.connect(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
pathlib.Path(sys.argv[2]).touch()
threading.Event().wait()
"""


@pytest.fixture
def url(tmp_path: Path, dataset: Dataset) -> str:
    if not Path("/proc/locks").exists():
        lacking("/proc/locks")
    made = f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(made, dataset)
    return made


@pytest.fixture
def store(url: str, dataset: Dataset) -> Iterator[Store]:
    opened = Store.open(url, dataset, BRIEF)
    with opened.read() as work:
        work.jobs.recent()
    yield opened
    opened.close()


@contextmanager
def holding(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that stands in a writing transaction."""
    reached = folder / "reached"
    script = folder / "holder.py"
    script.write_text(HOLDS)
    command = [sys.executable, str(script), str(folder / "desk.db"), str(reached)]
    with process(command, folder / "holder.log") as child:
        wait_for("the lock is not held", reached.exists)
        try:
            yield child
        finally:
            child.send_signal(signal.SIGCONT)  # one that is stopped could not be ended


def test_nobody_is_named_while_nobody_else_writes(store: Store, tmp_path: Path) -> None:
    file = str(tmp_path / "desk.db")
    assert write_lock_holder(file) is None
    with store.begin() as work:
        work.jobs.recent()
        assert write_lock_holder(file) is None  # it is this process
    assert write_lock_holder(str(tmp_path / "none.db")) is None


def refusal(store: Store) -> str:
    with pytest.raises(StoreBusy) as busy, store.begin() as work:
        work.jobs.recent()
    return str(busy.value)


def test_a_refusal_names_the_process_and_how_to_go_on(store: Store, tmp_path: Path) -> None:
    with holding(tmp_path) as child:
        said = refusal(store)
        assert f"write lock: {child.pid} ({sys.executable} {tmp_path / 'holder.py'})" in said
        assert "if it lasts, end that process" in said
        os.kill(child.pid, signal.SIGSTOP)
        said = refusal(store)
        assert f"It is stopped. Continue it with `kill -CONT {child.pid}`" in said
        assert f"`kill -KILL {child.pid}`, which takes back its transaction" in said
        os.kill(child.pid, signal.SIGKILL)
        child.wait(20)
        with store.begin() as work:
            work.jobs.recent()


def test_the_doctor_names_it_and_does_not_blame_rights_or_settings(
    store: Store, url: str, dataset: Dataset, tmp_path: Path
) -> None:
    nowhere = "http://127.0.0.1:1"
    settings = Settings(
        _env_file=None, data_dir=tmp_path, database_url=url, mlflow_tracking_uri=nowhere,
        data_api_url=nowhere, serving_url=nowhere,
    )  # fmt: skip
    desk = Desk(settings, dataset, store, FakeQueue(), FakeRegistry(), FakeServing())  # type: ignore[arg-type]
    with holding(tmp_path) as child:
        os.kill(child.pid, signal.SIGSTOP)
        found = {f.name: f for f in doctor.examine(desk)}
    assert found["Database"].state is State.BAD
    assert f"kill -CONT {child.pid}" in found["Database"].says
    assert found["Database"].todo == (
        "See to that process; until then nothing is written to the database."
    )
    assert "Database rights" not in found
    assert found["Jobs"].state is State.OK  # a look waits for nobody


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["python", "-m", "workers", "run", "--token=x"], "python -m workers"),
        (["python", "/x/run.py", "a secret"], "python /x/run.py"),
        (["tool", "--password=x"], "tool"),
        (["worker: \x1b[31mx", ""], "worker: \\x1b[31mx"),
        ([""], ""),
    ],
)
def test_of_a_command_no_argument_is_shown(words: list[str], shown: str) -> None:
    assert _program(words) == shown
