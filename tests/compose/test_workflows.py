"""Workflows are pinned, ask for little and check everything; planted errors are found."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.compose.images import TARGETS
from tests.deployment import tools, workflows
from tests.stacks import ROOT, lacking

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CI = ROOT / ".github" / "workflows" / "ci.yml"
RELEASE = ROOT / ".github" / "workflows" / "release.yml"
CHECKOUT = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1"


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_keeps_the_rules(file: Path) -> None:
    assert workflows.problems(file.read_text(encoding="utf-8")) == []


def test_zizmor_has_nothing_to_say() -> None:
    assert tools.zizmor(ROOT / ".github") == []


def test_actionlint_has_nothing_to_say() -> None:
    try:
        assert tools.actionlint(WORKFLOWS) == []
    except tools.ToolMissing as missing:
        lacking(str(missing))


PLANTED = [
    (f"{CHECKOUT} # v7.0.1", "actions/checkout@v7", "is not pinned by its commit"),
    (f"{CHECKOUT} # v7.0.1", CHECKOUT, "does not say which version"),
    (f"{CHECKOUT} # v7.0.1", f"{CHECKOUT} # newest", "does not say which version"),
    ("permissions: {}", "permissions: write-all", "grants permissions to every job"),
    ("    permissions:\n      contents: read\n", "", "does not list its permissions"),
    ("    timeout-minutes: 20\n", "", "may run for six hours"),
    ("runs-on: ubuntu-24.04", "runs-on: ubuntu-latest", "whatever is latest"),
    ("persist-credentials: false", "fetch-depth: 1", "leaves its token in the checkout"),
    ("mysql:8.4@sha256:", "mysql:8.4 # ", "service mysql is not pinned by its digest"),
]


@pytest.mark.parametrize(("was", "planted", "said"), PLANTED)
def test_a_planted_error_is_found(was: str, planted: str, said: str) -> None:
    text = CI.read_text(encoding="utf-8")
    assert was in text
    found = workflows.problems(text.replace(was, planted, 1))
    assert any(said in problem for problem in found), found


def test_zizmor_finds_a_planted_error(tmp_path: Path) -> None:
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    file = tmp_path / ".github" / "workflows" / "ci.yml"
    text = file.read_text(encoding="utf-8")
    asked = 'run: make test ARGS="${{ github.event.pull_request.title }}"'
    file.write_text(text.replace("run: make check", asked), encoding="utf-8")
    assert any("template-injection" in line for line in tools.zizmor(tmp_path / ".github"))


def test_actionlint_finds_a_planted_error(tmp_path: Path) -> None:
    file = tmp_path / "ci.yml"
    text = CI.read_text(encoding="utf-8")
    file.write_text(text.replace("${{ matrix.target }}", "${{ matrix.taget }}"), encoding="utf-8")
    try:
        found = tools.actionlint([file])
    except tools.ToolMissing as missing:
        lacking(str(missing))
        return
    assert any("taget" in line for line in found), found


def test_tests_run_on_the_servers_that_compose_names_and_on_every_python() -> None:
    job = yaml.safe_load(CI.read_text(encoding="utf-8"))["jobs"]["test"]
    composed = yaml.safe_load((ROOT / "compose" / "compose.yaml").read_text(encoding="utf-8"))
    for service in ("mysql", "redis"):
        assert job["services"][service]["image"] == composed["services"][service]["image"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    given = next(step["env"] for step in job["steps"] if "make test" in step.get("run", ""))
    assert {"TEST_DATABASE_SERVER", "TEST_REDIS_URL", "REQUIRE_ALL"} <= given.keys()


def test_every_test_runs_in_one_job_or_the_other() -> None:
    jobs = yaml.safe_load(CI.read_text(encoding="utf-8"))["jobs"]
    commands = [step.get("run", "") for job in jobs.values() for step in job["steps"]]
    told = " ".join(command for command in commands if command.startswith("make test"))
    assert sorted(re.findall(r"(--ignore=)?(tests/\S+)", told)) == [
        ("", "tests/e2e"),
        ("--ignore=", "tests/e2e"),
    ]


@pytest.mark.parametrize("file", [CI, RELEASE], ids=lambda file: file.name)
def test_every_image_is_built(file: Path) -> None:
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]
    job = jobs.get("images") or jobs["image"]
    assert set(job["strategy"]["matrix"]["target"]) == set(TARGETS)


def test_a_release_says_where_it_comes_from_and_what_is_in_it() -> None:
    steps = yaml.safe_load(RELEASE.read_text(encoding="utf-8"))["jobs"]["image"]["steps"]
    build = next(s["with"] for s in steps if "build-push-action" in s.get("uses", ""))
    assert build["provenance"] == "mode=max"
    assert re.search(r"generator=\S+@sha256:[0-9a-f]{64}$", build["sbom"])
    assert "cache-from" not in build, "another job's cache could be somebody else's"
    attest = next(s["with"] for s in steps if "actions/attest@" in s.get("uses", ""))
    assert attest["subject-digest"] == "${{ steps.build.outputs.digest }}"


def test_a_release_waits_for_the_checks() -> None:
    jobs = yaml.safe_load(RELEASE.read_text(encoding="utf-8"))["jobs"]
    assert jobs["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert "ci" in jobs["image"]["needs"]
    assert "image" in jobs["release"]["needs"]
