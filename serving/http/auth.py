"""API keys from a file, and rate limits for callers and for failed keys."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

import structlog

from core.domain.errors import BadInput, SettingsError
from core.rules.access.api_keys import Key, digest_of, read_keys
from serving.problems import Problem

log = structlog.get_logger()

_CHECK_EVERY = 1.0
_MAX_CALLERS = 10_000

_FAILURE_BURST = 10
_FAILURE_SECONDS = 6.0
"""An address may send a burst of ten invalid keys, then one every six seconds."""

_UNUSABLE = (OSError, UnicodeDecodeError, BadInput)
"""Why a key file cannot be read."""

Headers = Iterable[tuple[bytes, bytes]]


ANYBODY = Key("")
"""Who calls where no keys are required."""


class ApiKeys:
    """The API keys of a file, reloaded when it changes.

    If the file becomes unreadable, the keys that were read last stay valid.
    """

    def __init__(self, path: str) -> None:
        """Without a path no key is required.

        Raises:
            SettingsError: the file cannot be read, or is not a key file.
        """
        self._path = Path(path) if path else None
        self._keys: dict[str, Key] = {}
        self._binds = False
        self._failures = FailedKeys()
        self._stamp: tuple[int, int] | None = None
        self._checked_at = time.monotonic()
        if self._path:
            try:
                self._read_if_changed(self._path)
            except _UNUSABLE as error:
                raise SettingsError(
                    f"SERVING_KEYS names {path}, which cannot be used ({error}). Create it with "
                    "`driftdesk keys add NAME`."
                ) from error

    @property
    def binds(self) -> bool:
        """Whether some key is for named datasets, so that what is read needs a key, too."""
        if self._path:
            self._reload(self._path)
        return self._binds

    def known(self, headers: Headers) -> Key | None:
        """The request's key if it is valid; nothing is counted or refused."""
        key = _key_of(headers)
        return self._keys.get(digest_of(key)) if key else None

    def caller(self, headers: Headers, address: str = "") -> Key:
        """The request's key; `ANYBODY` if no keys are required.

        Raises:
            Problem: the key is missing or invalid, or the address sent too many invalid ones.
        """
        if self._path is None:
            return ANYBODY
        self._reload(self._path)
        sent = _key_of(headers)
        digest = digest_of(sent) if sent else ""
        key = self._keys.get(digest)
        if key is not None and self._failures.is_trusted(address, digest):
            return key
        self._failures.check(address)
        if key is not None:
            self._failures.trust(address, digest)
            return key
        if not sent:
            raise Problem(401, "An API key is required: send `Authorization: Bearer KEY`.")
        self._failures.count(address)
        raise Problem(401, "The API key is invalid or was removed.")

    def _reload(self, path: Path) -> None:
        now = time.monotonic()
        if now - self._checked_at >= _CHECK_EVERY:
            self._checked_at = now
            try:
                self._read_if_changed(path)
            except _UNUSABLE as error:
                log.warning("API keys cannot be read; keeping the previous ones", reason=str(error))

    def _read_if_changed(self, path: Path) -> None:
        status = path.stat()
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp != self._stamp:
            self._keys = read_keys(path.read_text(encoding="utf-8"))
            self._binds = any(key.datasets for key in self._keys.values())
            self._stamp = stamp
            log.info("API keys read", keys=len(self._keys))


def _key_of(headers: Headers) -> str:
    for name, value in headers:
        if name == b"authorization":
            scheme, _, key = value.decode("latin-1").partition(" ")
            return key.strip() if scheme.lower() == "bearer" else ""
        if name == b"x-api-key":
            return value.decode("latin-1").strip()
    return ""


class FailedKeys:
    """Limits invalid keys per address; beyond the limit, valid keys are refused as well.

    A key that an address used successfully before stays accepted from there, so that one caller
    behind a proxy does not lock out the others. Both tables are bounded and evict the oldest entry.
    """

    def __init__(self) -> None:
        self._rate = RateLimit(1 / _FAILURE_SECONDS, _FAILURE_BURST)
        self._trusted: OrderedDict[tuple[str, str], None] = OrderedDict()

    def is_trusted(self, address: str, digest: str) -> bool:
        """Whether this address used this key successfully before."""
        return (address, digest) in self._trusted

    def trust(self, address: str, digest: str) -> None:
        """Remember that this address used this key successfully."""
        self._trusted[address, digest] = None
        if len(self._trusted) > _MAX_CALLERS:
            self._trusted.popitem(last=False)

    def check(self, address: str) -> None:
        """Accept an address below its limit.

        Raises:
            Problem: it is over the limit; carries Retry-After.
        """
        if wait := self._rate.wait(_network(address)):
            detail = "Too many invalid API keys from this address. Try again later."
            raise Problem(429, detail, retry_after=wait)

    def count(self, address: str) -> None:
        """Count an invalid key."""
        self._rate.take(_network(address))


def _network(address: str) -> str:
    """The unit that failures are counted by: an IPv4 address, or an IPv6 /64 network."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 64), strict=False))


class RateLimit:
    """A rate limit per caller: requests a second, with a burst.

    Stores one number per caller, the time at which its bucket is full again (generic cell rate
    algorithm, ITU-T I.371); the least recent callers are evicted.
    """

    def __init__(self, per_second: float, burst: float | None = None) -> None:
        """A rate of 0 means no limit; the default burst is the requests of one second."""
        self._gap = 1 / per_second if per_second else 0.0
        self._slack = max((1.0 if burst is None else burst * self._gap) - self._gap, 0.0)
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def wait(self, caller: str) -> int:
        """Whole seconds until the next request is allowed; 0 if it is now."""
        over = self._full_at.get(caller, 0.0) - time.monotonic() - self._slack
        return max(math.ceil(over), 1) if over > 0 else 0

    def take(self, caller: str) -> None:
        """Count one request.

        Raises:
            Problem: the caller is over its limit; carries Retry-After.
        """
        if not self._gap:
            return
        if wait := self.wait(caller):
            raise Problem(429, "Rate limit exceeded. Try again later.", retry_after=wait)
        now = time.monotonic()
        self._full_at[caller] = max(self._full_at.get(caller, now), now) + self._gap
        self._full_at.move_to_end(caller)
        if len(self._full_at) > _MAX_CALLERS:
            self._full_at.popitem(last=False)
