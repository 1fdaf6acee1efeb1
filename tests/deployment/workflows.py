"""Rules for workflows that no linter checks: pins with versions, least permissions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

_PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")
_USES = re.compile(r"^\s*(?:-\s+)?uses:\s*(?P<what>\S+)(?P<comment>.*)$", re.MULTILINE)
_VERSION = re.compile(r"#\s*v\d+\.\d+\.\d+\s*$")
_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def problems(text: str) -> list[str]:
    """Violations in one workflow, as sentences."""
    workflow = yaml.safe_load(text)
    return [*_pins(text), *_permissions(workflow), *_jobs(workflow)]


def _pins(text: str) -> Iterator[str]:
    for use in _USES.finditer(text):
        what = use["what"]
        if what.startswith("./"):
            continue
        if not _PINNED.match(what):
            yield f"{what} is not pinned by its commit."
        elif not _VERSION.search(use["comment"]):
            yield f"{what} does not say which version its commit is, as # v1.2.3."


def _permissions(workflow: Mapping[str, Any]) -> Iterator[str]:
    if workflow.get("permissions") != {}:
        yield "grants permissions to every job: say permissions: {} at the top, and grant by job."
    for name, job in workflow["jobs"].items():
        granted = job.get("permissions")
        if not isinstance(granted, Mapping):
            yield f"{name} does not list its permissions."


def _jobs(workflow: Mapping[str, Any]) -> Iterator[str]:
    for name, job in workflow["jobs"].items():
        if "uses" in job:
            continue
        if "timeout-minutes" not in job:
            yield f"{name} may run for six hours: give it timeout-minutes."
        if str(job.get("runs-on", "")).endswith("-latest"):
            yield f"{name} runs on whatever is latest: name the system."
        for service, container in job.get("services", {}).items():
            if not _DIGEST.search(container["image"]):
                yield f"{name}'s service {service} is not pinned by its digest."
        for step in job.get("steps", ()):
            checkout = str(step.get("uses", "")).startswith("actions/checkout@")
            if checkout and step.get("with", {}).get("persist-credentials") is not False:
                yield f"{name} leaves its token in the checkout: set persist-credentials: false."
