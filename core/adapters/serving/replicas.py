"""The replicas of serving, and the health page of any HTTP service."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from core.adapters.http_session import Session
from core.adapters.serving.client import Client
from core.domain.basic_auth import Login
from core.domain.errors import ServingUnavailable

_SHOWN = 100
"""Bytes of a health page that are read."""

_RETRIES = 1
"""A page does not wait for long: it is rerun anyway."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The status of a health page, the start of its text, and how long it took in seconds."""

    healthy: bool
    seconds: float
    says: str
    body: str = ""


def probe(
    url: str, seconds: float = 3.0, *, login: Login | None = None, proxied: bool = True
) -> Probe:
    """Request a health page; never raises.

    It reads for at most `seconds`, and no more of the text than is shown. `login` is sent as HTTP
    Basic; `proxied` as in `Session`.
    """
    start = time.perf_counter()
    headers = login.headers() if login else {}
    healthy, body = False, ""
    try:
        with (
            Session(proxied=proxied) as session,
            session.get(url, timeout=seconds, headers=headers, stream=True) as response,
        ):
            body = _start_of(response, start + seconds)
        healthy = response.status_code == requests.codes.ok
        says = "Answers" if healthy else f"HTTP {response.status_code}"
    except requests.RequestException as error:
        says = f"No answer ({type(error).__name__})"
    return Probe(healthy, time.perf_counter() - start, says, body)


def _start_of(response: requests.Response, deadline: float) -> str:
    """The first characters of a text, as far as they arrive before the deadline."""
    body = b""
    for part in response.iter_content(1):  # a larger part would be waited for until it is complete
        body += part
        if len(body) >= _SHOWN or time.perf_counter() > deadline:
            break
    return body[:_SHOWN].decode(errors="replace").strip()


class Serving:
    """The replicas of the serving API by their base URLs; requests go to the first by default.

    They are about one dataset, as in `Client`.

    Every method raises `ServingUnavailable` if the replica is unreachable. Rows that do not fit the
    live model's contract raise `BadRow`.
    """

    def __init__(self, urls: Sequence[str], key: str = "", dataset: str = "") -> None:
        self.urls = tuple(urls)
        self._key = key
        self._dataset = dataset
        self._clients: dict[str, Client] = {}

    def at(self, url: str = "") -> Client:
        """The client of one replica, by default the first."""
        url = url or self.urls[0]
        if url not in self._clients:
            self._clients[url] = Client(url, self._key, self._dataset, retries=_RETRIES)
        return self._clients[url]

    def model(self, url: str = "") -> dict[str, Any]:
        """A replica's description of its live model; empty without one."""
        described = self.state(url)
        return described if described.get("version") is not None else {}

    def state(self, url: str = "") -> dict[str, Any]:
        """The same, also of a replica that has no model; it may have refused one."""
        return self.at(url).model()

    def predict(
        self, row: Mapping[str, Any], *, explain: bool = False, actor: str = ""
    ) -> dict[str, Any]:
        """One prediction with its warnings, as `Client.predict_document` returns it."""
        return self.at().predict_document(row, explain=explain, warnings=True, actor=actor)

    def check(self, url: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """One replica's predictions without logging, as `Client.check` returns them."""
        return self.at(url).check(rows)

    def predict_batch(
        self, rows: Sequence[Mapping[str, Any]], *, actor: str = ""
    ) -> list[dict[str, Any]]:
        """A prediction with its warnings for each row, in order; none if a row is invalid."""
        return self.at().predict_batch(rows, warnings=True, actor=actor)

    def feedback(self, prediction_id: str, actual: float | str) -> None:
        """Report the actual value for a prediction: in the target's unit, or the class."""
        self.at().feedback(prediction_id, actual)

    def refresh(self, url: str, secret: str) -> bool:
        """Tell a replica to query the registry at once; whether it is reachable and accepts."""
        try:
            return self.at(url).refresh(secret)
        except ServingUnavailable:
            return False
