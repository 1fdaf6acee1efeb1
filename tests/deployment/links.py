"""Rules for references: what a manifest refers to must exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.deployment.cluster import (
    Manifest,
    Workload,
    matches,
    named,
    port_numbers,
    secret_files,
    title,
    workloads,
)

SECRET = "driftdesk"


def problems(manifests: Sequence[Manifest]) -> list[str]:
    """Dangling references, as sentences."""
    made = workloads(manifests)
    return [
        *_selectors(manifests, made),
        *_service_ports(manifests, made),
        *_policies(manifests, made),
        *_targets(manifests),
        *_references(manifests, made),
        *_volumes(manifests, made),
        *_ingresses(manifests),
        *_secrets(manifests),
    ]


def _selectors(manifests: Sequence[Manifest], made: Sequence[Workload]) -> Iterator[str]:
    for workload in made:
        own = workload.manifest["spec"].get("selector")
        if own and not matches(own, workload.labels):
            yield f"{workload.title}: its selector does not match the labels of its own pods."
    for manifest in manifests:
        selector: Mapping[str, Any] | None = None
        if manifest["kind"] == "Service":
            selector = {"matchLabels": manifest["spec"].get("selector", {})}
        elif manifest["kind"] in ("PodDisruptionBudget", "PodMonitor"):
            selector = manifest["spec"]["selector"]
        elif manifest["kind"] == "NetworkPolicy":
            selector = manifest["spec"]["podSelector"]
        if selector is not None and not any(matches(selector, w.labels) for w in made):
            yield f"{title(manifest)}: its selector matches no pods."


def _service_ports(manifests: Sequence[Manifest], made: Sequence[Workload]) -> Iterator[str]:
    for manifest in manifests:
        if manifest["kind"] not in ("Service", "PodMonitor"):
            continue
        if manifest["kind"] == "Service":
            selector: Mapping[str, Any] = {"matchLabels": manifest["spec"].get("selector", {})}
            ports = [p.get("targetPort", p["port"]) for p in manifest["spec"]["ports"]]
        else:
            selector = manifest["spec"]["selector"]
            ports = [p["port"] for p in manifest["spec"]["podMetricsEndpoints"]]
        for workload in made:
            if not matches(selector, workload.labels):
                continue
            for port in ports:
                if not any(_listens(c, port) for c in workload.containers):
                    yield f"{title(manifest)}: {workload.title} has no port {port}."


def _listens(container: Mapping[str, Any], port: str | int) -> bool:
    there = port_numbers(container)
    return port in there or port in there.values()


def _policies(manifests: Sequence[Manifest], made: Sequence[Workload]) -> Iterator[str]:
    policies = named(manifests, "NetworkPolicy")
    if not any(
        policy["spec"]["podSelector"] == {}
        and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        and not policy["spec"].get("ingress")
        and not policy["spec"].get("egress")
        for policy in policies.values()
    ):
        yield "NetworkPolicy: nothing forbids by default what no policy allows, both ways."
    for policy in policies.values():
        spec = policy["spec"]
        for rule, peers in [
            *[(r, r.get("from", ())) for r in spec.get("ingress", ())],
            *[(r, r.get("to", ())) for r in spec.get("egress", ())],
        ]:
            here = [p["podSelector"] for p in peers if set(p) == {"podSelector"}]
            for selector in here:
                if not any(matches(selector, w.labels) for w in made):
                    yield f"{title(policy)}: names pods that are not there: {selector}."
            takers = here if "to" in rule else [spec["podSelector"]] if "from" in rule else []
            yield from _policy_ports(policy, rule, takers, made)


def _policy_ports(
    policy: Manifest,
    rule: Mapping[str, Any],
    takers: Sequence[Mapping[str, Any]],
    made: Sequence[Workload],
) -> Iterator[str]:
    """An allowed port must be one that a container listens on."""
    taking = [w for w in made if any(matches(s, w.labels) for s in takers)]
    for port in rule.get("ports", ()) if taking else ():
        if not any(_listens(c, port["port"]) for w in taking for c in w.containers):
            yield f"{title(policy)}: nobody behind it listens on {port['port']}."


def _targets(manifests: Sequence[Manifest]) -> Iterator[str]:
    there = {(m["kind"], m["metadata"]["name"]): m for m in manifests}
    for manifest in manifests:
        if manifest["kind"] not in ("HorizontalPodAutoscaler", "ScaledObject"):
            continue
        target = manifest["spec"]["scaleTargetRef"]
        scaled = there.get((target["kind"], target["name"]))
        if scaled is None:
            yield f"{title(manifest)}: scales {target['kind']}/{target['name']}, which is not here."
        elif "replicas" in scaled["spec"]:
            yield f"{title(scaled)}: says how many; {title(manifest)} would be undone by an apply."


def _references(manifests: Sequence[Manifest], made: Sequence[Workload]) -> Iterator[str]:
    maps, accounts = named(manifests, "ConfigMap"), named(manifests, "ServiceAccount")
    services = named(manifests, "Service")
    for workload in made:
        account = workload.pod.get("serviceAccountName", "")
        if account not in accounts:
            yield f"{workload.title}: its account {account!r} is not here."
        sources = [source for c in workload.containers for source in c.get("envFrom", ())]
        for source in sources:
            name = source.get("configMapRef", {}).get("name")
            is_optional = source.get("secretRef", {}).get("optional", False)
            if name not in maps and not is_optional:
                yield f"{workload.title}: takes settings from {name!r}, which is not here."
        service = workload.manifest["spec"].get("serviceName")
        if service and service not in services:
            yield f"{workload.title}: its service {service} is not here."


def _volumes(manifests: Sequence[Manifest], made: Sequence[Workload]) -> Iterator[str]:
    maps, claims = named(manifests, "ConfigMap"), named(manifests, "PersistentVolumeClaim")
    for workload in made:
        volumes = {volume["name"]: volume for volume in workload.pod.get("volumes", ())}
        mounts = [mount for c in workload.containers for mount in c.get("volumeMounts", ())]
        for mount in mounts:
            if mount["name"] not in volumes.keys() | workload.claims:
                yield f"{workload.title}: mounts {mount['name']!r}, which is no volume of it."
        for volume in volumes.values():
            claim = volume.get("persistentVolumeClaim", {}).get("claimName")
            if claim and claim not in claims:
                yield f"{workload.title}: needs the disk {claim!r}, which is not here."
            config = volume.get("configMap", {}).get("name")
            if config and config not in maps:
                yield f"{workload.title}: mounts the config map {config!r}, which is not here."


def _ingresses(manifests: Sequence[Manifest]) -> Iterator[str]:
    services = named(manifests, "Service")
    for manifest in named(manifests, "Ingress").values():
        secured = {host for tls in manifest["spec"].get("tls", ()) for host in tls["hosts"]}
        for rule in manifest["spec"]["rules"]:
            if rule.get("host") not in secured:
                yield f"{title(manifest)}: {rule.get('host')} is let in without TLS."
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                service = services.get(backend["name"])
                ports = service["spec"]["ports"] if service else ()
                wanted = backend["port"].get("name", backend["port"].get("number"))
                if not any(wanted in (p.get("name"), p["port"]) for p in ports):
                    there = f"{backend['name']}:{wanted}"
                    yield f"{title(manifest)}: leads to {there}, which is not here."


def _secrets(manifests: Sequence[Manifest]) -> Iterator[str]:
    for name in named(manifests, "Secret"):
        yield f"Secret/{name}: is in the manifests; a secret is referred to, and made elsewhere."
    for workload in workloads(manifests):
        for name in sorted({secret for secret, _, _, _ in secret_files(workload.pod)} - {SECRET}):
            yield f"{workload.title}: takes secrets from {name!r}; there is one, {SECRET!r}."
