"""The contract of a trained model: its inputs, and the calibration of its answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from core.domain.errors import NothingToTrainOn
from core.domain.task import Task
from core.rules.data.holdout import row_hash
from core.rules.model import known_texts, prediction_interval, prediction_sets
from core.rules.model.class_metrics import best_threshold
from core.rules.model.classes import HALF, classes_of, indices_of, labels_in, places_answered
from core.rules.model.contract import OFFERED_CATEGORIES, Contract, describe
from core.rules.model.evaluation import sample
from core.rules.model.typical_row import SAMPLED, typical_row
from workers.evidence.training_data import TrainingData
from workers.recipes.port import Doubles, Recipe

THRESHOLD_ROWS = 50_000
"""The maximum number of training rows for choosing the threshold."""

ONE_IN = 5
"""One in this many of these rows chooses the threshold; a model is trained on the others."""

FEWEST_OF_CLASS = 5
"""With fewer rows of a class to choose on, the threshold is 0.5."""


def contract_of(
    data: TrainingData, predicted: Doubles, recipe: Recipe | None, threshold: float = HALF
) -> Contract:
    """The model's inputs, with calibrated prediction intervals if there are enough rows.

    `predicted` has the fitted model's predictions of the held-out rows. A classifier has prediction
    sets instead, and a binary one also a threshold, which is chosen by running the `recipe` again.
    Without a recipe that can be run again, it is the given one.
    """
    if data.dataset.task.is_classifier:
        return _of_classes(data, predicted, recipe, threshold)
    contract = describe(data.dataset, data.profiles, (), _typical(data), _known(data))
    if not len(data.actual):
        return contract
    grids = {p.column: p.grid for p in data.profiles}
    interval = prediction_interval.calibrate(
        data.actual,
        predicted,
        data.held_out_hashes,
        levels=grids.get(data.dataset.target.name, ()),
        on_log=data.dataset.fit_on == "log",
        floor=data.dataset.target.minimum,
    )
    return replace(contract, interval=interval)


def _of_classes(
    data: TrainingData, probabilities: Doubles, recipe: Recipe | None, threshold: float
) -> Contract:
    classes = classes_of(labels_in(data.target, data.dataset), data.dataset)
    contract = describe(data.dataset, data.profiles, classes, _typical(data, classes), _known(data))
    if data.dataset.task is Task.BINARY:
        chosen = threshold_of(data, recipe) if recipe else threshold
        contract = replace(contract, threshold=chosen)
    if not len(data.actual):
        return contract
    sets = prediction_sets.calibrate(
        indices_of(labels_in(data.actual, data.dataset), classes),
        probabilities,
        places_answered(contract, probabilities),
        data.held_out_hashes,
    )
    return replace(contract, sets=sets)


def _typical(
    data: TrainingData, classes: tuple[str, ...] = ()
) -> dict[str, float | str | None] | None:
    """A typical training row, unless the dataset file wants none; from a spool, of its sample."""
    if not data.dataset.training.typical_row:
        return None
    rows, hashes = data.training, data.learned.hashes
    if data.spool is not None:  # in the order of their content hashes, so these are the sample
        rows, hashes = data.spool.first(SAMPLED, classes), np.sort(hashes)[:SAMPLED]
    return typical_row(rows, hashes, data.dataset.features)


def _known(data: TrainingData) -> dict[str, str]:
    """The texts of columns that have more than a contract lists, but not too many to record."""
    found: dict[str, set[str]] = {c.name: set() for c in data.dataset.features if c.is_text}
    if data.spool is None:
        found = {name: set(data.training[name].tolist()) for name in found}
    elif found:
        for part in data.spool.tables():
            for name in list(found):
                found[name].update(part[name].unique().to_pylist())
                if len(found[name]) > known_texts.MOST_TEXTS + 1:
                    del found[name]
    texts = {name: values - {None, ""} for name, values in found.items()}
    return {
        name: known_texts.pack(values)
        for name, values in texts.items()
        if OFFERED_CATEGORIES <= len(values) <= known_texts.MOST_TEXTS
    }


def threshold_of(data: TrainingData, recipe: Recipe) -> float:
    """The threshold of a binary classifier, chosen on training rows that its model never saw.

    A second model is trained on four fifths of at most `THRESHOLD_ROWS` training rows, and the
    threshold is chosen on the last fifth. Choosing it on held-out rows would make the model's
    metrics too good. With too few rows it is 0.5.
    """
    dataset = data.dataset
    order = sample(row_hash(data.training, dataset), THRESHOLD_ROWS)
    cut = len(order) // ONE_IN
    chosen, rest = (
        {name: values[part] for name, values in data.training.items()}
        for part in (order[:cut], order[cut:])
    )
    classes = classes_of(labels_in(data.target, dataset), dataset)
    positive = indices_of(labels_in(chosen[dataset.target.name], dataset), classes) == 1
    if min(positive.sum(), (~positive).sum()) < FEWEST_OF_CLASS:
        return HALF
    try:
        fitted = recipe(rest, dataset)
    except NothingToTrainOn:
        return HALF
    return best_threshold(positive, fitted.predict(chosen)[:, 1])
