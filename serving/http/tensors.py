"""The Open Inference Protocol's tensors: rows from inputs, outputs from answers. Pure.

A model's inputs are its columns: one tensor for each, of shape [n] or [n, 1]. A value that is
missing is null, or NaN in a tensor of numbers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from core.domain.dataset import ColumnType
from core.rules.model.contract import Contract
from serving.problems import Problem

Tensor = dict[str, Any]

_TYPES: Final = {
    ColumnType.NUMBER: "FP64",
    ColumnType.DATE: "BYTES",
    ColumnType.CATEGORY: "BYTES",
    ColumnType.CODE: "BYTES",
    ColumnType.BOOLEAN: "BOOL",
    ColumnType.TIMESTAMP: "BYTES",
}
"""The datatype of a column in the metadata; a request may use another one that fits."""


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_FITS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "BOOL": lambda value: isinstance(value, bool),
    "BYTES": lambda value: isinstance(value, str),
    **dict.fromkeys(
        [f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)], _is_whole
    ),
    **dict.fromkeys(
        ("FP16", "FP32", "FP64"), lambda value: _is_whole(value) or isinstance(value, float)
    ),
}


def metadata(name: str, version: int, contract: Contract) -> dict[str, Any]:
    """What a model takes and gives."""
    inputs = [
        {"name": field.name, "datatype": _TYPES[field.type], "shape": [-1]}
        for field in contract.fields
    ]
    return {
        "name": name,
        "versions": [str(version)],
        "platform": "driftdesk_onnx",
        "inputs": inputs,
        "outputs": _outputs(contract),
    }


def _outputs(contract: Contract) -> list[Tensor]:
    id_ = {"name": "prediction_id", "datatype": "BYTES", "shape": [-1]}
    if contract.classes:
        shape = [-1, len(contract.classes)]
        return [
            {"name": "prediction", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": shape},
            id_,
        ]
    names = ("prediction", "low", "high") if contract.interval else ("prediction",)
    return [*({"name": name, "datatype": "FP64", "shape": [-1]} for name in names), id_]


def rows_of(document: Any) -> list[dict[str, Any]]:
    """The rows of an inference request.

    Raises:
        Problem: it is not one, or a tensor's datatype, shape and data do not go together.
    """
    inputs = document.get("inputs") if isinstance(document, dict) else None
    if not isinstance(inputs, list) or not inputs:
        raise Problem(400, 'The body must be {"inputs": [tensor, …]} with at least one tensor.')
    columns: dict[str, list[Any]] = {}
    for place, tensor in enumerate(inputs):
        name = tensor.get("name") if isinstance(tensor, dict) else None
        if not isinstance(name, str):
            raise Problem(400, f"inputs[{place}] must be a tensor with a name.")
        if name in columns:
            raise Problem(400, f"There are two tensors {name!r}.")
        columns[name] = _values(name, tensor)
    counts = {len(values) for values in columns.values()}
    if len(counts) > 1:
        raise Problem(400, "The tensors must have one number of rows, the first of their shape.")
    if counts == {0}:
        raise Problem(400, "The tensors must have at least one row.")
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(name: str, tensor: Tensor) -> list[Any]:
    """A tensor's values, one for each row.

    Raises:
        Problem: its datatype, shape and data do not go together.
    """
    datatype, shape, data = tensor.get("datatype"), tensor.get("shape"), tensor.get("data")
    fits = _FITS.get(datatype) if isinstance(datatype, str) else None
    if fits is None:
        raise Problem(400, f"The datatype of {name!r} must be one of {', '.join(_FITS)}.")
    if not isinstance(data, list):
        raise Problem(
            400, f"The data of {name!r} must be an array of JSON values, not binary data."
        )
    if (
        not shape
        or not isinstance(shape, list)
        or not all(map(_is_whole, shape))
        or shape[1:] not in ([], [1])
    ):
        raise Problem(400, f"The shape of {name!r} must be [n] or [n, 1]: one value for each row.")
    values = [v[0] if isinstance(v, list) and len(v) == 1 else v for v in data]
    if len(values) != shape[0]:
        raise Problem(
            400, f"The data of {name!r} has {len(values):,} values, its shape {shape[0]:,}."
        )
    for row, value in enumerate(values):
        if value is None or value != value:  # noqa: PLR0124 - NaN
            values[row] = None
        elif not fits(value):
            raise Problem(400, f"Value {row} of {name!r} is no {datatype}.")
    return values


_WARNINGS: Final[Tensor] = {"name": "warnings", "datatype": "BYTES", "shape": [-1]}
"""An output that a request asks for by its query: a text for each row, empty without warnings."""


def outputs_wanted(document: Any, contract: Contract, *, warns: bool = False) -> list[str]:
    """The names of the outputs that a request asks for; without any all of the model's.

    With `warns` the warnings are the last one.

    Raises:
        Problem: the model has no such output.
    """
    known = [output["name"] for output in _outputs(contract)]
    asked = document.get("outputs") or []
    if not isinstance(asked, list):
        raise Problem(400, "outputs must be an array of objects with a name.")
    names = [str(output.get("name")) if isinstance(output, dict) else "" for output in asked]
    for wanted in names:
        if wanted not in known:
            raise Problem(400, f"There is no output {wanted!r}. Outputs: {', '.join(known)}.")
    return [*(names or known), *([_WARNINGS["name"]] if warns else [])]


def response(
    head: dict[str, Any], wanted: Sequence[str], contract: Contract, answers: Sequence[Any]
) -> dict[str, Any]:
    """The inference response: `head`, and the outputs that are wanted."""
    outputs = [output for output in (*_outputs(contract), _WARNINGS) if output["name"] in wanted]
    return head | {"outputs": [_filled(output, contract, answers) for output in outputs]}


def _filled(output: Tensor, contract: Contract, answers: Sequence[Any]) -> Tensor:
    """An output with its shape and data; probabilities are in the order of the classes."""
    name, shape = output["name"], [len(answers), *output["shape"][1:]]
    if name == _WARNINGS["name"]:
        data = [" ".join(answer.warnings or ()) for answer in answers]
        return output | {"shape": shape, "data": data}
    if name != "probabilities":
        return output | {"shape": shape, "data": [getattr(answer, name) for answer in answers]}
    data = [value for answer in answers for value in answer.probabilities.values()]
    # A parameter is a text, a number or a boolean.
    classes = {"classes": json.dumps(contract.classes)}
    return output | {"shape": shape, "parameters": classes, "data": data}
