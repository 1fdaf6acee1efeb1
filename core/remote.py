"""The HTTP neighbours as their callers see them: serving, and anything that has a health page."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests

from core.errors import BadRow, ServingUnavailable

_SECONDS = 5.0
_BATCH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What a health page answered, the start of its text, and how long it took in seconds."""

    healthy: bool
    seconds: float
    says: str
    body: str = ""


def probe(url: str, seconds: float = 3.0) -> Probe:
    """Look at a health page; never raises."""
    start = time.perf_counter()
    try:
        answer = requests.get(url, timeout=seconds, allow_redirects=False)
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
    """The replicas of the serving API, named by their base URLs.

    Every verb raises `ServingUnavailable` when a replica that it needs is away.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = tuple(urls)
        self._session = requests.Session()

    def model(self, url: str = "") -> dict[str, Any]:
        """What a replica says of its model: version, digest and contract; empty without one."""
        answer = self._call("GET", url or self.urls[0], "/model")
        return dict(answer) if answer.get("version") is not None else {}

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
        return dict(self._call("POST", self.urls[0], path, dict(row)))

    def check(self, url: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Ask one replica off the record: `model_version`, `digest` and `predictions`.

        Raises:
            BadRow: a row does not fit the contract of the model that it answers with.
        """
        return self._call("POST", url, "/predict/check", {"rows": [dict(row) for row in rows]})

    def predict_batch(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """A prediction for each row, in their order.

        Raises:
            BadRow: some row does not fit the live model's contract; none was predicted.
        """
        body = {"rows": [dict(row) for row in rows]}
        answer = self._call("POST", self.urls[0], "/predict/batch", body, _BATCH_SECONDS)
        return list(answer["predictions"])

    def _call(
        self, method: str, url: str, path: str, body: Any = None, seconds: float = _SECONDS
    ) -> dict[str, Any]:
        try:
            answer = self._session.request(
                method, url + path, json=body, timeout=seconds, allow_redirects=False
            )
            content: dict[str, Any] = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise ServingUnavailable(
                f"Serving at {url} did not answer. See the Services page, or check SERVING_URL."
            ) from error
        if answer.status_code == requests.codes.unprocessable:
            problems = content.get("problems") or {"request": content.get("detail", "was refused")}
            raise BadRow({str(k): str(v) for k, v in problems.items()})
        if answer.status_code >= requests.codes.bad_request and path != "/model":
            raise ServingUnavailable(
                f"Serving at {url}: {content.get('detail', answer.status_code)}"
            )
        return content
