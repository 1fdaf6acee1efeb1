"""A pod that runs as it must not, or lacks what its program needs, is found."""

from __future__ import annotations

import pytest

from tests.compose.clusters import (
    FIRST,
    POD,
    SPEC,
    VERSION,
    Change,
    drop,
    pod,
    set_,
    spoiled,
    without_secret,
    without_setting,
    without_variable,
)
from tests.deployment import pods

ROOT_USER = {"runAsUser": 0, "runAsNonRoot": True}

PODS: list[tuple[str, str, str, Change, str]] = [
    (
        "microk8s", "Deployment", "console", set_(f"{POD}.securityContext", ROOT_USER),
        "may run as root",
    ),
    (
        "microk8s", "Deployment", "console", set_(f"{POD}.securityContext.runAsUser", 1000),
        "must run as 10001",
    ),
    (
        "microk8s", "Deployment", "work", drop("securityContext.readOnlyRootFilesystem"),
        "may write to its image",
    ),
    ("microk8s", "StatefulSet", "redis", drop("securityContext.capabilities"), "capabilities"),
    (
        "microk8s", "StatefulSet", "mysql", drop("securityContext.allowPrivilegeEscalation"),
        "may gain rights",
    ),
    (
        "microk8s", "Deployment", "desk", set_(f"{POD}.automountServiceAccountToken", True),
        "mounts a token",
    ),
    (
        "microk8s", "Deployment", "desk",
        lambda made: pod(made)["volumes"].append({"name": "node", "hostPath": {"path": "/"}}),
        "reaches its node's disk",
    ),
    ("microk8s", "StatefulSet", "mysql", set_(f"{FIRST}.image", "mysql:8.4"), "by its digest"),
    (
        "microk8s", "Deployment", "console",
        set_(f"{FIRST}.image", "ghcr.io/owner/driftdesk-console:latest"), "neither this version",
    ),
    (
        "microk8s", "Deployment", "work",
        set_(f"{FIRST}.image", f"ghcr.io/owner/driftdesk-console:{VERSION}"),
        "should run driftdesk-worker",
    ),
    ("microk8s", "Deployment", "work", drop("livenessProbe"), "has no livenessProbe"),
    (
        "microk8s", "StatefulSet", "serving",
        set_(f"{FIRST}.livenessProbe.httpGet.path", "/health/ready"), "/health/live is what",
    ),
    (
        "microk8s", "StatefulSet", "serving",
        set_(f"{FIRST}.readinessProbe.httpGet.port", "web"), "asks the port web",
    ),
    ("microk8s", "Deployment", "mlflow", drop("resources.limits"), "no limit of memory"),
    ("microk8s", "Deployment", "mlflow", drop("resources.requests"), "does not say what it needs"),
    (
        "microk8s", "Deployment", "desk", set_(f"{POD}.volumes.0.emptyDir", {}),
        "may fill its node's disk",
    ),
    ("microk8s", "Deployment", "reconcile", set_(f"{SPEC}.replicas", 2), "exactly one"),
    (
        "microk8s", "Deployment", "reconcile", set_(f"{SPEC}.strategy.type", "RollingUpdate"),
        "set strategy Recreate",
    ),
    (
        "microk8s", "StatefulSet", "serving", set_(f"{FIRST}.ports.0.containerPort", 8080),
        "listens on [8000], and says [8080]",
    ),
    ("microk8s", "Deployment", "work", without_variable("READY_FILE"), "not given READY_FILE"),
    (
        "microk8s", "StatefulSet", "serving", without_variable("SERVING_ADVERTISE"),
        "StatefulSet/serving: is not given SERVING_ADVERTISE",
    ),
    (
        "microk8s", "ConfigMap", "settings", without_setting("DATA_API_URL"),
        "Deployment/work: is not given DATA_API_URL",
    ),
    (
        "microk8s", "Deployment", "desk", without_secret("serving_push_secret"),
        "Deployment/desk: is not given SERVING_PUSH_SECRET",
    ),
    (
        "microk8s", "Job", "migrate", without_secret("database_url"),
        "Job/migrate: is not given DATABASE_URL",
    ),
    (
        "microk8s", "ConfigMap", "settings", set_("data.SERVING_URI", "http://serving:8000"),
        "is given SERVING_URI, which nothing reads",
    ),
    (
        "microk8s", "Deployment", "console", set_(f"{FIRST}.args.1", "0.0.0.0"),
        "must listen inside of its pod alone",
    ),
    (
        "cloud", "ConfigMap", "settings", without_setting("AUTH"), "from outside without a login",
    ),
    (
        "cloud", "Deployment", "console", without_secret("auth.toml"),
        "from outside without a login",
    ),
    (
        "cloud", "ConfigMap", "settings", without_setting("SERVING_KEYS"),
        "from outside without keys",
    ),
    (
        "cloud", "Service", "mlflow", set_(f"{SPEC}.type", "NodePort"),
        "nobody outside has business with it",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kind", "called", "change", "said"), PODS)
def test_what_is_wrong_with_a_pod_is_found(
    name: str, kind: str, called: str, change: Change, said: str
) -> None:
    found = pods.problems(spoiled(name, kind, called, change), VERSION)
    assert any(said in problem for problem in found), found
