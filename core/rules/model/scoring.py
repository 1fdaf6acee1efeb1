"""Scoring of models on held-out rows by the dataset's task: numbers or classes. Pure.

One interface for all tasks: metrics, the error of each row, differences of two models with their
intervals, the baseline, segments, and the importance of columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.domain.dataset import Dataset
from core.domain.dossier import Baseline, ClassFigures, Difference, Slice
from core.domain.task import Task
from core.rules.model import class_evaluation, evaluation, paired_bootstrap
from core.rules.model.class_curves import class_figures
from core.rules.model.class_metrics import Answers
from core.rules.model.class_metrics import score as class_score
from core.rules.model.classes import Classifying, indices_of, labels_in, places_answered

Floats = NDArray[np.float64]
Groups = Mapping[str, NDArray[np.object_]]
Columns = Mapping[str, NDArray[Any]]
Predict = Callable[[Columns], Floats]

ANOTHER = "another class"
"""The class of held-out rows whose own class no model was trained on."""

A = TypeVar("A")


class Scoring(Protocol[A]):
    """Scores answers, in the form that `answers` returns, for rows whose target is known."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the models and of the rows; empty for numbers."""

    def answers(self, model: Classifying, predicted: Floats, /) -> A:
        """The answers from a model's predictions, as its runtime returns them."""

    def score(self, answers: A) -> dict[str, float]:
        """The metrics of the task."""

    def errors(self, answers: A) -> Floats:
        """The error of each row: absolute, or 1 for a wrong label."""

    def differences(self, candidate: A, other: A) -> dict[str, Difference]:
        """Candidate minus other in every metric, with paired-bootstrap intervals."""

    def baseline(self, learned_from: NDArray[Any], candidate: A) -> Baseline | None:
        """The candidate compared with one constant answer, computed from the training targets."""

    def constant(self, baseline: Baseline, /) -> A:
        """The baseline's answers: the same one for every row."""

    def arguments(self, answers: A, /) -> dict[str, NDArray[Any]]:
        """What the team's own metrics get: `actual`, `predicted`; of classes `probabilities`."""

    def slices(self, candidate: A, champion: A | None, groups: Groups) -> list[Slice]:
        """Both models by segment of the target and of `groups`."""

    def importance(
        self, model: Classifying, predict: Predict, columns: Columns, names: Sequence[str], /
    ) -> dict[str, float]:
        """The relative increase of the error, or of the log loss, when a column is shuffled."""

    def figures(self, model: Classifying, answers: A, /) -> ClassFigures | None:
        """Confusion and curves; None for numbers."""


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Answers are numbers, in the target's unit."""

    actual: Floats
    classes: tuple[str, ...] = ()

    def answers(self, _model: Classifying, predicted: Floats) -> Floats:
        return predicted

    def score(self, answers: Floats) -> dict[str, float]:
        return evaluation.score(self.actual, answers)

    def errors(self, answers: Floats) -> Floats:
        errors: Floats = np.abs(self.actual - answers)
        return errors

    def differences(self, candidate: Floats, other: Floats) -> dict[str, Difference]:
        return paired_bootstrap.differences(self.actual, candidate, other)

    def baseline(self, learned_from: NDArray[Any], candidate: Floats) -> Baseline | None:
        return evaluation.baseline(
            np.asarray(learned_from, dtype=np.float64), self.actual, candidate
        )

    def constant(self, baseline: Baseline) -> Floats:
        return evaluation.constant(baseline.value, len(self.actual))

    def arguments(self, answers: Floats) -> dict[str, NDArray[Any]]:
        return {"actual": self.actual, "predicted": answers}

    def slices(self, candidate: Floats, champion: Floats | None, groups: Groups) -> list[Slice]:
        return evaluation.slices(self.actual, candidate, champion, groups)

    def importance(
        self, _model: Classifying, predict: Predict, columns: Columns, names: Sequence[str]
    ) -> dict[str, float]:
        return evaluation.importance(predict, columns, self.actual, names)

    def figures(self, _model: Classifying, _answers: Floats) -> None:
        return None


@dataclass(frozen=True, slots=True)
class _Classes:
    """Answers are the probabilities of `classes`, and a class."""

    dataset: Dataset
    actual: NDArray[np.intp]
    classes: tuple[str, ...]

    def answers(self, model: Classifying, predicted: Floats) -> Answers:
        places = np.array([self.classes.index(label) for label in model.classes], dtype=np.intp)
        probabilities = np.zeros((len(self.actual), len(self.classes)))
        probabilities[:, places] = predicted
        answered = places[places_answered(model, predicted)]
        return Answers(self.actual, probabilities, answered, self._is_binary)

    @property
    def _is_binary(self) -> bool:
        return self.dataset.task is Task.BINARY

    def score(self, answers: Answers) -> dict[str, float]:
        return class_score(answers)

    def errors(self, answers: Answers) -> Floats:
        return answers.wrong

    def differences(self, candidate: Answers, other: Answers) -> dict[str, Difference]:
        return class_evaluation.differences(candidate, other)

    def baseline(self, learned_from: NDArray[Any], candidate: Answers) -> Baseline | None:
        learned = indices_of(labels_in(learned_from, self.dataset), self.classes)
        return class_evaluation.baseline(learned, self.classes, candidate)

    def constant(self, baseline: Baseline) -> Answers:
        shares = [baseline.shares.get(label, 0.0) for label in self.classes]
        return class_evaluation.constant(np.array(shares), self.actual, is_binary=self._is_binary)

    def arguments(self, answers: Answers) -> dict[str, NDArray[Any]]:
        labels = np.array(self.classes)
        return {
            "actual": labels[answers.actual],
            "predicted": labels[answers.answered],
            "probabilities": answers.probabilities,
        }

    def slices(self, candidate: Answers, champion: Answers | None, groups: Groups) -> list[Slice]:
        labels = np.array(self.classes, dtype=object)[self.actual]
        theirs = None if champion is None else champion.wrong
        return evaluation.slices_of(candidate.wrong, theirs, {"target": labels} | dict(groups))

    def importance(
        self, model: Classifying, predict: Predict, columns: Columns, names: Sequence[str]
    ) -> dict[str, float]:
        place = {label: n for n, label in enumerate(model.classes)}
        known = [place.get(label, len(place)) for label in self.classes]
        actual = np.array(known, dtype=np.float64)[self.actual]
        return evaluation.importance(predict, columns, actual, names, class_evaluation.losses)

    def figures(self, model: Classifying, answers: Answers) -> ClassFigures:
        return class_figures(answers, self.classes, model.threshold)


def scoring_of(
    dataset: Dataset, target: NDArray[Any], models: Iterable[Classifying]
) -> Scoring[Any]:
    """The scoring of models on rows with these values of the target.

    The classes are those of all the models; `ANOTHER` comes first if rows have another one. All
    models must have the dataset's task.
    """
    if not dataset.task.is_classifier:
        return _Numbers(np.asarray(target, dtype=np.float64))
    known: list[str] = []
    for model in models:  # each is in order, and the first one is the newest
        known[:0] = [label for label in model.classes if label not in known]
    labels = labels_in(target, dataset)
    actual = indices_of(labels, known)
    if not (actual == len(known)).any():
        return _Classes(dataset, actual, tuple(known))
    others = np.where(actual == len(known), 0, actual + 1)
    return _Classes(dataset, others, (ANOTHER, *known))
