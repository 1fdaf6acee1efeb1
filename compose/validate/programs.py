"""What each program needs to be given: the one list that manifests are held to."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.settings import Settings

SECRETS = "/run/secrets"
"""Where secrets are mounted; a file there is the setting of its name."""

USER = 10001
"""Who the programs run as, in every image of ours."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program: its image, the ports it listens on, and the settings it cannot do without."""

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
"""The programs of driftdesk by the name that labels them."""

READ_ELSEWHERE = frozenset({
    "HOME", "POD_IP", "OMP_NUM_THREADS", "READY_FILE", "LIVE_FILE", "SECRETS_DIR", "AUTH",
    "METRICS_PORT", "METRICS_HOST", "AUTH_ROLES_FILE", "STREAMLIT_SECRETS_FILES", "REDIS_USERNAME",
    "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_BACKEND_STORE_URI", "MLFLOW_ADMIN_PASSWORD", "MLFLOW_WORKER_PASSWORD",
    "MLFLOW_READER_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY",
    "MLFLOW_SERVER_ALLOWED_HOSTS", "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT",
    "MLFLOW_DISABLE_TELEMETRY",
})  # fmt: skip
"""Variables that something else than `core.settings` reads: a library, the entry, the manifest."""


def known_variables() -> frozenset[str]:
    """Every variable that a program of ours may be given; another one is a slip of the pen."""
    return READ_ELSEWHERE | {name.upper() for name in Settings.model_fields}
