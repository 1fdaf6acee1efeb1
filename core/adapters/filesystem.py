"""Opens filesystem URLs: local paths, object stores, and what else fsspec knows.

S3, Google Cloud Storage and Azure go through obstore, whose requests have time limits and whose
uploads appear whole or not at all (ADR 0030). Credentials have the names that each cloud's tools
use, such as AWS_ACCESS_KEY_ID, and are read as settings are; a URL has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import fsspec
from obstore.fsspec import BufferedFile, FsspecStore

from core.domain.errors import SettingsError
from core.platform.settings.named import read_named

_SCHEMES = {
    "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "abfs", "abfss": "abfss",
}  # fmt: skip
_CREDENTIALS = {
    "s3": (
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION",
        "AWS_ENDPOINT_URL",
    ),
    "gs": ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_APPLICATION_CREDENTIALS"),
    "az": (
        "AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ENDPOINT",
    ),
}  # fmt: skip
"""What is read from the environment, `.env` and SECRETS_DIR; obstore reads further variables of
the environment itself, such as those of a pod's identity."""

_TIMES = ("mtime", "LastModified", "last_modified", "updated", "created", "modified")

_CONNECT_SECONDS = timedelta(seconds=5)
_REQUEST_SECONDS = timedelta(seconds=60)
"""The limit of one request; a larger object is sent in parts of 5 MB, and read in ranges."""

_RETRIES = 3
_RETRY_SECONDS = timedelta(seconds=120)


class ObjectStore(FsspecStore):
    """An object store that lists the times of its objects, and an empty prefix as empty."""

    def __init__(self, scheme: Any, **credentials: str) -> None:
        config: Any = credentials
        super().__init__(
            scheme,
            config=config,
            client_options={
                "allow_http": True,  # an endpoint is http only where the environment says so
                "connect_timeout": _CONNECT_SECONDS,
                "timeout": _REQUEST_SECONDS,
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": _RETRY_SECONDS},
        )

    async def _ls(self, path: str, detail: bool = False, **_: Any) -> Any:  # noqa: FBT001, FBT002
        bucket, prefix = self._split_path(path)
        found = await self._construct_store(bucket).list_with_delimiter_async(prefix)
        files: list[dict[str, Any]] = [
            {
                "name": f"{bucket}/{each['path']}",
                "size": each["size"],
                "type": "file",
                "ETag": each["e_tag"],
                "LastModified": each["last_modified"],
            }
            for each in found["objects"]
        ]
        folders: list[dict[str, Any]] = [
            {"name": f"{bucket}/{prefix}", "size": 0, "type": "directory"}
            for prefix in found["common_prefixes"]
        ]
        return files + folders if detail else sorted(each["name"] for each in files + folders)

    async def _info(self, path: str, **options: Any) -> dict[str, Any]:
        info = await super()._info(path, **options)
        return info | {"name": path, "ETag": info.get("e_tag")}

    def _open(self, path: str, mode: str = "rb", *others: Any, **options: Any) -> BufferedFile:
        if mode == "rb":
            self.info(path)  # a missing object is an error here, before a file is made for it
        return super()._open(path, mode, *others, **options)


def open_url(url: str) -> tuple[Any, str]:
    """The file system of a URL or local path, and the path in it; nothing is asked yet.

    Raises:
        ImportError: a package is missing.
        ValueError: no file system serves this URL.
    """
    scheme, separator, path = url.partition("://")
    if separator and scheme in _SCHEMES:
        return ObjectStore(_SCHEMES[scheme], **_credentials(_SCHEMES[scheme])), path.rstrip("/")
    opened: tuple[Any, str] = fsspec.core.url_to_fs(url)
    return opened


def _credentials(scheme: str) -> dict[str, str]:
    found = {}
    for name in _CREDENTIALS["az" if scheme.startswith("abfs") else scheme]:
        with suppress(SettingsError):  # the host may have an identity of the cloud
            found[name.lower()] = read_named(name)
    return found


def bare_etag(etag: str) -> str:
    """An ETag without quotes and mark of weakness (RFC 9110, 8.8.3), so that equal ones compare so.

    A store may write it in a list of objects otherwise than for one of them: Azure lists it bare.
    """
    text = etag.strip().removeprefix("W/")
    is_quoted = len(text) > 1 and text[0] == text[-1] == '"'
    return text[1:-1] if is_quoted else text


def modified(info: Mapping[str, Any]) -> float | None:
    """When a listed file was modified, in seconds since 1970; None where the store does not say."""
    for value in (info[key] for key in _TIMES if info.get(key) is not None):
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
        if isinstance(value, str):
            try:
                return datetime.fromisoformat(value).timestamp()
            except ValueError:
                continue
    return None
