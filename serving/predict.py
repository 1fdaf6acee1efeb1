"""`POST /predict`: one row in, one answer out, by the shortest way there is."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool

from core import trace
from core.contract import read_row
from core.errors import BadRow
from serving.metrics import Metrics
from serving.model import LiveModel
from serving.problems import Problem, no_model, row_errors
from serving.record import prediction_lines
from serving.slot import Slot
from serving.spool import Spool
from serving.together import Together

_NO_ANSWER = "The model has no finite answer for this row."


class Answer(msgspec.Struct, omit_defaults=True):
    """What a caller gets for one row; the range stands there where the model has one."""

    prediction_id: str
    prediction: float
    model_version: int
    low: float | None = None
    high: float | None = None
    contributions: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET


class Predict:
    """Reads a row, asks the live model together with whoever else waits, and records the answer."""

    def __init__(self, slot: Slot, together: Together, spool: Spool, metrics: Metrics) -> None:
        self._slot = slot
        self._together = together
        self._spool = spool
        self._metrics = metrics

    async def __call__(self, body: bytes, *, explain: bool) -> bytes:
        """The answer to a body, as JSON. It is on disk before it is given.

        Raises:
            Problem: there is no model, the row does not fit it, or too many wait.
        """
        model = self._slot.live
        if model is None:
            raise no_model()
        row = read_json(body)
        inputs = read_inputs(model, row)
        value = await self._together.ask(model, inputs)
        if not math.isfinite(value):
            raise Problem(422, _NO_ANSWER)
        answer = answer_of(model, value)
        if explain:
            explained = await run_in_threadpool(model.runtime.explain, inputs)
            answer.contributions = explained.to_document() if explained else None
        record = (answer.prediction_id, row, value, beside(model, answer))
        self._spool.add(prediction_lines(model.version, [record]))
        self._metrics.answered(model.version)
        if trace.is_on():
            trace.note(version=model.version, prediction=answer.prediction_id)
            trace.link(model.trace)
        return _encode(answer)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def read_json(body: bytes) -> Any:
    """What a body says.

    Raises:
        Problem: it is not JSON.
    """
    try:
        return _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _read_leniently(body)


def _read_leniently(body: bytes) -> Any:
    """The same with NaN, Infinity and numbers beyond every float, whose field can be named then."""
    try:
        return json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Problem(400, f"The body is not UTF-8: byte {error.start} is wrong.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(400, f"The body is not JSON: {error.msg} at {where}.") from None
    except (ValueError, RecursionError):
        raise Problem(400, "The body is JSON of a kind that no row has.") from None


def read_inputs(model: LiveModel, row: Any) -> Mapping[str, float | str]:
    """A row as the model takes it.

    Raises:
        Problem: it does not fit; each field is named with its rule.
    """
    if not isinstance(row, dict):
        raise Problem(422, "The body must be an object of fields.")
    try:
        return read_row(model.runtime.contract, row, typed=True)
    except BadRow as error:
        raise Problem(
            422, "The row does not fit the live model.", row_errors(error.problems)
        ) from None


def answer_of(model: LiveModel, value: float) -> Answer:
    """One answer, with its range and an id of its own."""
    interval = model.runtime.contract.interval
    low, high = interval.bounds(value) if interval else (None, None)
    return Answer(new_id(), value, model.version, low, high)


def new_id() -> str:
    """A random UUID (version 4), in a quarter of the time that `uuid` takes."""
    h = os.urandom(16).hex()
    return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{'89ab'[int(h[16], 16) & 3]}{h[17:20]}-{h[20:]}"


def beside(model: LiveModel, answer: Answer) -> dict[str, Any] | None:
    """What is recorded with an answer: its range, how often that holds, and what pushed it."""
    kept: dict[str, Any] = {}
    interval = model.runtime.contract.interval
    if interval:
        kept = {"low": answer.low, "high": answer.high, "coverage": interval.coverage()}
    if answer.contributions is not msgspec.UNSET:
        kept["contributions"] = answer.contributions
    return kept or None
