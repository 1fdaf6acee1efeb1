"""The task of a dataset's models: to predict a number, or one of two or of several classes."""

from __future__ import annotations

from enum import StrEnum


class Task(StrEnum):
    """What models predict. A classifier's answer is a label and a probability of each class."""

    REGRESSION = "regression"
    BINARY = "binary"
    MULTICLASS = "multiclass"

    @property
    def is_classifier(self) -> bool:
        """Whether models predict a class."""
        return self is not Task.REGRESSION

    @property
    def constant(self) -> str:
        """The baseline that every model is compared with, as sentences name it."""
        return "class shares" if self.is_classifier else "median"


MOST_CLASSES = 100
"""The maximum number of classes of a target; probabilities and segments are kept for each."""
