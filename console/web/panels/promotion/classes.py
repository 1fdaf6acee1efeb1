"""A classifier's evidence: confusion matrices, curves, and the classes of its data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from console.figures import class_charts
from console.text.prediction import probability_words
from console.web import widgets
from core.domain.dossier import ClassFigures, Dossier
from core.domain.task import Task

_QUIET = {"displayModeBar": False}

Draw = Callable[[ClassFigures, ClassFigures | None], dict[str, Any]]


def confusion(full: Dossier) -> None:
    """The confusion matrices of both models, side by side."""
    if full.candidate_classes is None:
        st.caption("Not measured.")
        return
    st.caption(
        "Held-out rows by their actual class (rows) and the answered class (columns). Answers on "
        "the diagonal are right. The colour is the share of the actual class."
    )
    models = [("Candidate", full.candidate.version, full.candidate_classes)]
    if full.champion and full.champion_classes:
        models.append(("Champion", full.champion.version, full.champion_classes))
    for column, (name, version, figures) in zip(st.columns(len(models)), models, strict=True):
        column.markdown(f"**{name}** (version {version})")
        chart, key = class_charts.confusion(figures, full.classes), f"confusion-{name}"
        column.plotly_chart(chart, key=key, config=_QUIET, alt=_matrix_text(figures, full.classes))
        if figures.threshold is not None:
            column.caption(
                f"Threshold: the answer is {widgets.plain(full.classes[-1])} if its probability is "
                f"at least {probability_words(figures.threshold)}."
            )
    if full.task is Task.BINARY:
        st.caption(
            "The threshold is stored with the model. The training chooses it on a part of the "
            "training rows, by the best macro F1; a training command states its own."
        )


def _matrix_text(figures: ClassFigures, classes: tuple[str, ...]) -> str:
    """The matrix as text, for screen readers."""
    return "; ".join(
        f"actual {actual}: "
        + ", ".join(f"{n:,} answered {label}" for label, n in zip(classes, row, strict=True) if n)
        for actual, row in zip(classes, figures.confusion, strict=True)
    )


def curves(full: Dossier) -> None:
    """ROC, precision by recall, and calibration of both models."""
    candidate, champion = full.candidate_classes, full.champion_classes
    if candidate is None:
        st.caption("Not measured.")
        return
    st.caption(_curves_title(full))
    shown: tuple[tuple[str, Draw, str], ...] = (
        ("ROC", class_charts.roc, "The dotted line is chance."),
        ("Precision by recall", class_charts.precision_recall, ""),
        (
            "Calibration",
            class_charts.calibration,
            "In 10 bins of equal width. On the dotted line probabilities are right on average.",
        ),
    )
    for name, draw, note in shown:
        st.markdown(f"**{name}**")
        st.plotly_chart(draw(candidate, champion), key=f"curve-{name}", config=_QUIET, alt=name)
        if note:
            st.caption(note)


def _curves_title(full: Dossier) -> str:
    """What the curves are of."""
    if full.task is Task.BINARY:
        return f"Curves of the class **{widgets.plain(full.classes[-1])}** on the held-out rows."
    curves = full.candidate_classes.roc if full.candidate_classes else ()
    if curves and not curves[0].of:
        return "The mean of the curves of all classes, each against the rest, on the held-out rows."
    return "Curves of each class against the rest, on the held-out rows."
