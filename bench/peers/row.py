"""The body of a request as a pydantic model, made from a model's contract.

It reads the contract as plain JSON, because an empty server must not load what a full one needs.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

LONGEST_TEXT = 200
TEXT = Annotated[str, Field(max_length=LONGEST_TEXT)]
NUMBER = Annotated[float, Field(allow_inf_nan=False)]


def row_model(contract: dict[str, Any]) -> type[BaseModel]:
    """Fields, types, nulls and minimum as the contract has them; other fields are refused."""
    fields = {f["name"]: _field(f) for f in contract["fields"]}
    made: type[BaseModel] = create_model("Row", __config__=ConfigDict(extra="forbid"), **fields)
    return made


def _field(field: dict[str, Any]) -> Any:
    kind: Any = {"number": NUMBER, "date": date, "code": TEXT | NUMBER}.get(field["type"], TEXT)
    if field["minimum"] is not None:
        kind = Annotated[kind, Field(ge=field["minimum"])]
    return (kind | None, None) if field["nullable"] else (kind, ...)
