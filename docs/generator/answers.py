"""The JSON Schema of what each command prints with `--json`."""

from __future__ import annotations

import json
import re
from inspect import unwrap
from typing import Any, Union

from pydantic import TypeAdapter

from console.cli import answers
from docs.generator.cli import commands

FILE = "cli.schema.json"

_RETURNED = re.compile(r"answers\.(\w+)")


def _answer(name: str, command: Any) -> Any:
    """The type of what a command prints."""
    if name in answers.PRINTED:
        return answers.PRINTED[name]
    returned = str(unwrap(command.callback).__annotations__["return"])
    types = [getattr(answers, found) for found in _RETURNED.findall(returned)]
    if "Job" in [alternative.strip() for alternative in returned.split("|")]:
        types.append(answers.Job)
    return Union[tuple(types)]  # noqa: UP007 - its members are known at runtime only


def render() -> str:
    """One schema: a property for each command by its full name, such as `limits set`."""
    adapters = [(name, "serialization", TypeAdapter(_answer(name, c))) for name, c in commands()]
    by_command, document = TypeAdapter.json_schemas(
        adapters,  # type: ignore[arg-type]
        title="What driftdesk prints with --json, by command",
    )
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    document["properties"] = {str(name): schema for (name, _), schema in by_command.items()}
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
