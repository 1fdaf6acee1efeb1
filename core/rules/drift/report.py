"""A drift report: the drift rule, the additional measures, and their noise bands. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from core.domain.dataset import Dataset
from core.domain.drift import DriftReport
from core.domain.profiles import ColumnProfile
from core.rules.drift.compare import compare
from core.rules.drift.measures import measure, reasons
from core.rules.drift.noise_band import annotate


def drift_report(
    reference: Sequence[ColumnProfile] | None,
    current: Sequence[ColumnProfile],
    dataset: Dataset,
    *,
    share: float = 1.0,
) -> DriftReport:
    """The comparison of a batch with one reference.

    `share` is its part of the batch's allowed false alarm rate (see `annotate`).
    Without a reference nothing is measured, and retraining is required.
    """
    report = compare(reference, current, dataset)
    if reference is None:
        return report
    measured = measure(reference, current, dataset)
    measure_reasons = reasons(measured, reference, current, dataset)
    report = replace(report, measures=measured, measure_reasons=measure_reasons)
    return annotate(report, reference, current, share=share)
