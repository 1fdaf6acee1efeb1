"""The secret of an installation on Kubernetes, out of `compose/secrets/`.

    python -m compose.prepare
    python -m compose.kubernetes_secret | kubectl create -f -

It is printed and kept nowhere. `kubectl create` refuses to replace one that is there: stores keep
the passwords of their first start. What is missing in the folder is left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from core.errors import DriftdeskError, SettingsError

FOLDER = Path(__file__).parent / "secrets"

KEYS = (
    "auth.toml", "database_url", "mlflow_admin_password", "mlflow_backend_store_uri",
    "mlflow_flask_server_secret_key", "mlflow_reader_password", "mlflow_worker_password",
    "mysql_root_password", "mysql_users.sql", "redis_password", "redis_url", "redis_users.acl",
    "roles.toml", "serving_database_url", "serving_key", "serving_keys", "serving_push_secret",
    "webhook_secret", "webhook_url",
)  # fmt: skip
"""What the manifests refer to; the folder holds more, which has no business in a cluster."""


def manifest(folder: Path) -> dict[str, object]:
    """The secret as Kubernetes takes it.

    Raises:
        SettingsError: the folder holds none of the secrets.
    """
    # Not every reader forgives the line end that files close with: KEDA would send it to Redis.
    said = {
        key: (folder / key).read_text(encoding="utf-8").removesuffix("\n")
        for key in KEYS
        if (folder / key).is_file()
    }
    if not said:
        raise SettingsError(f"There are no secrets in {folder}: run python -m compose.prepare.")
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "driftdesk", "namespace": "driftdesk"},
        "type": "Opaque",
        "stringData": said,
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the secret of a folder, by default this checkout's; returns the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        made = manifest(Path(given[0]) if given else FOLDER)
    except DriftdeskError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the sentence that the operator reads
        return 1
    print(json.dumps(made, indent=1))  # noqa: T201 - what it is for
    return 0


if __name__ == "__main__":
    sys.exit(main())
