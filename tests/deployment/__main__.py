"""`python -m tests.deployment`: all checks of images, manifests and workflows.

A check whose tool is missing is skipped with a message; with REQUIRE_ALL it fails.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.deployment import links, pods, tools, workflows
from tests.deployment.cluster import parse

ROOT = Path(__file__).parent.parent.parent

Check = tuple[str, Callable[[], list[str]]]


def checks(root: Path = ROOT) -> Iterator[Check]:
    """The checks in order, with the names of their subjects."""
    composed = root / "compose"
    for file in sorted(composed.glob("Dockerfile*")):
        yield file.relative_to(root).as_posix(), partial(tools.hadolint, file)
    for file in sorted([*root.glob("compose*.yaml"), *composed.glob("compose*.yaml")]):
        yield file.relative_to(root).as_posix(), partial(tools.compose_config, file)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, overlay, components in tools.overlays(composed / "kubernetes"):
        check = partial(installation_problems, overlay, components, project["version"])
        yield f"kubernetes: {name}", check
    workflow_files = sorted((root / ".github" / "workflows").glob("*.yml"))
    for file in workflow_files:
        yield file.relative_to(root).as_posix(), partial(workflow_problems, file)
    yield "workflows, by actionlint", partial(tools.actionlint, workflow_files)
    yield "workflows and updates, by zizmor", partial(tools.zizmor, root / ".github")


def workflow_problems(file: Path) -> list[str]:
    """Violations of driftdesk's rules for workflows."""
    return workflows.problems(file.read_text(encoding="utf-8"))


def installation_problems(overlay: Path, components: list[Path], version: str) -> list[str]:
    """Problems of an overlay with these components, rendered by kustomize."""
    return manifest_problems(tools.render(overlay, components), version)


def manifest_problems(rendered: str, version: str) -> list[str]:
    """Problems of rendered manifests."""
    manifests = parse(rendered)
    return [
        *tools.schema_problems(rendered),
        *links.problems(manifests),
        *pods.problems(manifests, version),
    ]


def main(root: Path = ROOT) -> int:
    """Run all checks; returns the exit code."""
    required = bool(os.environ.get("REQUIRE_ALL"))
    failed = False
    for name, check in checks(root):
        try:
            problems = check()
        except tools.ToolMissing as missing:
            verb = "needs" if required else "not checked: it needs"
            sys.stdout.write(f"{name} {verb} {missing}, which is not on this machine.\n")
            failed |= required
            continue
        except (OSError, ValueError) as error:
            problems = str(error).splitlines()
        for problem in problems:
            sys.stdout.write(f"{name}: {problem}\n")
        failed |= bool(problems)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
