"""Parses DATABASE_URL, once for every program. Pure: text in, plain values out.

The engine of console and workers, serving's driver, the doctor and the log's redaction all use it,
so they reach the same server in the same way. Unknown parts are refused, because an option such as
`ssl_ca` that one program honours and another one ignores is worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from core.domain.errors import SettingsError
from core.rules.access.setting_urls import is_loopback

SQLITE, MYSQL = "sqlite", "mysql+pymysql"
CHARSET = "utf8mb4"

_FORM = re.compile(
    r"""
    (?P<scheme>[\w+]+)://
    (?:(?P<user>[^:/]*)(?::(?P<password>[^@]*))?@)?
    (?:(?:\[(?P<ipv6>[^/?\]]+)\]|(?P<name>[^/:?]+))?(?::(?P<port>[^/?]*))?)?
    (?:/(?P<database>[^?]*))?
    (?:\?(?P<query>.*))?
    """,
    re.VERBOSE,
)
"""SQLAlchemy's URL grammar: a password may contain / : ? and #, and has %40 for @."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_PORT = re.compile(r"[0-9]{1,5}")
_LAST_PORT = 65535

_FILES = ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key")
_TEXTS = (*_FILES, "ssl_cipher")
_HOSTNAME = ("ssl_check_hostname", "ssl_verify_identity")
_FLAGS = (*_HOSTNAME, "ssl_verify_cert")
_KNOWN = ("charset", "unix_socket", *_TEXTS, *_FLAGS)

_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """A database by its parts: a SQLite file (`path`), or a database on a MySQL server.

    `port` is 0 if not given. `ssl` is PyMySQL's argument of that name; empty if no option requests
    an encrypted connection.
    """

    scheme: str
    path: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int = 0
    database: str = ""
    unix_socket: str = ""
    ssl: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a SQLite file."""
        return self.scheme == SQLITE

    @property
    def is_local(self) -> bool:
        """Whether it is reached without a network."""
        return self.is_sqlite or bool(self.unix_socket) or not self.host or is_loopback(self.host)

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of `pymysql.connect`; the caller adds timeouts."""
        arguments = {
            "user": self.user,
            # PyMySQL would encode text as Latin-1; MySQL stores a digest of the UTF-8 bytes.
            "password": self.password if self.password.isascii() else self.password.encode(),
            "host": self.host,
            "port": self.port,
            "database": self.database,
            "unix_socket": self.unix_socket,
            "ssl": dict(self.ssl),
            # A socket needs no TLS; PyMySQL would load the machine's certificates for it, 40 ms.
            "ssl_disabled": bool(self.unix_socket) and not self.ssl,
        }
        return {name: value for name, value in arguments.items() if value} | {"charset": CHARSET}

    @property
    def shown(self) -> str:
        """The URL without user, password and options, for display."""
        if self.is_sqlite:
            return f"{SQLITE}:///{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"{MYSQL}://{self.unix_socket or host + port or 'localhost'}/{self.database}"


def sqlite_url(path: str) -> str:
    """The URL of a SQLite file, whatever characters are in its path."""
    return f"{SQLITE}:///{quote(path)}"


def read_database_url(url: str) -> DatabaseUrl:
    """The parts of a database's URL.

    Raises:
        SettingsError: it is no such URL, or says something that is not understood. The message
            names the parameter and quotes no value: a value may be secret.
    """
    if _CONTROL.search(url):
        raise SettingsError("has a control character in it; write it as %XX")
    if not url.startswith((f"{SQLITE}://", f"{MYSQL}://")):
        raise SettingsError(f"must start with {SQLITE}:// or {MYSQL}://")
    parts = _FORM.fullmatch(url)
    if parts is None:
        raise SettingsError(f"cannot be read: write {MYSQL}://USER:PASSWORD@HOST:PORT/NAME")
    options = _options(parts["query"] or "")
    if parts["scheme"] == SQLITE:
        return _sqlite(parts, options)
    host = parts["ipv6"] or parts["name"] or ""
    if "@" in host:
        raise SettingsError("has more than one @ before the host; write one in a password as %40")
    database = _decoded(parts["database"], "name of the database")
    if not database:
        raise SettingsError(f"names no database: write {MYSQL}://HOST/NAME")
    return DatabaseUrl(
        MYSQL,
        user=_decoded(parts["user"], "user"),
        password=_decoded(parts["password"], "password"),
        host=host,
        port=_port(parts["port"]),
        database=database,
        unix_socket=options.get("unix_socket", ""),
        ssl=_ssl(options),
    )


def _sqlite(parts: re.Match[str], options: Mapping[str, str]) -> DatabaseUrl:
    if options:
        raise SettingsError(f"has a parameter that {SQLITE}:// does not take: {min(options)}")
    if parts["user"] is not None or parts["ipv6"] or parts["name"] or parts["port"]:
        raise SettingsError(
            f"names a host, which {SQLITE}:// has not: write {SQLITE}:///FILE for a file in this "
            f"folder, {SQLITE}:////FOLDER/FILE for any other"
        )
    path = _decoded(parts["database"], "path of the file")
    if path in ("", ":memory:"):
        raise SettingsError(f"names no file, which every program could share: {SQLITE}:///FILE")
    return DatabaseUrl(SQLITE, path=path)


def _decoded(part: str | None, what: str) -> str:
    try:
        return unquote(part or "", errors="strict")
    except UnicodeDecodeError:
        raise SettingsError(f"has %XX in the {what} that is no UTF-8") from None


def _port(part: str | None) -> int:
    if part is None:
        return 0
    if not _PORT.fullmatch(part) or not 0 < int(part) <= _LAST_PORT:
        raise SettingsError(f"names a port that is no number from 1 to {_LAST_PORT}")
    return int(part)


def _options(query: str) -> dict[str, str]:
    """Every parameter after the question mark, each known, given once, and with a value."""
    options: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise SettingsError("has %XX in a parameter that is no UTF-8") from None
    for name, value in pairs:
        if name not in _KNOWN:
            known = ", ".join(_KNOWN)
            raise SettingsError(
                f"has a parameter that is not understood: {name[:40]!r}. Understood are {known}"
            )
        if name in options:
            raise SettingsError(f"has the parameter {name} twice")
        if not value:
            raise SettingsError(f"has the parameter {name} without a value")
        options[name] = value
    if options.get("charset", CHARSET).lower() != CHARSET:
        raise SettingsError(f"asks for another charset than {CHARSET}: texts need all of Unicode")
    return options


def _ssl(options: Mapping[str, str]) -> dict[str, Any]:
    """What PyMySQL takes as `ssl`; with a CA the server's certificate and name are checked.

    Raises:
        SettingsError: the parameters contradict each other, so that less would be checked than
            they seem to ask for.
    """
    ssl: dict[str, Any] = {n.removeprefix("ssl_"): options[n] for n in _TEXTS if n in options}
    flags = {name: _flag(name, options[name]) for name in _FLAGS if name in options}
    wanted = [name for name, is_set in flags.items() if is_set]
    if wanted and not {"ca", "capath"} & set(ssl):
        raise SettingsError(f"has {wanted[0]} without ssl_ca, the certificate to check against")
    if "key" in ssl and "cert" not in ssl:
        raise SettingsError("has ssl_key without ssl_cert")
    named = [flags[name] for name in _HOSTNAME if name in flags]
    if len(set(named)) > 1:
        raise SettingsError(f"has {' and '.join(_HOSTNAME)}, which contradict each other")
    if not flags.get("ssl_verify_cert", True):
        if True in named:
            raise SettingsError("checks the server's name, but ssl_verify_cert says not to check")
        return ssl | {"check_hostname": False, "verify_mode": False}
    return ssl | ({"check_hostname": named[0]} if named else {})


def _flag(name: str, value: str) -> bool:
    if value.lower() in _YES:
        return True
    if value.lower() in _NO:
        return False
    raise SettingsError(f"has the parameter {name}, which is neither true nor false")
