"""The settings, as `core.settings` declares them."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from compose.local.children import PORTS
from core.settings import Settings
from handbook.markdown import code, page, table

_INTRO = """\
Settings come from the environment or from a file `.env` in the folder that a program is started
in. The environment wins. Each program reads them once, at its start, and refuses to start with a
value that is impossible. [.env.example](../../.env.example) has the same list, ready to be
copied."""

_LOCAL = """\
## `make run` alone

`make run` also reads these. Whatever neighbour you name by its URL (`DATABASE_URL`, `REDIS_URL`,
`MLFLOW_TRACKING_URI`, `DATA_API_URL`, `SERVING_URL`) is used and not started."""

_WORDS = {"float": "number", "int": "whole number", "str": "text", "bool": "true or false",
          "Path": "path"}  # fmt: skip
_BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


def render() -> str:
    """The page."""
    rows = [
        [code(name.upper()), kind(field), default(field), field.description or ""]
        for name, field in Settings.model_fields.items()
    ]
    ports = [
        [code(name), "whole number", code(str(port)), _port_is_for(name)]
        for name, port in PORTS.items()
    ]
    options = "What the stand-in data API is started with: `python -m compose.data_api --help`."
    ports.append([code("DATA_API_OPTIONS"), "text", "empty", options])
    head = ["setting", "type", "default", "what it is"]
    return page("Settings", _INTRO, table(head, rows), _LOCAL, table(head, ports))


def kind(field: FieldInfo) -> str:
    """What values a setting takes, in words."""
    annotation: Any = field.annotation
    if get_origin(annotation) is Literal:
        return " or ".join(code(str(value)) for value in get_args(annotation))
    if annotation is SecretStr:
        return "secret text"
    bounds = [
        f"{words} {getattr(rule, name):g}"
        for rule in field.metadata
        for name, words in _BOUNDS.items()
        if getattr(rule, name, None) is not None
    ]
    return ", ".join([_WORDS[annotation.__name__], *bounds])


def default(field: FieldInfo) -> str:
    """The default, as it would be written in `.env`."""
    if field.default is PydanticUndefined:
        return "who is logged in"
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    said = str(value).lower() if isinstance(value, bool) else str(value)
    return code(said) or "empty"


def _port_is_for(name: str) -> str:
    return f"Where its {name.removesuffix('_PORT').replace('_', ' ').lower()} listens."
