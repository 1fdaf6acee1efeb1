"""Errors as each protocol has them: problem details, the Open Inference Protocol's, MLflow's."""

from __future__ import annotations

from http import HTTPStatus
from itertools import islice
from typing import Final

import msgspec

from serving.problems import MEDIA_TYPE, Problem

_JSON: Final = "application/json"
_MOST_SHOWN = 10


def error_answer(route: str, problem: Problem) -> tuple[int, str, bytes]:
    """The status, media type and body of a problem on this route."""
    if route == "/invocations":
        document = {"error_code": _mlflow_code(problem.status), "message": _text(problem)}
        return _status(problem), _JSON, msgspec.json.encode(document)
    if route.startswith("/v2"):
        return _status(problem), _JSON, msgspec.json.encode({"error": _text(problem)})
    return int(problem.status), MEDIA_TYPE, problem.body()


def _status(problem: Problem) -> int:
    """Both protocols answer an input that does not fit with 400."""
    invalid = problem.status is HTTPStatus.UNPROCESSABLE_ENTITY
    return int(HTTPStatus.BAD_REQUEST if invalid else problem.status)


def _mlflow_code(status: HTTPStatus) -> str:
    if status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
        return "BAD_REQUEST"
    return status.name


def _text(problem: Problem) -> str:
    """The sentence and each invalid field with its rule, as one text."""
    shown = [f"{at[1:]} {rule}" for at, rule in islice(problem.errors.items(), _MOST_SHOWN)]
    left = len(problem.errors) - len(shown)
    more = [f"and {left:,} more"] if left else []
    return " ".join([problem.detail, *(["; ".join([*shown, *more]) + "."] if shown else [])])
