"""A setting whose name a dataset file gives: the place for a secret that the file must not hold."""

from __future__ import annotations

import os
from pathlib import Path

from dotenv import dotenv_values

from core.domain.errors import SettingsError


def read_named(name: str) -> str:
    """The value from the environment, else `.env`, else a file in SECRETS_DIR named in lower case.

    Raises:
        SettingsError: nothing sets it.
    """
    value = os.environ.get(name) or dotenv_values(".env").get(name)
    folder = os.environ.get("SECRETS_DIR")
    if not value and folder:
        file = Path(folder) / name.lower()
        value = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
    if not value:
        raise SettingsError(
            f"{name} is not set, which the dataset file's [source] names. Set it for the workers."
        )
    return value
