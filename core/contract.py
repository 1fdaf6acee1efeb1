"""What a model takes and gives: the contract that travels inside the model file.

It is made from the dataset and the profile of the training rows, is stored in the ONNX
file's own metadata, and is all that serving and the Predict form know about columns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from core.dataset import ColumnType, Dataset
from core.errors import BadRow, ModelRefused
from core.interval import Interval
from core.records import ColumnProfile

METADATA_KEY = "driftdesk.contract"
"""Where the contract stands in an ONNX file's metadata."""

LONGEST_TEXT = 200
"""The longest text a field takes, in characters."""

OFFERED_CATEGORIES = 200
"""How many known values of a text field the contract lists; the most common ones."""

_EPOCH = date(1970, 1, 1)
_DAY = len("2026-11-24")


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a model.

    `low`, `high` and `default` come from the training rows: the 1 % and 99 % quantiles and the
    median of numbers (dates as ISO text), the most common value of texts. They describe what
    is usual and forbid nothing; only `minimum` does.
    """

    name: str
    label: str
    type: ColumnType
    unit: str
    nullable: bool
    width: int
    minimum: float | None
    step: float | None
    low: float | None
    high: float | None
    default: float | str | None
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Contract:
    """All inputs of a model, in the order in which it takes them, and its output.

    `interval` is the range around its answers; files from before there was one have none. `on_log`
    says that it learned the logarithm of 1 + the target.
    """

    dataset: str
    title: str
    target: str
    target_label: str
    target_unit: str
    fields: tuple[Field, ...]
    interval: Interval | None = None
    on_log: bool = False

    def to_json(self) -> str:
        """The contract as text, for the model file's metadata."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Read what `to_json` wrote.

        Raises:
            ModelRefused: the text is no contract.
        """
        try:
            document = json.loads(text)
            fields = tuple(
                Field(
                    **{
                        **entry,
                        "type": ColumnType(entry["type"]),
                        "categories": tuple(entry["categories"]),
                    }
                )
                for entry in document.pop("fields")
            )
            interval = document.pop("interval", None)
            return cls(
                fields=fields,
                interval=Interval.from_document(interval) if interval else None,
                **document,
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelRefused("The model file carries no readable contract.") from error


def describe(dataset: Dataset, profiles: Iterable[ColumnProfile]) -> Contract:
    """The contract of a model of this dataset trained on rows with these profiles."""
    known = {p.column: p for p in profiles}
    fields = []
    for column in dataset.features:
        profile = known.get(column.name) or ColumnProfile(column.name, 0, 0)
        default: float | str | None = (
            next(iter(profile.categories), None) if column.is_text else profile.q50
        )
        low = profile.grid[1] if profile.grid else None
        high = profile.grid[99] if profile.grid else None
        if column.type is ColumnType.DATE and default is not None:
            default = from_days(float(default))
        fields.append(
            Field(
                column.name,
                column.label,
                column.type,
                column.unit,
                column.nullable,
                column.width,
                column.minimum,
                column.step,
                low,
                high,
                default,
                tuple(profile.categories)[:OFFERED_CATEGORIES],
            )
        )
    target = dataset.target
    return Contract(
        dataset.name,
        dataset.title,
        target.name,
        target.label,
        target.unit,
        tuple(fields),
        on_log=dataset.fit_on == "log",
    )


def read_row(
    contract: Contract, row: Mapping[str, Any], *, typed: bool = False
) -> dict[str, float | str]:
    """Turn one request's fields into model inputs: numbers (NaN for null) and text ("" for null).

    A field that may be null may also be left out. Where the values are `typed`, as in JSON, a
    number that comes as text is a mistake; in a form or a CSV file text is all there is.

    Raises:
        BadRow: a field is unknown, missing, of the wrong type, not finite, below its minimum
            or too long; every such field is named.
    """
    problems: dict[str, str] = {}
    inputs: dict[str, float | str] = {}
    for field in contract.fields:
        try:
            inputs[field.name] = read_value(field, row.get(field.name), typed=typed)
        except ValueError as error:
            problems[field.name] = str(error)
    if not row.keys() <= inputs.keys():
        problems |= unknown_fields(contract, row)
    if problems:
        raise BadRow(problems)
    return inputs


def unknown_fields(contract: Contract, row: Mapping[str, Any]) -> dict[str, str]:
    """What a row names that the model does not take, each with the rule it breaks."""
    known = {field.name for field in contract.fields}
    return {str(name)[:60]: "this model takes no such field" for name in row if name not in known}


def read_value(field: Field, value: object, *, typed: bool = False) -> float | str:
    """One field's model input.

    Raises:
        ValueError: the value breaks a rule of the field; the message is that rule.
    """
    is_text = field.type in (ColumnType.CATEGORY, ColumnType.CODE)
    if value is None or (value == "" and (is_text or not typed)):
        if not field.nullable:
            raise ValueError("must be given")
        return "" if is_text else math.nan
    if field.type is ColumnType.NUMBER:
        if typed and isinstance(value, str):
            raise ValueError("must be a number, not text")
        number = read_number(value)
        if field.minimum is not None and number < field.minimum:
            raise ValueError(f"must be at least {field.minimum:g}")
        return number
    if field.type is ColumnType.DATE:
        return read_date(value)
    if field.type is ColumnType.CODE:
        return read_code(value, field.width)
    return read_text(value)


def read_number(value: object) -> float:
    """A finite number, from a number or from text.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("must be a number")  # noqa: TRY004 - one error for the caller to map
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError("must be a number") from None
    if not math.isfinite(number):
        raise ValueError("must be finite")
    return number


def read_text(value: object) -> str:
    """A text of bearable length, without the spaces around it.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004
    text = value.strip()
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"must be at most {LONGEST_TEXT} characters")
    if "\x00" in text:
        raise ValueError("must not contain NUL")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


def read_code(value: object, width: int) -> str:
    """A number used as a name: 6016.0, 6016 and "06016" are one code, padded to `width`.

    Raises:
        ValueError: it is neither a whole number nor text.
    """
    if isinstance(value, str):
        text = read_text(value)
        if text.isascii() and text.isdigit():
            return (text.lstrip("0") or "0").zfill(width)
        try:
            number = float(text)
        except ValueError:
            return text
    else:
        number = read_number(value)
    if not math.isfinite(number) or not number.is_integer() or abs(number) >= 2**53:
        raise ValueError("must be a whole number or text")
    return str(int(number)).zfill(width)


def read_date(value: object) -> float:
    """A day as days since 1970-01-01, from ISO text.

    Raises:
        ValueError: it is no day.
    """
    if not isinstance(value, str):
        raise ValueError("must be a date as YYYY-MM-DD")  # noqa: TRY004
    text = read_text(value)
    try:
        day = date.fromisoformat(text[:_DAY])
        if len(text) > _DAY:
            datetime.fromisoformat(text)  # a time of that day may follow, and nothing else
    except ValueError:
        raise ValueError("must be a date as YYYY-MM-DD") from None
    return float((day - _EPOCH).days)


def from_days(days: float) -> str:
    """The ISO text of a day that is counted from 1970-01-01."""
    return datetime.fromtimestamp(days * 86_400, tz=UTC).date().isoformat()
