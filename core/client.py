"""A client of one serving API, for this project and for anybody else's Python.

::

    client = Client("http://127.0.0.1:8000")
    answer = client.predict({"bed": 3, "house_size": 1500})
    client.feedback(answer.prediction_id, 250_000)

It keeps its connection, waits as long as `Retry-After` says when serving is too busy, and turns
every refusal into an error of `core.errors`. What was sent and not answered is not sent again:
that may have been answered already, and stands on record.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from core import trace
from core.errors import BadRow, KeyRefused, ServingUnavailable
from core.notice import signature

SECONDS = 5.0
_BATCH_SECONDS = 60.0
_LONGEST_WAIT = 10
_LOT = 5_000

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One prediction, in the target's unit, and the version that gave it.

    `low` and `high` are the ends of its range, None for a model without one; `contributions` says
    what pushed it, where that was asked for and can be said.
    """

    prediction_id: str
    prediction: float
    model_version: int
    low: float | None = None
    high: float | None = None
    contributions: dict[str, Any] | None = None


class Client:
    """One serving API at one address.

    Every verb raises `ServingUnavailable` when serving is away, has no model, or is still too busy
    after `retries` more tries, and `KeyRefused` when it does not know the API key.
    """

    def __init__(
        self, url: str, key: str = "", *, seconds: float = SECONDS, retries: int = 3
    ) -> None:
        self.url = url.rstrip("/")
        self._seconds = seconds
        self._session = requests.Session()
        if key:
            self._session.headers["authorization"] = f"Bearer {key}"
        # Only what a server says to try again is tried again, and when it says so.
        patient = Retry(
            total=retries,
            connect=retries,
            read=False,
            redirect=False,
            other=False,
            status=retries,
            allowed_methods=None,
            raise_on_status=False,
            backoff_factor=0.1,
            retry_after_max=_LONGEST_WAIT,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=patient))

    def predict(self, row: Row, *, explain: bool = False) -> Answer:
        """One prediction.

        Raises:
            BadRow: the row does not fit the live model.
        """
        return Answer(**self.ask("POST", _predict(explain=explain), dict(row)))

    def predict_many(self, rows: Iterable[Row]) -> Iterator[Answer | BadRow]:
        """An answer for each row in order, or what is wrong with it, however many there are.

        One version answers each lot of 5,000 rows.
        """
        lot: list[bytes] = []
        for row in rows:
            lot.append(json.dumps(dict(row)).encode() + b"\n")
            if len(lot) == _LOT:
                yield from self._stream(lot)
                lot = []
        if lot:
            yield from self._stream(lot)

    def feedback(self, prediction_id: str, actual: float) -> None:
        """Say what an answer should have been, in the target's unit.

        Raises:
            BadRow: it is no id, or no number.
        """
        self.ask("POST", "/feedback", {"prediction_id": prediction_id, "actual": actual})

    def model(self) -> dict[str, Any]:
        """What it says of its model: version, digest, training, contract; what it refused."""
        return self.ask("GET", "/model")

    def schema(self) -> dict[str, Any]:
        """The JSON schema of a row of the live model."""
        return self.ask("GET", "/schema")

    def look(self, secret: str) -> bool:
        """Tell it to look at the registry at once; says whether it listens."""
        body = b"{}"
        uid, stamp = f"look-{time.time_ns()}", int(time.time())
        headers = {
            "content-type": "application/json",
            "webhook-id": uid,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signature(secret, uid, stamp, body),
        }
        answer = self._request("POST", "/model/look", body, headers, self._seconds)
        return bool(answer.status_code == requests.codes.accepted)

    def ask(self, method: str, path: str, body: Any = None, seconds: float = 0.0) -> dict[str, Any]:
        """Any call that takes and gives JSON.

        Raises:
            BadRow: what was sent breaks a rule; each field is named.
        """
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        headers = {"content-type": "application/json"} if content else {}
        answer = self._request(method, path, content, headers, seconds or self._seconds)
        return dict(self._read(answer))

    def check(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Answers off the record: `model_version`, `digest` and `predictions`.

        Raises:
            BadRow: a row does not fit the live model.
        """
        return self.ask("POST", "/predict/check", {"rows": [dict(row) for row in rows]})

    def predict_batch(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """A prediction for each row, in their order.

        Raises:
            BadRow: some row does not fit the live model; none was predicted.
        """
        body = {"rows": [dict(row) for row in rows]}
        return list(self.ask("POST", "/predict/batch", body, _BATCH_SECONDS)["predictions"])

    def _stream(self, lot: list[bytes]) -> Iterator[Answer | BadRow]:
        headers = {"content-type": "application/x-ndjson"}
        answer = self._request("POST", "/predict/batch", b"".join(lot), headers, _BATCH_SECONDS)
        if answer.status_code != requests.codes.ok:
            self._read(answer)
        lines = answer.content.splitlines()
        if len(lines) != len(lot):
            raise ServingUnavailable(
                f"Serving at {self.url} broke off after {len(lines):,} of {len(lot):,} rows."
            )
        for line in lines:
            said = json.loads(line)
            yield BadRow(_problems(said)) if "errors" in said else Answer(**said)

    def _request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], seconds: float
    ) -> requests.Response:
        try:
            return self._session.request(
                method,
                self.url + path,
                data=body,
                headers=headers | _asked_by(),
                timeout=seconds,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise ServingUnavailable(
                f"Serving at {self.url} did not answer. See the Services page, or check "
                "SERVING_URL."
            ) from error

    def _read(self, answer: requests.Response) -> dict[str, Any]:
        """What an answer says, or the refusal in our words."""
        try:
            content = answer.json()
            said = dict(content)
        except (ValueError, TypeError) as error:
            raise ServingUnavailable(
                f"Serving at {self.url} answers no JSON; something else may run there."
            ) from error
        if answer.ok:
            return said
        detail = str(said.get("detail", answer.status_code))
        if answer.status_code == requests.codes.unauthorized:
            raise KeyRefused(f"Serving at {self.url}: {detail} Set SERVING_KEY.")
        if answer.status_code in (400, 413, 422):
            raise BadRow(_problems(said) or {"request": detail})
        raise ServingUnavailable(f"Serving at {self.url}: {detail}")


def _asked_by() -> dict[str, str]:
    """What joins the call to what it is made for: a trace, whose id names the request as well."""
    here = trace.here()
    return {trace.HEADER: here, "x-request-id": trace.trace_id(here)} if here else {}


def _predict(*, explain: bool) -> str:
    return "/predict?explain=true" if explain else "/predict"


def _problems(said: Mapping[str, Any]) -> dict[str, str]:
    """Each wrong field with its rule, from a problem's errors."""
    found = {}
    for entry in said.get("errors") or []:
        parts = str(entry.get("pointer", "")).removeprefix("#/").split("/")
        names = [part.replace("~1", "/").replace("~0", "~") for part in parts]
        if len(names) > 1 and names[0] == "rows":
            names = [f"rows[{names[1]}]", *names[2:]]
        found[".".join(names) or "request"] = str(entry.get("detail", ""))
    return found
