"""The OpenAPI document; the schema of a row comes from the live model's contract."""

from __future__ import annotations

import copy

import msgspec

from core.rules.model.contract import Contract
from serving.http.feedback import MAX_ENTRIES, reported_as
from serving.http.openapi_parts import (
    JSON,
    POST_ERRORS,
    WARN,
    array,
    flag,
    get_route,
    post_route,
    record,
    ref,
    response,
    typed,
)
from serving.http.protocol_openapi import INVOCATIONS, PROTOCOL_PATHS, PROTOCOL_SCHEMAS
from serving.http.row_schema import Schema, row_schema
from serving.http.stream import Format
from serving.model.loaded import LoadedModel

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
            "schemas": _SCHEMAS | PROTOCOL_SCHEMAS | _answers(contract) | {"Row": row},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "paths": OF_A_DATASET | OF_THE_PROCESS,
    }
    if root:
        document |= {"servers": [{"url": root}], "paths": OF_A_DATASET}
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
    return record({"prediction_id": _ID, "actual": actual}) | {"additionalProperties": False}


_ID = typed("string", format="uuid")
_TEXT, _NUMBER, _INTEGER = typed("string"), typed("number"), typed("integer")

_OBJECT = typed("object")

_CONTRIBUTIONS = typed(
    ["object", "null"],
    "Feature contributions, if explain=true asked for them. On the scale value, baseline plus all "
    "effects is the prediction; on log, log(1 + baseline) plus all effects is log(1 + prediction); "
    "on log_odds, log(baseline / (1 - baseline)) plus all effects is the log odds of the class "
    "`of`.",
    properties={
        "scale": {"enum": ["log", "value", "log_odds"]},
        "of": typed("string", "The class that the contributions are about."),
        "baseline": _NUMBER,
        "fields": array(typed("object", properties={"field": _TEXT, "effect": _NUMBER})),
    },
)

_WARNINGS = array(
    _TEXT,
    description="If warnings=true asked for them: a sentence for each number outside of the usual "
    "range of the training rows, and for each text that none of them has. Empty without any.",
)

_CLASS_PREDICTION = record(
    {
        "prediction_id": _ID,
        "prediction": typed("string", "The class that is answered."),
        "model_version": _INTEGER,
        "probabilities": typed(
            "object", "The probability of each class.", additionalProperties=_NUMBER
        ),
    },
    set=array(_TEXT, description="The prediction set, if the model has prediction sets."),
    contributions=_CONTRIBUTIONS,
    warnings=_WARNINGS,
) | {"description": "The answer of a classifier, instead of Prediction."}

_ACTUAL = typed(
    ["number", "string", "boolean"],
    "The actual value; for a classifier the class: its name, a whole number, true or false.",
)

_SCHEMAS: Schema = {
    "Prediction": record(
        {"prediction_id": _ID, "prediction": _NUMBER, "model_version": _INTEGER},
        low=typed("number", "Lower end of the interval, if the model has one."),
        high=typed("number", "Upper end of the interval."),
        contributions=_CONTRIBUTIONS,
        warnings=_WARNINGS,
    ),
    "Problem": record(
        {"type": _TEXT, "title": _TEXT, "status": _INTEGER, "detail": _TEXT},
        errors=array(
            record(
                {
                    "pointer": typed("string", "The invalid field, as #/name."),
                    "detail": typed("string", "The rule that it broke."),
                }
            )
        ),
    )
    | {"description": "Problem details (RFC 9457)."},
    "Rows": record({"rows": array(ref("Row"), minItems=1)}),
    "Predictions": record({"predictions": array(ref("Prediction"), minItems=1)}),
    "Checked": record(
        {
            "model_version": _INTEGER,
            "digest": _TEXT,
            "predictions": array(
                typed(["number", "array"], "For a classifier, the probability of each class.")
            ),
        }
    ),
    "Feedback": _feedback(typed("number", "The actual value.")),
    "Datasets": record(
        {
            "datasets": array(
                record(
                    {
                        "name": _TEXT,
                        "title": _TEXT,
                        "default": typed("boolean", "Whether paths without a dataset mean it."),
                        "path": typed("string", "What precedes its paths."),
                        "model_version": typed(["integer", "null"]),
                        "notice": _TEXT,
                        "refused": typed("string", "The version that could not be loaded."),
                        "trouble": typed("string", "Why the registry is unreachable."),
                        "problem": typed("string", "What is wrong with its file."),
                    }
                )
            )
        },
        problems=typed("object", "Files that are not served, each with its reason."),
    ),
    "Model": record(
        {
            "version": typed(["integer", "null"]),
            "alias": typed("string", "The alias that serving follows."),
            "digest": typed(["string", "null"], "SHA-256 of the model file, in hex."),
            "loaded_at": typed(["string", "null"], format="date-time"),
            "refused": typed(["object", "null"], "The version that could not be loaded, and why."),
            "trouble": typed("string", "Why the registry is unreachable."),
        },
        confirmed=typed("boolean", "Whether the desk's record names the live model's file."),
        notice=typed("string", "How registry and record differ, or which is unreachable."),
        database=typed("string", "Why the database is unreachable."),
        trained=typed("object", "When and on what it was trained, and its scores."),
        contract=typed("object", "Each field, with its usual values."),
    ),
}


_EXPLAIN = flag("explain", "Also return feature contributions.")
_PREDICTIONS = response("A prediction for each row", ref("Predictions"))
for _media in _STREAMS:
    _PREDICTIONS["content"][_media] = {"schema": _TEXT}
_FEEDBACK = [ref("Feedback"), array(ref("Feedback"), minItems=1, maxItems=MAX_ENTRIES)]

OF_A_DATASET: Schema = {
    "/predict": post_route(
        "Predict one row",
        {JSON: ref("Row")},
        response("The prediction, and the version that made it", ref("Prediction")),
        parameters=[_EXPLAIN, WARN],
    ),
    "/predict/batch": post_route(
        "Predict many rows",
        {JSON: ref("Rows")} | dict.fromkeys(_STREAMS, _TEXT),
        _PREDICTIONS,
        errors=(*POST_ERRORS, 507),
        parameters=[WARN],
        description="JSON returns all predictions, or none if a row is invalid. NDJSON and CSV are "
        "for larger batches: they return one line per row, in order, and an invalid row gets a "
        "line with its errors. One version answers the whole batch.",
    ),
    "/predict/check": post_route(
        "Predict up to 32 rows without logging them, to verify a model swap",
        {JSON: ref("Rows")},
        response("The predictions, and the digest of the model file", ref("Checked")),
    ),
    "/feedback": post_route(
        "Report the actual value, or the class, for a prediction",
        {JSON: {"oneOf": _FEEDBACK}},
        response(
            "Accepted; it counts once the prediction is in the database",
            typed("object", properties={"accepted": _INTEGER}),
        ),
        status=202,
    ),
    "/invocations": INVOCATIONS,
    "/model": get_route(
        "The live model: version, digest, training and contract",
        response("The live model", ref("Model")),
    ),
    "/schema": get_route(
        "The JSON schema of a row",
        response("Draft 2020-12", _OBJECT, "application/schema+json"),
        503,
    ),
}
"""The paths about one dataset."""

OF_THE_PROCESS: Schema = {
    "/datasets": get_route(
        "The datasets that are served, each with its state",
        response("The datasets", ref("Datasets")),
    ),
    "/health/live": get_route("The process is up", response("The process is up", _OBJECT)),
    "/health/ready": get_route("A model is live", response("A model is live", _OBJECT), 503),
    "/metrics": get_route(
        "Metrics for Prometheus", response("Text format 0.0.4", _TEXT, "text/plain")
    ),
} | PROTOCOL_PATHS
"""The paths about the process, and about the model of a dataset by its name."""
