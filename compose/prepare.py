"""Creates the secrets before the first `docker compose up`: `python -m compose.prepare`.

Each file of `compose/secrets/` is created once with random values and never overwritten: to change
one, delete it (and the files that contain its value) and run this again. Containers get them as
files under /run/secrets. The folder is private; the files in it are readable by all, because
containers run as another user.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import secrets
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from string import Template

import bcrypt
from dotenv import dotenv_values, set_key

from core.domain.errors import SettingsError
from core.rules.access.api_keys import Key, digest_of, new_key, write_keys

HERE = Path(__file__).parent

ROLES = ("viewer", "operator", "approver", "admin")
"""The users of the demo login: one for each role, such as `viewer@desk.example`."""

_RANDOM = (
    "events_secret", "grafana_admin_password", "mlflow_admin_password",
    "mlflow_flask_server_secret_key",
    "mlflow_reader_password", "mlflow_worker_password", "mysql_desk_password",
    "mysql_mlflow_password", "mysql_root_password", "mysql_serving_password", "oidc_client_secret",
    "redis_password", "s3_secret_key", "serving_push_secret",
)  # fmt: skip
"""Files with a random value."""

_TEMPLATES = {
    "database_url": "mysql+pymysql://desk:$mysql_desk_password@mysql:3306/driftdesk",
    "serving_database_url": "mysql+pymysql://serving:$mysql_serving_password@mysql:3306/driftdesk",
    "mlflow_backend_store_uri": "mysql+pymysql://mlflow:$mysql_mlflow_password@mysql:3306/mlflow",
    # Serving reads and writes rows; it does not change tables.
    "mysql_users.sql": """\
CREATE DATABASE driftdesk CHARACTER SET utf8mb4;
CREATE DATABASE mlflow CHARACTER SET utf8mb4;
CREATE USER 'desk'@'%' IDENTIFIED BY '$mysql_desk_password';
CREATE USER 'serving'@'%' IDENTIFIED BY '$mysql_serving_password';
CREATE USER 'mlflow'@'%' IDENTIFIED BY '$mysql_mlflow_password';
GRANT ALL ON driftdesk.* TO 'desk'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON driftdesk.* TO 'serving'@'%';
GRANT ALL ON mlflow.* TO 'mlflow'@'%';""",
    "redis_url": "redis://desk:$redis_password@redis:6379/0",
    # The S3-compatible store of the profile `s3`.
    "aws_credentials": """\
[default]
aws_access_key_id = mlflow
aws_secret_access_key = $s3_secret_key""",
    "s3_identities.json": """\
{"identities": [{"name": "mlflow", "actions": ["Admin", "Read", "Write", "List"],
 "credentials": [{"accessKey": "mlflow", "secretKey": "$s3_secret_key"}]}]}""",
    # The demo login: Dex, with one user for each role.
    "auth.toml": """\
# Streamlit's secrets file: https://docs.streamlit.io, 'User authentication'.
[auth]
redirect_uri = "http://localhost:8501/oauth2callback"
cookie_secret = "$fresh_secret"
client_id = "driftdesk"
client_secret = "$oidc_client_secret"
server_metadata_url = "http://dex.localhost:5556/dex/.well-known/openid-configuration"
client_kwargs = { scope = "openid email profile" }""",
}
"""Files that contain the values of other files, by `$name`."""


def prepare(folder: Path, env: Path, example: Path) -> list[str]:
    """Create the missing files; returns their names.

    Raises:
        SettingsError: the folder cannot be written to.
    """
    created: list[str] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not env.exists():
            shutil.copyfile(example, env)
            created.append(env.name)
        files = _Secrets(folder, created)
        for name in (*_RANDOM, *_TEMPLATES, *_COMPUTED):
            files[name]
    except OSError as error:
        raise SettingsError(
            f"{error.filename or folder} cannot be written: {error.strerror}."
        ) from None
    return created


class _Secrets(dict[str, str]):
    """The contents of a folder by file name; a missing file is created when it is first read."""

    def __init__(self, folder: Path, created: list[str]) -> None:
        self._folder = folder
        self._created = created

    def __missing__(self, name: str) -> str:
        path = self._folder / name
        if not path.exists():
            new = path.with_suffix(".new")
            new.write_text(self._create(name) + "\n", encoding="utf-8")
            new.rename(path)
            self._created.append(name)
        return path.read_text(encoding="utf-8").removesuffix("\n")

    def _create(self, name: str) -> str:
        if name in _TEMPLATES:
            fresh = secrets.token_urlsafe(32)  # a value that no other file needs
            return Template(_TEMPLATES[name]).substitute(self, fresh_secret=fresh)
        return _COMPUTED[name](self) if name in _COMPUTED else secrets.token_urlsafe(32)


def _redis_users(files: _Secrets) -> str:
    """Keys and channels of RQ and driftdesk; no admin commands."""
    digest = hashlib.sha256(files["redis_password"].encode()).hexdigest()
    rights = "~rq:* ~driftdesk:* &rq:* +@all -@admin -@dangerous +info"
    return f"user default off\nuser desk on #{digest} {rights}"


def _roles(_: _Secrets) -> str:
    # `users` are ACTOR values of the command line in a container, such as ACTOR=admin.
    return "\n".join(
        f'[{role}]\nemails = ["{role}@desk.example"]\nusers = ["{role}"]' for role in ROLES
    )


def _dex(files: _Secrets) -> str:
    settings = {
        "issuer": "http://dex.localhost:5556/dex",
        "storage": {"type": "memory"},
        "web": {"http": "0.0.0.0:5556"},
        "oauth2": {"skipApprovalScreen": True},
        "enablePasswordDB": True,
        "staticClients": [
            {
                "id": "driftdesk",
                "name": "driftdesk",
                "secret": files["oidc_client_secret"],
                "redirectURIs": ["http://localhost:8501/oauth2callback"],
            }
        ],
        "staticPasswords": [
            {
                "email": email,
                "hash": bcrypt.hashpw(password.encode(), bcrypt.gensalt()).decode(),
                "username": email.split("@")[0],
                "userID": hashlib.sha256(email.encode()).hexdigest()[:32],
            }
            for email, password in (line.split() for line in files["logins.txt"].splitlines())
        ],
    }
    return json.dumps(settings, indent=1)


_COMPUTED: dict[str, Callable[[_Secrets], str]] = {
    "redis_users.acl": _redis_users,
    "serving_key": lambda _: new_key(),
    "serving_keys": lambda files: write_keys(
        {digest_of(files["serving_key"]): Key("driftdesk")}
    ).strip(),
    "logins.txt": lambda _: "\n".join(
        f"{role}@desk.example {secrets.token_urlsafe(9)}" for role in ROLES
    ),
    "roles.toml": _roles,
    "dex.json": _dex,
}


def links(env: Path, logins: Path) -> list[str]:
    """The URLs of the programs, and the file of the demo logins."""
    settings = dotenv_values(env)
    lines = [
        f"{name:<10} {url}"
        for name in ("Console", "Serving", "MLflow")
        if (url := settings.get(f"{name.upper()}_LINK"))
    ]
    return [*lines, f"Logins: {logins}. Stop with make down."]


def add_demo(compose: Path, env: Path) -> str:
    """Write the demo's three datasets for the containers, and name their folder in the settings.

    Returns what was done.
    """
    from compose import demo  # noqa: PLC0415 - it needs pandas and scikit-learn

    demo.prepare_containers(compose)
    set_key(env, "DATASETS", "/datasets", quote_mode="never")
    return f"Three datasets in {compose / 'datasets'}; DATASETS=/datasets in {env}."


def main(arguments: list[str] | None = None) -> int:
    """Prepare this checkout and print the names of the created files."""
    parser = argparse.ArgumentParser(prog="python -m compose.prepare", description=__doc__)
    parser.add_argument("--links", action="store_true", help="only print the URLs of the programs")
    parser.add_argument("--demo", action="store_true", help="also add the demo's three datasets")
    folder, env = HERE / "secrets", HERE / ".env"
    options = parser.parse_args(arguments)
    if options.links:
        print("\n".join(links(env, folder / "logins.txt")))  # noqa: T201
        return 0
    try:
        created = prepare(folder, env, HERE / ".env.example")
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the operator reads it
        return 1
    if created:
        print(f"Created in {folder}: {', '.join(created)}.")  # noqa: T201
    if options.demo:
        print(add_demo(HERE, env))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
