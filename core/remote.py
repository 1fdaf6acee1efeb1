"""The HTTP neighbours as their callers see them: serving, and anything that has a health page."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from core.addresses import Destination
from core.client import Client
from core.errors import AddressRefused, ServingUnavailable
from core.login import Login
from core.outbound import Session

_RETRIES = 1
"""A page does not wait for long: who looks at it asks again anyway."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a health page answered, the start of its text, and how long it took in seconds."""

    healthy: bool
    seconds: float
    says: str
    body: str = ""


def probe(
    url: str,
    seconds: float = 3.0,
    *,
    to: Destination | None = None,
    login: Login | None = None,
) -> Probe:
    """Look at a health page; never raises.

    With `to`, nothing is asked that this destination does not allow; `login` is who we say
    we are.
    """
    start = time.perf_counter()
    headers = login.headers() if login else {}
    try:
        with Session(to) if to else requests.Session() as session:
            answer = session.get(url, timeout=seconds, headers=headers, allow_redirects=False)
    except AddressRefused as error:
        return Probe(False, time.perf_counter() - start, str(error))
    except requests.RequestException as error:
        return Probe(False, time.perf_counter() - start, f"no answer ({type(error).__name__})")
    took = time.perf_counter() - start
    return Probe(
        answer.status_code == requests.codes.ok,
        took,
        f"HTTP {answer.status_code}",
        answer.text[:100].strip(),
    )


class Serving:
    """The replicas of the serving API, named by their base URLs; questions go to the first.

    Every verb raises `ServingUnavailable` when a replica that it needs is away.
    """

    def __init__(self, urls: Sequence[str], key: str = "") -> None:
        self.urls = tuple(urls)
        self._key = key
        self._clients: dict[str, Client] = {}

    def at(self, url: str = "") -> Client:
        """The client of one replica; of the first, where none is named."""
        url = url or self.urls[0]
        if url not in self._clients:
            self._clients[url] = Client(url, self._key, retries=_RETRIES)
        return self._clients[url]

    def model(self, url: str = "") -> dict[str, Any]:
        """What a replica says of its model: version, digest and contract; empty without one."""
        said = self.state(url)
        return said if said.get("version") is not None else {}

    def state(self, url: str = "") -> dict[str, Any]:
        """The same, also of a replica that has no model; it may have refused one."""
        return self.at(url).model()

    def versions(self) -> dict[str, int | None]:
        """The version that each replica answers with."""
        return {url: self.model(url).get("version") for url in self.urls}

    def predict(self, row: Mapping[str, Any], *, explain: bool = False) -> dict[str, Any]:
        """One prediction: `prediction_id`, `prediction`, `model_version`; `low` and `high`.

        The ends are there where the model has a range. With `explain` there is also
        `contributions`, None where the model cannot say.

        Raises:
            BadRow: the row does not fit the live model's contract.
        """
        path = "/predict?explain=true" if explain else "/predict"
        return self.at().ask("POST", path, dict(row))

    def check(self, url: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Ask one replica off the record: `model_version`, `digest` and `predictions`.

        Raises:
            BadRow: a row does not fit the contract of the model that it answers with.
        """
        return self.at(url).check(rows)

    def predict_batch(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A prediction for each row, in their order.

        Raises:
            BadRow: some row does not fit the live model's contract; none was predicted.
        """
        return self.at().predict_batch(rows)

    def feedback(self, prediction_id: str, actual: float) -> None:
        """Say what an answer should have been.

        Raises:
            BadRow: it is no id, or no number.
        """
        self.at().feedback(prediction_id, actual)

    def look(self, url: str, secret: str) -> bool:
        """Tell a replica to look at the registry at once; whether it was reached and listens."""
        try:
            return self.at(url).look(secret)
        except ServingUnavailable:
            return False
