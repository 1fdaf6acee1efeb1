"""`make check` says what is wrong, and what it could not look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment import __main__ as validate
from tests.deployment import tools


def checks(*found: object) -> Iterator[validate.Check]:
    for number, said in enumerate(found):

        def check(said: object = said) -> list[str]:
            if isinstance(said, Exception):
                raise said
            assert isinstance(said, list)
            return said

        yield f"thing {number}", check


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("REQUIRE_ALL", raising=False)
    return monkeypatch


def test_nothing_wrong_is_nothing_said(
    told: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told.setattr(validate, "checks", lambda _root: checks([], []))
    assert validate.main() == 0
    assert capsys.readouterr().out == ""


def test_what_is_wrong_is_said_and_the_rest_is_looked_at_too(
    told: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told.setattr(validate, "checks", lambda _root: checks(["a", "b"], ValueError("c"), ["d"]))
    assert validate.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "thing 0: a", "thing 0: b", "thing 1: c", "thing 2: d",
    ]  # fmt: skip


@pytest.mark.parametrize(("required", "code"), [("", 0), ("1", 1)])
def test_a_missing_tool_is_one_line_and_a_failure_where_all_is_required(
    required: str, code: int, told: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told.setenv("REQUIRE_ALL", required)
    told.setattr(validate, "checks", lambda _root: checks(tools.ToolMissing("kubectl"), []))
    assert validate.main() == code
    (line,) = capsys.readouterr().out.splitlines()
    assert "kubectl, which is not on this machine" in line


def test_a_tool_that_is_nowhere_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(tools.ToolMissing, match="kubectl"):
        tools.render(Path("nowhere"))


def test_a_kustomize_that_knows_no_components_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Debian 12 has one of 2020."""
    old = tmp_path / "kubectl"
    old.write_text(
        "#!/bin/sh\necho 'json: unknown field \"components\"' >&2\nexit 1\n", encoding="utf-8"
    )
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(tools.ToolMissing, match=r"1\.21 or newer"):
        tools.render(validate.ROOT / "compose" / "kubernetes" / "overlays" / "microk8s")


def test_everything_there_is_has_its_check() -> None:
    names = [name for name, _ in validate.checks()]
    for expected in (
        "compose/Dockerfile", "compose/compose.yaml", "kubernetes: microk8s", "kubernetes: cloud",
        "kubernetes: microk8s with every option", "kubernetes: cloud with every option",
        ".github/workflows/ci.yml", ".github/workflows/release.yml", "workflows, by actionlint",
        "workflows and updates, by zizmor",
    ):  # fmt: skip
        assert expected in names


def test_what_cannot_be_rendered_is_said(
    told: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = validate.ROOT
    shutil.copytree(root / "compose" / "kubernetes", tmp_path / "compose" / "kubernetes")
    shutil.copy(root / "pyproject.toml", tmp_path)
    spoiled = tmp_path / "compose" / "kubernetes" / "base" / "kustomization.yaml"
    text = spoiled.read_text(encoding="utf-8")
    spoiled.write_text(text.replace("work.yaml", "wrok.yaml"), encoding="utf-8")
    real = validate.checks
    told.setattr(
        validate,
        "checks",
        lambda root: (c for c in real(root) if c[0].startswith("kubernetes: microk8s")),
    )
    assert validate.main(tmp_path) == 1
    assert "wrok.yaml" in capsys.readouterr().out
