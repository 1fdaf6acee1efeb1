"""Validators of settings.

Their messages are shown to the operator and quote no value that may be secret.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import AfterValidator, SecretStr

from core.domain.errors import DriftdeskError
from core.rules.access.setting_urls import has_userinfo


def valid(check: Callable[[str], object], *, may_be_empty: bool = True) -> AfterValidator:
    """A validator of a text or secret: an error that `check` raises refuses the setting."""

    def validate(value: str | SecretStr) -> str | SecretStr:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        try:
            if text or not may_be_empty:
                check(text)
        except DriftdeskError as error:
            raise ValueError(str(error)) from None
        return value

    return AfterValidator(validate)


def check_shown(urls: str) -> None:
    """Check that no URL of a comma-separated list contains a user name or password.

    Raises:
        ValueError: one does.
    """
    if any(has_userinfo(url) for url in urls.split(",")):
        raise ValueError("must not contain a user name or password: it is shown and logged")
