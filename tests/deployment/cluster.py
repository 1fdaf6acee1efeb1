"""Rendered manifests as plain data, with the queries that rules need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader; its C version is ten times as fast."""

Manifest = Mapping[str, Any]

NAME = "app.kubernetes.io/name"
"""The label with the program of a pod."""

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")


def parse(text: str) -> list[Manifest]:
    """The non-empty documents of a YAML stream."""
    return [document for document in yaml.load_all(text, Loader=_Loader) if document]


@dataclass(frozen=True, slots=True)
class Workload:
    """A manifest that creates pods."""

    manifest: Manifest

    @property
    def title(self) -> str:
        """Its name in problems."""
        return title(self.manifest)

    @property
    def pod(self) -> Mapping[str, Any]:
        """The pods' specification."""
        pod: Mapping[str, Any] = self.manifest["spec"]["template"]["spec"]
        return pod

    @property
    def labels(self) -> Mapping[str, str]:
        """The pods' labels."""
        labels: Mapping[str, str] = self.manifest["spec"]["template"]["metadata"].get("labels", {})
        return labels

    @property
    def program(self) -> str:
        """The program of the pods, by label."""
        return self.labels.get(NAME, "")

    @property
    def containers(self) -> Sequence[Mapping[str, Any]]:
        """All containers, including init containers."""
        return [*self.pod.get("initContainers", ()), *self.pod["containers"]]

    @property
    def claims(self) -> set[str]:
        """The volume claims that the workload creates."""
        templates = self.manifest["spec"].get("volumeClaimTemplates", ())
        return {claim["metadata"]["name"] for claim in templates}


def title(manifest: Manifest) -> str:
    """`Kind/name`."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def workloads(manifests: Sequence[Manifest]) -> list[Workload]:
    """All manifests that create pods."""
    return [Workload(m) for m in manifests if m["kind"] in WORKLOADS]


def named(manifests: Sequence[Manifest], kind: str) -> dict[str, Manifest]:
    """The manifests of a kind by their names."""
    return {m["metadata"]["name"]: m for m in manifests if m["kind"] == kind}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches; an empty one matches everything."""
    for label, value in selector.get("matchLabels", {}).items():
        if labels.get(label) != value:
            return False
    for rule in selector.get("matchExpressions", ()):
        label, values = labels.get(rule["key"]), rule.get("values", ())
        fits = {
            "In": label in values,
            "NotIn": label not in values,
            "Exists": label is not None,
            "DoesNotExist": label is None,
        }
        if not fits[rule["operator"]]:
            return False
    return True


def port_numbers(container: Mapping[str, Any]) -> dict[str, int]:
    """A container's ports by their names."""
    return {p.get("name", str(p["containerPort"])): p["containerPort"]
            for p in container.get("ports", ())}  # fmt: skip


def secret_files(pod: Mapping[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """The secrets that a pod mounts: secret, key, file, and whether it is optional."""
    for volume in pod.get("volumes", ()):
        for source in volume.get("projected", {}).get("sources", ()):
            if secret := source.get("secret"):
                for item in secret.get("items", ()):
                    yield (
                        secret["name"],
                        item["key"],
                        item["path"],
                        bool(secret.get("optional", False)),
                    )
