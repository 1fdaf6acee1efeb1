"""The `[source]` section of a dataset file: TOML in, a checked source out."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from core.domain.sources import (
    CsvOptions,
    DataApiSource,
    FileOrder,
    FilesSource,
    Format,
    Source,
    SourceKind,
    SqlSource,
    UploadSource,
)
from core.platform.toml_values import known_keys, number, one_of, section, shown, text, whole_number

_LONGEST = 1_000
_LONGEST_QUERY = 20_000
_MOST_ROWS = 10_000_000
_MOST_SETTLE_SECONDS = 7 * 86_400
_SETTING = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_QUERY = re.compile(r"(?i)(?:select|with)\b.*|\w+(?:\.\w+){0,2}")

Read = Callable[[str, Any], Any]
"""Reads the value of a key, None where the key is missing."""


def parse(table: object) -> Source:
    """The source that a `[source]` table describes; without a kind it is the data API.

    Raises:
        ValueError: a key is unknown, missing or wrong; the message names it and the remedy.
    """
    try:
        keys = section("source", table)
        kind = SourceKind(one_of("kind", keys.get("kind", "data_api"), tuple(SourceKind)))
        source, readers = _KINDS[kind]
        known_keys(keys, ["kind", *readers])
        wanted = keys.keys() | _REQUIRED
        read = {key: read(key, keys.get(key)) for key, read in readers.items() if key in wanted}
        return source(**read)
    except ValueError as error:
        raise ValueError(f"[source]: {error}") from error


def _form(pattern: str, remedy: str, longest: int, *, may_be_empty: bool = False) -> Read:
    """A reader of a text that has this form."""

    def read(key: str, value: object) -> str:
        content = text(key, value, longest=longest, may_be_empty=may_be_empty)
        if content and not re.fullmatch(pattern, content):
            raise ValueError(f"{key} is {shown(content)}; {remedy}")
        return content

    return read


def _settle(key: str, value: object) -> float:
    seconds = number(key, value)
    if not 0 <= seconds <= _MOST_SETTLE_SECONDS:
        raise ValueError(f"{key} is {seconds:g}, and must be from 0 to {_MOST_SETTLE_SECONDS:,}")
    return seconds


def _setting(key: str, value: object) -> str:
    if not isinstance(value, str) or not _SETTING.fullmatch(value):
        raise ValueError(
            f"{key} is {shown(value)}; write the name of the environment variable that holds the "
            'SQLAlchemy URL, such as "WAREHOUSE_URL", since a URL carries a password'
        )
    return value


def _query(key: str, value: object) -> str:
    query = text(key, value, longest=_LONGEST_QUERY).rstrip("; ")
    if not _QUERY.fullmatch(query):
        raise ValueError(
            f"{key} is {shown(query)}; write the name of a table, or a SELECT without ORDER BY"
        )
    return query


def _url(key: str, value: object) -> str:
    """A path or an fsspec URL; a login in it is refused, since the file is no place for secrets."""
    url = text(key, value, longest=_LONGEST)
    try:
        parts = urlsplit(url)
        has_login = "://" in url and (parts.password is not None)
    except ValueError as error:
        raise ValueError(f"url is {shown(url)}, which is no URL: {error}") from error
    if has_login:
        raise ValueError(
            "url contains a password; take it out and give the worker the store's own settings, "
            "such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return url


def _csv(_key: str, table: object) -> CsvOptions:
    """How CSV files are written, from `[source.csv]`."""
    try:
        keys = section("source.csv", table)
        known_keys(keys, [field.name for field in fields(CsvOptions)])
        options = CsvOptions(**{key: _stated(key, value) for key, value in keys.items()})
        if options.decimal not in ("", ".", ","):
            raise ValueError(f'decimal is {shown(options.decimal)}; write "." or ","')
        if len(options.delimiter) > 1 or options.delimiter in ('"', "\n", "\r"):
            raise ValueError(f"delimiter is {shown(options.delimiter)}; write one character")
        if options.delimiter and options.delimiter == options.decimal:
            raise ValueError("delimiter and decimal are the same character")
        if options.encoding:
            codecs.lookup(options.encoding)
    except LookupError as error:
        raise ValueError(
            f"csv: encoding is {shown(options.encoding)}, which is not known; write "
            '"utf-8" or "cp1252"'
        ) from error
    except ValueError as error:
        raise ValueError(f"csv: {error}") from error
    return options


def _stated(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{key} is {shown(value)}, and must be text in quotes")  # noqa: TRY004
    return value


_PATH = _form(r"/[^?# ]*", 'write a path such as "/data"', 200)
_PARAMETER = _form(r"[A-Za-z0-9_.\-]{1,60}", "write letters, digits, _, - and . only", 60)
_ENDING = _form(r"\.[A-Za-z0-9._-]+", 'write an ending such as ".done"', 20, may_be_empty=True)

_KINDS: Mapping[SourceKind, tuple[Callable[..., Source], Mapping[str, Read]]] = {
    SourceKind.DATA_API: (DataApiSource, {
        "data_path": _PATH,
        "restart_path": _PATH,
        "group_parameter": _PARAMETER,
        "day_parameter": _PARAMETER,
        "end_of_data": partial(text, longest=200),
        "first_number": partial(whole_number, lowest=0, highest=1_000_000),
    }),
    SourceKind.FILES: (FilesSource, {
        "url": _url,
        "order": lambda key, value: FileOrder(one_of(key, value, tuple(FileOrder))),
        "settle_seconds": _settle,
        "done_suffix": _ENDING,
        "format": lambda key, value: Format(one_of(key, value, tuple(Format))),
        "csv": _csv,
    }),
    SourceKind.SQL: (SqlSource, {
        "url_setting": _setting,
        "query": _query,
        "watermark": partial(text, longest=64),
        "batch_rows": partial(whole_number, lowest=1, highest=_MOST_ROWS),
    }),
    SourceKind.UPLOAD: (UploadSource, {"csv": _csv}),
}  # fmt: skip
"""Each kind with the readers of its keys."""

_REQUIRED = {"url", "url_setting", "query", "watermark"}
