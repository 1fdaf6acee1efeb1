"""The OpenAPI document; the schema of a row comes from the live model's contract."""

from __future__ import annotations

import copy
from typing import Any

import msgspec

from core.rules.model.contract import Contract
from serving.http.feedback import MAX_ENTRIES, reported_as
from serving.http.row_schema import Schema, row_schema
from serving.http.stream import Format
from serving.model.loaded import LoadedModel
from serving.problems import MEDIA_TYPE

_JSON = "application/json"
_STREAMS = tuple(Format)


def openapi(model: LoadedModel | None, root: str = "") -> Schema:
    """The API's description; `model` is the live model, if there is one.

    `root` is what precedes the paths, such as /datasets/NAME.
    """
    about = f"Version {model.version} is live." if model else "No model is live yet."
    contract = model.runtime.contract if model else None
    row: Schema = row_schema(contract) if contract else {"type": "object"}
    document: Schema = {
        "openapi": "3.1.0",
        "info": {"title": "driftdesk serving", "version": "1", "description": about},
        "components": {
            "schemas": _SCHEMAS | _answers(contract) | {"Row": row},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "paths": _PATHS,
    }
    if root:
        document["servers"] = [{"url": root}]
        own = {path: about for path, about in _PATHS.items() if path not in _OF_THE_PROCESS}
        document["paths"] = own
    # msgspec encodes NaN, which a model file may contain, as null.
    plain: Schema = msgspec.json.decode(msgspec.json.encode(document))
    return plain


def _answers(contract: Contract | None) -> Schema:
    """The schemas of answers and of feedback for the live model's task; without one, for all."""
    if contract is None:
        return {"ClassPrediction": _CLASS_PREDICTION, "Feedback": _feedback(_ACTUAL)}
    if not contract.classes:
        return {}
    label = {"enum": list(contract.classes), "description": "The class that is answered."}
    prediction = copy.deepcopy(_CLASS_PREDICTION)
    prediction["properties"]["prediction"] = label
    values = [value for known in contract.classes for value in reported_as(known)]
    feedback = _feedback({"enum": values, "description": "The actual class."})
    return {"Prediction": prediction, "Feedback": feedback}


def _feedback(actual: Schema) -> Schema:
    return _object({"prediction_id": _ID, "actual": actual}) | {"additionalProperties": False}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _type(name: str | list[str], description: str = "", **more: Any) -> Schema:
    return {"type": name, **({"description": description} if description else {}), **more}


def _array(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def _object(required: Schema, **optional: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": required | optional}


_ID = _type("string", format="uuid")
_TEXT, _NUMBER, _INTEGER = _type("string"), _type("number"), _type("integer")

_OBJECT = _type("object")

_CONTRIBUTIONS = _type(
    ["object", "null"],
    "Feature contributions, if explain=true asked for them. On the scale value, baseline plus all "
    "effects is the prediction; on log, log(1 + baseline) plus all effects is log(1 + prediction); "
    "on log_odds, log(baseline / (1 - baseline)) plus all effects is the log odds of the class "
    "`of`.",
    properties={
        "scale": {"enum": ["log", "value", "log_odds"]},
        "of": _type("string", "The class that the contributions are about."),
        "baseline": _NUMBER,
        "fields": _array(_type("object", properties={"field": _TEXT, "effect": _NUMBER})),
    },
)

_CLASS_PREDICTION = _object(
    {
        "prediction_id": _ID,
        "prediction": _type("string", "The class that is answered."),
        "model_version": _INTEGER,
        "probabilities": _type(
            "object", "The probability of each class.", additionalProperties=_NUMBER
        ),
    },
    set=_array(_TEXT, description="The prediction set, if the model has prediction sets."),
    contributions=_CONTRIBUTIONS,
) | {"description": "The answer of a classifier, instead of Prediction."}

_ACTUAL = _type(
    ["number", "string", "boolean"],
    "The actual value; for a classifier the class: its name, a whole number, true or false.",
)

_SCHEMAS: Schema = {
    "Prediction": _object(
        {"prediction_id": _ID, "prediction": _NUMBER, "model_version": _INTEGER},
        low=_type("number", "Lower end of the interval, if the model has one."),
        high=_type("number", "Upper end of the interval."),
        contributions=_CONTRIBUTIONS,
    ),
    "Problem": _object(
        {"type": _TEXT, "title": _TEXT, "status": _INTEGER, "detail": _TEXT},
        errors=_array(
            _object(
                {
                    "pointer": _type("string", "The invalid field, as #/name."),
                    "detail": _type("string", "The rule that it broke."),
                }
            )
        ),
    )
    | {"description": "Problem details (RFC 9457)."},
    "Rows": _object({"rows": _array(_ref("Row"), minItems=1)}),
    "Predictions": _object({"predictions": _array(_ref("Prediction"), minItems=1)}),
    "Checked": _object(
        {
            "model_version": _INTEGER,
            "digest": _TEXT,
            "predictions": _array(
                _type(["number", "array"], "For a classifier, the probability of each class.")
            ),
        }
    ),
    "Feedback": _feedback(_type("number", "The actual value.")),
    "Model": _object(
        {
            "version": _type(["integer", "null"]),
            "alias": _type("string", "The alias that serving follows."),
            "digest": _type(["string", "null"], "SHA-256 of the model file, in hex."),
            "loaded_at": _type(["string", "null"], format="date-time"),
            "refused": _type(["object", "null"], "The version that could not be loaded, and why."),
            "trouble": _type("string", "Why the registry is unreachable."),
        },
        confirmed=_type("boolean", "Whether the desk's record names the live model's file."),
        notice=_type("string", "How registry and record differ, or which is unreachable."),
        database=_type("string", "Why the database is unreachable."),
        trained=_type("object", "When and on what it was trained, and its scores."),
        contract=_type("object", "Each field, with its usual values."),
    ),
}

_PROBLEMS = {
    400: "The body is not JSON, or not UTF-8",
    401: "The API key is missing or invalid",
    403: "The API key is for other datasets",
    404: "Not enabled on this server",
    408: "The body did not arrive in time",
    413: "Too large, before or after decoding",
    415: "The Content-Encoding is not gzip",
    422: "Invalid input; `errors` names each field with its rule",
    429: "Rate limit exceeded; see Retry-After",
    503: "No model is live, or the server is overloaded; see Retry-After",
    507: "The disk is full",
}
_POST_PROBLEMS = (400, 401, 408, 413, 415, 422, 429, 503)


def _response(description: str, schema: Schema, media: str = _JSON) -> Schema:
    return {"description": description, "content": {media: {"schema": schema}}}


def _get(summary: str, ok: Schema, *problems: int) -> Schema:
    return {"get": {"summary": summary, "responses": _responses(200, ok, *problems)}}


def _post(
    summary: str, body: Schema, ok: Schema, *problems: int, status: int = 200, **more: Any
) -> Schema:
    """A POST route; `body` is a schema by media type."""
    content = {media: {"schema": schema} for media, schema in body.items()}
    operation = {
        "summary": summary,
        **more,
        "requestBody": {"required": True, "content": content},
        "security": [{}, {"key": []}],
        "responses": _responses(status, ok, *_POST_PROBLEMS, *problems),
    }
    return {"post": operation}


def _responses(status: int, ok: Schema, *problems: int) -> Schema:
    problem = _ref("Problem")
    return {str(status): ok} | {
        str(code): _response(_PROBLEMS[code], problem, MEDIA_TYPE) for code in problems
    }


_EXPLAIN = {
    "name": "explain",
    "in": "query",
    "description": "Also return feature contributions.",
    "schema": _type("boolean", default=False),
}
_PREDICTIONS = _response("A prediction for each row", _ref("Predictions"))
for _media in _STREAMS:
    _PREDICTIONS["content"][_media] = {"schema": _TEXT}
_FEEDBACK = [_ref("Feedback"), _array(_ref("Feedback"), minItems=1, maxItems=MAX_ENTRIES)]

_OF_THE_PROCESS = ("/health/live", "/health/ready", "/metrics")

_PATHS: Schema = {
    "/predict": _post(
        "Predict one row",
        {_JSON: _ref("Row")},
        _response("The prediction, and the version that made it", _ref("Prediction")),
        parameters=[_EXPLAIN],
    ),
    "/predict/batch": _post(
        "Predict many rows",
        {_JSON: _ref("Rows")} | dict.fromkeys(_STREAMS, _TEXT),
        _PREDICTIONS,
        507,
        description="JSON returns all predictions, or none if a row is invalid. NDJSON and CSV are "
        "for larger batches: they return one line per row, in order, and an invalid row gets a "
        "line with its errors. One version answers the whole batch.",
    ),
    "/predict/check": _post(
        "Predict up to 32 rows without logging them, to verify a model swap",
        {_JSON: _ref("Rows")},
        _response("The predictions, and the digest of the model file", _ref("Checked")),
    ),
    "/feedback": _post(
        "Report the actual value, or the class, for a prediction",
        {_JSON: {"oneOf": _FEEDBACK}},
        _response(
            "Accepted; it counts once the prediction is in the database",
            _type("object", properties={"accepted": _INTEGER}),
        ),
        status=202,
    ),
    "/model": _get(
        "The live model: version, digest, training and contract",
        _response("The live model", _ref("Model")),
    ),
    "/schema": _get(
        "The JSON schema of a row",
        _response("Draft 2020-12", _OBJECT, "application/schema+json"),
        503,
    ),
    "/health/live": _get("The process is up", _response("The process is up", _OBJECT)),
    "/health/ready": _get("A model is live", _response("A model is live", _OBJECT), 503),
    "/metrics": _get("Metrics for Prometheus", _response("Text format 0.0.4", _TEXT, "text/plain")),
}
