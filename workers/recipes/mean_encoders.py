"""Encoders of texts by means of the target, exact in single precision.

The exported model compares encoded values with thresholds in single precision. A threshold lies
half-way between two values; among thousands of values some are so close to it that rounding would
send their rows to the other branch. So every mean is rounded like training numbers (`rounded`).
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import BaseCrossValidator
from sklearn.preprocessing import TargetEncoder

_PRECISION = 2.0**20
"""Values keep 20 of the 24 binary digits of single precision."""


def rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values to `_PRECISION`: half-way between two neighbours is exact in single precision."""
    fraction, exponent = np.frexp(values)
    nearest: NDArray[np.float64] = np.ldexp(np.round(fraction * _PRECISION) / _PRECISION, exponent)
    return nearest


class MeanEncoder(TargetEncoder):  # type: ignore[misc] # scikit-learn has no types
    """A target encoder with rounded means, of a target that is a number.

    Like its parent, it is cross-fitted in `fit_transform`, and shrinks the means of rare values
    towards that of all rows.
    """

    def __init__(self, cv: BaseCrossValidator, target_type: str = "continuous") -> None:
        """Cross-fitted by these folds."""
        super().__init__(target_type=target_type, cv=cv)

    def fit(self, X: Any, y: NDArray[Any]) -> Self:  # noqa: N803 - scikit-learn's names
        """Learn the means."""
        super().fit(X, y)
        self._round()
        return self

    def fit_transform(self, X: Any, y: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        """Learn the means, and encode each row by those of the other folds."""
        encoded = rounded(super().fit_transform(X, y))
        self._round()
        return encoded

    def _round(self) -> None:
        self.encodings_: list[NDArray[np.float64]] = [rounded(m) for m in self.encodings_]
        self.target_mean_: float = rounded(np.array([self.target_mean_]))[0]


class ClassShare(MeanEncoder):
    """A target encoder of one class against the rest; skl2onnx exports no multiclass one."""

    def __init__(self, place: int, cv: BaseCrossValidator) -> None:
        """For the class with this index among 0, 1, … k - 1, cross-fitted by these folds."""
        super().__init__(cv, "binary")
        self.place = place

    def fit(self, X: Any, y: NDArray[np.intp]) -> Self:  # noqa: N803 - scikit-learn's names
        """Learn the shares, from the places of the rows' classes."""
        super().fit(X, y == self.place)
        return self

    def fit_transform(self, X: Any, y: NDArray[np.intp]) -> NDArray[np.float64]:  # noqa: N803
        """Learn the shares, and encode each row by those of the other folds."""
        return super().fit_transform(X, y == self.place)


def register() -> None:
    """Let skl2onnx export them as their parent is exported."""
    from skl2onnx import update_registered_converter  # noqa: PLC0415 - takes a second
    from skl2onnx.operator_converters.target_encoder import (  # noqa: PLC0415
        convert_sklearn_target_encoder,
    )
    from skl2onnx.shape_calculators.target_encoder import (  # noqa: PLC0415
        calculate_sklearn_target_encoder_output_shapes,
    )

    for encoder in (MeanEncoder, ClassShare):
        update_registered_converter(
            encoder,
            f"Driftdesk{encoder.__name__}",
            calculate_sklearn_target_encoder_output_shapes,
            convert_sklearn_target_encoder,
        )
