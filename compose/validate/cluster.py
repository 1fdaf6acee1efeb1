"""Rendered manifests as plain data, and the questions that rules ask of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe loader, in C where the library was built with it: ten times as fast."""

Manifest = Mapping[str, Any]

NAME = "app.kubernetes.io/name"
"""The label that says which program a pod is."""

WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")


def parse(text: str) -> list[Manifest]:
    """The documents of a YAML stream, empty ones left out."""
    return [document for document in yaml.load_all(text, Loader=_Loader) if document]


@dataclass(frozen=True, slots=True)
class Workload:
    """Something that makes pods."""

    manifest: Manifest

    @property
    def title(self) -> str:
        """How problems name it."""
        return title(self.manifest)

    @property
    def pod(self) -> Mapping[str, Any]:
        """The pods' specification."""
        found: Mapping[str, Any] = self.manifest["spec"]["template"]["spec"]
        return found

    @property
    def labels(self) -> Mapping[str, str]:
        """The pods' labels."""
        found: Mapping[str, str] = self.manifest["spec"]["template"]["metadata"].get("labels", {})
        return found

    @property
    def program(self) -> str:
        """What runs in the pods, by its label."""
        return self.labels.get(NAME, "")

    @property
    def containers(self) -> Sequence[Mapping[str, Any]]:
        """All containers, those that only prepare included."""
        return [*self.pod.get("initContainers", ()), *self.pod["containers"]]

    @property
    def claims(self) -> set[str]:
        """Disks that the workload makes for itself."""
        made = self.manifest["spec"].get("volumeClaimTemplates", ())
        return {claim["metadata"]["name"] for claim in made}


def title(manifest: Manifest) -> str:
    """`Kind/name`."""
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def workloads(manifests: Sequence[Manifest]) -> list[Workload]:
    """Everything that makes pods."""
    return [Workload(m) for m in manifests if m["kind"] in WORKLOADS]


def named(manifests: Sequence[Manifest], kind: str) -> dict[str, Manifest]:
    """The manifests of a kind by their names."""
    return {m["metadata"]["name"]: m for m in manifests if m["kind"] == kind}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector takes these labels; an empty one takes all."""
    for label, value in selector.get("matchLabels", {}).items():
        if labels.get(label) != value:
            return False
    for said in selector.get("matchExpressions", ()):
        there, values = labels.get(said["key"]), said.get("values", ())
        fits = {
            "In": there in values,
            "NotIn": there not in values,
            "Exists": there is not None,
            "DoesNotExist": there is None,
        }
        if not fits[said["operator"]]:
            return False
    return True


def port_numbers(container: Mapping[str, Any]) -> dict[str, int]:
    """A container's ports by their names."""
    return {p.get("name", str(p["containerPort"])): p["containerPort"]
            for p in container.get("ports", ())}  # fmt: skip


def secret_files(pod: Mapping[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    """Each secret that a pod mounts: secret, key, file, and whether it may be missing."""
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
