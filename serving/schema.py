"""The OpenAPI document, made from the live model's contract so that it is always true."""

from __future__ import annotations

from typing import Any

from core.contract import LONGEST_TEXT, Contract, Field
from core.dataset import ColumnType
from serving.model import LiveModel

_SHOWN_CATEGORIES = 20


def openapi(live: LiveModel | None) -> dict[str, Any]:
    """The API's description; the row's fields are those of the live model, if there is one."""
    row = row_schema(live.runtime.contract) if live else {"type": "object"}
    about = f"Version {live.version} is live." if live else "No model is live yet."
    prediction = {
        "type": "object",
        "required": ["prediction_id", "prediction", "model_version"],
        "properties": {
            "prediction_id": {"type": "string", "format": "uuid"},
            "prediction": {"type": "number"},
            "model_version": {"type": "integer"},
            **_BESIDE,
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "driftdesk serving", "version": "1", "description": about},
        "components": {"schemas": {"Row": row, "Prediction": prediction, "Problem": _PROBLEM}},
        "paths": {
            "/predict": {
                "post": _post("Predict one row", _ref("Row"), _ref("Prediction"))
                | {"parameters": [_EXPLAIN]}
            },
            "/predict/batch": {
                "post": _post(
                    "Predict many rows",
                    _list_of("rows", "Row"),
                    _list_of("predictions", "Prediction"),
                )
            },
            "/predict/check": {
                "post": _post(
                    "Predict up to 32 rows off the record, to see that a swap is done",
                    _list_of("rows", "Row"),
                    _CHECKED,
                )
            },
            "/model": {"get": _get("The live model: version, digest and contract")},
            "/health/live": {"get": _get("The process is up")},
            "/health/ready": {"get": _get("A model is live") | _NOT_READY},
        },
    }


def row_schema(contract: Contract) -> dict[str, Any]:
    """The JSON schema of one row."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [f.name for f in contract.fields if not f.nullable],
        "properties": {f.name: _field(f) for f in contract.fields},
    }


def _field(field: Field) -> dict[str, Any]:
    about: dict[str, Any] = {"title": field.label}
    if field.unit:
        about["description"] = f"In {field.unit}."
    if field.type is ColumnType.NUMBER:
        kind = {"type": "number"}
        if field.minimum is not None:
            about["minimum"] = field.minimum
    elif field.type is ColumnType.DATE:
        kind = {"type": "string"}
        about["format"] = "date"
    else:
        kind = {"type": "string"}
        about["maxLength"] = LONGEST_TEXT
        if field.categories:
            shown = ", ".join(field.categories[:_SHOWN_CATEGORIES])
            about["description"] = f"Seen in training: {shown}, …"
    if field.nullable:
        kind = {"type": [kind["type"], "null"]}  # type: ignore[dict-item]
    if field.default is not None:
        about["examples"] = [field.default]
    return kind | about


_CHECKED = {
    "type": "object",
    "required": ["model_version", "digest", "predictions"],
    "properties": {
        "model_version": {"type": "integer"},
        "digest": {"type": "string"},
        "predictions": {"type": "array", "items": {"type": "number"}},
    },
}

_BESIDE = {
    "low": {"type": "number", "description": "The low end of the range, if the model has one."},
    "high": {"type": "number", "description": "The high end of the range."},
    "contributions": {
        "type": ["object", "null"],
        "description": "What pushed the answer up or down, where explain=true asked for it. On "
        "the scale value, baseline plus all effects is the prediction; on log, log(1 + baseline) "
        "plus all effects is log(1 + prediction).",
        "properties": {
            "scale": {"enum": ["log", "value"]},
            "baseline": {"type": "number"},
            "fields": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"field": {"type": "string"}, "effect": {"type": "number"}},
                },
            },
        },
    },
}

_EXPLAIN = {
    "name": "explain",
    "in": "query",
    "description": "Also say what pushed the answer up or down.",
    "schema": {"type": "boolean", "default": False},
}

_PROBLEM = {
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {"type": "string"},
        "problems": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(key: str, name: str) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [key],
        "properties": {key: {"type": "array", "items": _ref(name)}},
    }


def _json(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _get(summary: str) -> dict[str, Any]:
    return {"summary": summary, "responses": {"200": _json({"type": "object"}, summary)}}


_NOT_READY = {
    "responses": {
        "200": _json({"type": "object"}, "A model is live"),
        "503": _json(_ref("Problem"), "No model is live"),
    }
}


def _post(summary: str, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": _json(answer, "The answer, with the version that gave it"),
            "413": _json(_ref("Problem"), "Too large"),
            "422": _json(_ref("Problem"), "The row breaks the contract; says where"),
            "503": _json(_ref("Problem"), "No model is live"),
        },
    }
