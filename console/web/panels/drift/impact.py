"""Whether drift affects the champion: its error by batch, and drift weighted by importance."""

from __future__ import annotations

import streamlit as st

from console.figures import distributions
from console.queries import drift
from console.web import reading, session, widgets
from core.domain.metrics import ERROR_OF, METRICS
from core.domain.number_format import signed_percent


def impact(view: drift.View) -> None:
    """The champion's error by batch, and each column's drift weighted by its importance."""
    advice = view.advice
    if advice is None:
        st.caption("This batch has no recommendation yet. **Compare again** calculates one.")
        return
    dataset = session.desk().dataset
    left, right = st.columns(2)
    with left:
        st.markdown("##### Champion's error by batch")
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
                f"Version {advice.error.version} on held-out rows, not used for any training. "
                "Error bars: ± two standard errors. This batch is hatched."
            )
    with right:
        st.markdown("##### Drift weighted by importance")
        widgets.table(
            [
                {
                    "Column": w.label + (" (target)" if w.is_target else ""),
                    "Drift (multiples of the limit)": round(w.drift, 2),
                    "Importance (error when shuffled)": "target"
                    if w.is_target
                    else "never seen before"
                    if w.unseen
                    else "unknown"
                    if w.importance is None
                    else signed_percent(w.importance),
                    "Weight": round(w.weight, 3),
                }
                for w in advice.columns
            ],
            height="content",
        )
        st.caption(
            "Drift: the largest change beyond the noise band in multiples of its limit, at most "
            "10. Importance: permutation importance, the increase of the champion's error when "
            "the column is shuffled. The target counts as the most important column, and so do "
            "values that were never seen before. Weight: drift times importance."
        )
