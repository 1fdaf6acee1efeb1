"""The columns of a table as a dataset file would describe them, guessed from its first rows.

A guess states what is doubtful about it. Nothing is guessed that the rules of reading would refuse:
a type is taken if its rule accepts all values, a number also if it accepts nine of ten.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any

from core.domain.dataset import RESERVED_NAMES, TIME_FEATURES, ColumnType
from core.domain.errors import BadInput
from core.domain.task import Task
from core.rules.data.column_name import column_name, listed, unusable
from core.rules.data.typed_values import (
    EXACT,
    read_boolean,
    read_category,
    read_code,
    read_date,
    read_number,
    read_timestamp,
)

_ENOUGH = 50
"""Fewer rows say little about how many values a column has."""

_ALMOST_ALL = 0.95
_FEW_WRONG = 0.1
_FEW = 10
_WIDEST = 64
_SHOWN = 3
_MIDNIGHT = re.compile(r"[T ]00:00(:00(\.0+)?)?$", re.ASCII)
_NAME_OF_CODES = re.compile(r"(^|_)(id|key|code|zip|postcode|postal|phone|uuid|index)(_|$)")
_DATES = ("", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d")
_CLOCKS = ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p")
_TIMES = ("", *(f"{day} {clock}" for day in _DATES[1:] for clock in _CLOCKS))

Values = Sequence[Any]
Counts = Counter[Any]


@dataclass(frozen=True, slots=True)
class Guess:
    """One column: its name in the table and in the dataset, and how it would be described.

    `options` are further keys of the column, `doubts` clauses about it, such as "has one value".
    """

    source: str
    name: str
    type: ColumnType
    is_identifier: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    def doubting(self, doubt: str, *, identifier: bool = False) -> Guess:
        """The same with one more doubt, which may make it an identifier."""
        kept = self.is_identifier or identifier
        return replace(self, is_identifier=kept, doubts=(*self.doubts, doubt))


@dataclass(frozen=True, slots=True)
class Guesses:
    """The guessed columns of a table in its order, and the columns left out with the reason.

    `positive` is the positive class of a binary task.
    """

    columns: tuple[Guess, ...]
    target: str
    left_out: dict[str, str]
    task: Task = Task.REGRESSION
    positive: str = ""


def infer(names: Sequence[str], columns: Sequence[Values], target: str = "") -> Guesses:
    """Guess the columns of a table from its first rows.

    `target` is a name in the table or the one that it would get; without it the last number is it.

    Raises:
        BadInput: there is no such target, it is no number, or nothing is left to learn from.
    """
    guesses, left_out = guess_columns(names, columns)
    by_source = dict(zip(names, columns, strict=True))
    if target:
        chosen = named_target(guesses, names, target)
        guessed = _target(chosen.source, chosen.name, by_source[chosen.source])
    else:
        numbers = [g for g in guesses if g.type is ColumnType.NUMBER and not g.is_identifier]
        if not numbers:
            raise BadInput("The file has no column of numbers, and models predict a number.")
        chosen = numbers[-1]
        guessed = chosen.doubting("is the target only because it is the last number")
    return with_target(guesses, chosen, guessed, left_out)


def guess_columns(
    names: Sequence[str], columns: Sequence[Values]
) -> tuple[list[Guess], dict[str, str]]:
    """A guess for each column, and why those that have none are left out."""
    taken: set[str] = set(RESERVED_NAMES)
    guesses: list[Guess] = []
    left_out = {}
    for source, values in zip(names, columns, strict=True):
        if reason := unusable(source, values):
            left_out[source] = reason
            continue
        name = column_name(source, taken)
        taken.add(name)
        guesses.append(_guess(source, name, values))
    return guesses, left_out


def named_target(guesses: Iterable[Guess], names: Sequence[str], target: str) -> Guess:
    """The column of that name, in the table or in the dataset.

    Raises:
        BadInput: there is none.
    """
    for guess in guesses:
        if target in (guess.source, guess.name):
            return guess
    raise BadInput(f"The file has no column {target!r:.60}. It has {listed(names)}.")


def with_target(
    guesses: Sequence[Guess], chosen: Guess, guessed: Guess, left_out: dict[str, str]
) -> Guesses:
    """The guesses with that of the `chosen` target as `guessed`.

    Raises:
        BadInput: there is no feature besides the target.
    """
    if all(g.is_identifier for g in guesses if g is not chosen):
        raise BadInput("The file has no column that a model could learn from besides the target.")
    columns = tuple(guessed if g is chosen else g for g in guesses)
    return Guesses(columns, chosen.name, left_out)


def _target(source: str, name: str, values: Values) -> Guess:
    counts = value_counts(values)
    refused = _refused(read_number, counts)
    if refused.total() >= _FEW_WRONG * counts.total():
        raise BadInput(
            f"The column {source!r:.60} cannot be the target: a model predicts a number, and too "
            f"many of its values are not numbers{', such as ' * bool(refused)}{_examples(refused)}."
            " If its values are classes, give --task binary or --task multiclass."
        )
    return _with_exceptions(Guess(source, name, ColumnType.NUMBER), refused)


def _guess(source: str, name: str, values: Values) -> Guess:
    counts = value_counts(values)
    blank = Guess(source, name, ColumnType.CATEGORY)
    if not counts:
        return blank.doubting("is empty in every row that was read", identifier=True)
    guess = (
        _boolean(blank, counts)
        or _padded_code(blank, counts)
        or _time(blank, counts)
        or _number(blank, counts, values)
        or _text(blank, counts)
    )
    if len(counts) == 1 and counts.total() == len(values):
        return guess.doubting("has one value only", identifier=True)
    return guess


def _boolean(blank: Guess, counts: Counts) -> Guess | None:
    if not _accepts(read_boolean, counts) or len(set(map(read_boolean, counts))) == 1:
        return None
    guess = replace(blank, type=ColumnType.BOOLEAN)
    if all(isinstance(v, bool) for v in counts) or not _accepts(read_number, counts):
        return guess
    return guess.doubting("is a number if 0 and 1 are counts")


def _padded_code(blank: Guess, counts: Counts) -> Guess | None:
    """Digits of which some begin with 0, which a number would lose."""
    texts = [v.strip() for v in counts if isinstance(v, str)]
    if len(texts) < len(counts) or not all(t.isascii() and t.isdigit() for t in texts):
        return None
    if not any(t.startswith("0") and len(t) > 1 for t in texts):
        return None
    widths = set(map(len, texts))
    options = {"width": max(widths)} if max(widths) <= _WIDEST else {}
    guess = replace(blank, type=ColumnType.CODE, options=options)
    return guess if len(widths) == 1 else guess.doubting("has codes of different lengths")


def _time(blank: Guess, counts: Counts) -> Guess | None:
    if not all(isinstance(v, str) for v in counts):
        return None
    if all(":" not in v or _MIDNIGHT.search(v) for v in counts):
        days = [f for f in _DATES if _accepts(partial(read_date, parse=f), counts)]
        if days:
            return _written(replace(blank, type=ColumnType.DATE), days, {})
    times = [f for f in _TIMES if _accepts(partial(read_timestamp, zone="UTC", parse=f), counts)]
    if not times:
        return None
    guess = replace(blank, type=ColumnType.TIMESTAMP)
    options: dict[str, Any] = {"features": list(TIME_FEATURES)}
    if not _accepts(partial(read_timestamp, parse=times[0]), counts):
        options["zone"] = "UTC"
        guess = guess.doubting("names no zone; UTC is assumed")
    return _written(guess, times, options)


def _written(guess: Guess, formats: Sequence[str], options: dict[str, Any]) -> Guess:
    if formats[0]:
        options = {"parse": formats[0]} | options
    if len(formats) > 1:
        guess = guess.doubting(f"could be written as {formats[1]}, too")
    return replace(guess, options=options)


def _number(blank: Guess, counts: Counts, values: Values) -> Guess | None:
    refused = _refused(read_number, counts)
    if refused.total() >= _FEW_WRONG * counts.total() or len(refused) > _FEW:
        return None
    guess = replace(blank, type=ColumnType.NUMBER)
    if all(v in refused or read_number(v).is_integer() for v in counts):
        differs = counts.total() >= _ENOUGH and len(counts) > _ALMOST_ALL * counts.total()
        if not refused and _accepts(partial(read_code, width=0), counts):
            code = replace(blank, type=ColumnType.CODE)
            if differs and all(b - a == 1 for a, b in pairwise(map(read_number, _present(values)))):
                return code.doubting("counts the rows", identifier=True)
            if _NAME_OF_CODES.search(blank.name):
                return code.doubting("is read as a code because of its name", identifier=differs)
        if any(v not in refused and abs(read_number(v)) >= EXACT for v in counts):
            guess = guess.doubting(f"is rounded, from {EXACT:,} on; write identifiers as text")
        elif differs:
            guess = guess.doubting("differs in almost every row; an identifier if it names the row")
        elif counts.total() >= _ENOUGH and 1 < len(counts) <= _FEW:
            doubt = f"has only {len(counts)} values; a category if they stand for something"
            guess = guess.doubting(doubt)
    return _with_exceptions(guess, refused)


def _with_exceptions(guess: Guess, refused: Counts) -> Guess:
    if not refused:
        return guess
    rows = "1 row has" if refused.total() == 1 else f"{refused.total():,} rows have"
    return guess.doubting(f"{rows} no number, as {_examples(refused)}, and would be quarantined")


def _text(blank: Guess, counts: Counts) -> Guess:
    refused = _refused(read_category, counts)
    if refused:
        reason = f"{refused.total():,} rows have values that no type takes and would be quarantined"
        return blank.doubting(reason, identifier=True)
    if counts.total() >= _ENOUGH and len(counts) > _ALMOST_ALL * counts.total():
        return blank.doubting("differs in almost every row", identifier=True)
    return blank


def _present(values: Values) -> Iterable[Any]:
    return (v for v in values if v is not None and not (isinstance(v, str) and not v.strip()))


def value_counts(values: Values) -> Counts:
    """How often each value occurs; empty ones do not count."""
    return Counter(_present(values))


def _accepts(read: Callable[[Any], object], values: Iterable[Any]) -> bool:
    try:
        for value in values:
            read(value)
    except ValueError:
        return False
    return True


def _refused(read: Callable[[Any], object], counts: Counts) -> Counts:
    return Counter({v: n for v, n in counts.items() if not _accepts(read, [v])})


def _examples(counts: Counts) -> str:
    return ", ".join(ascii(value)[:40] for value, _ in counts.most_common(_SHOWN))
