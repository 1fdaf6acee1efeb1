"""Drift: what changed in a batch, against its limits, and whether that asks for training."""

from __future__ import annotations

import streamlit as st

from console import charts, parts, queries, session, words
from core.dataset import STATISTICS
from core.records import Reference, StoredReport


def choose(reports: list[StoredReport]) -> tuple[int, int]:
    """The batch to look at, kept in the page's address."""
    known = list(dict.fromkeys((r.epoch, r.batch_number, r.batch_id) for r in reports))
    names = {f"epoch {e}, batch {n}": batch_id for e, n, batch_id in known}
    wanted = st.query_params.get("batch", "")
    ids = list(names.values())
    index = ids.index(int(wanted)) if wanted.isdecimal() and int(wanted) in ids else 0
    chosen = st.selectbox("Batch", list(names), index=index)
    st.query_params["batch"] = str(names[chosen])
    return names[chosen], len(known)


def verdict(report: StoredReport) -> None:
    """The verdict in words, the worst first."""
    say = st.warning if report.report.retrain else st.success
    icon = ":material/notification_important:" if report.report.retrain else ":material/check:"
    title = "This batch asks for training." if report.report.retrain else "No drift."
    say(f"**{title}** {parts.plain(report.report.reasons[0])}", icon=icon)
    more = report.report.reasons[1:]
    if more:
        with st.expander(f"{len(more)} more statistics above their limit"):
            st.markdown("\n".join(f"- {parts.plain(reason)}" for reason in more))


def compared(report: StoredReport) -> None:
    """One comparison: verdict, chart and figures."""
    st.caption(
        f"Compared with {report.reference_name}, {words.ago(report.created_at, parts.now())}"
    )
    verdict(report)
    if not report.report.changes:
        return
    labels = {c.name: c.label for c in session.desk().dataset.compared}
    shown = [c for c in report.report.changes if c.column in labels]
    st.caption(
        "Change against the reference, per statistic. The amber line is the limit; what is above "
        "it is red and hatched."
    )
    for statistic, column in zip(STATISTICS, st.columns(len(STATISTICS)), strict=True):
        column.plotly_chart(
            charts.ratios(shown, labels, statistic),
            key=f"ratios-{report.id}-{statistic}",
            width="stretch",
            config={"displayModeBar": False},
        )
    with st.expander("Figures"):
        st.dataframe(
            [
                {
                    "Statistic": c.name,
                    "Before": c.reference,
                    "Now": c.current,
                    "Change": words.percent(c.ratio),
                    "Limit": words.percent(c.limit),
                    "Finding": words.STATES[c.finding][1],
                }
                for c in report.report.changes
            ],
            hide_index=True,
            width="stretch",
        )


reports = session.ask(queries.reports, 200) or []
if not reports:
    st.info(
        "No batch has been compared yet. Ingest one on the **Pipeline** page; "
        "its comparison follows by itself.",
        icon=":material/flag:",
    )
    st.page_link("views/pipeline.py", label="Go to Pipeline", icon=":material/conveyor_belt:")
else:
    batch_id, _ = choose(reports)
    of_batch = {r.reference: r for r in reversed(reports) if r.batch_id == batch_id}
    previous, champion = st.tabs(["Against the batch before", "Against the champion's rows"])
    with previous:
        if Reference.PREVIOUS in of_batch:
            compared(of_batch[Reference.PREVIOUS])
    with champion:
        if Reference.CHAMPION in of_batch:
            compared(of_batch[Reference.CHAMPION])
        else:
            st.caption("There was no champion when this batch was compared.")
