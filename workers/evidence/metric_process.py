"""Calls one of the team's own metrics for each model: `python -m … FOLDER MODULE:FUNCTION`.

The folder has the rows and each model's answers, as `workers.evidence.own_metrics` writes them;
the values are left there. A function gets the arguments that its parameters name.
"""

from __future__ import annotations

import inspect
import json
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from core.domain.errors import RecipeFailed
from core.domain.safe_text import printable
from workers.recipes.own_code import imported, reported

ROWS, ABOUT, RESULT, DETAILS = "rows.parquet", "about.json", "result.json", "details.log"

BASELINE = "baseline"
"""The model whose answers are all the same; it is the last one."""

_SCIKIT_LEARN = {"y_true": "actual", "y_pred": "predicted"}
"""The names of parameters in `sklearn.metrics`."""


def main(folder: Path, name: str) -> None:
    """Write the values, and a sentence if candidate or champion has none."""
    with (folder / DETAILS).open("w", encoding="utf-8") as details:
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(details))
        values, problem = _values(folder, name)
    result = json.dumps({"values": values, "problem": problem})
    (folder / RESULT).write_text(result, encoding="utf-8")


def _values(folder: Path, name: str) -> tuple[dict[str, float], str]:
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    values: dict[str, float] = {}
    problem = ""
    model = ""
    try:
        function = imported(name, "metric")
        for model in about["models"]:
            arguments = _arguments(folder, model, about["classes"])
            with reported(name, f"call for the {model}", "metric"):
                value = function(**_named(function, arguments))
            values[model] = _number(name, model, value)
    except RecipeFailed as error:
        # Some metrics, such as a correlation, have no value for one constant answer.
        problem = "" if model == BASELINE else f"{str(error).rstrip('.')}."
    return values, problem


def _arguments(folder: Path, model: str, classes: list[str]) -> dict[str, Any]:
    import pandas as pd  # noqa: PLC0415 - the worker imports this module for its names

    with np.load(folder / f"{model}.npz") as answers:
        arguments: dict[str, Any] = dict(answers)
    if classes:
        arguments["probabilities"] = pd.DataFrame(arguments["probabilities"], columns=classes)
    arguments["rows"] = pd.read_parquet(folder / ROWS)
    return arguments


def _named(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments by the function's parameters.

    Raises:
        TypeError: it has a parameter that is none of them, and that has no default.
    """
    given = {}
    for parameter in inspect.signature(function).parameters.values():
        argument = _SCIKIT_LEARN.get(parameter.name, parameter.name)
        if argument in arguments:
            given[parameter.name] = arguments[argument]
        elif parameter.default is parameter.empty:
            raise TypeError(f"it takes {parameter.name}, and a metric gets {', '.join(arguments)}")
    return given


def _number(name: str, model: str, value: Any) -> float:
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise RecipeFailed(
            f"The metric {name} returned {printable(repr(value))[:60]} for the {model}; it must "
            "return a finite number."
        )
    return float(value)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
