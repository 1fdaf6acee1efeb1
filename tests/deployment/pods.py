"""Rules for pods: security, images, probes, resources and settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.deployment.cluster import (
    Manifest,
    Workload,
    named,
    port_numbers,
    secret_files,
    workloads,
)
from tests.deployment.programs import PROGRAMS, SECRETS, USER, known_variables

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_TAG = re.compile(r":(?!latest$)[\w.-]+$")


def problems(manifests: Sequence[Manifest], version: str) -> list[str]:
    """Violations, as sentences; `version` is the tag of our images."""
    maps = named(manifests, "ConfigMap")
    violations: list[str] = []
    for workload in workloads(manifests):
        own = [
            *_restricted(workload),
            *_confined(workload),
            *_images(workload, version),
            *_probes(workload),
            *_resources(workload),
            *_program(workload),
            *_settings(workload, maps),
        ]
        violations += [f"{workload.title}: {problem}" for problem in own]
    return [*violations, *_doors(manifests)]


def _restricted(workload: Workload) -> Iterator[str]:
    """The restricted pod security standard, plus a read-only root and no token."""
    pod = workload.pod
    if pod.get("automountServiceAccountToken") is not False:
        yield "mounts a token for Kubernetes, which it has no use for."
    for unsafe in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(unsafe):
            yield f"shares {unsafe} with its node."
    for volume in pod.get("volumes", ()):
        if "hostPath" in volume:
            yield f"reaches its node's disk through {volume['name']}."


def _confined(workload: Workload) -> Iterator[str]:
    pod = workload.pod
    for container in workload.containers:
        context = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
        if context.get("runAsNonRoot") is not True or not context.get("runAsUser"):
            yield f"{container['name']} may run as root: set runAsNonRoot and runAsUser."
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{container['name']} has no seccomp profile."
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{container['name']} may gain rights."
        if context.get("capabilities", {}).get("drop") != ["ALL"]:
            yield f"{container['name']} keeps capabilities."
        if context.get("readOnlyRootFilesystem") is not True:
            yield f"{container['name']} may write to its image."


def _images(workload: Workload, version: str) -> Iterator[str]:
    program = PROGRAMS.get(workload.program)
    for container in workload.containers:
        image = container["image"]
        if program is None:
            if not _DIGEST.search(image):
                yield f"{image} is not pinned by its digest."
        elif image.split("@")[0].rsplit(":", 1)[0].rsplit("/", 1)[-1] != program.image:
            yield f"runs {image}, and should run {program.image}."
        elif not _DIGEST.search(image) and not (
            _TAG.search(image) and image.endswith(f":{version}")
        ):
            yield f"{image} is neither this version, {version}, nor pinned by its digest."


def _probes(workload: Workload) -> Iterator[str]:
    program = PROGRAMS.get(workload.program)
    if workload.manifest["kind"] == "Job":
        return
    for container in workload.pod["containers"]:
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container.get(kind)
            if probe is None:
                yield f"{container['name']} has no {kind}."
                continue
            if "httpGet" not in probe:
                continue
            path, port = probe["httpGet"]["path"], probe["httpGet"]["port"]
            if port not in port_numbers(container):
                yield f"{container['name']}'s {kind} asks the port {port}, which it has not."
            paths = program.probes if program else {}
            wanted = paths.get(kind, paths.get("http"))
            if wanted and path != wanted:
                yield f"{container['name']}'s {kind} asks {path}, and {wanted} is what answers."


def _resources(workload: Workload) -> Iterator[str]:
    for container in workload.containers:
        resources = container.get("resources", {})
        if not {"cpu", "memory"} <= resources.get("requests", {}).keys():
            yield f"{container['name']} does not say what it needs of processor and memory."
        if "memory" not in resources.get("limits", {}):
            yield f"{container['name']} has no limit of memory."
    for volume in workload.pod.get("volumes", ()):
        if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
            yield f"{volume['name']} may fill its node's disk: give it a sizeLimit."


def _program(workload: Workload) -> Iterator[str]:
    program = PROGRAMS.get(workload.program)
    if program is None:
        return
    spec = workload.manifest["spec"]
    if program.single:
        if spec.get("replicas") != 1:
            yield "there must be exactly one of it."
        if spec.get("strategy", {}).get("type") != "Recreate":
            yield "a second one would start before the first has gone: set strategy Recreate."
    if program.runs_to_end != (workload.manifest["kind"] == "Job"):
        yield "a Job runs to its end, and only what ends is one."
    listening = {n for c in workload.containers for n in port_numbers(c).values()}
    if listening != program.ports:
        yield f"listens on {sorted(program.ports)}, and says {sorted(listening)}."
    for container in workload.containers:
        own = container.get("securityContext", {})
        context = {**workload.pod.get("securityContext", {}), **own}
        if context.get("runAsUser") != USER or context.get("fsGroup", USER) != USER:
            yield f"{container['name']} must run as {USER}, whom its image was made for."
        mounted = {m["mountPath"] for m in container.get("volumeMounts", ())}
        if not {"/data", "/tmp"} <= mounted:
            yield f"{container['name']} must be able to write to /data and /tmp."


def _settings(workload: Workload, maps: Mapping[str, Manifest]) -> Iterator[str]:
    program = PROGRAMS.get(workload.program)
    if program is None:
        return
    settings = given_settings(workload, maps)
    for missing in sorted(program.needs - settings):
        yield f"is not given {missing}."
    for unknown in sorted(_variables(workload, maps) - known_variables()):
        yield f"is given {unknown}, which nothing reads."


def given_settings(workload: Workload, maps: Mapping[str, Manifest]) -> set[str]:
    """The settings that reach a workload: by variables, or by files where secrets are mounted."""
    return _variables(workload, maps) | _files(workload)


def _variables(workload: Workload, maps: Mapping[str, Manifest]) -> set[str]:
    names: set[str] = set()
    for container in workload.containers:
        names |= {variable["name"] for variable in container.get("env", ())}
        for source in container.get("envFrom", ()):
            name = source.get("configMapRef", {}).get("name", "")
            names |= maps.get(name, {}).get("data", {}).keys()
    return names


def _files(workload: Workload) -> set[str]:
    mounts: list[Mapping[str, Any]] = [
        m for c in workload.containers for m in c.get("volumeMounts", ())
    ]
    if not any(mount["mountPath"] == SECRETS for mount in mounts):
        return set()
    return {file.upper() for _, _, file, optional in secret_files(workload.pod) if not optional}


def _doors(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Who comes in from outside must say who they are."""
    maps = named(manifests, "ConfigMap")
    made = {w.program: w for w in workloads(manifests)}
    open_to = {
        path["backend"]["service"]["name"]
        for ingress in named(manifests, "Ingress").values()
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    } | {
        name
        for name, service in named(manifests, "Service").items()
        if service["spec"].get("type", "ClusterIP") != "ClusterIP"
    }
    for name in sorted(open_to - {"console", "serving"}):
        yield f"Service/{name}: is reached from outside, and nobody outside has business with it."
    if "console" in made and _value(made["console"], maps, "AUTH") != "oidc":
        words = [w for c in made["console"].containers for w in c.get("args", ())]
        if "127.0.0.1" not in words:
            yield (
                "Deployment/console: without a login it must listen inside of its pod alone: give "
                "it the args --server.address 127.0.0.1."
            )
    if "console" in open_to:
        console = made["console"]
        files = {file for _, _, file, optional in secret_files(console.pod) if not optional}
        if _value(console, maps, "AUTH") != "oidc" or "auth.toml" not in files:
            yield (
                "Service/console: is reached from outside without a login: set AUTH=oidc and "
                "mount auth.toml."
            )
    if "serving" in open_to:
        serving = made["serving"]
        keys = _value(serving, maps, "SERVING_KEYS") or ""
        files = {file for _, _, file, optional in secret_files(serving.pod) if not optional}
        if not keys.startswith(f"{SECRETS}/") or keys.removeprefix(f"{SECRETS}/") not in files:
            yield (
                "Service/serving: is reached from outside without keys: point SERVING_KEYS to a "
                "file that is mounted."
            )


def _value(workload: Workload, maps: Mapping[str, Manifest], variable: str) -> str | None:
    value: str | None = None
    for container in workload.containers:
        for source in container.get("envFrom", ()):
            data = maps.get(source.get("configMapRef", {}).get("name", ""), {}).get("data", {})
            value = data.get(variable, value)
        for entry in container.get("env", ()):
            if entry["name"] == variable:
                value = entry.get("value", value)
    return value
