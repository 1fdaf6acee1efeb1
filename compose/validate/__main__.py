"""`python -m compose.validate`: every check of images, manifests and workflows.

A tool that is missing is one line, and its check is left out; with REQUIRE_ALL it is a failure.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from compose.validate import links, pods, tools, workflows
from compose.validate.cluster import parse

ROOT = Path(__file__).parent.parent.parent

Check = tuple[str, Callable[[], list[str]]]


def checks(root: Path = ROOT) -> Iterator[Check]:
    """Each check with what it looks at, in the order in which they run."""
    composed = root / "compose"
    for file in sorted(composed.glob("Dockerfile*")):
        yield file.relative_to(root).as_posix(), partial(tools.hadolint, file)
    for file in sorted([*root.glob("compose*.yaml"), *composed.glob("compose*.yaml")]):
        yield file.relative_to(root).as_posix(), partial(tools.compose_config, file)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, overlay, components in tools.overlays(composed / "kubernetes"):
        check = partial(installation_problems, overlay, components, project["version"])
        yield f"kubernetes: {name}", check
    written = sorted((root / ".github" / "workflows").glob("*.yml"))
    for file in written:
        yield file.relative_to(root).as_posix(), partial(workflow_problems, file)
    yield "workflows, by actionlint", partial(tools.actionlint, written)
    yield "workflows and updates, by zizmor", partial(tools.zizmor, root / ".github")


def workflow_problems(file: Path) -> list[str]:
    """What our own rules say of a workflow."""
    return workflows.problems(file.read_text(encoding="utf-8"))


def installation_problems(overlay: Path, components: list[Path], version: str) -> list[str]:
    """Everything that is wrong with an installation, once it is rendered."""
    return manifest_problems(tools.render(overlay, components), version)


def manifest_problems(rendered: str, version: str) -> list[str]:
    """Everything that is wrong with an installation, as sentences."""
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
            found = check()
        except tools.ToolMissing as missing:
            say = "needs" if required else "not checked: it needs"
            sys.stdout.write(f"{name} {say} {missing}, which is not on this machine.\n")
            failed |= required
            continue
        except (OSError, ValueError) as error:
            found = str(error).splitlines()
        for problem in found:
            sys.stdout.write(f"{name}: {problem}\n")
        failed |= bool(found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
