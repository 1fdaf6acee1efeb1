"""The source `data_api`: each call returns one batch and advances the API's cursor.

The cursor may advance even when the answer is lost, so requests are never retried here. Answers are
bounded in bytes and time, and can be cancelled at any moment; see `workers.sources.http_exchange`.
"""

from __future__ import annotations

import errno
import json
import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import requests
import structlog
from urllib3.exceptions import NewConnectionError

from core.adapters.http_session import Session
from core.domain.batches import DELIVERY_UNKNOWN
from core.domain.errors import (
    JobCancelled,
    LeaseLost,
    SourceExhausted,
    SourceRefused,
    SourceUnavailable,
)
from core.domain.safe_text import printable
from core.domain.sources import DataApiSource
from workers.sources.http_exchange import Exchange, LimitPassed, Limits
from workers.sources.port import AnswerBroken, Known, Progress, Received

_TAIL = 64
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO}

log = structlog.get_logger()


def _never_cancel(_size: int, _announced: int) -> None:
    """A watch that never ends an exchange."""


class DataApi:
    """The source of batches of one group; `proxied` reaches it through the environment's proxy."""

    asks_once = True
    can_restart = True

    def __init__(
        self,
        url: str,
        group: int,
        day: str,
        limits: Limits,
        options: DataApiSource | None = None,
        *,
        proxied: bool = False,
    ) -> None:
        self.url = url.rstrip("/")
        self._options = options or DataApiSource()
        self._parameters = {self._options.group_parameter: str(group)}
        if day:
            self._parameters[self._options.day_parameter] = day
        self._limits = limits
        self._proxied = proxied

    def fetch(self, part: Path, known: Known, arrived: Progress) -> Received:  # noqa: ARG002
        """Request the next batch and stream the answer to `part`, flushed to disk.

        `arrived` gets the bytes so far and the bytes announced (0 if unknown) several times a
        second, and cancels the call by raising. `part` is created before the request is sent, so
        a leftover means that an answer may be lost; it is deleted where none can be.

        Raises:
            SourceExhausted: there is no next batch.
            SourceRefused: the API refused for another reason.
            SourceUnavailable: the API could not be reached, so its cursor has not advanced.
            AnswerBroken: the answer is incomplete; `part` stays, with what arrived.
        """
        url = f"{self.url}{self._options.data_path}"
        with _closing(part.open("wb")) as file, Session(proxied=self._proxied) as session:
            exchange = Exchange(session, url, self._parameters, self._limits, file)
            try:
                exchange.run(arrived)
                self._check(exchange)
                _sync(file)
            except (SourceExhausted, SourceRefused):
                part.unlink()
                raise
            except (JobCancelled, LeaseLost):
                if not exchange.was_sent:
                    part.unlink()
                raise
            except Exception as error:  # noqa: BLE001 - for any cause, an answer may be lost
                self._settle(error, exchange, part, file)
        return Received(part, exchange.size, exchange.content_hash)

    def _settle(self, error: Exception, exchange: Exchange, part: Path, file: BinaryIO) -> None:
        """Decide what a failed exchange left: nothing, an incomplete answer, or a complete one.

        Raises:
            SourceRefused, SourceExhausted, SourceUnavailable, AnswerBroken: see `fetch`.
        """
        if not exchange.was_sent or _never_connected(error):
            part.unlink()
            raise self._unreachable() from error
        if exchange.status not in (0, requests.codes.ok):  # only the text of the refusal is missing
            part.unlink()
            self._check(exchange)
        log.warning("the answer broke off", error=f"{type(error).__name__}: {error}")
        try:
            _sync(file)
            is_whole = not isinstance(error, LimitPassed) and _ends_as_a_batch(part)
        except OSError:
            is_whole = False
        if not is_whole:
            raise self._broken(error, exchange.size) from error

    def restart(self, waiting: Progress = _never_cancel) -> None:
        """Reset the cursor to the first batch; `waiting` cancels by raising, as `arrived` does.

        Raises:
            SourceRefused: the API refused.
            SourceUnavailable: the API could not be reached.
        """
        url = f"{self.url}{self._options.restart_path}"
        with Session(proxied=self._proxied) as session:
            exchange = Exchange(session, url, self._parameters, self._limits, BytesIO())
            try:
                exchange.run(waiting)
            except (JobCancelled, LeaseLost):
                raise
            except Exception as error:
                if exchange.status:  # it answered; only the text of the answer is missing
                    log.warning("the answer broke off", error=f"{type(error).__name__}: {error}")
                elif exchange.was_sent and not _never_connected(error):
                    raise SourceUnavailable(
                        f"The data API at {self.url} did not answer whether it has restarted. "
                        "Restart the source again: that does no harm."
                    ) from error
                else:
                    raise self._unreachable() from error
            self._check(exchange)

    def check(self, known: Known) -> str:  # noqa: ARG002 - the ledger says nothing about it
        """Say whether the API answers; asking for the next batch would advance its cursor.

        Raises:
            SourceUnavailable: it does not answer.
        """
        with Session(proxied=self._proxied) as session:
            exchange = Exchange(session, f"{self.url}/health", {}, self._limits, BytesIO())
            try:
                exchange.run(_never_cancel)
            except Exception as error:
                raise self._unreachable() from error
        return (
            f"The data API at {self.url} answers (HTTP {exchange.status} at /health). Its next "
            "batch is not known: asking for it would advance the API's cursor."
        )

    def _check(self, exchange: Exchange) -> None:
        if exchange.status == requests.codes.ok:
            return
        try:
            detail = json.loads(exchange.refusal)["detail"]
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            detail = "no reason given"
        is_end = _contains(detail, self._options.end_of_data)
        if exchange.status == requests.codes.bad_request and is_end:
            raise SourceExhausted("The data API has served its last batch.")
        raise SourceRefused(
            f"The data API at {self.url} refused with HTTP {exchange.status}: "
            f"{printable(str(detail))[:300]}."
        )

    def _unreachable(self) -> SourceUnavailable:
        return SourceUnavailable(
            f"The data API at {self.url} cannot be reached. Check DATA_API_URL and that it runs; "
            "nothing was lost."
        )

    def _broken(self, error: Exception, size: int) -> AnswerBroken:
        if isinstance(error, LimitPassed):
            how = f"{error}, so it was broken off after {size:,} bytes"
        elif isinstance(error, OSError) and error.errno in _DISK:
            how = f"could not be kept after {size:,} bytes ({error.strerror}); check the disk"
        else:
            how = f"broke off after {size:,} bytes"
        return AnswerBroken(f"The data API's answer {how}. {DELIVERY_UNKNOWN}")


@contextmanager
def _closing(file: BinaryIO) -> Iterator[BinaryIO]:
    """Close the file without raising; `_sync` has reported a full disk before."""
    try:
        yield file
    finally:
        with suppress(OSError):
            file.close()


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _ends_as_a_batch(part: Path) -> bool:
    """Whether the bytes end like the JSON of a batch, whatever the transport reported.

    A Content-Length can be wrong, or missing on a connection that stays open. Parsing decides; this
    only tells whether parsing is worthwhile.
    """
    with part.open("rb") as file:
        file.seek(max(part.stat().st_size - _TAIL, 0))
        tail = b"".join(file.read().split())
    return tail.endswith(b"]}")


def _contains(detail: object, text: str) -> bool:
    """Whether the reason of a refusal contains a text, ignoring accents and case."""
    return isinstance(detail, str) and _plain(text) in _plain(detail)


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if not unicodedata.combining(c)).lower()


def _never_connected(error: BaseException) -> bool:
    """Whether the connection failed, so that no request was sent."""
    if isinstance(error, (requests.ConnectTimeout, ConnectionRefusedError)):
        return True
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, NewConnectionError):
            return True
        reason = getattr(seen, "reason", None) or (seen.args[0] if seen.args else None)
        seen = reason if isinstance(reason, BaseException) else None
    return False
