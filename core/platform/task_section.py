"""The keys of a dataset file that say what models predict: TOML in, checked values out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from core.domain.dataset import FITS, Column, ColumnType, Role
from core.domain.metrics import METRICS_OF
from core.domain.task import Task
from core.platform.toml_values import one_of, shown, text

KEYS = ("task", "positive", "primary_metric", "fit_on")

_LONGEST_LABEL = 255


def parse(document: dict[str, Any]) -> dict[str, Any]:
    """The values of `KEYS` as arguments of `Dataset`; by default a regression on mae.

    Raises:
        ValueError: a value is wrong; the message names the key and the remedy.
    """
    task = Task(one_of("task", document.get("task", Task.REGRESSION), tuple(Task)))
    metrics = METRICS_OF[task]
    metric = one_of("primary_metric", document.get("primary_metric", metrics[0]), metrics)
    fit_on = one_of("fit_on", document.get("fit_on", FITS[0]), FITS)
    if task.is_classifier and fit_on != FITS[0]:
        raise ValueError('fit_on = "log" is for task = "regression"; take one of them out')
    positive = ""
    if "positive" in document:
        if task is not Task.BINARY:
            raise ValueError('positive is for task = "binary"; take it out, or set the task')
        positive = _label(document["positive"])
    return {"task": task, "positive": positive, "primary_metric": metric, "fit_on": fit_on}


def with_class(columns: tuple[Column, ...], task: Task) -> tuple[Column, ...]:
    """The columns, of which a classifier's target `is_class` where it is a number."""
    if not task.is_classifier:
        return columns
    return tuple(
        replace(c, is_class=c.role is Role.TARGET and c.type is ColumnType.NUMBER) for c in columns
    )


def _label(value: object) -> str:
    """A label, which may be written as the boolean or the whole number that it is."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:.0f}"
    return text("positive", value, longest=_LONGEST_LABEL)


def check_target(columns: tuple[Column, ...], task: Task, positive: str) -> None:
    """Check that exactly one column is the target, and that models of this task can predict it.

    Raises:
        ValueError: there is no target, or several, or one that does not suit the task.
    """
    targets = [column for column in columns if column.role is Role.TARGET]
    if not task.is_classifier:
        if len(targets) != 1 or targets[0].type is not ColumnType.NUMBER:
            hint = ""
            if len(targets) == 1 and targets[0].is_text:
                hint = '; for a target of classes set task = "binary" or task = "multiclass"'
            raise ValueError(f"exactly one column of type number must have the role target{hint}")
        return
    if len(targets) != 1:
        raise ValueError("exactly one column must have the role target")
    (target,) = targets
    if not target.is_text and target.type is not ColumnType.NUMBER:
        raise ValueError(
            f"the target {target.name} has the type {target.type}, and a class is a category, a "
            "code, a boolean or a whole number; give it one of these types, or another target"
        )
    if target.type is ColumnType.BOOLEAN:
        if task is Task.MULTICLASS:
            raise ValueError(
                f'the target {target.name} is a boolean, which has two values; set task = "binary"'
            )
        if positive not in ("", "true", "false"):
            raise ValueError(f"positive is {shown(positive)}, and must be true or false")
