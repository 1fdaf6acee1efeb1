"""Whether the configuration is safe to show the console: loopback only, or with a login.

Each check returns an empty text, or a sentence that says what to do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from core.domain.placeholder_secrets import is_placeholder
from core.rules.access.setting_urls import is_loopback

_SECRETS = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
_EXAMPLE = re.compile(r"(^|\.)example(\.(com|org|net))?$|your[-.]", re.IGNORECASE)  # RFC 2606
_SHORTEST_SECRET = 32
_OUR_CLIENT = "driftdesk"
"""A valid client id; it counts as a placeholder only where a secret is expected."""
_CALLBACK = "/oauth2callback"
_PROXIED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip", "Via")
_HOW = (
    "Set AUTH=oidc to require a login (see docs/auth.md), or let Streamlit listen on loopback "
    "only: --server.address 127.0.0.1."
)


def without_login(address: str | None, headers: Mapping[str, str]) -> str:
    """Why the console must not be shown without a login; empty if it may.

    `address` is Streamlit's listen address, None for all. In the request's `headers`, Host and
    Origin reveal DNS rebinding, the others a proxy that forwards requests from other machines.
    """
    if not address or not is_loopback(address.strip("[]")):
        where = address or "every address"
        return (
            f"Without a login the console must listen on loopback only, but it listens on {where}. "
            f"{_HOW}"
        )
    proxy = next((name for name in _PROXIED if headers.get(name)), "")
    if proxy:
        return f"Without a login the console must not be behind a proxy (header {proxy}). {_HOW}"
    for name, url in (
        ("Host", f"//{headers.get('Host', '')}"),
        ("Origin", headers.get("Origin", "")),
    ):
        if headers.get(name) and not is_loopback(_host(url)):
            return (
                f"Without a login, open the console as http://localhost or http://127.0.0.1; this "
                f"request has another {name}. {_HOW}"
            )
    return ""


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def with_login(auth: Mapping[str, Any], *, trusted_headers: bool, checks_origin: bool) -> str:
    """What is wrong with the login's configuration; empty if it is valid.

    `auth` is the section [auth] of Streamlit's secrets. `trusted_headers`: Streamlit takes claims
    from headers, which anybody can send. `checks_origin`: XSRF protection, without which Streamlit
    reads no login.
    """
    if lacking := [name for name in _SECRETS if not _given(auth.get(name))]:
        return (
            f"The login is not configured: set {', '.join(lacking)} in [auth] of Streamlit's "
            "secrets file (see docs/auth.md)."
        )
    if trusted_headers:
        return "Remove server.trustedUserHeaders: with it, anybody can claim any identity."
    if not checks_origin:
        return "Set server.enableXsrfProtection to true: without it, Streamlit reads no login."
    return next(filter(None, _wrong_secrets(auth)), "")


def _wrong_secrets(auth: Mapping[str, str]) -> Iterator[str]:
    if len(auth["cookie_secret"]) < _SHORTEST_SECRET:
        yield (
            f"cookie_secret has fewer than {_SHORTEST_SECRET} characters: generate one with "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'."
        )
    if not auth["redirect_uri"].endswith(_CALLBACK):
        yield f"redirect_uri must be the console's address followed by {_CALLBACK}."
    for name in ("redirect_uri", "server_metadata_url"):
        if _EXAMPLE.search(_host(auth[name])):
            yield f"{name} still has an example value: set your own address."
        elif not _is_private(auth[name]):
            yield f"{name} must begin with https://; http:// is allowed for loopback only."


def _given(value: object) -> bool:
    if not isinstance(value, str) or not value.strip():
        return False
    return value == _OUR_CLIENT or "://" in value or not is_placeholder(value)


def _is_private(url: str) -> bool:
    """Whether traffic to this URL cannot be read on the network."""
    scheme, host = url.partition("://")[0].lower(), _host(url)
    # Browsers resolve *.localhost to loopback (RFC 6761, section 6.3).
    local = is_loopback(host) or host.endswith(".localhost")
    return bool(host) and (scheme == "https" or (scheme == "http" and local))
