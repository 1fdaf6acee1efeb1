"""How a dataset's models are made: the `[training]` section of its file."""

from __future__ import annotations

from dataclasses import dataclass

PLACE_BOOSTING = "place_boosting"

BUILT_IN = ("boosting", PLACE_BOOSTING)
"""The recipes that come with driftdesk: each is a module of `workers.recipes`."""

ESTIMATOR = "estimator"
"""The recipe whose estimator a function of the team's own package makes."""

COMMAND = "command"
"""The recipe that is a program of the team's own, in a process of its own."""

RECIPES = (*BUILT_IN, ESTIMATOR, COMMAND)


@dataclass(frozen=True, slots=True)
class Training:
    """The recipe, and the team's own code for it.

    For `ESTIMATOR`: the function that returns the estimator, as `package.module:function`. For
    `COMMAND`: the program with its arguments, and the folder in which it runs. Without
    `typical_row` the contract of a model names no training row.
    """

    recipe: str = BUILT_IN[0]
    estimator: str = ""
    command: tuple[str, ...] = ()
    folder: str = "."
    typical_row: bool = True

    @property
    def is_own(self) -> bool:
        """Whether the team's own code makes the model: it may change without a trace here."""
        return self.recipe not in BUILT_IN

    @property
    def own(self) -> str:
        """The team's own code as the dataset file names it; empty without any."""
        return self.estimator or " ".join(self.command)
