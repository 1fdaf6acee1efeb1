"""What starts often imports nothing that it does not use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.adapters.store.migrate import migrate
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from tests.stacks import ROOT, free_port

USAGE_ERROR = "2"
LOOKS_AND_ACTS = (
    "train --reason x", "ingest", "force 1 --reason x", "approve 1", "reject 1 --reason x",
    "rollback --reason x", "drift", "drift --show", "candidates", "dossier 1", "audit --verify",
    "doctor", "backup saved.tar.gz", "continue-numbers --reason x", "schedule list",
)  # fmt: skip
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
COMMANDS = """
import sys
from console.cli.main import main
for command in sys.argv[1:]:
    sys.argv = ["driftdesk", *command.split()]
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    with open("ran", "a") as ran:
        print(f"{command}: {code}", *(m for m in sys.modules if "." not in m), file=ran)
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
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "ACTOR": "ana",
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
    migrate(f"sqlite:///{tmp_path}/.data/driftdesk.db", load(SHIPPED_DATASETS / "real_estate.toml"))
    code, modules = loaded(COMMAND, "status", folder=tmp_path)
    assert code == 3
    assert "sqlalchemy" in modules
    assert not modules & {*HEAVY, "numpy", "pyarrow", "pymysql", "alembic", "rich"}


def test_a_command_imports_no_library_of_the_workers_or_the_pages(tmp_path: Path) -> None:
    """One process runs them all, since each start takes most of a second."""
    migrate(f"sqlite:///{tmp_path}/.data/driftdesk.db", load(SHIPPED_DATASETS / "real_estate.toml"))
    code, _ = loaded(COMMANDS, *LOOKS_AND_ACTS, folder=tmp_path)
    assert code == 0
    ran = [line.split(": ", 1) for line in (tmp_path / "ran").read_text().splitlines()]
    assert [command for command, _ in ran] == list(LOOKS_AND_ACTS)
    for command, said in ran:
        code_, *modules = said.split()
        assert code_ != USAGE_ERROR, command
        assert not set(modules) & {*HEAVY}, command
    assert "sqlalchemy" in ran[0][1].split()


@pytest.mark.parametrize("kind", ["drift", "judge", "promote"])
def test_a_job_that_trains_nothing_imports_no_scikit_learn(tmp_path: Path, kind: str) -> None:
    code, modules = loaded(JOB, kind, folder=tmp_path)
    assert code == 0
    assert not modules & {"mlflow", "sklearn", "streamlit", "plotly"}


def test_serving_imports_no_rich(tmp_path: Path) -> None:
    code, modules = loaded(f"import serving.__main__\n{LOADED}", folder=tmp_path)
    assert code == 0
    assert not modules & {*HEAVY, "rich", "pygments"}


def test_the_console_imports_pandas_before_its_sessions_do_it_at_once(tmp_path: Path) -> None:
    code, modules = loaded(f"import console.web.asgi\n{LOADED}", folder=tmp_path)
    assert code == 0
    assert "pandas" in modules
