"""The settings reference, from `core.platform.settings`."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from sphinx.pycode import ModuleAnalyzer

from compose.local.children import PORTS
from core.platform.settings import Settings
from docs.generator.markdown import blocks, code, table

_INTRO = """\
# Settings

Settings come from the environment or from a file `.env` in the working directory. The environment
takes precedence. Each program reads them at its start and does not start with an invalid value.
[.env.example](../../.env.example) is a template of the file."""

_LOCAL = """\
## `make run` alone

`make run` also reads these. A service that you name by its URL (`DATABASE_URL`, `REDIS_URL`,
`MLFLOW_TRACKING_URI`, `DATA_API_URL`, `SERVING_URL`) is used and not started."""

_WORDS = {"float": "number", "int": "whole number", "str": "text", "bool": "true or false",
          "Path": "path", "SecretStr": "secret text"}  # fmt: skip
_BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


def render() -> str:
    """The page."""
    says = descriptions()
    rows = [
        [code(name.upper()), kind(field), default(field), says[name]]
        for name, field in Settings.model_fields.items()
    ]
    users = ("Redis", "MLflow", "the simulated data API", "serving", "the console")
    local = [
        [code(variable), "whole number", code(str(port)), f"Port of {user}."]
        for (variable, port), user in zip(PORTS.items(), users, strict=True)
    ]
    options = "Options of the simulated data API; see `python -m compose.data_api --help`."
    local.append([code("DATA_API_OPTIONS"), "text", "empty", options])
    head = ["setting", "type", "default", "description"]
    return blocks(_INTRO, table(head, rows), _LOCAL, table(head, local))


def descriptions() -> dict[str, str]:
    """Each setting's description, in one line: the docstring below it."""
    groups = [ModuleAnalyzer.for_module(group.__module__) for group in Settings.__bases__]
    documented = [docs for group in groups for docs in group.find_attr_docs().items()]
    return {name: " ".join(lines).strip() for (_, name), lines in documented}


def kind(field: FieldInfo) -> str:
    """The type and bounds of a setting, in words."""
    annotation: Any = field.annotation
    if get_origin(annotation) is Literal:
        return " or ".join(code(str(value)) for value in get_args(annotation))
    bounds = [
        f"{words} {getattr(rule, name):g}"
        for rule in field.metadata
        for name, words in _BOUNDS.items()
        if getattr(rule, name, None) is not None
    ]
    return ", ".join([_WORDS[annotation.__name__], *bounds])


def default(field: FieldInfo) -> str:
    """The default as written in `.env`."""
    if field.default is PydanticUndefined:
        return "the user name"
    value = field.default
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return code(str(value).lower() if isinstance(value, bool) else str(value)) or "empty"
