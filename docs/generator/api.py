"""The reference of the serving API, from its OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from docs.generator.markdown import blocks, code, table
from serving.http.openapi import openapi
from serving.problems import Problem, row_errors

_INTRO = """\
# Serving API

Serving publishes its OpenAPI document at `/openapi.json` and a page at `/docs`; both include the
schema of a row of the live model, which depends on your dataset and is omitted here.
[Request predictions](../serving.md) shows each call with curl and Python. With `SERVING_KEYS` set,
calls marked *key* need `Authorization: Bearer KEY`. Other paths and methods return 404 or 405."""

_PROBLEMS = """\
## Problems

Errors are problem details (RFC 9457), type `application/problem+json`. `errors` is present if
fields are invalid, and names each one by a JSON pointer, with the rule that it broke."""

_ID = "7f2c9e40-5b1d-4c57-9a3e-0f3b8f0f6a11"
_ROW = {"bed": 3, "bath": 2, "house_size": 1500, "state": "Connecticut"}
_NOTICE = "The registry names no champion; version 1 stays live by the record."
_ANSWER = {"prediction_id": _ID, "prediction": 244310.0, "model_version": 1}

EXAMPLES: dict[tuple[str, str], tuple[Any, Any]] = {
    ("post", "/predict"): (_ROW, _ANSWER),
    ("post", "/predict/batch"): ({"rows": [_ROW]}, {"predictions": [_ANSWER]}),
    ("post", "/predict/check"): (
        {"rows": [_ROW]},
        {"model_version": 1, "digest": "5f70bf18…", "predictions": [244310.0]},
    ),
    ("post", "/feedback"): ({"prediction_id": _ID, "actual": 250000}, {"accepted": 1}),
    ("get", "/health/ready"): (None, {"status": "ok", "model_version": 1, "notice": _NOTICE}),
    ("get", "/health/live"): (None, {"status": "ok"}),
}
"""Requests and responses; a test checks that the real API returns responses of this form."""

PROBLEM: tuple[Any, dict[str, Any]] = (
    {"bed": -1, "ghost": 1},
    Problem(
        422,
        "The row does not fit the live model.",
        row_errors({"bed": "must be at least 0", "ghost": "this model takes no such field"}),
    ).document(),
)
"""An invalid request and its response."""


def render() -> str:
    """The page."""
    document = openapi(None)
    calls = list(operations(document))
    rows = [
        # The anchor is the one that GitHub and the site both make.
        [f"[`{method.upper()} {path}`](#{method}-{path.replace('/', '').lower()})",
         "key" if operation.get("security") else "", operation["summary"]]
        for method, path, operation in calls
    ]  # fmt: skip
    schemas = document["components"]["schemas"]
    return blocks(
        _INTRO,
        table(["call", "", "description"], rows),
        *(_operation(*call) for call in calls),
        _PROBLEMS,
        _exchange(*PROBLEM),
        "## Schemas",
        *(_schema(name, schemas[name]) for name in sorted(schemas) if name != "Row"),
    )


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation of each call; a name in the path is in capitals."""
    for path, methods in document["paths"].items():
        shown = re.sub(r"\{(\w+)\}", lambda name: name[1].upper(), path)
        for method, operation in methods.items():
            yield method, shown, operation


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    summary = f"{operation['summary']}. {operation.get('description', '')}"
    parts = [f"## `{method.upper()} {path}`", summary]
    if parameters := operation.get("parameters"):
        rows = [
            [code(p["name"]), p["in"], _type(p["schema"]), p.get("description", "")]
            for p in parameters
        ]
        parts.append(table(["parameter", "in", "type", "description"], rows))
    if body := operation.get("requestBody"):
        parts.append("Body: " + _content(body["content"]) + ".")
    rows = [
        [code(status), _content(answer.get("content", {})), answer["description"]]
        for status, answer in operation["responses"].items()
    ]
    parts.append(table(["status", "body", "description"], rows))
    if example := EXAMPLES.get((method, path)):
        parts.append(_exchange(*example))
    return blocks(*parts)


def _content(content: dict[str, Any]) -> str:
    return "; ".join(f"{code(media)}: {_type(body['schema'])}" for media, body in content.items())


def _type(schema: dict[str, Any]) -> str:
    """The type of a schema in words; named schemas are linked."""
    if ref := schema.get("$ref"):
        name = ref.rsplit("/", 1)[1]
        return "a row of the live model" if name == "Row" else f"[{name}](#{name.lower()})"
    if choices := schema.get("oneOf"):
        return " or ".join(_type(choice) for choice in choices)
    if values := schema.get("enum"):
        return " or ".join(code(str(value)) for value in values)
    kinds = schema.get("type", "anything")
    if kinds == "array":
        most = f", at most {schema['maxItems']:,}" if "maxItems" in schema else ""
        return f"list of {_type(schema['items'])}{most}"
    words = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    return f"{words} ({schema['format']})" if "format" in schema else words


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        [code(field), _type(about), "" if field in required else "optional",
         about.get("description", "")]
        for field, about in _fields(schema)
    ]  # fmt: skip
    fields = table(["field", "type", "", "description"], rows)
    return blocks(f"### {name}", schema.get("description", ""), fields)


def _fields(schema: dict[str, Any], before: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Fields, including nested ones such as `errors[].pointer`."""
    for field, about in schema.get("properties", {}).items():
        yield before + field, about
        yield from _fields(about, f"{before}{field}.")
        if "properties" in about.get("items", {}):
            yield from _fields(about["items"], f"{before}{field}[].")


def _exchange(request: Any, answer: Any) -> str:
    response = f"```json\n{json.dumps(answer, indent=2, ensure_ascii=False)}\n```"
    if request is None:
        return response
    return f"```json\n{json.dumps(request, ensure_ascii=False)}\n```\n\nreturns\n\n{response}"
