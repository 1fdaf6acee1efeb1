"""The parts of an OpenAPI document: types, and routes with what they answer."""

from __future__ import annotations

from typing import Any, Final

from serving.http.row_schema import Schema
from serving.problems import MEDIA_TYPE

JSON: Final = "application/json"

_PROBLEMS = {
    400: "The body is not JSON, or not UTF-8",
    401: "The API key is missing or invalid",
    403: "The API key is for other datasets",
    404: "There is no such dataset, or its version is not live",
    408: "The body did not arrive in time",
    413: "Too large, before or after decoding",
    415: "The Content-Encoding is not gzip",
    422: "Invalid input; `errors` names each field with its rule",
    429: "Rate limit exceeded; see Retry-After",
    503: "No model is live, or the server is overloaded; see Retry-After",
    507: "The disk is full",
}
POST_ERRORS: Final = (400, 401, 408, 413, 415, 422, 429, 503)
"""What each route that takes a body may answer."""


def ref(name: str) -> Schema:
    """A named schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def typed(name: str | list[str], description: str = "", **more: Any) -> Schema:
    """A schema of this JSON type."""
    return {"type": name, **({"description": description} if description else {}), **more}


def array(items: Schema, **more: Any) -> Schema:
    """An array of such items."""
    return {"type": "array", "items": items, **more}


def record(required: Schema, **optional: Schema) -> Schema:
    """An object with these fields."""
    return {"type": "object", "required": list(required), "properties": required | optional}


def flag(name: str, description: str) -> Schema:
    """A query parameter that is true or false."""
    schema = typed("boolean", default=False)
    return {"name": name, "in": "query", "description": description, "schema": schema}


WARN: Final = flag(
    "warnings", "Also return warnings about values outside of what the model was trained on."
)

PROBLEM: Final[Schema] = {MEDIA_TYPE: {"schema": ref("Problem")}}
"""How serving's own routes tell an error."""


def response(description: str, schema: Schema, media: str = JSON) -> Schema:
    """An answer with a body of this schema."""
    return {"description": description, "content": {media: {"schema": schema}}}


def get_route(
    summary: str, ok: Schema, *errors: int, told: Schema = PROBLEM, **more: Any
) -> Schema:
    """A GET route: what it answers, and the status codes of its errors, told as `told`."""
    return {"get": {"summary": summary, **more, "responses": {"200": ok} | _told(errors, told)}}


def post_route(
    summary: str,
    body: Schema,
    ok: Schema,
    *,
    errors: tuple[int, ...] = POST_ERRORS,
    status: int = 200,
    told: Schema = PROBLEM,
    **more: Any,
) -> Schema:
    """A POST route, which may want an API key; `body` is a schema by media type."""
    content = {media: {"schema": schema} for media, schema in body.items()}
    operation = {
        "summary": summary,
        **more,
        "requestBody": {"required": True, "content": content},
        "security": [{}, {"key": []}],
        "responses": {str(status): ok} | _told(errors, told),
    }
    return {"post": operation}


def _told(errors: tuple[int, ...], told: Schema) -> Schema:
    return {str(code): {"description": _PROBLEMS[code], "content": told} for code in errors}
