"""Reads a dataset file: TOML in, a checked `Dataset` or a `DatasetError` out."""

from __future__ import annotations

import re
import tomllib
from itertools import combinations
from pathlib import Path
from typing import Any

from core.domain.dataset import (
    RESERVED_NAMES,
    Column,
    ColumnType,
    Dataset,
    Role,
)
from core.domain.errors import DatasetError
from core.domain.safe_text import printable
from core.domain.training import BUILT_IN, PLACE_BOOSTING
from core.platform import (
    column_reading,
    drift_section,
    evaluation_section,
    source_section,
    task_section,
    training_section,
)
from core.platform.toml_values import known_keys as _known_keys
from core.platform.toml_values import number as _number
from core.platform.toml_values import one_of as _one_of
from core.platform.toml_values import shown as _shown
from core.platform.toml_values import yes_or_no as _yes_or_no

_DATASET_KEYS = (
    "name", "title", "unit", *task_section.KEYS, "limits", "columns", "source", "training",
    "evaluation", "drift",
)  # fmt: skip
_BOUNDS = ("above", "at_most", "minimum", "step")
_FLAGS = ("nullable", "drift", "added_later")
_COLUMN_KEYS = (
    "name", "label", "type", "role", "unit", *_FLAGS, "width", *_BOUNDS, "limits",
    *column_reading.KEYS,
)  # fmt: skip
_WIDEST = 64
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_MARKUP = re.compile(r"[<>\[\]\\]")
_LONGEST_WORDS = 80


def load(path: Path) -> Dataset:
    """Read a dataset file.

    Raises:
        DatasetError: the file cannot be read, is not TOML, or contradicts itself; the message
            names the file and the rule.
    """
    try:
        return parse_text(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"The dataset file {path.name} cannot be read: {error}.") from error


def parse_text(text: str, source: str) -> Dataset:
    """Build a dataset from the text of a file; `source` names it in errors.

    Raises:
        DatasetError: see `load`.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: not TOML, or a huge number
        raise DatasetError(f"The dataset file {source} cannot be read: {error}.") from error
    return parse(document, source)


def parse(document: dict[str, Any], source: str) -> Dataset:
    """Build a dataset from a parsed TOML document; `source` names it in errors.

    Raises:
        DatasetError: see `load`.
    """
    try:
        _known_keys(document, _DATASET_KEYS)
        limits = drift_section.limits(document.get("limits", {}), drift_section.DEFAULTS)
        name = _identifier(document.get("name"))
        columns = _columns(document.get("columns"), limits)
        predicts = task_section.parse(document)
        dataset = Dataset(
            name=name,
            title=_words("title", document.get("title", name)),
            unit=_words("unit", document.get("unit", "row")),
            columns=task_section.with_class(columns, predicts["task"]),
            source=source_section.parse(document.get("source", {})),
            training=training_section.parse(document.get("training", {})),
            evaluation=evaluation_section.parse(
                document.get("evaluation", {}), columns, predicts["task"]
            ),
            retrain_when=drift_section.retrain_when(document.get("drift", {})),
            **predicts,
        )
        _check(dataset)
    except ValueError as error:
        raise DatasetError(f"The dataset file {source} cannot be used: {error}.") from error
    return dataset


def _identifier(value: object) -> str:
    if value is None:
        raise ValueError("name is missing")
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(
            f"name is {_shown(value)}, which is no name; it must begin with a lower-case letter "
            "and have lower-case letters, digits and _ only, at most 48"
        )
    return value


def _words(key: str, value: object) -> str:
    """A text that pages show unescaped, so markup characters are refused."""
    if not isinstance(value, str):
        raise ValueError(f"{key} is {_shown(value)}, and must be text in quotes")  # noqa: TRY004
    if len(value) > _LONGEST_WORDS or value != printable(value) or _MARKUP.search(value):
        raise ValueError(
            f"{key} is {_shown(value)}; it may have at most {_LONGEST_WORDS} characters in one "
            "line, without < > [ ] and \\"
        )
    return value


def _width(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _WIDEST:
        raise ValueError(
            f"width is {_shown(value)}, and must be a whole number of digits from 0 to {_WIDEST}"
        )
    return value


def _columns(tables: object, limits: dict[str, float]) -> tuple[Column, ...]:
    if not isinstance(tables, list) or not all(isinstance(entry, dict) for entry in tables):
        but = "" if tables is None else f", and not {_shown(tables)}"
        raise ValueError(f"columns must be tables; write [[columns]] above the keys of each{but}")
    columns = []
    for place, entry in enumerate(tables, 1):
        try:
            columns.append(_column(entry, limits))
        except ValueError as error:
            named = entry.get("name")
            which = named if isinstance(named, str) and _NAME.fullmatch(named) else f"{place}"
            raise ValueError(f"column {which}: {error}") from error
    return tuple(columns)


def _column(entry: dict[str, Any], limits: dict[str, float]) -> Column:
    _known_keys(entry, _COLUMN_KEYS)
    name = _identifier(entry.get("name"))
    if name in RESERVED_NAMES:
        raise ValueError("this name is reserved; give the column another one")
    flags: dict[str, Any] = {key: _yes_or_no(key, entry[key]) for key in _FLAGS if key in entry}
    bounds: dict[str, Any] = {key: _number(key, entry[key]) for key in _BOUNDS if key in entry}
    column = Column(
        name=name,
        label=_words("label", entry.get("label", name.replace("_", " ").capitalize())),
        type=ColumnType(_one_of("type", entry.get("type"), tuple(ColumnType))),
        role=Role(_one_of("role", entry.get("role"), tuple(Role))),
        unit=_words("unit", entry.get("unit", "")),
        width=_width(entry.get("width", 0)),
        **drift_section.of_column(drift_section.limits(entry.get("limits", {}), limits)),
        **flags,
        **bounds,
        **column_reading.read(entry),
    )
    _check_bounds(column)
    if column.added_later and (column.role is Role.TARGET or not column.nullable):
        raise ValueError(
            "added_later leaves rows from before empty, so it is for features and identifiers that "
            "are nullable; take it out, or take out nullable = false"
        )
    return column_reading.checked(column, entry.get("default"))


def _check_bounds(column: Column) -> None:
    """Check that bounds fit the type and leave a possible value."""
    if column.width and column.type is not ColumnType.CODE:
        raise ValueError("width is for columns of type code; take it out")
    bounds = {key: getattr(column, key) for key in _BOUNDS}
    given = [key for key, value in bounds.items() if value is not None]
    if given and column.type is not ColumnType.NUMBER:
        raise ValueError(f"{given[0]} is for columns of type number; take it out")
    if column.step is not None and column.step <= 0:
        raise ValueError(f"step is {column.step:g}, and must be above 0")
    if column.at_most is None:
        return
    if column.above is not None and column.above >= column.at_most:
        raise ValueError(
            f"above is {column.above:g} and at_most {column.at_most:g}, so no row would be trained "
            "on; above must be the smaller one"
        )
    if column.minimum is not None and column.minimum > column.at_most:
        raise ValueError(
            f"minimum is {column.minimum:g} and at_most {column.at_most:g}, so no value of the "
            "form would be one that is trained on; minimum must not be the larger one"
        )


def _check(dataset: Dataset) -> None:
    doubled = {n for n in dataset.names if dataset.names.count(n) > 1}
    if doubled:
        raise ValueError(f"column {', '.join(sorted(doubled))} stands there twice")
    for column, other in combinations(dataset.columns, 2):
        if (column.source or column.name) == (other.source or other.name):
            raise ValueError(
                f"the columns {column.name} and {other.name} have the same name in the batches; "
                "give one of them another source"
            )
    task_section.check_target(dataset.columns, dataset.task, dataset.positive)
    if dataset.task.is_classifier and dataset.training.recipe == PLACE_BOOSTING:
        raise ValueError(
            f'the recipe {PLACE_BOOSTING} predicts numbers only; set recipe = "{BUILT_IN[0]}" '
            "under [training], or take it out"
        )
    if not dataset.features:
        raise ValueError("no column has the role feature")
