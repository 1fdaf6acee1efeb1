"""The `[training]` section of a dataset file: TOML in, a checked recipe out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from core.domain.training import COMMAND, ESTIMATOR, RECIPES, Training
from core.platform.toml_values import function, known_keys, one_of, section, shown, text, yes_or_no

_MOST_WORDS = 100
_LONGEST_PATH = 1_000


def parse(table: object) -> Training:
    """The recipe that a `[training]` table asks for; `boosting` without one.

    Raises:
        ValueError: a key is unknown or wrong; the message names it and the remedy.
    """
    keys = section("training", table)
    known_keys(keys, ("recipe", "estimator", "command", "folder", "typical_row"))
    typical = yes_or_no("training.typical_row", keys.get("typical_row", True))
    return replace(_recipe(keys), typical_row=typical)


def _recipe(keys: Mapping[str, Any]) -> Training:
    own = next((key for key in (ESTIMATOR, COMMAND) if key in keys), None)
    recipe = one_of("training.recipe", keys.get("recipe", own or Training().recipe), RECIPES)
    for key, owner in ((ESTIMATOR, ESTIMATOR), (COMMAND, COMMAND), ("folder", COMMAND)):
        if key in keys and recipe != owner:
            raise ValueError(
                f'training.{key} goes with recipe = "{owner}", and the recipe is "{recipe}"; '
                "take one of them out"
            )
    if recipe == ESTIMATOR:
        example = '"mypackage.recipes:make"'
        return Training(
            recipe, estimator=function("training.estimator", keys.get(ESTIMATOR), example)
        )
    if recipe == COMMAND:
        folder = text("training.folder", keys.get("folder", "."), longest=_LONGEST_PATH)
        return Training(recipe, command=_command(keys.get(COMMAND)), folder=folder)
    return Training(recipe)


def _command(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_WORDS:
        raise ValueError(
            f"training.command is {shown(value)}, and must be a list of the program and its "
            f'arguments, at most {_MOST_WORDS}, as in ["python", "train.py"]'
        )
    return tuple(
        text(f"training.command, word {place},", word, longest=_LONGEST_PATH)
        for place, word in enumerate(value, 1)
    )
