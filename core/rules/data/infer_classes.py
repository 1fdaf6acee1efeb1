"""The columns of a table whose target names classes, guessed from its first rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.domain.dataset import ColumnType
from core.domain.errors import BadInput
from core.domain.task import MOST_CLASSES, Task
from core.rules.data.infer_columns import (
    Counts,
    Guess,
    Guesses,
    Values,
    guess_columns,
    named_target,
    value_counts,
    with_target,
)
from core.rules.data.typed_values import read_number

_TRUTHS = {"true", "false"}
_TIMES = (ColumnType.DATE, ColumnType.TIMESTAMP)


def infer_classes(
    names: Sequence[str], columns: Sequence[Values], task: Task, target: str = ""
) -> Guesses:
    """Guess the columns of a table from its first rows, for a classifier.

    `target` is a column's name in the table or in the dataset. Without it, the target is the last
    column with as many values as the task has classes.

    Raises:
        BadInput: there is no such target, its values are not classes of the task, or there is no
            feature.
    """
    guesses, left_out = guess_columns(names, columns)
    counts = {
        name: value_counts(values)
        for name, values in zip(names, columns, strict=True)
        if name not in left_out
    }
    if target:
        chosen = named_target(guesses, names, target)
        guessed, labels = _target(chosen, counts[chosen.source], task)
    else:
        chosen, guessed, labels = _last(guesses, counts, task)
    positive = labels[-1] if task is Task.BINARY else ""
    with_classes = with_target(guesses, chosen, guessed, left_out)
    return replace(with_classes, task=task, positive=positive)


def _last(
    guesses: Sequence[Guess], counts: dict[str, Counts], task: Task
) -> tuple[Guess, Guess, list[str]]:
    for guess in reversed(guesses):
        try:
            guessed, labels = _target(guess, counts[guess.source], task)
        except BadInput:
            continue
        doubt = f"is the target only because it is the last column with {_wanted(task)} values"
        return guess, guessed.doubting(doubt), labels
    raise BadInput(
        f"The file has no column with {_wanted(task)} values, which the task {task} needs of its "
        "target."
    )


def _wanted(task: Task) -> str:
    return "two" if task is Task.BINARY else f"3 to {MOST_CLASSES}"


def _target(guess: Guess, counts: Counts, task: Task) -> tuple[Guess, list[str]]:
    """The target's guess, and its labels in the order of a model's classes."""
    texts = {str(value).strip().lower() for value in counts}
    kind = guess.type
    if kind is ColumnType.BOOLEAN and not texts <= _TRUTHS:
        kind = ColumnType.NUMBER if all(map(_is_number, counts)) else ColumnType.CATEGORY
    if kind in _TIMES:
        raise BadInput(f"The column {guess.source!r:.60} cannot be the target: it has times.")
    if kind is ColumnType.NUMBER:
        numbers = sorted({read_number(value) for value in counts if _is_number(value)})
        if any(number != round(number) for number in numbers):
            raise BadInput(
                f"The column {guess.source!r:.60} cannot be the target of the task {task}: a class "
                "is a text or a whole number. Give --task regression."
            )
        labels = [f"{number:.0f}" for number in numbers]
    elif kind is ColumnType.BOOLEAN:
        labels = sorted(texts)
    else:
        labels = sorted({str(value).strip() for value in counts})
    distinct, fits = len(labels), 2 < len(labels) <= MOST_CLASSES  # noqa: PLR2004 - two are binary
    if task is Task.BINARY:
        fits = distinct == 2  # noqa: PLR2004
    if not fits:
        raise BadInput(
            f"The column {guess.source!r:.60} cannot be the target of the task {task}: it has "
            f"{distinct:,} different values in the rows that were read, and needs {_wanted(task)}."
        )
    options = guess.options if guess.type is kind else {}
    return Guess(guess.source, guess.name, kind, options=options), labels


def _is_number(value: object) -> bool:
    try:
        read_number(value)
    except ValueError:
        return False
    return True
