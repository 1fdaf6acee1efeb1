"""What a setting must not be, since it would lead somewhere or show something that it must not.

A validator's text is shown to the operator and quotes nothing of a value that may be secret.
"""

from __future__ import annotations

import re
from typing import Self
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings

from core.addresses import check_redis, check_url, has_userinfo, host_of, hosts_in
from core.errors import BadInput
from core.placeholder import is_placeholder
from core.printable import name_of

_LOOPBACK = {"", "localhost", "127.0.0.1", "::1"}
_MODEL_NAME = re.compile(r"\w[\w .-]{0,99}")
_DATASET = re.compile(r"[a-z0-9_-]{1,64}")


class SettingChecks(BaseSettings):
    """The checks alone; `core.settings.Settings` has the fields."""

    @field_validator("data_api_url", check_fields=False)
    @classmethod
    def _askable(cls, url: str) -> str:
        check_url(url)
        return url

    @field_validator("webhook_url", check_fields=False)
    @classmethod
    def _postable(cls, url: SecretStr) -> SecretStr:
        if said := url.get_secret_value():
            check_url(said, userinfo=True)
        return url

    @field_validator("data_api_hosts", "webhook_hosts", check_fields=False)
    @classmethod
    def _listed(cls, hosts: str, told: ValidationInfo) -> str:
        listed = hosts_in(hosts)
        variable = str(told.field_name).replace("hosts", "url")
        url = told.data.get(variable, "")
        said = url.get_secret_value() if isinstance(url, SecretStr) else url
        if said and listed and host_of(said) not in listed:
            raise ValueError(f"does not list the host of {variable.upper()}")
        return hosts

    @field_validator("mlflow_tracking_uri", "serving_url", check_fields=False)
    @classmethod
    def _without_password(cls, urls: str) -> str:
        if any(has_userinfo(url) for url in urls.split(",")):
            raise ValueError("must not have a name or password in it: it is shown and logged")
        return urls

    @field_validator("mlflow_tracking_username", "mlflow_tracking_password", check_fields=False)
    @classmethod
    def _readable_to_mlflow(cls, said: str | SecretStr) -> str | SecretStr:
        text = said.get_secret_value() if isinstance(said, SecretStr) else said
        if text and not (text.isascii() and text.isprintable()):
            # Its routes for artifacts decode both as ASCII, and answer 401 to anything else.
            raise ValueError("must be of ASCII characters: MLflow 3 reads no others everywhere")
        if ":" in text and not isinstance(said, SecretStr):
            raise ValueError("must have no colon in it")
        return said

    @field_validator("redis_url", check_fields=False)
    @classmethod
    def _guarded_queue(cls, url: str) -> str:
        check_redis(url)
        return url

    @field_validator("model_name", check_fields=False)
    @classmethod
    def _usable_model_name(cls, name: str) -> str:
        if name and not _MODEL_NAME.fullmatch(name):
            raise ValueError("takes up to 100 letters, digits, blanks, dots, - and _")
        return name

    @field_validator("actor", check_fields=False)
    @classmethod
    def _seen_whole(cls, actor: str) -> str:
        try:
            return name_of(actor)
        except BadInput as error:
            raise ValueError(str(error)) from None

    @field_validator("dataset", check_fields=False)
    @classmethod
    def _usable_dataset(cls, name: str) -> str:
        if not name.endswith(".toml") and not _DATASET.fullmatch(name):
            raise ValueError("is a name in core/datasets, or a path that ends in .toml")
        return name

    @model_validator(mode="after")
    def _no_placeholders(self) -> Self:
        """A secret out of an example opens the door to everybody who has read it."""
        told = [
            name.upper()
            for name, field in type(self).model_fields.items()
            if field.annotation is SecretStr
            and is_placeholder(getattr(self, name).get_secret_value())
        ]
        for name in ("database_url", "redis_url", "mlflow_tracking_uri"):
            parts = urlsplit(getattr(self, name))
            beyond = (parts.hostname or "") not in _LOOPBACK
            if beyond and is_placeholder(unquote(parts.password or "")):
                told.append(f"the password in {name.upper()}")
        if told:
            raise ValueError(
                f"{', '.join(told)} is a placeholder that anybody can guess. Set a long random "
                "value, such as `python -c 'import secrets; print(secrets.token_urlsafe(32))'`"
            )
        return self
