"""A release says what is new and runs its own images, or says why it cannot be made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compose.release import NotReadyError, component, notes
from tests.compose.clusters import KUBERNETES, VERSION
from tests.compose.images import TARGETS
from tests.deployment import pods, tools
from tests.deployment.cluster import parse
from tests.stacks import ROOT, lacking

PROJECT = '[project]\nname = "x"\nversion = "1.2.3"\n'
CHANGELOG = """# Changelog

## Unreleased

### Added
- Tomorrow.

## [1.2.3] - 2026-11-26

### Added
- Today.

## 1.2.2 - 2026-11-01

### Fixed
- Yesterday.
"""
PREFIX = "ghcr.io/owner/driftdesk"
DIGESTS = {target: f"sha256:{n:064x}" for n, target in enumerate(TARGETS)}


def test_the_notes_are_the_versions_own_section() -> None:
    assert notes(CHANGELOG, PROJECT, "1.2.3") == "### Added\n- Today.\n"


@pytest.mark.parametrize(
    ("changelog", "version", "said"),
    [
        (CHANGELOG, "1.2.4", "pyproject.toml 1.2.3"),
        (CHANGELOG.replace("[1.2.3] - 2026-11-26", "Soon"), "1.2.3", "no section for 1.2.3"),
        (CHANGELOG.replace("### Added\n- Today.\n", ""), "1.2.3", "says nothing under 1.2.3"),
    ],
)
def test_a_release_that_is_not_ready_is_refused(changelog: str, version: str, said: str) -> None:
    with pytest.raises(NotReadyError, match=said):
        notes(changelog, PROJECT, version)


def test_the_images_of_a_release_run_by_their_digests(tmp_path: Path) -> None:
    folder = KUBERNETES.parent / "kubernetes"
    made = tmp_path / "release"
    made.mkdir()
    (made / "kustomization.yaml").write_text(component(PREFIX, DIGESTS), encoding="utf-8")
    try:
        manifests = parse(tools.render(folder / "base", [made]))
    except tools.ToolMissing as missing:
        lacking(str(missing))
        return
    images = {
        c["image"]
        for m in manifests
        if m["kind"] in {"Deployment", "StatefulSet", "Job"}
        for c in m["spec"]["template"]["spec"]["containers"]
    }
    there = {t: d for t, d in DIGESTS.items() if t != "data-api"}
    assert images == {f"{PREFIX}-{target}@{digest}" for target, digest in there.items()}
    assert not [p for p in pods.problems(manifests, VERSION) if "image" in p or "pinned" in p]


def test_what_is_no_digest_is_refused() -> None:
    with pytest.raises(NotReadyError, match="not a digest of the image worker"):
        component(PREFIX, {"worker": "latest"})


def test_it_runs_on_a_bare_python(tmp_path: Path) -> None:
    for target, digest in DIGESTS.items():
        (tmp_path / target).write_text(f"{digest}\n", encoding="utf-8")
    script = str(ROOT / "compose" / "release.py")
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, "images", PREFIX, str(tmp_path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == component(PREFIX, DIGESTS)
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, "notes", "0.0.0"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "make them the same" in done.stderr
