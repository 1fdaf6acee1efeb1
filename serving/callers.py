"""Who may call, and how often: API keys from a file, and a rate for each caller."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

import structlog

from core.errors import BadInput, SettingsError
from core.keys import digest_of, read_keys
from serving.problems import Problem

log = structlog.get_logger()

_LOOK_EVERY = 1.0
_MOST_CALLERS = 10_000
_BURST_SECONDS = 1.0

Headers = Iterable[tuple[bytes, bytes]]


class Keys:
    """The API keys of a file, which is looked at again when it has changed.

    So a key is added, or taken away, without a restart. A file that cannot be read any more
    changes nothing: who had a key keeps it, and nobody else gets in.
    """

    def __init__(self, path: str) -> None:
        """Without a path everybody may call.

        Raises:
            SettingsError: the file cannot be read, or is no key file.
        """
        self._path = Path(path) if path else None
        self._names: dict[str, str] = {}
        self._stamp: tuple[int, int] | None = None
        self._looked = -math.inf
        if self._path:
            try:
                self._read(self._path)
            except (OSError, UnicodeDecodeError, BadInput) as error:
                raise SettingsError(
                    f"SERVING_KEYS names {path}, which cannot be used ({error}). Make it with "
                    "`driftdesk keys add NAME`."
                ) from error

    def caller(self, headers: Headers) -> str:
        """The name of the key that a request carries; empty where none are asked for.

        Raises:
            Problem: there is none, or nobody has it.
        """
        if self._path is None:
            return ""
        self._refresh(self._path)
        given = _key_of(headers)
        name = self._names.get(digest_of(given)) if given else None
        if name is None:
            raise Problem(
                401,
                "This needs an API key: send it as `Authorization: Bearer KEY`."
                if not given
                else "This API key is not known, or not any more.",
            )
        return name

    def _refresh(self, path: Path) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return
        self._looked = now
        try:
            if _stamp(path) != self._stamp:
                self._read(path)
                log.info("API keys read", keys=len(self._names))
        except (OSError, UnicodeDecodeError, BadInput) as error:
            log.warning("the API keys cannot be read, and stay as they were", reason=str(error))

    def _read(self, path: Path) -> None:
        stamp = _stamp(path)
        self._names = read_keys(path.read_text(encoding="utf-8"))
        self._stamp = stamp


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size


def _key_of(headers: Headers) -> str:
    for name, value in headers:
        if name == b"authorization":
            scheme, _, key = value.decode("latin-1").partition(" ")
            return key.strip() if scheme.lower() == "bearer" else ""
        if name == b"x-api-key":
            return value.decode("latin-1").strip()
    return ""


class Rate:
    """How often each caller may ask: so many requests a second, and as many at once.

    It keeps one number a caller, the time at which its bucket is full again (the generic cell rate
    algorithm, ITU-T I.371), and forgets those who have not asked for the longest time.
    """

    def __init__(self, per_second: float) -> None:
        """A rate of 0 limits nobody."""
        self._gap = 1 / per_second if per_second else 0.0
        self._slack = max(_BURST_SECONDS - self._gap, 0.0)
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def take(self, caller: str) -> None:
        """Count one request.

        Raises:
            Problem: the caller asks too often; it says when to ask again.
        """
        if not self._gap:
            return
        now = time.monotonic()
        full_at = max(self._full_at.get(caller, now), now)
        if full_at - now > self._slack:
            wait = math.ceil(full_at - now - self._slack)
            raise Problem(429, "That is too often. Ask again later.", retry_after=max(wait, 1))
        self._full_at[caller] = full_at + self._gap
        self._full_at.move_to_end(caller)
        if len(self._full_at) > _MOST_CALLERS:
            self._full_at.popitem(last=False)
