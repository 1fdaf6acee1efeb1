"""Settings that more than one program reads, from the environment and `.env`.

Read once by each program's entry point and passed on; no other module looks at the
environment. `.env.example` lists every field; a test holds the two together.

In containers secrets come as files: the folder that SECRETS_DIR names may hold a file for any
setting, named like it in lower case. The environment wins over `.env`, and `.env` over a file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr, ValidationError, model_validator
from pydantic_settings import SettingsConfigDict

from core.domain.errors import SettingsError
from core.domain.placeholder_secrets import is_placeholder
from core.platform import running_system
from core.platform.database_url import read_database_url
from core.platform.settings.access import AccessSettings
from core.platform.settings.model_name import model_name_of
from core.platform.settings.operation import OperationSettings
from core.platform.settings.serving import ServingSettings
from core.platform.settings.source import SHIPPED_DATASETS, SourceSettings
from core.platform.settings.storage import StorageSettings
from core.rules.access.setting_urls import is_loopback

__all__ = ["SHIPPED_DATASETS", "Settings", "model_name_of", "read_settings"]

_SECRET_PATH_LENGTH = 8
"""A path of a secret URL is treated as a secret from this length on."""


class Settings(AccessSettings, OperationSettings, ServingSettings, SourceSettings, StorageSettings):
    """The settings of console, workers, serving and command line."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    @model_validator(mode="after")
    def _no_placeholders(self) -> Self:
        """Refuse secrets that are copied from an example, which everyone can read."""
        placeholders = [
            name.upper()
            for name, field in type(self).model_fields.items()
            if field.annotation is SecretStr
            and is_placeholder(getattr(self, name).get_secret_value())
        ]
        if self.database_url:
            read = read_database_url(self.database_url)
            if not read.is_local and is_placeholder(read.password):
                placeholders.append("the password in DATABASE_URL")
        for name in ("redis_url", "mlflow_tracking_uri"):
            parts = urlsplit(getattr(self, name))
            is_remote = bool(parts.hostname) and not is_loopback(parts.hostname or "")
            if is_remote and is_placeholder(unquote(parts.password or "")):
                placeholders.append(f"the password in {name.upper()}")
        if placeholders:
            raise ValueError(
                f"{', '.join(placeholders)} is a placeholder that anybody can guess. Set a long "
                "random value, such as "
                "`python -c 'import secrets; print(secrets.token_urlsafe(32))'`"
            )
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """What must never be logged: every secret setting, and every password in a URL."""
        secrets = set()
        if self.database_url:
            password = read_database_url(self.database_url).password
            secrets |= {password, quote(password), quote(password, safe="")}
        for _, value in self:
            if isinstance(value, SecretStr):
                secrets.add(value.get_secret_value())
                secrets |= _secret_paths(value.get_secret_value())
            elif isinstance(value, str) and "://" in value:
                secrets |= _passwords(value)
        return frozenset(secrets - {""})


def read_settings() -> Settings:
    """The settings of this process; what nothing sets is read from the record of a running system.

    Raises:
        SettingsError: a value is impossible; the message names the variable.
    """
    folder = os.environ.get("SECRETS_DIR") or None
    if folder and not Path(folder).is_dir():
        raise SettingsError(f"SECRETS_DIR is {folder}, and there is no such folder.")
    try:
        settings = Settings(_secrets_dir=folder)
        running = running_system.read(settings.data_dir)
        addresses: dict[str, Any] = {
            n: v for n, v in running.items() if n not in settings.model_fields_set
        }
        return Settings(_secrets_dir=folder, **addresses) if addresses else settings
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from error


def _passwords(url: str) -> set[str]:
    try:
        password = urlsplit(url).password or ""
    except ValueError:  # not a URL, so it contains no password
        return set()
    return {password, unquote(password)}


def _secret_paths(url: str) -> set[str]:
    """The path of a secret URL: it identifies the sender, and libraries log it separately."""
    if "://" not in url:
        return set()
    path = urlsplit(url).path
    return {path} if len(path) >= _SECRET_PATH_LENGTH else set()


def _sentence(error: ValidationError) -> str:
    parts = [
        f"{'.'.join(str(p) for p in problem['loc']).upper()}: {problem['msg']}".replace(
            ": Value error, ", ": "
        ).removeprefix(": ")
        for problem in error.errors(include_input=False)
    ]
    return f"Check these settings: {'; '.join(parts)}."
