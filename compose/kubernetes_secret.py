"""Prints the Kubernetes secret of an installation, from `compose/secrets/`.

    python -m compose.prepare
    python -m compose.kubernetes_secret | kubectl create -f -

`kubectl create` does not replace an existing secret, because the stores keep the passwords of their
first start. Files that are missing in the folder are skipped.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from core.domain.errors import SettingsError

FOLDER = Path(__file__).parent / "secrets"

KEYS = (
    "auth.toml", "database_url", "events_secret", "mlflow_admin_password",
    "mlflow_backend_store_uri", "mlflow_flask_server_secret_key", "mlflow_reader_password",
    "mlflow_worker_password",
    "mysql_root_password", "mysql_users.sql", "redis_password", "redis_url", "redis_users.acl",
    "roles.toml", "serving_database_url", "serving_key", "serving_keys", "serving_push_secret",
    "webhook_secret", "webhook_url",
)  # fmt: skip
"""The keys that the manifests refer to; other files of the folder are not needed in a cluster."""


def manifest(folder: Path) -> dict[str, object]:
    """The secret as a Kubernetes manifest.

    Raises:
        SettingsError: the folder contains none of the secrets.
    """
    # Without the final newline: KEDA would send it to Redis as part of the password.
    values = {
        key: (folder / key).read_text(encoding="utf-8").removesuffix("\n")
        for key in KEYS
        if (folder / key).is_file()
    }
    if not values:
        raise SettingsError(f"There are no secrets in {folder}: run python -m compose.prepare.")
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "driftdesk", "namespace": "driftdesk"},
        "type": "Opaque",
        "stringData": values,
    }


def main() -> int:
    """Print the secret of this checkout; returns the exit code."""
    try:
        secret = manifest(FOLDER)
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the operator reads it
        return 1
    print(json.dumps(secret, indent=1))  # noqa: T201 - for kubectl
    return 0


if __name__ == "__main__":
    sys.exit(main())
