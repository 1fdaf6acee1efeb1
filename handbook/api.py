"""The serving API, as its own OpenAPI document describes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from handbook.markdown import code, page, table
from serving.problems import Problem, row_errors
from serving.schema import openapi

_INTRO = """\
Serving's own document is at `/openapi.json`, its page at `/docs`; both describe the row of the
live model. Here the row is left open, because it follows from your dataset. [Ask for
predictions](../serving.md) shows each call with curl and from Python. With `SERVING_KEYS` set,
calls marked *key* need `Authorization: Bearer KEY`. Any other method or path answers 404 or 405."""

_PROBLEMS = """\
What is wrong is told as problem details (RFC 9457), type `application/problem+json`. `errors`
names each wrong field by a JSON pointer, with the rule that it broke; it is there only where
fields are wrong."""

_ID = "7f2c9e40-5b1d-4c57-9a3e-0f3b8f0f6a11"
_ROW = {"bed": 3, "bath": 2, "house_size": 1500, "state": "Connecticut"}
_ANSWER = {"prediction_id": _ID, "prediction": 244310.0, "model_version": 1}

EXAMPLES: dict[tuple[str, str], tuple[Any, Any]] = {
    ("post", "/predict"): (_ROW, _ANSWER),
    ("post", "/predict/batch"): ({"rows": [_ROW]}, {"predictions": [_ANSWER]}),
    ("post", "/predict/check"): (
        {"rows": [_ROW]},
        {"model_version": 1, "digest": "5f70bf18…", "predictions": [244310.0]},
    ),
    ("post", "/feedback"): ({"prediction_id": _ID, "actual": 250000}, {"accepted": 1}),
    ("get", "/health/ready"): (None, {"status": "ok", "model_version": 1}),
    ("get", "/health/live"): (None, {"status": "ok"}),
}
"""A request and its answer; a test asks the real API and looks that the answer has this shape."""

PROBLEM: tuple[Any, dict[str, Any]] = (
    {"bed": -1, "ghost": 1},
    Problem(
        422,
        "The row does not fit the live model.",
        row_errors({"bed": "must be at least 0", "ghost": "this model takes no such field"}),
    ).document(),
)
"""A request that breaks two rules, and what it is told."""


def render() -> str:
    """The page."""
    document = openapi(None)
    calls = list(operations(document))
    listed = table(
        ["call", "", "what it does"],
        [[f"[`{m.upper()} {p}`](#{_anchor(m, p)})", _key(o), o["summary"]] for m, p, o in calls],
    )
    schemas = document["components"]["schemas"]
    return page(
        "Serving API",
        _INTRO,
        listed,
        *(_operation(m, p, o) for m, p, o in calls),
        "## Problems",
        _PROBLEMS,
        _exchange(*PROBLEM),
        "## Schemas",
        *(_schema(name, schemas[name]) for name in sorted(schemas) if name != "Row"),
    )


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each call."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def _anchor(method: str, path: str) -> str:
    return f"{method}-{path.replace('/', '')}"  # as GitHub and the site both make it


def _key(operation: dict[str, Any]) -> str:
    return "key" if operation.get("security") else ""


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    parts = [f"## `{method.upper()} {path}`"]
    parts.append(operation["summary"] + ". " + operation.get("description", ""))
    if parameters := operation.get("parameters"):
        rows = [
            [code(p["name"]), p["in"], _type(p["schema"]), p.get("description", "")]
            for p in parameters
        ]
        parts.append(table(["parameter", "in", "type", "what it is"], rows))
    if body := operation.get("requestBody"):
        parts.append("Body: " + _content(body["content"]) + ".")
    rows = [
        [code(status), _content(answer.get("content", {})), answer["description"]]
        for status, answer in operation["responses"].items()
    ]
    parts.append(table(["status", "body", "what it says"], rows))
    if found := EXAMPLES.get((method, path)):
        parts.append(_exchange(*found))
    return "\n\n".join(part.strip() for part in parts)


def _content(content: dict[str, Any]) -> str:
    return "; ".join(f"{code(media)}: {_type(said['schema'])}" for media, said in content.items())


def _type(schema: dict[str, Any]) -> str:
    """A schema in words; one with a name is linked."""
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
    said = " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
    return f"{said} ({schema['format']})" if "format" in schema else said


def _schema(name: str, schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        [code(field), _type(about), "" if field in required else "may be missing",
         about.get("description", "")]
        for field, about in _fields(schema)
    ]  # fmt: skip
    listed = table(["field", "type", "", "what it is"], rows)
    head = f"### {name}"
    return "\n\n".join(p for p in [head, schema.get("description", ""), listed] if p)


def _fields(schema: dict[str, Any], before: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Fields with those inside them, such as `errors[].pointer`."""
    for field, about in schema.get("properties", {}).items():
        yield before + field, about
        yield from _fields(about, f"{before}{field}.")
        if "properties" in about.get("items", {}):
            yield from _fields(about["items"], f"{before}{field}[].")


def _exchange(request: Any, answer: Any) -> str:
    said = f"```json\n{json.dumps(answer, indent=2, ensure_ascii=False)}\n```"
    if request is None:
        return said
    return f"```json\n{json.dumps(request, ensure_ascii=False)}\n```\n\nis answered with\n\n{said}"
