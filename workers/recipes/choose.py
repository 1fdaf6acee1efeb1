"""The recipe that a dataset file names."""

from __future__ import annotations

from functools import partial

from core.domain.dataset import Dataset
from core.domain.training import COMMAND, ESTIMATOR
from workers.recipes import boosting, command, estimator
from workers.recipes.place_boosting import fit as place_boosting
from workers.recipes.port import JobContext, Recipe

_RECIPES: dict[str, Recipe] = {
    "boosting": boosting.fit,
    "place_boosting": place_boosting.fit,
    ESTIMATOR: estimator.fit,
}


def recipe_of(dataset: Dataset, context: JobContext | None = None) -> Recipe:
    """The dataset's recipe; `context` is what a training command needs of its job."""
    if dataset.training.recipe == COMMAND:
        return partial(command.fit, context=context or JobContext())
    return _RECIPES[dataset.training.recipe]
