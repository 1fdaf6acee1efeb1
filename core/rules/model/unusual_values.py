"""Warnings about values outside of what a model was trained on: one rule for all inputs. Pure.

A number or a time is unusual outside of the 1 % and 99 % quantiles of the training rows; a text, if
none of them has it. They only warn: the model answers all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.domain.number_format import figure
from core.rules.data.typed_values import as_given, typical
from core.rules.model.contract import OFFERED_CATEGORIES, Contract, Field, read_value
from core.rules.model.known_texts import is_known

if TYPE_CHECKING:
    from core.rules.model.contract_batch import Columns


def unusual_given(contract: Contract, row: Mapping[str, Any]) -> list[str]:
    """A warning for each unusual value of a row as a request gives it.

    A value that breaks a rule of its field has no warning: it was answered by another version.
    """
    inputs: dict[str, float | str] = {}
    for field in contract.fields:
        try:
            inputs[field.name] = read_value(field, row.get(field.name))
        except ValueError:
            continue
    return unusual(contract, inputs)


def unusual(contract: Contract, inputs: Mapping[str, float | str]) -> list[str]:
    """A warning for each unusual value of a row of model inputs, as `read_row` gives them."""
    fields = (field for field in contract.fields if field.name in inputs)
    return [why for field in fields if (why := _warning(field, inputs[field.name]))]


def unusual_columns(contract: Contract, columns: Columns, count: int) -> list[list[str]]:
    """The warnings of each of `count` rows of model inputs, as `read_columns` gives them.

    Each distinct value is looked at once.
    """
    warnings: list[list[str]] = [[] for _ in range(count)]
    for field in contract.fields:
        values: Sequence[float | str] = columns[field.name].tolist()
        found = {value: why for value in set(values) if (why := _warning(field, value))}
        if found:
            for row, value in zip(warnings, values, strict=True):
                if value in found:
                    row.append(found[value])
    return warnings


def _warning(field: Field, value: float | str) -> str:
    if isinstance(value, str):
        if value and value not in field.categories and _is_new(field, value):
            return f"{field.label} “{value}” does not occur in the training data."
        return ""
    is_outside = (field.low is not None and value < field.low) or (
        field.high is not None and value > field.high
    )
    if not is_outside:
        return ""
    given = as_given(field.type, value)
    words = given if isinstance(given, str) else f"{figure(given)} {field.unit}".rstrip()
    why = f"{field.label} {words} is outside the usual range of the training data."
    return f"{why} {usual_words(field)}".rstrip()


def _is_new(field: Field, value: str) -> bool:
    """Whether no training row has a text that is none of the field's categories."""
    if field.known:
        return not is_known(field.known, value)
    return 0 < len(field.categories) < OFFERED_CATEGORIES


def usual_words(field: Field) -> str:
    """The usual range of a number or date in training, as a sentence; empty if unknown."""
    if field.low is None or field.high is None:
        return ""
    return f"Usually {_usual(field, field.low)} to {_usual(field, field.high)}."


def _usual(field: Field, end: float) -> str:
    given = typical(field.type, end)
    return given if isinstance(given, str) else figure(given)
