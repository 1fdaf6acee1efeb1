"""Each rule about rooms catches a violation: one of each is planted in a copy of the code."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.stacks import ROOT

PLANTED = {
    "Programs over core, none imports another": ("core/domain/errors.py", "import console.desk"),
    "Rooms of core": ("core/rules/ops/schedule.py", "import core.platform.log"),
    "Rooms of the console": ("console/text/as_json.py", "import console.queries.health"),
    "Rooms of the workers": ("workers/recipes/export.py", "import workers.steps.train"),
    "Rooms of serving": ("serving/problems.py", "import serving.http.body"),
    "No circles inside a room": ("core/domain/safe_text.py", "import core.domain.dataset"),
    "Rules and domain do no I/O and touch no vendor but numpy and cronsim": (
        "core/domain/jobs.py", "import pydantic",
    ),
    "Serving reaches no store, queue or training library": (
        "serving/http/body.py", "import core.adapters.store",
    ),
    "Pages reach the world through actions and queries": (
        "console/web/views/drift.py", "import core.adapters.store",
    ),
    "Streamlit in the pages alone": ("console/cli/main.py", "import streamlit"),
    "SQLAlchemy in the store and the sources alone": (
        "workers/steps/ingest.py",
        "import sqlalchemy",
    ),
    "MLflow in its adapter and its server alone": ("workers/steps/judge.py", "import mlflow"),
    "RQ and Redis in the queue's adapter and the worker alone": ("console/desk.py", "import redis"),
    "requests in adapters, sources and the webhook alone": (
        "console/queries/service_checks.py", "import requests",
    ),
    "File systems of URLs in the adapters and the sources alone": (
        "workers/steps/drift.py", "import fsspec",
    ),
}  # fmt: skip
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """KEPT or BROKEN by rule, with every violation in one copy."""
    folder = tmp_path_factory.mktemp("planted")
    for program in CONFIG["tool"]["importlinter"]["root_packages"]:
        shutil.copytree(ROOT / program, folder / program, ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for file, line in PLANTED.values():
        with (folder / file).open("a", encoding="utf-8") as module:
            module.write(f"\n{line}\n")
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-logo", "--no-cache"]
    run = subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    printed = " ".join(run.stdout.split("Broken contracts")[0].split())
    names = [c["name"] for c in CONFIG["tool"]["importlinter"]["contracts"]]
    return {
        name: match[1]
        for name in names
        if (match := re.search(rf"{re.escape(name)} (KEPT|BROKEN)", printed))
    }


def test_every_rule_has_a_planted_violation() -> None:
    assert {c["name"] for c in CONFIG["tool"]["importlinter"]["contracts"]} == set(PLANTED)


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_violation_is_caught(verdicts: dict[str, str], rule: str) -> None:
    assert verdicts[rule] == "BROKEN"


def test_the_rules_fit_on_a_page() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert len(text.partition("[tool.importlinter]")[2].split("\n[tool")[0].splitlines()) <= 60
