"""Before the first `docker compose up`: `python -m compose.prepare` makes what must be secret.

Each file of `compose/secrets/` is made once, of random values, and left alone ever after: to change
one, remove it (and those that hold its value) and run this again. Containers get them as files
under /run/secrets. The folder is closed to others; the files in it are not, since containers read
them as a user of their own.
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

import bcrypt
from dotenv import dotenv_values

from core.errors import SettingsError
from core.keys import digest_of, new_key, write_keys

HERE = Path(__file__).parent

ROLES = ("viewer", "operator", "approver", "admin")
"""The people of the demo's login: one for each role, `viewer@desk.example` and so on."""


def prepare(folder: Path, env: Path, example: Path) -> list[str]:
    """Make what is missing; returns the names of what was made, without touching the rest.

    Raises:
        SettingsError: the folder cannot be written to.
    """
    made: list[str] = []
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not env.exists():
            shutil.copyfile(example, env)
            made.append(env.name)
        keeper = _Keeper(folder, made)
        _databases(keeper)
        _redis(keeper)
        _mlflow(keeper)
        _serving(keeper)
        _store(keeper)
        _login(keeper)
        keeper.keep("grafana_admin_password")
    except OSError as error:
        raise SettingsError(
            f"{error.filename or folder} cannot be written: {error.strerror}."
        ) from None
    return made


class _Keeper:
    """A folder of secrets, each made when it is first asked for."""

    def __init__(self, folder: Path, made: list[str]) -> None:
        self._folder = folder
        self._made = made

    def keep(self, name: str, make: Callable[[], str] | None = None) -> str:
        """The secret of that name, read if it is there."""
        path = self._folder / name
        if not path.exists():
            said = make() if make else secrets.token_urlsafe(32)
            new = path.with_suffix(".new")
            new.write_text(said + "\n", encoding="utf-8")
            new.rename(path)
            self._made.append(name)
        return path.read_text(encoding="utf-8").removesuffix("\n")


def _databases(keeper: _Keeper) -> None:
    keeper.keep("mysql_root_password")
    desk, serving = keeper.keep("mysql_desk_password"), keeper.keep("mysql_serving_password")
    registry = keeper.keep("mysql_mlflow_password")
    keeper.keep("database_url", lambda: f"mysql+pymysql://desk:{desk}@mysql:3306/driftdesk")
    keeper.keep(
        "serving_database_url", lambda: f"mysql+pymysql://serving:{serving}@mysql:3306/driftdesk"
    )
    keeper.keep(
        "mlflow_backend_store_uri", lambda: f"mysql+pymysql://mlflow:{registry}@mysql:3306/mlflow"
    )
    # Serving adds rows and reads replicas and feedback; it has no business with tables.
    keeper.keep(
        "mysql_users.sql",
        lambda: "\n".join(
            [
                "CREATE DATABASE driftdesk CHARACTER SET utf8mb4;",
                "CREATE DATABASE mlflow CHARACTER SET utf8mb4;",
                f"CREATE USER 'desk'@'%' IDENTIFIED BY '{desk}';",
                f"CREATE USER 'serving'@'%' IDENTIFIED BY '{serving}';",
                f"CREATE USER 'mlflow'@'%' IDENTIFIED BY '{registry}';",
                "GRANT ALL ON driftdesk.* TO 'desk'@'%';",
                "GRANT SELECT, INSERT, UPDATE, DELETE ON driftdesk.* TO 'serving'@'%';",
                "GRANT ALL ON mlflow.* TO 'mlflow'@'%';",
            ]
        ),
    )


def _redis(keeper: _Keeper) -> None:
    password = keeper.keep("redis_password")
    keeper.keep("redis_url", lambda: f"redis://desk:{password}@redis:6379/0")
    hashed = hashlib.sha256(password.encode()).hexdigest()
    # RQ's own keys and channels, and ours; nothing that administers the server.
    keeper.keep(
        "redis_users.acl",
        lambda: (
            "user default off\n"
            f"user desk on #{hashed} ~rq:* ~driftdesk:* &rq:* "
            "+@all -@admin -@dangerous +info"
        ),
    )


def _mlflow(keeper: _Keeper) -> None:
    for name in ("admin_password", "worker_password", "reader_password"):
        keeper.keep(f"mlflow_{name}")
    keeper.keep("mlflow_flask_server_secret_key")


def _serving(keeper: _Keeper) -> None:
    keeper.keep("serving_push_secret")
    key = keeper.keep("serving_key", new_key)
    keeper.keep("serving_keys", lambda: write_keys({digest_of(key): "driftdesk"}).rstrip("\n"))


def _store(keeper: _Keeper) -> None:
    """The S3-compatible store of the profile `s3`."""
    key = keeper.keep("s3_secret_key")
    keeper.keep(
        "aws_credentials",
        lambda: f"[default]\naws_access_key_id = mlflow\naws_secret_access_key = {key}",
    )
    keeper.keep(
        "s3_identities.json",
        lambda: json.dumps(
            {
                "identities": [
                    {
                        "name": "mlflow",
                        "credentials": [{"accessKey": "mlflow", "secretKey": key}],
                        "actions": ["Admin", "Read", "Write", "List"],
                    }
                ]
            }
        ),
    )


def _login(keeper: _Keeper) -> None:
    """A login of our own by Dex, with one person for each role; replace it by yours."""
    client = keeper.keep("oidc_client_secret")
    keeper.keep(
        "auth.toml",
        lambda: "\n".join(
            [
                "# Streamlit's own secrets file: https://docs.streamlit.io, 'User authentication'.",
                "[auth]",
                'redirect_uri = "http://localhost:8501/oauth2callback"',
                f'cookie_secret = "{secrets.token_urlsafe(32)}"',
                'client_id = "driftdesk"',
                f'client_secret = "{client}"',
                'server_metadata_url = "http://dex.localhost:5556/dex/.well-known/openid-configuration"',
                'client_kwargs = { scope = "openid email profile" }',
            ]
        ),
    )
    people = {f"{role}@desk.example": secrets.token_urlsafe(9) for role in ROLES}
    said = keeper.keep(
        "logins.txt", lambda: "\n".join(f"{email} {word}" for email, word in people.items())
    )
    people = dict(line.split(" ", 1) for line in said.splitlines())
    keeper.keep(
        "roles.toml",
        # `users` are those of the command line in a container: ACTOR=admin.
        lambda: "\n".join(
            f'[{role}]\nemails = ["{role}@desk.example"]\nusers = ["{role}"]' for role in ROLES
        ),
    )
    keeper.keep("dex.json", lambda: json.dumps(_dex(client, people), indent=1))


def _dex(client: str, people: dict[str, str]) -> dict[str, object]:
    return {
        "issuer": "http://dex.localhost:5556/dex",
        "storage": {"type": "memory"},
        "web": {"http": "0.0.0.0:5556"},
        "oauth2": {"skipApprovalScreen": True},
        "enablePasswordDB": True,
        "staticClients": [
            {
                "id": "driftdesk",
                "name": "driftdesk",
                "secret": client,
                "redirectURIs": ["http://localhost:8501/oauth2callback"],
            }
        ],
        "staticPasswords": [
            {
                "email": email,
                "hash": bcrypt.hashpw(word.encode(), bcrypt.gensalt()).decode(),
                "username": email.split("@")[0],
                "userID": hashlib.sha256(email.encode()).hexdigest()[:32],
            }
            for email, word in people.items()
        ],
    }


def links(env: Path, logins: Path) -> list[str]:
    """Where the programs are, once they run, and who may log in."""
    told = dotenv_values(env)
    lines = [
        f"{name:<10} {told[variable]}"
        for name, variable in (
            ("Console", "CONSOLE_LINK"), ("Serving", "SERVING_LINK"), ("MLflow", "MLFLOW_LINK"),
        )
        if told.get(variable)
    ]  # fmt: skip
    return [*lines, f"Logins: {logins}. Stop with make down."]


def main(arguments: list[str] | None = None) -> int:
    """Prepare this checkout; says what was made."""
    parser = argparse.ArgumentParser(prog="python -m compose.prepare", description=__doc__)
    parser.add_argument("--links", action="store_true", help="only say where everything is")
    folder, env = HERE / "secrets", HERE / ".env"
    if parser.parse_args(arguments).links:
        print("\n".join(links(env, folder / "logins.txt")))  # noqa: T201
        return 0
    try:
        made = prepare(folder, env, HERE / ".env.example")
    except SettingsError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the sentence that the operator reads
        return 1
    if made:
        print(f"Made in {folder}: {', '.join(made)}.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
