"""The OpenAPI description of the Open Inference Protocol's REST calls, and of MLflow's scoring."""

from __future__ import annotations

from typing import Any, Final

from serving.http.invocations import SHAPES
from serving.http.openapi_parts import (
    JSON,
    WARN,
    array,
    get_route,
    post_route,
    record,
    ref,
    response,
    typed,
)
from serving.http.row_schema import Schema

_TEXT, _BOOLEAN, _INTEGER = typed("string"), typed("boolean"), typed("integer")
_POST_ERRORS = (400, 401, 408, 413, 415, 429, 503)
"""Both protocols answer an invalid row with 400."""

_OIP_ERROR: Schema = {JSON: {"schema": ref("InferenceError")}}
_MLFLOW_ERROR: Schema = {JSON: {"schema": ref("ScoringError")}}

_TENSOR = {
    "name": _TEXT,
    "datatype": typed("string", "Such as FP64, INT64, BOOL or BYTES."),
    "shape": array(_INTEGER),
}

PROTOCOL_SCHEMAS: Final[Schema] = {
    "InferenceError": record({"error": _TEXT}),
    "ModelMetadata": record(
        {
            "name": typed("string", "The dataset."),
            "versions": array(_TEXT),
            "platform": _TEXT,
            "inputs": array(record(_TENSOR)),
            "outputs": array(record(_TENSOR)),
        }
    ),
    "InferenceRequest": record(
        {"inputs": array(record(_TENSOR | {"data": array({})}), minItems=1)},
        id=_TEXT,
        outputs=array(record({"name": _TEXT})),
    ),
    "InferenceResponse": record(
        {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "outputs": array(record(_TENSOR | {"data": array({})})),
        },
        id=_TEXT,
    ),
    "Scored": record(
        {
            "predictions": array(typed(["number", "string"])),
            "prediction_ids": array(typed("string", format="uuid")),
            "model_version": _INTEGER,
        },
        warnings=array(array(_TEXT), description="If warnings=true asked for them."),
    ),
    "ScoringError": record({"error_code": _TEXT, "message": _TEXT}),
}

INVOCATIONS: Final[Schema] = post_route(
    "Predict many rows, as a client of MLflow's scoring server asks",
    {JSON: {"oneOf": [record({shape: {"type": ["array", "object"]}}) for shape in SHAPES]}},
    response("The predictions, and their ids for feedback", ref("Scored")),
    errors=_POST_ERRORS,
    told=_MLFLOW_ERROR,
    parameters=[WARN],
)


def _parameter(name: str, pattern: str, description: str) -> Schema:
    schema = typed("string", pattern=pattern)
    return {
        "name": name, "in": "path", "required": True, "description": description, "schema": schema,
    }  # fmt: skip


def _of_a_model() -> Schema:
    """The calls about one model; with a version, while that is live."""
    name = _parameter("name", "^[a-z][a-z0-9_]*$", "The dataset.")
    version = _parameter("version", "^[1-9][0-9]{0,8}$", "The version that is live.")
    paths: Schema = {}
    for base, parameters in (
        ("/v2/models/{name}", [name]),
        ("/v2/models/{name}/versions/{version}", [name, version]),
    ):
        shared: dict[str, Any] = {"told": _OIP_ERROR, "parameters": parameters}
        infer = shared | {"parameters": [*parameters, WARN]}
        paths |= {
            base: get_route(
                "What a model takes and returns",
                response("Its inputs and outputs", ref("ModelMetadata")),
                *(401, 404, 503),
                **shared,
            ),
            f"{base}/ready": get_route(
                "Whether a model is live",
                response("It is live", record({"name": _TEXT, "ready": _BOOLEAN})),
                *(401, 404, 503),
                **shared,
            ),
            f"{base}/infer": post_route(
                "Predict many rows, as the Open Inference Protocol asks",
                {JSON: ref("InferenceRequest")},
                response("The outputs", ref("InferenceResponse")),
                errors=(*_POST_ERRORS, 404),
                **infer,
            ),
        }
    return paths


PROTOCOL_PATHS: Final[Schema] = {
    "/v2": get_route(
        "Name and version of the server",
        response("The server", record({"name": _TEXT, "version": _TEXT})),
    ),
    "/v2/health/live": get_route(
        "The process is up", response("The process is up", record({"live": _BOOLEAN}))
    ),
    "/v2/health/ready": get_route(
        "A model is live",
        response("A model is live", record({"live": _BOOLEAN, "ready": _BOOLEAN})),
        503,
        told={JSON: {"schema": typed("object")}},
    ),
    **_of_a_model(),
}
