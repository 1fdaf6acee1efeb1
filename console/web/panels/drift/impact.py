"""Whether drift affects the champion: its error by batch, and drift weighted by importance."""

from __future__ import annotations

import streamlit as st

from console.figures import distributions
from console.queries import drift
from console.web import reading, session, widgets
from console.web.panels.drift import foremost
from core.domain.metrics import ERROR_OF, METRICS
from core.rules.drift.column_weights import ColumnWeight
from core.rules.drift.references import against


def impact(view: drift.View) -> None:
    """The champion's error by batch, and each column's drift weighted by its importance."""
    advice = view.advice
    if advice is None:
        st.caption("This batch has no recommendation yet. **Compare again** calculates one.")
        return
    dataset = session.desk().dataset
    drifts = {
        against(report): {w.column: w.drift for w in foremost.weights(view, report)}
        for report in view.reports.values()
        if not report.is_alone
    }
    left, right = st.columns(2)
    with left:
        st.markdown("##### Champion's error by batch, on held-out rows")
        if advice.error is None:
            st.info(advice.error_note or "No model was live.", icon=":material/info:")
        else:
            scores = reading.query(drift.scores, view.batch, advice.error.version) or []
            error = ERROR_OF[dataset.task]
            figure = distributions.errors(scores, view.batch.id, dataset.target.unit, error)
            alt = f"{METRICS[error].heading} by batch with its uncertainty."
            file = f"error-batch-{view.batch.number}"
            widgets.chart(figure, f"errors-{view.batch.id}", file, alt)
            st.caption(
                f"Version {advice.error.version} on each batch's held-out rows, not used for any "
                "training. Error bars: ± two standard errors. This batch is hatched. On batches "
                "newer than the model, the Overview and Promotion pages have its error on all "
                "rows, so that it differs from this one."
            )
    with right:
        st.markdown("##### Drift weighted by importance")
        widgets.table(
            [
                {"Column": w.label}
                | {
                    f"Drift from {reference}": round(of.get(w.column, 0.0), 2)
                    for reference, of in drifts.items()
                }
                | {
                    "Importance": None if w.importance is None else 100 * w.importance,
                    "Counts as the most important": _why(w),
                    "Weight": round(w.weight, 3),
                }
                for w in advice.columns
            ],
            height="content",
            placeholder="",
            column_config={
                "Importance": st.column_config.NumberColumn(
                    format="%+.1f %%", help="The error when the column is shuffled."
                )
            },
        )
        st.caption(
            "Drift: the largest change beyond the noise band in multiples of its limit, at most "
            "10, from each reference. Importance: permutation importance, the increase of the "
            "champion's error when the column is shuffled. The target counts as the most "
            "important column, and so does a column with new values. Weight: the larger "
            "drift times importance."
        )


def _why(weight: ColumnWeight) -> str:
    """Why a column counts as the most important one; empty if its own importance counts."""
    if weight.is_target:
        return "target"
    return "new values" if weight.unseen else ""
