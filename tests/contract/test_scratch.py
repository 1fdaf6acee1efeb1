"""A worker's temporary folder: emptied after a job, deleted once nobody uses it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stacks import ROOT, wait_for
from workers.runtime.temp_files import Scratch

LEAVES_A_FILE = """
import os, sys, tempfile, time
from pathlib import Path
from workers.runtime.temp_files import Scratch

Scratch(Path(sys.argv[1])).open()
tempfile.mkdtemp()
if os.fork():
    os.kill(os.getpid(), 9)
Path(sys.argv[2]).write_text(str(os.getpid()))
time.sleep(600)
"""
"""A worker that is killed at once, while its forked job goes on."""


@pytest.fixture(autouse=True)
def _system_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TMPDIR", os.environ.get("TMPDIR", tempfile.gettempdir()))
    yield
    tempfile.tempdir = None


def test_what_a_job_left_is_deleted_after_it(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path)
    scratch.open()
    left = Path(tempfile.mkdtemp())
    with tempfile.NamedTemporaryFile(delete=False) as file:
        assert Path(file.name).parent == left.parent == scratch.folder
    scratch.empty()
    assert not left.exists()
    assert not Path(file.name).exists()
    scratch.close()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_killed_worker_lasts_as_long_as_its_job_and_no_longer(
    tmp_path: Path,
) -> None:
    told = tmp_path / "pid"
    folders = tmp_path / "folders"
    folders.mkdir()
    killed = subprocess.run(
        [sys.executable, "-c", LEAVES_A_FILE, str(folders), str(told)], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    wait_for("the job did not say who it is", lambda: told.exists() and told.read_text() != "")
    (left,) = folders.iterdir()
    scratch = Scratch(folders)
    scratch.open()
    try:
        assert left.exists()
        os.kill(int(told.read_text()), signal.SIGKILL)

        def gone() -> bool:
            scratch.empty()
            return not left.exists()

        wait_for("the folder stays", gone, 20)
    finally:
        scratch.close()


def test_a_disk_that_takes_nothing_leaves_temporary_files_where_the_system_puts_them(
    tmp_path: Path,
) -> None:
    before = tempfile.gettempdir()
    scratch = Scratch(tmp_path / "missing")
    scratch.open()
    scratch.empty()
    scratch.close()
    assert tempfile.gettempdir() == before


@pytest.mark.whole
def test_the_reconciler_has_a_temporary_folder_that_survives_no_kill(
    tmp_path: Path, redis_url: str
) -> None:
    temporary, up = tmp_path / "tmp", tmp_path / "up"
    temporary.mkdir()
    env = os.environ | {
        "TMPDIR": str(temporary), "READY_FILE": str(up), "DATA_DIR": str(tmp_path / "data"),
        "REDIS_URL": redis_url, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    }  # fmt: skip
    workers = [sys.executable, "-m", "workers"]
    subprocess.run(
        [*workers, "migrate"], cwd=tmp_path, env=env | {"PYTHONPATH": str(ROOT)}, check=True
    )
    ends = {}
    for stop in (signal.SIGKILL, signal.SIGTERM):
        up.unlink(missing_ok=True)
        with subprocess.Popen(
            [*workers, "reconcile"], cwd=tmp_path, env=env | {"PYTHONPATH": str(ROOT)}
        ) as reconciler:
            wait_for("the reconciler is not up", up.exists)
            assert len(list(temporary.iterdir())) == 1
            reconciler.send_signal(stop)
        ends[stop] = len(list(temporary.iterdir()))
    assert ends == {signal.SIGKILL: 1, signal.SIGTERM: 0}
