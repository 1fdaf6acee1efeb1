"""What starts often imports nothing that it does not use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.adapters.store.migrate import migrate
from core.platform.dataset_file import load
from core.platform.settings import DATASETS
from tests.stacks import ROOT, free_port

HEAVY = ("mlflow", "pandas", "sklearn", "streamlit", "plotly")
LOADED = (
    "import sys; sys.stderr.write('loaded: ' + ' '.join(m for m in sys.modules if '.' not in m))"
)
COMMAND = f"""
import atexit, sys
atexit.register(lambda: exec({LOADED!r}))
sys.argv[0] = "driftdesk"
from console.cli.main import main
main()
"""
JOB = f"""
from core.domain.jobs import JobKind
from core.platform.settings import Settings
from workers.container import Container
Container.make(Settings(_env_file=None)).step(JobKind(__import__("sys").argv[1]))
{LOADED}
"""


def loaded(code: str, *arguments: str, folder: Path) -> tuple[int, set[str]]:
    """The exit code, and the packages that were imported."""
    closed = f"http://127.0.0.1:{free_port()}"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "MLFLOW_TRACKING_URI": closed,
            "SERVING_URL": closed,
            "DATA_API_URL": closed,
            "REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        },
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, set(done.stderr.rpartition("loaded: ")[2].split())


def test_the_help_imports_no_library_but_its_own(tmp_path: Path) -> None:
    code, modules = loaded(COMMAND, "--help", folder=tmp_path)
    assert code == 0
    assert "typer" in modules
    assert not modules & {*HEAVY, "numpy", "sqlalchemy", "pydantic", "requests", "redis"}


def test_the_status_imports_nothing_heavy(tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path}/.data/driftdesk.db", load(DATASETS / "real_estate.toml"))
    code, modules = loaded(COMMAND, "status", folder=tmp_path)
    assert code == 3
    assert "sqlalchemy" in modules
    assert not modules & {*HEAVY, "numpy", "pyarrow", "pymysql", "alembic", "rich"}


@pytest.mark.parametrize("kind", ["drift", "judge", "promote"])
def test_a_job_that_trains_nothing_imports_no_scikit_learn(tmp_path: Path, kind: str) -> None:
    code, modules = loaded(JOB, kind, folder=tmp_path)
    assert code == 0
    assert not modules & {"sklearn", "streamlit", "plotly"}
