"""Every command of the README exists and is run by a test or by CI."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.platform.settings import Settings
from tests.stacks import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]
CLI = str(Path(sys.executable).parent / "driftdesk")


def test_make_has_every_target_that_the_readme_names() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", README)) <= targets


def test_ci_calls_the_readmes_own_commands() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert {"make check", "SLOW_TESTS=$slow make test-all"} <= set(ci)
    assert "export REQUIRE_ALL=1 TEST_SECONDS=10" in ci


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith(".venv/bin/driftdesk")])
def test_each_command_line_is_one_the_end_to_end_test_drives(command: str) -> None:
    verb = command.split()[1]
    assert subprocess.run([CLI, verb, "--help"], capture_output=True, check=False).returncode == 0
    driven = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests/e2e").glob("*.py"))
    assert f'"{verb}"' in driven


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.endswith("make run") and "=" in c])
def test_what_is_set_before_make_run_is_understood(command: str) -> None:
    names = re.findall(r"\b([A-Z_]+)=", command)
    own = {"DATA_API_OPTIONS"}
    assert {n.lower() for n in names if n not in own} <= set(Settings.model_fields)
    from compose.local.children import children, read_surroundings

    told = dict(re.findall(r'\b([A-Z_]+)=("[^"]*"|\S+)', command))
    around = read_surroundings({k: v.strip('"') for k, v in told.items()}, Path("none"))
    started = {child.name for child in children(around)}
    assert ("queue" in started) == ("REDIS_URL" not in told)


def test_links_within_the_repository_lead_somewhere() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "bench/README.md"]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_settings_named_in_the_readme_exist() -> None:
    for name in re.findall(r"^\| `([A-Z_]+)`(?:, `([A-Z_]+)`)?", README, re.MULTILINE):
        for setting in filter(None, name):
            assert setting.lower() in Settings.model_fields
