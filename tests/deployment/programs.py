"""The ports and settings of each program, which manifests must provide."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.platform.settings import Settings

SECRETS = "/run/secrets"
"""The mount path of secrets; each file is a setting."""

USER = 10001
"""The user id of all programs in our images."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program: its image, its ports and its required settings."""

    image: str
    ports: frozenset[int] = frozenset()
    needs: frozenset[str] = frozenset()
    single: bool = False
    runs_to_end: bool = False
    probes: dict[str, str] = field(default_factory=dict)


_EVERYWHERE = frozenset({"DATA_DIR", "SECRETS_DIR", "DATABASE_URL", "LOG_FORMAT"})
_REGISTRY = frozenset(
    {"MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}
)
_WORKER = (
    _EVERYWHERE
    | _REGISTRY
    | {"REDIS_URL", "CONSOLE_LINK", "READY_FILE", "LIVE_FILE", "METRICS_PORT", "METRICS_HOST"}
)

PROGRAMS = {
    "console": Program(
        "driftdesk-console",
        frozenset({8501, 9101}),
        _EVERYWHERE
        | _REGISTRY
        | {
            "REDIS_URL",
            "SERVING_URL",
            "DATA_API_URL",
            "METRICS_PORT",
            "METRICS_HOST",
            "ACTOR",
            "SERVING_KEY",
        },
        probes={"http": "/_stcore/health"},
    ),
    "work": Program("driftdesk-worker", frozenset({9100}), _WORKER | {"DATA_API_URL"}),
    "train": Program("driftdesk-worker", frozenset({9100}), _WORKER),
    "desk": Program(
        "driftdesk-worker",
        frozenset({9100}),
        _WORKER | {"SERVING_URL", "SERVING_PUSH_SECRET", "SERVING_KEY"},
    ),
    "reconcile": Program("driftdesk-worker", frozenset({9100}), _WORKER, single=True),
    "migrate": Program("driftdesk-worker", needs=_EVERYWHERE, runs_to_end=True),
    "serving": Program(
        "driftdesk-serving",
        frozenset({8000}),
        _EVERYWHERE
        | _REGISTRY
        | {"SERVING_HOST", "SERVING_PORT", "SERVING_ADVERTISE", "SERVING_PUSH_SECRET"}
        | {"OMP_NUM_THREADS"},
        probes={"livenessProbe": "/health/live", "readinessProbe": "/health/ready"},
    ),
    "mlflow": Program(
        "driftdesk-mlflow",
        frozenset({5000}),
        frozenset(
            {
                "DATA_DIR",
                "SECRETS_DIR",
                "MLFLOW_BACKEND_STORE_URI",
                "MLFLOW_ADMIN_PASSWORD",
                "MLFLOW_WORKER_PASSWORD",
                "MLFLOW_READER_PASSWORD",
                "MLFLOW_FLASK_SERVER_SECRET_KEY",
                "MLFLOW_SERVER_ALLOWED_HOSTS",
            }
        ),
        single=True,
        probes={"http": "/health"},
    ),
    "data-api": Program(
        "driftdesk-data-api", frozenset({8010}), single=True, probes={"http": "/health"}
    ),
}
"""The programs of driftdesk by label."""

READ_ELSEWHERE = frozenset({
    "HOME", "POD_IP", "OMP_NUM_THREADS", "READY_FILE", "LIVE_FILE", "SECRETS_DIR", "AUTH",
    "METRICS_PORT", "METRICS_HOST", "AUTH_ROLES_FILE", "STREAMLIT_SECRETS_FILES", "REDIS_USERNAME",
    "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_BACKEND_STORE_URI", "MLFLOW_ADMIN_PASSWORD", "MLFLOW_WORKER_PASSWORD",
    "MLFLOW_READER_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY",
    "MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT",
    "MLFLOW_DISABLE_TELEMETRY",
})  # fmt: skip
"""Variables read by a library, the entry point or the manifest instead of the settings."""


def known_variables() -> frozenset[str]:
    """All variables that a program may be given; any other is a typing error."""
    return READ_ELSEWHERE | {name.upper() for name in Settings.model_fields}
