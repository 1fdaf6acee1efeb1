"""`POST /predict`: one row in, one answer out, on the fast path."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool

from core.domain.errors import BadRow
from core.platform import tracing
from core.rules.model.contract import read_row
from core.rules.model.unusual_values import unusual
from serving.http.answers import NO_ANSWER, AnswerLog, answer_for
from serving.http.asked import Asked
from serving.model.live_model import LiveModel
from serving.model.loaded import is_finite
from serving.model.micro_batch import MicroBatch
from serving.problems import Problem, row_errors

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


@dataclass(slots=True)
class Predict:
    """Validates a row, predicts it in a micro-batch and logs the answer."""

    live_model: LiveModel
    micro_batch: MicroBatch
    log: AnswerLog

    async def __call__(self, body: bytes, asked: Asked) -> bytes:
        """The answer to a body, as JSON; it is on disk before this returns.

        Raises:
            Problem: no model is live, the row is invalid, or too many requests are waiting.
        """
        model = self.live_model.require()
        row = read_json(body)
        if not isinstance(row, dict):
            raise Problem(422, "The body must be an object of fields.")
        try:
            inputs = read_row(model.runtime.contract, row, typed=True)
        except BadRow as error:
            errors = row_errors(error.problems)
            raise Problem(422, "The row does not fit the live model.", errors) from None
        value = await self.micro_batch.predict(model, inputs)
        if not is_finite(value):
            raise Problem(422, f"{NO_ANSWER.capitalize()}.")
        answer = answer_for(model, value)
        if asked.warnings:
            answer.warnings = unusual(model.runtime.contract, inputs)
        if asked.explain:
            explanation = await run_in_threadpool(model.runtime.explain, inputs)
            answer.contributions = explanation.to_document() if explanation else None
        self.log.record(model, (row,), (answer,), asked.caller)
        if tracing.is_on():
            tracing.note(prediction=answer.prediction_id)
        return _encode(answer)


def read_json(body: bytes) -> Any:
    """The parsed body; NaN and out-of-range numbers are left to validation, to name their field.

    Raises:
        Problem: it is not JSON.
    """
    try:
        return _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # the standard library accepts more, and says where an error is
    try:
        return json.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Problem(400, f"The body is not UTF-8: byte {error.start} is invalid.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(400, f"The body is not JSON: {error.msg} at {where}.") from None
    except (ValueError, RecursionError):
        raise Problem(400, "The body is nested too deeply or has too long a number.") from None
