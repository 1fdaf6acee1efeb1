"""A client of one serving API, for this project and for any other Python program.

::

    client = Client("http://127.0.0.1:8000")
    answer = client.predict(row)  # the fields that GET /schema lists
    client.feedback(answer.prediction_id, 250_000)

It keeps its connection, waits as long as `Retry-After` says when serving is overloaded, and turns
every refusal into an error of `core.domain.errors`. A request that got no answer is not sent again,
because it may have been answered and logged.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from itertools import islice
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from core.adapters.serving.request_json import as_json
from core.domain.errors import BadRow, KeyRefused, ServingUnavailable
from core.domain.serving_headers import ACTOR
from core.platform import tracing
from core.rules.ops.notification import signature

SECONDS = 5.0
_BATCH_SECONDS = 60.0
_LONGEST_WAIT = 10
_STREAM_ROWS = 5_000
_INVALID = (400, 413, 422)

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One prediction, and the version that made it.

    It is a number in the target's unit, or a label with the `probabilities` of all classes. `low`
    and `high` are the prediction interval, `set` the prediction set, None if the model has none;
    `contributions` are the feature contributions, if they were requested and can be computed;
    `warnings` are about values outside of what the model was trained on, None if not requested.
    """

    prediction_id: str
    prediction: float | str
    model_version: int
    low: float | None = None
    high: float | None = None
    contributions: dict[str, Any] | None = None
    probabilities: dict[str, float] | None = None
    set: list[str] | None = None
    warnings: list[str] | None = None


class Client:
    """One serving API at one address, of one dataset.

    `dataset` is needed only where serving has several; without it the only or the default one
    answers.

    Every method raises `ServingUnavailable` if serving is unreachable, has no model, or is still
    overloaded after `retries` retries, and `KeyRefused` if it does not accept the API key.
    """

    def __init__(
        self,
        url: str,
        key: str = "",
        dataset: str = "",
        *,
        seconds: float = SECONDS,
        retries: int = 3,
    ) -> None:
        self.url = url.rstrip("/")
        self._base = f"{self.url}/datasets/{quote(dataset, safe='')}" if dataset else self.url
        self._seconds = seconds
        self._session = requests.Session()
        if key:
            self._session.headers["authorization"] = f"Bearer {key}"
        # Only failed connections and responses with Retry-After are retried.
        retry = Retry(
            total=retries,
            read=False,
            redirect=False,
            other=False,
            allowed_methods=None,
            raise_on_status=False,
            backoff_factor=0.1,
            retry_after_max=_LONGEST_WAIT,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def predict(self, row: Row, *, explain: bool = False, warnings: bool = False) -> Answer:
        """One prediction, with feature contributions or warnings if they are requested.

        Raises:
            BadRow: the row does not fit the live model.
        """
        return Answer(**self.predict_document(row, explain=explain, warnings=warnings))

    def predict_document(
        self, row: Row, *, explain: bool = False, warnings: bool = False, actor: str = ""
    ) -> dict[str, Any]:
        """One prediction as the JSON object that serving sends: see `Answer`; absent fields are so.

        `actor` is recorded as the one who asked, beside the API key's name.

        Raises:
            BadRow: the row does not fit the live model.
        """
        path = _with_flags("/predict", explain=explain, warnings=warnings)
        return self.ask("POST", path, dict(row), actor=actor)

    def predict_many(
        self, rows: Iterable[Row], *, warnings: bool = False
    ) -> Iterator[Answer | BadRow]:
        """An answer for each row in order, or its errors, for any number of rows.

        One version answers each 5,000 rows. A row that JSON cannot represent is not sent.
        """
        rest = iter(rows)
        while lines := [_line(row) for row in islice(rest, _STREAM_ROWS)]:
            sent = [line for line in lines if isinstance(line, bytes)]
            answers = self._stream(sent, warnings=warnings) if sent else iter(())
            for line in lines:
                yield next(answers) if isinstance(line, bytes) else line

    def feedback(self, prediction_id: str, actual: float | str) -> None:
        """Report the actual value for a prediction: in the target's unit, or the class.

        Raises:
            BadRow: the id or the value is invalid, or the live model knows no such class.
        """
        self.ask("POST", "/feedback", {"prediction_id": prediction_id, "actual": actual})

    def model(self) -> dict[str, Any]:
        """The live model: version, digest, training, contract; and the version that was refused."""
        return self.ask("GET", "/model")

    def schema(self) -> dict[str, Any]:
        """The JSON schema of a row of the live model."""
        return self.ask("GET", "/schema")

    def refresh(self, secret: str) -> bool:
        """Tell it to query the registry at once; returns whether it accepts that."""
        body = b"{}"
        uid, stamp = f"look-{time.time_ns()}", int(time.time())
        headers = {
            "content-type": "application/json",
            "webhook-id": uid,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signature(secret, uid, stamp, body),
        }
        response = self._request("POST", "/model/look", body, headers, self._seconds)
        return response.status_code == HTTPStatus.ACCEPTED

    def ask(
        self, method: str, path: str, body: Any = None, seconds: float = 0.0, actor: str = ""
    ) -> dict[str, Any]:
        """Any call that takes and returns JSON, for this actor.

        Raises:
            BadRow: the body breaks a rule, or JSON cannot represent it; each field is named.
        """
        content = None if body is None else as_json(body)
        headers = {"content-type": "application/json"} if content else {}
        if actor:
            headers[ACTOR] = quote(actor)
        return self._read(self._request(method, path, content, headers, seconds or self._seconds))

    def check(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Predict without logging: `model_version`, `digest` and `predictions`.

        Raises:
            BadRow: a row does not fit the live model.
        """
        return self.ask("POST", "/predict/check", {"rows": [dict(row) for row in rows]})

    def predict_batch(
        self, rows: Sequence[Row], *, warnings: bool = False, actor: str = ""
    ) -> list[dict[str, Any]]:
        """A prediction for each row, in their order; `actor` as in `predict_document`.

        Raises:
            BadRow: some row does not fit the live model; none was predicted.
        """
        body = {"rows": [dict(row) for row in rows]}
        path = _with_flags("/predict/batch", warnings=warnings)
        return list(self.ask("POST", path, body, _BATCH_SECONDS, actor)["predictions"])

    def _stream(self, lines: list[bytes], *, warnings: bool) -> Iterator[Answer | BadRow]:
        headers = {"content-type": "application/x-ndjson"}
        path = _with_flags("/predict/batch", warnings=warnings)
        response = self._request("POST", path, b"".join(lines), headers, _BATCH_SECONDS)
        if not response.ok:
            self._read(response)
        answers = response.content.splitlines()
        if len(answers) != len(lines):
            raise ServingUnavailable(
                f"Serving at {self.url} broke off after {len(answers):,} of {len(lines):,} rows."
            )
        for answer in map(json.loads, answers):
            yield BadRow(_problems(answer)) if "errors" in answer else Answer(**answer)

    def _request(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str], seconds: float
    ) -> requests.Response:
        if trace := tracing.here():
            headers |= {tracing.HEADER: trace, "x-request-id": tracing.trace_id(trace)}
        url = self._base + path
        try:
            return self._session.request(
                method, url, data=body, headers=headers, timeout=seconds, allow_redirects=False
            )
        except requests.RequestException as error:
            raise ServingUnavailable(
                f"Serving at {self.url} did not answer. Check that it runs, and SERVING_URL."
            ) from error

    def _read(self, response: requests.Response) -> dict[str, Any]:
        """The JSON object of a response; a refusal is raised."""
        try:
            document = dict(response.json())
        except (ValueError, TypeError) as error:
            raise ServingUnavailable(
                f"Serving at {self.url} answers no JSON; something else may run there."
            ) from error
        if response.ok:
            return document
        detail = str(document.get("detail", response.status_code))
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            raise KeyRefused(f"Serving at {self.url}: {detail} Set SERVING_KEY.")
        if response.status_code in _INVALID:
            raise BadRow(_problems(document) or {"request": detail})
        raise ServingUnavailable(f"Serving at {self.url}: {detail}")


def _with_flags(path: str, **flags: bool) -> str:
    wanted = "&".join(f"{name}=true" for name, is_wanted in flags.items() if is_wanted)
    return f"{path}?{wanted}" if wanted else path


def _line(row: Row) -> bytes | BadRow:
    try:
        return as_json(dict(row)) + b"\n"
    except BadRow as error:
        return error


def _problems(document: Mapping[str, Any]) -> dict[str, str]:
    """Each invalid field with its rule, from a problem's errors; a batch's as `rows[1].bed`."""
    problems = {}
    for entry in document.get("errors") or []:
        parts = str(entry.get("pointer", "")).removeprefix("#/").split("/")
        names = [part.replace("~1", "/").replace("~0", "~") for part in parts]
        if len(names) > 1 and names[0] == "rows":
            names = [f"rows[{names[1]}]", *names[2:]]
        problems[".".join(names) or "request"] = str(entry.get("detail", ""))
    return problems
