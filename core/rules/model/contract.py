"""A model's contract: its input fields and its output, stored inside the model file.

It is built from the dataset and the profile of the training rows and stored in the ONNX file's
metadata. Serving and the Predict form know about columns from it alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from core.domain.dataset import TEXTS, Column, ColumnType, Dataset
from core.domain.errors import BadRow, ModelRefused
from core.domain.profiles import ColumnProfile
from core.domain.task import Task
from core.rules.data.typed_values import as_given, read_as, read_number, typical

if TYPE_CHECKING:
    from core.rules.model.prediction_interval import Interval
    from core.rules.model.prediction_sets import PredictionSets

METADATA_KEY = "driftdesk.contract"
"""The contract's key in an ONNX file's metadata."""

_OPTIONAL = ("fill", "zone", "source", "parse", "epoch", "known")

OFFERED_CATEGORIES = 200
"""How many values of a text field the contract lists at most, the most common ones."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a model.

    `low`, `high` and `default` come from the training rows: the 1 % and 99 % quantiles of numbers,
    and the value of a typical row (dates as ISO text); without one, as in older files, the median
    of numbers and the most common text. They only describe; a value is rejected by `minimum`
    alone. `fill` is the input for an empty value, if there is one;
    such a field is nullable. `zone` is that of timestamps which name none.
    `known` are all texts of the training rows, if `categories` has only some of them: see
    `core.rules.model.known_texts`.
    `source`, `parse` and `epoch` are the column's name and date format in batches (see
    `core.domain.dataset.Column`); CSV files may use them as well.
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
    fill: float | str | None = None
    zone: str = ""
    source: str = ""
    parse: str = ""
    epoch: str = ""
    known: str = ""

    @property
    def is_text(self) -> bool:
        """Whether the model takes it as text."""
        return self.type in TEXTS


@dataclass(frozen=True, slots=True)
class Contract:
    """All inputs of a model, in its order, and its output.

    `interval` is the prediction interval, None in older files. `on_log`: the model was fitted on
    log(1 + target). A classifier's `classes` are in the order of its probabilities. In a binary
    task the positive class is last; it is the answer if its probability reaches `threshold`.
    """

    dataset: str
    title: str
    target: str
    target_label: str
    target_unit: str
    fields: tuple[Field, ...]
    interval: Interval | None = None
    on_log: bool = False
    task: Task = Task.REGRESSION
    classes: tuple[str, ...] = ()
    threshold: float | None = None
    sets: PredictionSets | None = None

    def to_json(self) -> str:
        """The contract as text, for the model file's metadata.

        Optional values, and those of classifiers, are written only if they are set, so that older
        programs can read the rest.
        """
        document = asdict(self)
        if not self.task.is_classifier:
            for name in ("task", "classes", "threshold", "sets"):
                del document[name]
        for entry in document["fields"]:
            for name in _OPTIONAL:
                if entry[name] in (None, ""):
                    del entry[name]
        return json.dumps(document, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """Read what `to_json` wrote.

        Raises:
            ModelRefused: the text is not a contract.
        """
        from core.rules.model.prediction_interval import Interval  # noqa: PLC0415 - needs NumPy
        from core.rules.model.prediction_sets import PredictionSets  # noqa: PLC0415

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
            interval, sets = document.pop("interval", None), document.pop("sets", None)
            task = Task(document.pop("task", Task.REGRESSION))
            classes = tuple(map(str, document.pop("classes", ())))
            if task.is_classifier and len(classes) < (3 if task is Task.MULTICLASS else 2):
                raise ValueError("a classifier needs classes")
            return cls(
                fields=fields,
                interval=Interval.from_document(interval) if interval else None,
                task=task,
                classes=classes,
                sets=PredictionSets(**sets) if sets else None,
                **document,
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelRefused("The model file carries no readable contract.") from error


def describe(
    dataset: Dataset,
    profiles: Iterable[ColumnProfile],
    classes: tuple[str, ...] = (),
    row: Mapping[str, float | str | None] | None = None,
    known: Mapping[str, str] | None = None,
) -> Contract:
    """The contract of a model of this dataset trained on rows with these profiles.

    `classes` are a classifier's: `core.rules.model.classes.classes_of` the training rows. `row` is
    a typical one: see `core.rules.model.typical_row`. `known` has the packed texts of columns with
    more of them than a profile counts.
    """
    row = row or {}
    by_column = {p.column: p for p in profiles}
    fields = []
    for column in dataset.features:
        profile = by_column.get(column.name) or ColumnProfile(column.name, 0, 0)
        low = profile.grid[1] if profile.grid else None
        high = profile.grid[99] if profile.grid else None
        default = row.get(column.name)
        if default is None and (column.name not in row or not column.nullable):
            default = _most_common(column, profile)
        fields.append(
            Field(
                column.name,
                column.label,
                column.type,
                column.unit,
                column.nullable or column.default is not None,
                column.width,
                column.minimum,
                column.step,
                low,
                high,
                default,
                tuple(profile.categories)[:OFFERED_CATEGORIES],
                column.default,
                column.zone,
                column.source,
                column.parse,
                column.epoch,
                (known or {}).get(column.name, ""),
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
        task=dataset.task,
        classes=classes,
    )


def _most_common(column: Column, profile: ColumnProfile) -> float | str | None:
    if column.is_text:
        return next(iter(profile.categories), None)
    return None if profile.q50 is None else typical(column.type, float(profile.q50))


def fill_text(field: Field) -> str:
    """The value that is used where a field is empty, as a request would give it; "" if none is."""
    if field.fill is None or isinstance(field.fill, str):
        return field.fill or ""
    given = as_given(field.type, field.fill)
    return given if isinstance(given, str) else f"{given:g}"


def read_row(
    contract: Contract, row: Mapping[str, Any], *, typed: bool = False
) -> dict[str, float | str]:
    """Turn one request's fields into model inputs: numbers (NaN for null) and text ("" for null).

    A nullable field may be omitted. With `typed` values, as in JSON, a number given as text is an
    error; in a form or a CSV file every value is text.

    Raises:
        BadRow: a field is unknown, missing, of the wrong type, not finite, below its minimum
            or too long; the error names each such field.
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


def as_typical(contract: Contract, row: Mapping[str, Any]) -> frozenset[str]:
    """The fields in which a row equals the typical row: the model takes the same input."""

    def taken(field: Field, value: object) -> float | str | None:
        try:
            return read_value(field, value)
        except ValueError:
            return None

    same = set()
    for field in contract.fields:
        one, other = taken(field, row.get(field.name)), taken(field, field.default)
        both_empty = one != one and other != other  # noqa: PLR0124 - NaN
        if one is not None and (one == other or both_empty):
            same.add(field.name)
    return frozenset(same)


def unknown_fields(contract: Contract, row: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a row that the model does not have, each with the rule that it breaks."""
    names = {field.name for field in contract.fields}
    return {str(name)[:60]: "this model takes no such field" for name in row if name not in names}


def read_value(field: Field, value: object, *, typed: bool = False) -> float | str:
    """One field's model input.

    Raises:
        ValueError: the value breaks a rule of the field; the message is that rule.
    """
    blank = isinstance(value, str) and not value.strip()
    if value is None or (blank and (field.is_text or not typed)):
        if not field.nullable:
            raise ValueError("must be given")
        if field.fill is not None:
            return field.fill
        return "" if field.is_text else math.nan
    if field.type is ColumnType.NUMBER:
        if typed and isinstance(value, str):
            raise ValueError("must be a number, not text")
        number = read_number(value)
        if field.minimum is not None and number < field.minimum:
            raise ValueError(f"must be at least {field.minimum:g}")
        return number
    return read_as(field.type, value, field.width, field.zone)
