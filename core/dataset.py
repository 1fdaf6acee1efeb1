"""The dataset, described once in a TOML file and asked by everything else.

No other module names a column. A dataset file lists the columns in the order in which
rows carry them; `core/datasets/real_estate.toml` is the commented example.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from core.errors import DatasetError
from core.printable import printable

STATISTICS = ("mean", "std", "50", "75")
"""The statistics that are compared, named as the original pipeline names them."""

METRICS = {"mae": False, "rmse": False, "mdape": False, "r2": True}
"""What a model is scored by; True where higher is better."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_MARKUP = re.compile(r"[<>\[\]\\]")
_LONGEST_WORDS = 80
_RESERVED = {"id", "epoch", "batch_id", "held_out", "row_number", "prediction"}


class ColumnType(StrEnum):
    """What a column's values are."""

    NUMBER = "number"
    CATEGORY = "category"
    CODE = "code"
    DATE = "date"


class Role(StrEnum):
    """What a column is for."""

    FEATURE = "feature"
    TARGET = "target"
    IDENTIFIER = "identifier"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the dataset.

    Invariants: `limits` has every name in `STATISTICS` (the dataset's where the column
    has none of its own); `above` and `at_most` bound the rows that are trained on, not those
    that are stored; `minimum` and `step` describe the form field.
    """

    name: str
    label: str
    type: ColumnType
    role: Role
    unit: str = ""
    nullable: bool = True
    drift: bool = True
    width: int = 0
    above: float | None = None
    at_most: float | None = None
    minimum: float | None = None
    step: float | None = None
    limits: dict[str, float] = field(default_factory=dict)

    @property
    def is_text(self) -> bool:
        """Whether values are stored and learned from as text."""
        return self.type in (ColumnType.CATEGORY, ColumnType.CODE)


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset: its columns in row order, its target, and how models of it are judged."""

    name: str
    title: str
    unit: str
    primary_metric: str
    fit_on: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            KeyError: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in row order."""
        return tuple(c.name for c in self.columns)

    @property
    def target(self) -> Column:
        """The column that models predict."""
        return next(c for c in self.columns if c.role is Role.TARGET)

    @property
    def features(self) -> tuple[Column, ...]:
        """The columns that models learn from, in row order."""
        return tuple(c for c in self.columns if c.role is Role.FEATURE)

    @property
    def compared(self) -> tuple[Column, ...]:
        """The numeric columns whose statistics are compared, target included."""
        return tuple(c for c in self.columns if c.drift and c.type is ColumnType.NUMBER)

    @property
    def rows_table(self) -> str:
        """The name of the table that holds this dataset's rows."""
        return f"rows_{self.name}"


def load(path: Path) -> Dataset:
    """Read a dataset file.

    Raises:
        DatasetError: the file cannot be read, is not TOML, or contradicts itself; the
            message names the file and the line of thought that failed.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DatasetError(f"The dataset file {path.name} cannot be read: {error}.") from error
    return parse(document, path.name)


def parse(document: dict[str, Any], source: str) -> Dataset:
    """Build a dataset from a parsed TOML document; `source` names it in errors.

    Raises:
        DatasetError: see `load`.
    """
    try:
        limits = _limits(document.get("limits", {}), dict.fromkeys(STATISTICS, 0.15))
        columns = tuple(_column(entry, limits) for entry in document.get("columns", []))
        dataset = Dataset(
            name=_identifier(document.get("name")),
            title=_words(document.get("title", document["name"])),
            unit=_words(document.get("unit", "row")),
            primary_metric=str(document.get("primary_metric", "mae")),
            fit_on=str(document.get("fit_on", "value")),
            columns=columns,
        )
        _check(dataset, set(document))
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
        raise DatasetError(f"The dataset file {source} cannot be used: {reason}.") from error
    return dataset


def _identifier(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no name (lower-case letters, digits and _, at most 48)")
    return value


def _words(value: object) -> str:
    """Words that pages show as they are, so nothing that makes markup is among them."""
    said = str(value)
    if len(said) > _LONGEST_WORDS or said != printable(said) or _MARKUP.search(said):
        raise ValueError(
            f"{said[:40]!r} is no title, label or unit (at most {_LONGEST_WORDS} characters in one "
            "line, without < > [ ] and \\)"
        )
    return said


def _limits(table: object, base: dict[str, float]) -> dict[str, float]:
    if not isinstance(table, dict):
        raise TypeError("limits must be a table of statistic = relative change")
    for statistic, limit in table.items():
        if statistic not in STATISTICS:
            raise ValueError(f"limit for {statistic!r}, but statistics are {', '.join(STATISTICS)}")
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0:
            raise ValueError(f"the limit of {statistic} must be a number above 0")
    return base | {name: float(limit) for name, limit in table.items()}


_COLUMN_KEYS = {
    "name", "label", "type", "role", "unit", "nullable", "drift", "width",
    "above", "at_most", "minimum", "step", "limits",
}  # fmt: skip


def _column(entry: object, limits: dict[str, float]) -> Column:
    if not isinstance(entry, dict):
        raise TypeError("each of columns must be a table")
    name = _identifier(entry.get("name"))
    unknown = set(entry) - _COLUMN_KEYS
    if unknown:
        raise ValueError(f"column {name} has unknown keys {', '.join(sorted(unknown))}")
    if name in _RESERVED:
        raise ValueError(f"column name {name} is reserved")
    numbers = {key: entry.get(key) for key in ("above", "at_most", "minimum", "step")}
    for key, value in numbers.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise TypeError(f"{key} of column {name} must be a number")
    bounds = {key: None if v is None else float(cast("float", v)) for key, v in numbers.items()}
    return Column(
        name=name,
        label=_words(entry.get("label", name.replace("_", " ").capitalize())),
        type=ColumnType(entry["type"]),
        role=Role(entry["role"]),
        unit=_words(entry.get("unit", "")),
        nullable=bool(entry.get("nullable", True)),
        drift=bool(entry.get("drift", True)),
        width=int(entry.get("width", 0)),
        above=bounds["above"],
        at_most=bounds["at_most"],
        minimum=bounds["minimum"],
        step=bounds["step"],
        limits=_limits(entry.get("limits", {}), limits),
    )


_DATASET_KEYS = {"name", "title", "unit", "primary_metric", "fit_on", "limits", "columns"}


def _check(dataset: Dataset, keys: set[str]) -> None:
    unknown = keys - _DATASET_KEYS
    if unknown:
        raise ValueError(f"unknown keys {', '.join(sorted(unknown))}")
    doubled = {n for n in dataset.names if dataset.names.count(n) > 1}
    if doubled:
        raise ValueError(f"column {', '.join(sorted(doubled))} stands there twice")
    targets = [c for c in dataset.columns if c.role is Role.TARGET]
    if len(targets) != 1 or targets[0].type is not ColumnType.NUMBER:
        raise ValueError("exactly one column of type number must have the role target")
    if not dataset.features:
        raise ValueError("no column has the role feature")
    if dataset.primary_metric not in METRICS:
        raise ValueError(f"primary_metric must be one of {', '.join(METRICS)}")
    if dataset.fit_on not in ("log", "value"):
        raise ValueError('fit_on must be "log" or "value"')
