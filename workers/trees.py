"""What the trees of a fitted model look like inside, as tables that explain its predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from core.errors import ModelRefused
from core.explain import Trees
from core.runtime import Runtime
from workers.features import Rows
from workers.training import Fitted

TOLERANCE = 1e-5
"""The largest relative difference between what effects add up to and the model's answer."""

_CHECKED = 20


def _members(fitted: Fitted) -> list[tuple[Any, float]]:
    """The boosted ensembles whose weighted sum is what was learned."""
    return [(fitted.trees, 1.0)]


def tables(fitted: Fitted) -> Trees:
    """The nodes of every tree, their leaves scaled by their member's weight."""
    nodes: list[Any] = []
    values: list[Any] = []
    base = 0.0
    for member, weight in _members(fitted):
        base += weight * float(np.ravel(member._baseline_prediction)[0])  # noqa: SLF001
        for (tree,) in member._predictors:  # noqa: SLF001 - there is no public way
            nodes.append(tree.nodes)
            values.append(tree.nodes["value"] * weight)
    sizes = [len(tree) for tree in nodes]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    every, offset = np.concatenate(nodes), np.repeat(roots, sizes)
    leaf = every["is_leaf"].astype(bool)
    return Trees(
        on_log=fitted.on_log,
        base=base,
        columns=tuple(fitted.features.sources()),
        roots=roots,
        feature=np.where(leaf, -1, every["feature_idx"]).astype(np.int64),
        threshold=np.where(leaf, 0.0, every["num_threshold"]),
        left=np.where(leaf, 0, every["left"].astype(np.int64) + offset),
        right=np.where(leaf, 0, every["right"].astype(np.int64) + offset),
        missing_left=every["missing_go_to_left"].astype(bool) & ~leaf,
        value=np.where(leaf, np.concatenate(values), 0.0),
        cover=every["count"].astype(float),
    )


def check_sum(runtime: Runtime, rows: Rows) -> None:
    """See that the effects add up to the model's own answers, on the first few of these rows.

    Raises:
        ModelRefused: they do not.
    """
    first = {name: values[:_CHECKED] for name, values in rows.items()}
    answers = runtime.predict(first)
    for n, answer in enumerate(answers.tolist()):
        explained = runtime.explain({name: values[n] for name, values in first.items()})
        if explained is None:
            return
        if not abs(explained.prediction - answer) <= TOLERANCE * max(abs(answer), 1e-9):
            raise ModelRefused(
                f"The effects add up to {explained.prediction:.9g} where the model says "
                f"{answer:.9g}."
            )
