"""MLflow's scoring requests: rows from its four documented shapes. Pure.

NaN, which MLflow's client sends for a missing value, is null.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from serving.problems import Problem

SHAPES: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")


def rows_of(document: Any, columns: Sequence[str]) -> list[Any]:
    """The rows of a request; rows without names have the values of `columns`, in that order.

    Raises:
        Problem: the body has none of the shapes.
    """
    given = [shape for shape in SHAPES if isinstance(document, dict) and shape in document]
    if len(given) != 1:
        raise Problem(400, f"The body must have one of the fields {', '.join(SHAPES)}.")
    (shape,) = given
    content = document[shape]
    if shape == "dataframe_split":
        rows = _split(content)
    elif shape == "inputs" and isinstance(content, dict):
        rows = _by_column(content)
    elif isinstance(content, list):
        rows = [row if isinstance(row, dict) else _named(row, columns) for row in content]
    else:
        raise Problem(400, f"{shape} must be an array of rows.")
    if not rows:
        raise Problem(400, f"{shape} has no rows.")
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def response(version: int, answers: Sequence[Any], *, warns: bool) -> dict[str, Any]:
    """The answer to a scoring request; with `warns` it has a list of warnings for each row."""
    content: dict[str, Any] = {
        "predictions": [answer.prediction for answer in answers],
        "prediction_ids": [answer.prediction_id for answer in answers],
        "model_version": version,
    }
    warnings = {"warnings": [answer.warnings or [] for answer in answers]} if warns else {}
    return content | warnings


def _split(content: Any) -> list[dict[str, Any]]:
    columns = content.get("columns") if isinstance(content, dict) else None
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(columns, list) or not isinstance(data, list):
        raise Problem(400, "dataframe_split must have columns and data.")
    if not all(isinstance(name, str) for name in columns):
        raise Problem(400, "The columns of dataframe_split must be names.")
    return [_named(row, columns) for row in data]


def _by_column(content: dict[str, Any]) -> list[dict[str, Any]]:
    columns = {
        name: values if isinstance(values, list) else [values] for name, values in content.items()
    }
    if len({len(values) for values in columns.values()}) > 1:
        raise Problem(400, "The columns of inputs must have one number of values.")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _named(row: Any, columns: Sequence[str]) -> dict[str, Any]:
    if not isinstance(row, list) or len(row) != len(columns):
        raise Problem(400, f"A row must have a value for each of {', '.join(columns)}.")
    return dict(zip(columns, row, strict=True))


def _plain(value: Any) -> Any:
    """A value of one row and column: [v], as a tensor of shape [n, 1] has it, is v."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return None if value != value else value  # noqa: PLR0124 - NaN
