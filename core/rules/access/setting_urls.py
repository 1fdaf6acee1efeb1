"""Rules for URLs in the settings, and whether a host is this machine. Pure.

Only the person who deploys driftdesk sets these URLs, so their hosts are not restricted.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from urllib.parse import SplitResult, parse_qs, urlsplit

_SCHEMES = ("http", "https")
_REDIS = ("redis", "rediss")


def check_url(url: str, *, userinfo: bool = False) -> None:
    """Check the URL of an HTTP service.

    Raises:
        ValueError: it is not http or https, has no host, or (without `userinfo`) contains a user
            name or password. The message quotes nothing of it.
    """
    parts = _split(url)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError("must be an http:// or https:// address")
    if not userinfo and has_userinfo(url):
        raise ValueError("must not contain a user name or password: it is shown and logged")


def check_redis(url: str) -> None:
    """Check that a Redis on another machine is protected.

    Everyone who can reach it can queue and read jobs, so a remote one needs a password or a TLS
    client certificate.

    Raises:
        ValueError: it is not protected, or not a Redis URL; the message quotes nothing of it.
    """
    parts = _split(url)
    options = parse_qs(parts.query)
    if parts.scheme == "unix" or (parts.scheme in _REDIS and is_loopback(parts.hostname or "")):
        return
    if parts.scheme not in _REDIS or not parts.hostname:
        raise ValueError("must start with redis://, rediss:// or unix://")
    if parts.password or options.get("password"):
        return
    if parts.scheme == "rediss" and options.get("ssl_certfile"):
        return
    raise ValueError(
        "names a Redis on another machine and no password, so everyone who can reach it could "
        "queue work. Set one there (requirepass) and here: redis://:PASSWORD@HOST:PORT/0"
    )


def has_userinfo(url: str) -> bool:
    """Whether the URL contains a user name or a password."""
    return "@" in _split(url).netloc


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine."""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        # Its message quotes the user info, which may contain a password.
        raise ValueError("is no address that can be read") from None
