"""Whether the console may be shown as it is set up: alone on this machine, or with a login.

Each rule here answers with a sentence that says what to do, or with nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from core.placeholder import is_placeholder

_SECRETS = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
_EXAMPLE = re.compile(r"(^|\.)example(\.(com|org|net))?$|your[-.]", re.IGNORECASE)  # RFC 2606
_SHORTEST_SECRET = 32
_OUR_CLIENT = "driftdesk"
"""A fair name for a client at a provider, though no password: the other checks see to those."""
_CALLBACK = "/oauth2callback"
_PROXIED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via")
_HOW = (
    "Set AUTH=oidc to let people log in (see docs/auth.md), or let Streamlit listen on this "
    "machine alone: --server.address 127.0.0.1."
)


def is_loopback(host: str) -> bool:
    """Whether a name or an address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def without_login(address: str | None, headers: Mapping[str, str]) -> str:
    """Why the console must not be shown without a login; empty where it may.

    `address` is what Streamlit listens on, None meaning every address; `headers` are those of the
    browser's request, of which Host and Origin tell a page of somebody else's (DNS rebinding), and
    the others a proxy that passes on what came from elsewhere.
    """
    if not address or not is_loopback(address.strip("[]")):
        where = address or "every address"
        return (
            f"Without login the console works on this machine alone, and it listens on {where}. "
            f"{_HOW}"
        )
    proxy = next((name for name in _PROXIED if headers.get(name)), "")
    if proxy:
        return f"Without login the console must not stand behind a proxy ({proxy} was sent). {_HOW}"
    for name, url in (
        ("Host", f"//{headers.get('Host', '')}"),
        ("Origin", headers.get("Origin", "")),
    ):
        if headers.get(name) and not is_loopback(_host(url)):
            return (
                f"Without login the console is opened as http://localhost or http://127.0.0.1 "
                f"alone; this browser asked for another {name}. {_HOW}"
            )
    return ""


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def with_login(auth: Mapping[str, Any], *, trusted_headers: bool, checks_origin: bool) -> str:
    """What is wrong with the secrets of the login; empty where nothing is.

    `auth` is the section [auth] of Streamlit's secrets. `trusted_headers` says whether Streamlit
    takes a person's claims from headers, which anybody can send; `checks_origin` whether it guards
    against other pages, without which it reads no login.
    """
    if lacking := [name for name in _SECRETS if not _given(auth.get(name))]:
        return (
            f"The login is not set up: give {', '.join(lacking)} a value of your own in [auth] of "
            "Streamlit's secrets file. docs/auth.md says where that file lies."
        )
    if trusted_headers:
        return "Take server.trustedUserHeaders away: with it, anybody can say who they are."
    if not checks_origin:
        return "Set server.enableXsrfProtection to true: without it, Streamlit reads no login."
    return next(filter(None, _wrong_secrets(auth)), "")


def _wrong_secrets(auth: Mapping[str, str]) -> Iterator[str]:
    if len(auth["cookie_secret"]) < _SHORTEST_SECRET:
        yield (
            f"cookie_secret has fewer than {_SHORTEST_SECRET} characters: make one with "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'."
        )
    if not auth["redirect_uri"].endswith(_CALLBACK):
        yield f"redirect_uri must be the console's address followed by {_CALLBACK}."
    for name in ("redirect_uri", "server_metadata_url"):
        if _EXAMPLE.search(_host(auth[name])):
            yield f"{name} still names an example: give it an address of your own."
        elif not _is_private(auth[name]):
            yield f"{name} must begin with https://; http:// is for this machine alone."


def _given(value: object) -> bool:
    if not isinstance(value, str) or not value.strip():
        return False
    return value == _OUR_CLIENT or "://" in value or not is_placeholder(value)


def _is_private(url: str) -> bool:
    """Whether nobody on the way can read what goes there."""
    scheme, host = url.partition("://")[0].lower(), _host(url)
    # Browsers take every *.localhost for this machine (RFC 6761, section 6.3).
    near = is_loopback(host) or host.endswith(".localhost")
    return bool(host) and (scheme == "https" or (scheme == "http" and near))
