"""Forward scores: metrics of versions on batches that are newer than all their training batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ForwardScore:
    """The metrics of one version on one batch that it was not trained on.

    `coverage` is the share of rows within their prediction interval; None if the model has no
    intervals. `note` says why there are no metrics, if there are none.
    """

    version: int
    batch_id: int
    rows: int
    metrics: Mapping[str, float]
    coverage: float | None = None
    note: str = ""
