"""From another folder: a command that looks makes no desk, and says where it looked."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.house import CLI
from tests.stacks import ROOT


@pytest.mark.parametrize(
    "command",
    [["status"], ["candidates"], ["ingest"], ["audit"], ["drift", "--show"], ["log", "1"]],
    ids=" ".join,
)
def test_a_command_in_another_folder_makes_nothing_and_says_where_it_looked(
    command: list[str], tmp_path: Path
) -> None:
    env = {
        "PATH": "/nowhere", "PYTHONPATH": str(ROOT), "ACTOR": "ana",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:1", "REDIS_URL": "redis://127.0.0.1:1/0",
        "SERVING_URL": "http://127.0.0.1:1", "DATA_API_URL": "http://127.0.0.1:1",
    }  # fmt: skip
    done = subprocess.run(
        [CLI, *command], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"No desk is found at {tmp_path / '.data' / 'driftdesk.db'}." in done.stderr
    assert "project's folder" in done.stderr
    assert "DATA_DIR" in done.stderr
    assert list(tmp_path.iterdir()) == []
