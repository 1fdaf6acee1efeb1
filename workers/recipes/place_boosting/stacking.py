"""Stacking: one initial estimate from several, by ridge regression on cross-fitted estimates.

Wolpert, "Stacked generalization", 1992. The trees get the combined estimate as a feature instead
of having to approximate it in steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from workers.recipes.onnx_graph import Graph

Doubles = NDArray[np.float64]

_RIDGE = 3.0


@dataclass(slots=True)
class Blend:
    """The weight of each input, in the inputs' own units, and a constant."""

    weights: Doubles = field(default_factory=lambda: np.zeros(0))
    constant: float = 0.0

    @classmethod
    def fit(cls, inputs: Doubles, target: Doubles) -> Blend:
        """Fit on [n, k] inputs; constant inputs get weight 0."""
        middle, spread = inputs.mean(axis=0), inputs.std(axis=0)
        varies = spread > 1e-9 * (1.0 + np.abs(middle))
        scaled = np.where(varies, (inputs - middle) / np.where(varies, spread, 1.0), 0.0)
        mean = float(np.mean(target))
        gram = scaled.T @ scaled + _RIDGE * np.eye(inputs.shape[1])
        weights: Doubles = np.linalg.solve(gram, scaled.T @ (target - mean)).astype(np.float64)
        weights = np.where(varies, weights / np.where(varies, spread, 1.0), 0.0)
        return cls(weights, mean - float(middle @ weights))

    def predict(self, inputs: Doubles) -> Doubles:
        """The estimate of each row, [n]."""
        return np.asarray(inputs @ self.weights + self.constant)

    def nodes(self, graph: Graph, inputs: str) -> str:
        """The same as ONNX nodes, [n, 1] of doubles from [n, k]."""
        weights = graph.doubles("blend.weights", self.weights[:, None])
        constant = graph.doubles("blend.constant", np.full(1, self.constant))
        return graph.add("Gemm", [inputs, weights, constant], "blend.estimate")


def inputs_of(
    estimate: Doubles, placed: Doubles, comes_to: Doubles, usual: Doubles, of_unit: Doubles
) -> Doubles:
    """The stacking inputs, [n, k].

    The first stage's `estimate` and the same with group levels (`placed`), both [n, 1]; the
    distance from it to each per-unit estimate (`comes_to`); the `usual` log of each number in its
    groups, and the distance from it to the row's own (`of_unit`), 0 for null; and null flags.
    `comes_to` has no columns without per-unit rates.
    """
    null = np.isnan(of_unit)
    above = np.where(null[:, : comes_to.shape[1]], 0.0, comes_to - placed)
    return np.hstack([estimate, placed, above, usual, np.where(null, 0.0, of_unit - usual), null])


def input_nodes(graph: Graph, parts: tuple[str, str, str | None, str], logs: str, null: str) -> str:
    """`inputs_of` as ONNX nodes, from its first four `parts`, the numbers' logs and their nulls.

    `comes_to` is None without per-unit rates.
    """
    estimate, placed, comes_to, usual = parts
    zero = graph.doubles("blend.zero", np.zeros((1, 1)))
    above = []
    if comes_to is not None:
        raw = graph.add("Sub", [comes_to, placed], "blend.above.raw")
        above = [graph.add("Where", [null, zero, raw], "blend.above")]
    raw = graph.add("Sub", [logs, usual], "blend.beyond.raw")
    beyond = graph.add("Where", [null, zero, raw], "blend.beyond")
    flags = graph.add("Cast", [null], "blend.null", to=TensorProto.DOUBLE)
    return graph.beside([estimate, placed, *above, usual, beyond, flags], "blend.inputs")
