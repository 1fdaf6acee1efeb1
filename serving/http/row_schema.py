"""The JSON schema of a row, generated from the live model's contract."""

from __future__ import annotations

from typing import Any

from core.domain.dataset import ColumnType
from core.domain.number_format import figure
from core.rules.data.typed_values import EXACT, LONGEST_TEXT
from core.rules.model.contract import Contract, Field, fill_text
from serving.model.loaded import LoadedModel

Schema = dict[str, Any]

_SHOWN_CATEGORIES = 20
_NO_NUL = "^[^\\u0000]*$"
_NOT_BLANK = "^[^\\u0000]*[^\\s\\u0000][^\\u0000]*$"
_BOOLEAN = "^([Tt]([Rr][Uu][Ee])?|[Ff]([Aa][Ll][Ss][Ee])?|[Yy][Ee][Ss]|[Nn][Oo]|[01](\\.0)?)$"
_BOOLEAN_OR_BLANK = _BOOLEAN.replace("^(", "^(|")
_TYPES = {
    ColumnType.NUMBER: ["number"],
    ColumnType.DATE: ["string"],
    ColumnType.CATEGORY: ["string", "integer", "boolean"],
    ColumnType.CODE: ["string", "integer"],
    ColumnType.BOOLEAN: ["boolean", "integer", "string"],
    ColumnType.TIMESTAMP: ["string"],
}


def schema_document(model: LoadedModel) -> Schema:
    """A row of the live model as a stand-alone JSON schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": model.runtime.contract.title,
        "description": f"A row for version {model.version}, which is live.",
        **row_schema(model.runtime.contract),
    }


def row_schema(contract: Contract) -> Schema:
    """The JSON schema of one row."""
    example = {f.name: _example(f) for f in contract.fields if f.default is not None}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [f.name for f in contract.fields if not f.nullable],
        "properties": {f.name: _field(f) for f in contract.fields},
        "examples": [example],
    }


def _field(field: Field) -> Schema:
    types = _TYPES[field.type]
    schema: Schema = {
        "title": field.label,
        "type": [*types, "null"] if field.nullable else types,
        "description": " ".join(_sentences(field)),
    }
    if field.type is ColumnType.NUMBER:
        if field.minimum is not None:
            schema["minimum"] = field.minimum
    elif field.type is ColumnType.DATE:
        schema["format"] = "date"
    elif field.type is ColumnType.TIMESTAMP:
        schema["format"] = "date-time"
    elif field.type is ColumnType.BOOLEAN:
        pattern = _BOOLEAN_OR_BLANK if field.nullable else _BOOLEAN
        schema |= {"minimum": 0, "maximum": 1, "pattern": pattern}
    else:
        pattern = _NO_NUL if field.nullable else _NOT_BLANK
        schema |= {"maxLength": LONGEST_TEXT, "pattern": pattern}
        schema |= {"minimum": 1 - EXACT, "maximum": EXACT - 1}
    if field.default is not None:
        schema["examples"] = [_example(field)]
    return schema


def _example(field: Field) -> float | str | bool | None:
    return field.default == "true" if field.type is ColumnType.BOOLEAN else field.default


def _sentences(field: Field) -> list[str]:
    """The unit, the usual range and the categories of a field."""
    fill = fill_text(field)
    sentences = [f"In {field.unit}."] if field.unit else []
    if field.low is not None and field.high is not None and field.type is ColumnType.NUMBER:
        sentences.append(f"Usually {figure(field.low)} to {figure(field.high)}.")
    if field.type is ColumnType.CODE:
        sentences.append("A numeric code, with or without leading zeros.")
    if field.categories:
        shown = ", ".join(field.categories[:_SHOWN_CATEGORIES])
        more = ", …" if len(field.categories) > _SHOWN_CATEGORIES else ""
        sentences.append(f"Seen in training: {shown}{more}.")
    if field.nullable:
        sentences.append("Optional." + (f" Without it {fill} is used." if fill else ""))
    return sentences
