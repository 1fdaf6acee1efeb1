"""The OpenAPI document, made from the live model's contract so that it is always true."""

from __future__ import annotations

from typing import Any

import msgspec

from core.contract import LONGEST_TEXT, Contract, Field
from core.dataset import ColumnType
from core.records import figure
from serving.feedback import MOST as MOST_FEEDBACK
from serving.model import LiveModel
from serving.problems import MEDIA_TYPE

_SHOWN_CATEGORIES = 20
_LARGEST_CODE = 2**53 - 1
_NO_NUL = "^[^\\u0000]*$"

Schema = dict[str, Any]


def openapi(live: LiveModel | None) -> Schema:
    """The API's description; the row's fields are those of the live model, if there is one."""
    about = f"Version {live.version} is live." if live else "No model is live yet."
    row: Schema = row_schema(live.runtime.contract) if live else {"type": "object"}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "driftdesk serving", "version": "1", "description": about},
        "components": {
            "schemas": _SCHEMAS | {"Row": row},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "paths": _PATHS,
    }
    # A figure that is no number, as a file may carry one, is null.
    plain: Schema = msgspec.json.decode(msgspec.json.encode(document))
    return plain


def document(live: LiveModel) -> Schema:
    """One row of the live model as a JSON schema of its own."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": live.runtime.contract.title,
        "description": f"A row of version {live.version}, which is live.",
        **row_schema(live.runtime.contract),
    }


def row_schema(contract: Contract) -> Schema:
    """The JSON schema of one row."""
    example = {f.name: f.default for f in contract.fields if f.default is not None}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [f.name for f in contract.fields if not f.nullable],
        "properties": {f.name: _field(f) for f in contract.fields},
        "examples": [example],
    }


def _field(field: Field) -> Schema:
    kinds = {
        ColumnType.NUMBER: ["number"],
        ColumnType.DATE: ["string"],
        ColumnType.CATEGORY: ["string"],
        ColumnType.CODE: ["string", "integer"],
    }[field.type]
    about: Schema = {
        "title": field.label,
        "type": [*kinds, "null"] if field.nullable else kinds,
        "description": " ".join(_sentences(field)),
    }
    if field.type is ColumnType.NUMBER:
        if field.minimum is not None:
            about["minimum"] = field.minimum
    elif field.type is ColumnType.DATE:
        about["format"] = "date"
    else:
        about |= {"maxLength": LONGEST_TEXT, "pattern": _NO_NUL}
        if not field.nullable:
            about["minLength"] = 1
        if field.type is ColumnType.CODE:
            about |= {"minimum": -_LARGEST_CODE, "maximum": _LARGEST_CODE}
    if field.default is not None:
        about["examples"] = [field.default]
    return about


def _sentences(field: Field) -> list[str]:
    """What a person wants to know of a field: its unit, what is usual, what was seen."""
    said = [f"In {field.unit}."] if field.unit else []
    if field.low is not None and field.high is not None and field.type is ColumnType.NUMBER:
        said.append(f"Usually {figure(field.low)} to {figure(field.high)}.")
    if field.type is ColumnType.CODE:
        said.append("A number that is a name: with or without leading zeros.")
    if field.categories:
        shown = ", ".join(field.categories[:_SHOWN_CATEGORIES])
        more = ", …" if len(field.categories) > _SHOWN_CATEGORIES else ""
        said.append(f"Seen in training: {shown}{more}.")
    if field.nullable:
        said.append("May be left out.")
    return said


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(key: str, name: str) -> Schema:
    items = {"type": "array", "items": _ref(name), "minItems": 1}
    return {"type": "object", "required": [key], "properties": {key: items}}


def _json(schema: Schema, description: str, media: str = "application/json") -> Schema:
    return {"description": description, "content": {media: {"schema": schema}}}


def _problems(*statuses: int) -> Schema:
    said = {
        400: "The body is not JSON, or not UTF-8",
        401: "An API key is asked for, and this is none",
        404: "It is not listened to here",
        408: "The body did not come",
        413: "Too large",
        422: "Something breaks a rule; says where, and which",
        429: "Too often; Retry-After says when to ask again",
        503: "No model is live, or too much at once; Retry-After says when to ask again",
        507: "No room on the disk",
    }
    return {str(s): _json(_ref("Problem"), said[s], MEDIA_TYPE) for s in statuses}


_PREDICTION: Schema = {
    "type": "object",
    "required": ["prediction_id", "prediction", "model_version"],
    "properties": {
        "prediction_id": {"type": "string", "format": "uuid"},
        "prediction": {"type": "number"},
        "model_version": {"type": "integer"},
        "low": {"type": "number", "description": "The low end of the range, if the model has one."},
        "high": {"type": "number", "description": "The high end of the range."},
        "contributions": {
            "type": ["object", "null"],
            "description": "What pushed the answer up or down, where explain=true asked for it. On "
            "the scale value, baseline plus all effects is the prediction; on log, "
            "log(1 + baseline) plus all effects is log(1 + prediction).",
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
    },
}

_PROBLEM: Schema = {
    "type": "object",
    "description": "A problem, as RFC 9457 has it.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "Which field, as #/name."},
                    "detail": {"type": "string", "description": "The rule that it broke."},
                },
            },
        },
    },
}

_SCHEMAS: Schema = {
    "Prediction": _PREDICTION,
    "Problem": _PROBLEM,
    "Rows": _list_of("rows", "Row"),
    "Predictions": _list_of("predictions", "Prediction"),
    "Checked": {
        "type": "object",
        "required": ["model_version", "digest", "predictions"],
        "properties": {
            "model_version": {"type": "integer"},
            "digest": {"type": "string"},
            "predictions": {"type": "array", "items": {"type": "number"}},
        },
    },
    "Feedback": {
        "type": "object",
        "additionalProperties": False,
        "required": ["prediction_id", "actual"],
        "properties": {
            "prediction_id": {"type": "string", "format": "uuid"},
            "actual": {"type": "number", "description": "What it turned out to be."},
        },
    },
    "Model": {
        "type": "object",
        "required": ["version", "alias", "digest", "loaded_at", "refused", "trouble"],
        "properties": {
            "version": {"type": ["integer", "null"]},
            "alias": {"type": "string", "description": "The alias that it follows."},
            "digest": {"type": ["string", "null"], "description": "SHA-256 of the file, in hex."},
            "loaded_at": {"type": ["string", "null"], "format": "date-time"},
            "refused": {"type": ["object", "null"], "description": "What was not taken, and why."},
            "trouble": {"type": "string", "description": "Why the registry cannot be asked."},
            "database": {"type": "string", "description": "Why the database takes no records."},
            "trained": {"type": "object", "description": "When and on what; how well it does."},
            "contract": {"type": "object", "description": "Each field, with what is usual."},
        },
    },
}

_EXPLAIN = {
    "name": "explain",
    "in": "query",
    "description": "Also say what pushed the answer up or down.",
    "schema": {"type": "boolean", "default": False},
}


def _body(schema: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _get(summary: str, schema: Schema, **more: Schema) -> Schema:
    return {"get": {"summary": summary, "responses": {"200": _json(schema, summary)} | more}}


_TEXT = {"type": "string"}
_NDJSON = "application/x-ndjson"

_PATHS: Schema = {
    "/predict": {
        "post": {
            "summary": "Predict one row",
            "parameters": [_EXPLAIN],
            "requestBody": _body(_ref("Row")),
            "security": [{}, {"key": []}],
            "responses": {"200": _json(_ref("Prediction"), "The answer, and the version it is of")}
            | _problems(400, 401, 408, 413, 422, 429, 503),
        }
    },
    "/predict/batch": {
        "post": {
            "summary": "Predict many rows",
            "description": "JSON gets all answers, or none where a row does not fit. NDJSON and "
            "CSV are for more rows than fit a document: a line for each row comes back, in order, "
            "and one that does not fit is answered with what is wrong with it. One version answers "
            "from first to last.",
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": _ref("Rows")},
                    _NDJSON: {"schema": _TEXT},
                    "text/csv": {"schema": _TEXT},
                },
            },
            "security": [{}, {"key": []}],
            "responses": {
                "200": {
                    "description": "An answer for each row",
                    "content": {
                        "application/json": {"schema": _ref("Predictions")},
                        _NDJSON: {"schema": _TEXT},
                        "text/csv": {"schema": _TEXT},
                    },
                }
            }
            | _problems(400, 401, 408, 413, 422, 429, 503, 507),
        }
    },
    "/predict/check": {
        "post": {
            "summary": "Predict up to 32 rows off the record, to see that a swap is done",
            "requestBody": _body(_ref("Rows")),
            "security": [{}, {"key": []}],
            "responses": {"200": _json(_ref("Checked"), "The answers, and the file they are of")}
            | _problems(400, 401, 408, 413, 422, 429, 503),
        }
    },
    "/feedback": {
        "post": {
            "summary": "Say what an answer should have been",
            "requestBody": _body(
                {
                    "oneOf": [
                        _ref("Feedback"),
                        {
                            "type": "array",
                            "items": _ref("Feedback"),
                            "minItems": 1,
                            "maxItems": MOST_FEEDBACK,
                        },
                    ]
                }
            ),
            "security": [{}, {"key": []}],
            "responses": {
                "202": _json(
                    {"type": "object", "properties": {"accepted": {"type": "integer"}}},
                    "Kept; it counts once the prediction is on record",
                )
            }
            | _problems(400, 401, 408, 413, 422, 429, 503),
        }
    },
    "/model": _get("The live model: version, digest, training and contract", _ref("Model")),
    "/schema": {
        "get": {
            "summary": "The JSON schema of a row",
            "responses": {
                "200": _json({"type": "object"}, "Draft 2020-12", "application/schema+json")
            }
            | _problems(503),
        }
    },
    "/health/live": _get("The process is up", {"type": "object"}),
    "/health/ready": _get("A model is live", {"type": "object"}, **_problems(503)),
    "/metrics": {
        "get": {
            "summary": "Figures for Prometheus",
            "responses": {"200": _json(_TEXT, "Text format 0.0.4", "text/plain")},
        }
    },
}
