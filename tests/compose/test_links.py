"""A manifest that points at what is not there is found."""

from __future__ import annotations

import pytest

from tests.compose.clusters import FIRST, SPEC, Change, manifests, set_, spoiled
from tests.deployment import links

WRONG_LABEL = {"app.kubernetes.io/name": "nobody"}

LINKS: list[tuple[str, str, str, Change, str]] = [
    ("microk8s", "Service", "console", set_(f"{SPEC}.selector", WRONG_LABEL), "matches no pods"),
    ("microk8s", "Service", "serving", set_(f"{SPEC}.ports.0.targetPort", "web"), "no port web"),
    (
        "microk8s", "Deployment", "desk", set_(f"{SPEC}.selector.matchLabels", WRONG_LABEL),
        "does not match the labels of its own pods",
    ),
    (
        "microk8s", "PodDisruptionBudget", "work",
        set_(f"{SPEC}.selector.matchLabels", WRONG_LABEL), "matches no pods",
    ),
    (
        "microk8s", "NetworkPolicy", "mysql-is-asked",
        set_(f"{SPEC}.ingress.0.ports.0.port", 3307), "nobody behind it listens on 3307",
    ),
    (
        "microk8s", "NetworkPolicy", "ask-redis",
        set_(f"{SPEC}.egress.0.to.0.podSelector.matchLabels", WRONG_LABEL),
        "names pods that are not there",
    ),
    (
        "microk8s", "NetworkPolicy", "default-deny", set_(f"{SPEC}.policyTypes", ["Ingress"]),
        "nothing forbids by default",
    ),
    (
        "microk8s", "HorizontalPodAutoscaler", "serving",
        set_(f"{SPEC}.scaleTargetRef.kind", "Deployment"), "which is not here",
    ),
    (
        "microk8s", "StatefulSet", "serving", set_(f"{SPEC}.replicas", 2), "undone by an apply",
    ),
    ("microk8s", "StatefulSet", "serving", set_(f"{SPEC}.serviceName", "none"), "its service none"),
    (
        "microk8s", "Deployment", "work", set_(f"{FIRST}.volumeMounts.0.name", "disk"),
        "which is no volume of it",
    ),
    ("microk8s", "PersistentVolumeClaim", "work", set_("metadata.name", "w"), "needs the disk"),
    ("microk8s", "ConfigMap", "settings", set_("metadata.name", "s"), "takes settings from"),
    ("microk8s", "ServiceAccount", "driftdesk", set_("metadata.name", "d"), "its account"),
    ("cloud", "Ingress", "console", set_(f"{SPEC}.tls", []), "let in without TLS"),
    (
        "cloud", "Ingress", "serving",
        set_(f"{SPEC}.rules.0.http.paths.0.backend.service.port", {"name": "web"}),
        "leads to serving:web",
    ),
    (
        "microk8s with every option", "PodMonitor", "serving",
        set_(f"{SPEC}.podMetricsEndpoints.0.port", "metrics"), "no port metrics",
    ),
    (
        "microk8s with every option", "Deployment", "work", set_(f"{SPEC}.replicas", 1),
        "undone by an apply",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "called", "change", "said"), LINKS)
def test_what_points_nowhere_is_found(
    name: str, kind: str, called: str, change: Change, said: str
) -> None:
    found = links.problems(spoiled(name, kind, called, change))
    assert any(said in problem for problem in found), found


def test_a_secret_among_the_manifests_is_found() -> None:
    secret = {"kind": "Secret", "metadata": {"name": "driftdesk"}, "stringData": {"a": "b"}}
    assert any("made elsewhere" in p for p in links.problems([*manifests("cloud"), secret]))
