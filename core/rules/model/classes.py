"""Classes, labels and probabilities of a classifier, and how an answer follows from them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from core.domain.dataset import ColumnType, Dataset
from core.domain.errors import NothingToTrainOn
from core.domain.task import MOST_CLASSES, Task
from core.rules.model.prediction_sets import PredictionSets

Floats = NDArray[np.float64]
Labels = NDArray[np.object_]

HALF = 0.5
"""The threshold of a binary classifier if its contract has none."""

CERTAIN = 1e-7
"""The smallest probability that counts: about the resolution of single precision."""


class Classifying(Protocol):
    """The part of a contract that this module reads."""

    @property
    def task(self) -> Task:
        """The task."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of the probabilities."""

    @property
    def threshold(self) -> float | None:
        """The least probability with which the last of two classes is answered."""

    @property
    def sets(self) -> PredictionSets | None:
        """The prediction sets, if there are any."""


def labels_in(values: NDArray[Any], dataset: Dataset) -> Labels:
    """The labels of stored target values: texts as they are, whole numbers as their digits.

    The label of a null and of a number that is not whole is "".
    """
    if dataset.target.is_text:
        return np.asarray(values, dtype=object)
    numbers = np.asarray(values, dtype=np.float64)
    distinct, places = np.unique(numbers, return_inverse=True)
    texts = np.array([f"{v:.0f}" if v == np.round(v) else "" for v in distinct + 0.0], dtype=object)
    return texts[places.reshape(-1)] if len(distinct) else np.empty(0, dtype=object)


def classes_of(labels: Labels, dataset: Dataset) -> tuple[str, ...]:
    """The classes of training rows, sorted; of a binary task the positive one is last.

    Raises:
        NothingToTrainOn: there are too few or too many classes for the task, a class has only one
            row, or the positive class has none.
    """
    counts = Counter(labels.tolist())
    target, name = dataset.target, dataset.target.label
    is_number = target.type is ColumnType.NUMBER
    classes = sorted(counts, key=lambda label: (float(label) if is_number else 0.0, label))
    if len(classes) < 2:  # noqa: PLR2004 - there is nothing to tell apart
        present = f"every row has {classes[0]!r:.40}" if classes else "no row has any"
        raise NothingToTrainOn(
            f"{name} must have at least two classes in the training rows, and {present}. Ingest "
            "rows of other classes."
        )
    if dataset.task is Task.BINARY and len(classes) != 2:  # noqa: PLR2004
        raise NothingToTrainOn(
            f"{name} has {len(classes):,} classes in the training rows ({_named(classes)}), and "
            'the task binary needs two. Set task = "multiclass" in the dataset file.'
        )
    if dataset.task is Task.MULTICLASS and len(classes) == 2:  # noqa: PLR2004
        raise NothingToTrainOn(
            f"{name} has only two classes in the training rows ({_named(classes)}). Ingest rows of "
            'other classes, or set task = "binary" in the dataset file.'
        )
    if len(classes) > MOST_CLASSES:
        raise NothingToTrainOn(
            f"{name} has {len(classes):,} classes in the training rows, and a model can have at "
            f"most {MOST_CLASSES}. Merge rare ones, or use another target."
        )
    if rare := [label for label in classes if counts[label] == 1]:
        raise NothingToTrainOn(
            f"{name} has only one row of the class {_named(rare)}, and a model needs at least two. "
            "Ingest more rows, or merge it with another class."
        )
    if dataset.task is Task.BINARY and dataset.positive:
        if dataset.positive not in classes:
            raise NothingToTrainOn(
                f"No training row has the class {dataset.positive!r:.40}, which the dataset file "
                f"names as positive; the classes are {_named(classes)}. Correct positive in that "
                "file."
            )
        classes.sort(key=lambda label: label == dataset.positive)
    return tuple(classes)


def _named(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - 3:,} more" if len(labels) > 3 else ""  # noqa: PLR2004
    return ", ".join(f"{label!r:.40}" for label in labels[:3]) + more


def indices_of(labels: Labels, classes: Sequence[str]) -> NDArray[np.intp]:
    """The index of each label among the classes; their number for any other label."""
    place = {label: n for n, label in enumerate(classes)}
    return np.array([place.get(label, len(classes)) for label in labels], dtype=np.intp)


def answered(model: Classifying, probabilities: Sequence[float]) -> int:
    """The index of the answered class, from one row's probabilities."""
    return int(places_answered(model, np.array([probabilities], dtype=np.float64))[0])


def places_answered(model: Classifying, probabilities: Floats) -> NDArray[np.intp]:
    """The index of the answered class in each row of [n, k] probabilities."""
    if model.task is Task.BINARY:
        threshold = HALF if model.threshold is None else model.threshold
        return (probabilities[:, 1] >= threshold).astype(np.intp)
    places: NDArray[np.intp] = np.argmax(probabilities, axis=1)
    return places


def explained(model: Classifying, probabilities: Sequence[float]) -> int:
    """The index of the class that contributions explain: of two the positive, else the answer."""
    return 1 if model.task is Task.BINARY else answered(model, probabilities)


def labels_of(model: Classifying, probabilities: Floats) -> list[str]:
    """The answered label in each row of [n, k] probabilities."""
    return [model.classes[place] for place in places_answered(model, probabilities)]


def set_of(model: Classifying, probabilities: Sequence[float]) -> tuple[str, ...] | None:
    """The prediction set of one row, in the order of the classes; None if the model has none."""
    if model.sets is None:
        return None
    row = np.array([probabilities], dtype=np.float64)
    (inside,) = model.sets.inside(row, places_answered(model, row))
    return tuple(label for label, is_in in zip(model.classes, inside, strict=True) if is_in)


def log_odds(probability: Floats) -> Floats:
    """The logarithm of p / (1 - p), finite for every p; NaN stays."""
    p = np.clip(probability, CERTAIN, 1 - CERTAIN)
    odds: Floats = np.log(p) - np.log1p(-p)
    return odds
