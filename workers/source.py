"""The data API as a client sees it: one batch a call, and a cursor that moves on every call.

Because the cursor moves even when the answer is lost, nothing here ever asks twice.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
from urllib3.exceptions import NewConnectionError

from core.addresses import Destination
from core.errors import AddressRefused, SourceExhausted, SourceRefused, SourceUnavailable
from core.outbound import Session

_CHUNK = 1 << 18
_CONNECT_SECONDS = 5.0
_END = "ya se recolecto toda la informacion minima necesaria"


@dataclass(frozen=True, slots=True)
class Received:
    """An answer that is safe on disk: its file, its size in bytes, and its SHA-256 in hex."""

    path: Path
    size: int
    content_hash: str


class AnswerLost(SourceUnavailable):
    """The request went out and its answer did not come back whole: the API has moved on."""


class DataApi:
    """The source of batches, for one group; without `to`, the URL's own host is asked alone.

    Every verb raises `AddressRefused` where the URL leads to an address that must not be asked.
    """

    def __init__(
        self, url: str, group: int, day: str, seconds: float, to: Destination | None = None
    ) -> None:
        self.url = url.rstrip("/")
        self._parameters = {"group_number": str(group)} | ({"day": day} if day else {})
        self._timeout = (_CONNECT_SECONDS, seconds)
        self._session = Session(to or Destination.of("DATA_API_URL", url, ""))

    def fetch(self, part: Path, arrived: Callable[[int, int], None]) -> Received:
        """Ask for the next batch and stream the answer to `part`, flushed to the disk.

        `arrived` is told the bytes so far and the bytes announced (0 if unknown). `part` is
        made before the request goes out: where it is found later, an answer may have been lost.

        Raises:
            SourceExhausted: there is no next batch.
            SourceRefused: the API refused for another reason.
            SourceUnavailable: the API could not be reached, so its cursor has not moved.
            AnswerLost: the answer broke off; `part` stays, with what came.
        """
        digest = hashlib.sha256()
        size = 0
        with part.open("wb") as file:
            try:
                with self._get("/data", stream=True) as answer:
                    self._check(answer)
                    announced = int(answer.headers.get("Content-Length") or 0)
                    for chunk in answer.iter_content(_CHUNK):
                        file.write(chunk)
                        digest.update(chunk)
                        size += len(chunk)
                        arrived(size, announced)
            except (requests.ConnectTimeout, ConnectionRefusedError) as error:
                part.unlink()
                raise self._unreachable() from error
            except requests.ConnectionError as error:
                if _never_connected(error):
                    part.unlink()
                    raise self._unreachable() from error
                raise self._lost(size) from error
            except requests.RequestException as error:
                raise self._lost(size) from error
            except (SourceExhausted, SourceRefused, AddressRefused):
                part.unlink()
                raise
            file.flush()
            os.fsync(file.fileno())
        return Received(part, size, digest.hexdigest())

    def restart(self) -> None:
        """Put the cursor back to the first batch.

        Raises:
            SourceRefused: the API did not agree.
            SourceUnavailable: the API could not be reached.
        """
        try:
            answer = self._get("/restart_data_generation")
        except requests.RequestException as error:
            raise self._unreachable() from error
        self._check(answer)

    def _get(self, path: str, *, stream: bool = False) -> requests.Response:
        return self._session.get(
            self.url + path,
            params=self._parameters,
            timeout=self._timeout,
            stream=stream,
        )

    def _check(self, answer: requests.Response) -> None:
        if answer.status_code == requests.codes.ok:
            return
        try:
            detail = answer.json()["detail"]
        except (ValueError, KeyError, TypeError, requests.RequestException):
            detail = "no reason given"
        if answer.status_code == requests.codes.bad_request and _is_end(detail):
            raise SourceExhausted("The data API has served its last batch.")
        raise SourceRefused(
            f"The data API at {self.url} refused with HTTP {answer.status_code}: "
            f"{str(detail)[:300]}."
        )

    def _unreachable(self) -> SourceUnavailable:
        return SourceUnavailable(
            f"The data API at {self.url} cannot be reached. Check DATA_API_URL and that it runs; "
            "nothing was lost."
        )

    def _lost(self, size: int) -> AnswerLost:
        return AnswerLost(
            f"The data API's answer broke off after {size:,} bytes, and the API counts that batch "
            "as delivered. The next ingest gets the one after it; the lost one comes back only "
            "after the source is restarted."
        )


def _is_end(detail: object) -> bool:
    """Whether a refusal is the end of data, however its accents are spelled."""
    if not isinstance(detail, str):
        return False
    plain = unicodedata.normalize("NFKD", detail)
    return _END in "".join(c for c in plain if not unicodedata.combining(c)).lower()


def _never_connected(error: BaseException) -> bool:
    """Whether the connection itself failed, so that no request went out."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, NewConnectionError):
            return True
        reason = getattr(seen, "reason", None) or (seen.args[0] if seen.args else None)
        seen = reason if isinstance(reason, BaseException) else None
    return False
