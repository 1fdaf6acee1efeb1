"""The Drift page's parts: one comparison, and the evidence about it."""

from __future__ import annotations

import streamlit as st

from console import charts, drift_charts, drift_heat, drifts, parts, session, words
from console.inert import inert_csv
from core.advice import Advice, Recommendation
from core.dataset import STATISTICS
from core.records import DriftReport, Reference, StatChange, StoredReport, figure

BY_STATISTIC, BY_COLUMN = "By statistic", "By column"

ADVICE = {
    Recommendation.IGNORE: ("green", ":material/check_circle:", "Ignore it"),
    Recommendation.RETRAIN: ("orange", ":material/model_training:", "Retrain"),
    Recommendation.BLOCK: ("red", ":material/block:", "Block: it looks broken"),
}

NAMES = {
    Reference.PREVIOUS: "the batch before",
    Reference.CHAMPION: "the champion's rows",
}


def verdict(
    report: DriftReport,
    drifted: str = "This batch asks for training.",
    within: str = "No drift.",
) -> None:
    """The verdict in words, the worst first; what could be noise is said to be."""
    noise = {c.name for c in report.changes if c.could_be_noise}
    say = st.warning if report.retrain else st.success
    icon = ":material/notification_important:" if report.retrain else ":material/check:"
    first, *more = (_with_noise(reason, noise) for reason in report.reasons)
    say(f"**{drifted if report.retrain else within}** {first}", icon=icon)
    if more:
        with st.expander(f"{len(more)} more statistics above their limit"):
            st.markdown("\n".join(f"- {reason}" for reason in more))


def _with_noise(reason: str, noise: set[str]) -> str:
    could = reason.split(" ", 1)[0] in noise
    return parts.plain(reason) + (" :gray-badge[could be noise]" if could else "")


def advice(found: Advice | None) -> None:
    """What is recommended, and why."""
    if found is None:
        st.info(
            "This batch was compared before there were recommendations. "
            "**Compare again** makes one.",
            icon=":material/help:",
        )
        return
    colour, icon, title = ADVICE[found.recommendation]
    with st.container(border=True):
        st.markdown(f"#### {icon} Recommendation: :{colour}[{title}]")
        st.markdown("\n".join(f"- {parts.plain(reason)}" for reason in found.reasons))


def ratios(report: DriftReport, grouping: str, file: str) -> None:
    """Every ratio against its limit and its band, in small charts that stack on a narrow screen.

    `file` names the report, and so the charts and what they are saved as.
    """
    labels = {c.name: c.label for c in session.desk().dataset.compared}
    shown = [c for c in report.changes if c.column in labels]
    if not shown:
        return
    largest = max([c.ratio or 0 for c in shown] + [c.limit for c in shown])
    if grouping == BY_COLUMN:
        there = {c.column for c in shown}
        groups = [(labels[k], [c for c in shown if c.column == k]) for k in labels if k in there]
        names = [[charts.TITLES[c.statistic] for c in found] for _, found in groups]
    else:
        groups = [(charts.TITLES[k], [c for c in shown if c.statistic == k]) for k in STATISTICS]
        names = [[labels[c.column] for c in found] for _, found in groups]
    st.caption(
        "Change against the reference. The amber line is the limit, and the grey bar is the "
        "no-drift band: how far two draws from the same data may lie apart. A breach is red and "
        "hatched; one inside its band is dotted, carries a ~ and could be noise."
    )
    wide = 3 if grouping == BY_COLUMN else len(STATISTICS)
    row: list[st.delta_generator.DeltaGenerator] = []
    for n, ((title, found), called) in enumerate(zip(groups, names, strict=True)):
        if n % wide == 0:
            row = list(st.columns(wide))
        row[n % wide].plotly_chart(
            charts.ratios(found, called, title, largest=largest),
            key=f"ratios-{file}-{grouping}-{n}",
            width="stretch",
            config=charts.png(f"{file}-{title.lower()}"),
            alt=_alt(title, found),
        )


def heat_key(of: str) -> None:
    """What the shades and marks of the history mean."""
    keys = " ".join(
        f'<span style="display:inline-block;width:.8em;height:.8em;background:{colour}"></span> '
        f"{said} &nbsp;"
        for _, colour, said in drift_heat.STEPS
    )
    st.html(
        f'<div style="font-size:.8rem">{keys} &nbsp; &times; or ! breach &nbsp; ○ or ~ breach '
        f"that could be noise &nbsp; a click opens the {of}</div>"
    )


def _alt(title: str, found: list[StatChange]) -> str:
    return f"{title}: " + "; ".join(
        f"{c.name} {words.percent(c.ratio)} of limit {words.percent(c.limit)}" for c in found
    )


def figures(reports: dict[Reference, StoredReport]) -> None:
    """Both references side by side, statistic by statistic."""
    by = {
        reference: {c.name: c for c in report.report.changes}
        for reference, report in reports.items()
    }
    names = list(dict.fromkeys(name for found in by.values() for name in found))
    if not names:
        st.caption("There was nothing to compare the first batch with.")
        return
    st.caption(
        "Many small steps never trip a limit against the batch before; against the rows that the "
        "champion was trained on they add up."
    )
    if Reference.CHAMPION not in reports:
        st.info("There was no champion when this batch was compared.", icon=":material/info:")
    st.dataframe(
        [_row(name, by) for name in names], hide_index=True, width="stretch", height="content"
    )


def _row(name: str, by: dict[Reference, dict[str, StatChange]]) -> dict[str, str]:
    there = {reference: found[name] for reference, found in by.items() if name in found}
    one = next(iter(there.values()))
    row = {"Statistic": name, "Now": _value(one.current), "Limit": words.percent(one.limit)}
    for reference in by:
        head, change = NAMES[reference].capitalize(), there.get(reference)
        row[head] = _value(change.reference) if change else "-"
        row[f"Change from {NAMES[reference]}"] = _change(change) if change else "-"
    return row


def _value(value: float | None) -> str:
    return "-" if value is None else figure(value)


def _change(change: StatChange) -> str:
    """A change in words, such as "21.3%, breach (noise reaches 4.0%)"."""
    if change.ratio is None:
        return words.STATES[change.finding][1]
    band = "" if change.band is None else f" (noise reaches {words.percent(change.band)})"
    noise = ", could be noise" if change.could_be_noise else ""
    return f"{words.percent(change.ratio)}, {words.STATES[change.finding][1]}{noise}{band}"


def report_csv(report: StoredReport) -> bytes:
    """A report as CSV, one row a statistic."""
    header = (
        "epoch", "batch", "compared with", "column", "statistic", "reference", "current", "ratio",
        "limit", "band", "finding", "could be noise",
    )  # fmt: skip
    rows = (
        (
            report.epoch, report.batch_number, report.reference_name, c.column, c.statistic,
            c.reference, c.current, c.ratio, c.limit, c.band, c.finding.value,
            "yes" if c.could_be_noise else "no",
        )
        for c in report.report.changes
    )  # fmt: skip
    return inert_csv([dict(zip(header, row, strict=True)) for row in rows]).encode("utf-8-sig")


def downloads(report: StoredReport) -> None:
    """The report as CSV; each chart saves itself as PNG."""
    st.download_button(
        "CSV",
        report_csv(report),
        file_name=f"drift-epoch-{report.epoch}-batch-{report.batch_number}-"
        f"{report.reference.value}.csv",
        mime="text/csv",
        icon=":material/download:",
        help="Every statistic of this comparison. Each chart has a PNG button of its own.",
        on_click="ignore",
    )


def matter(view: drifts.View) -> None:
    """The champion's error on this batch beside earlier ones, and columns by what they weigh."""
    found = view.advice
    if found is None:
        st.caption("Nothing was weighed when this batch was compared.")
        return
    dataset = session.desk().dataset
    left, right = st.columns(2)
    with left:
        st.markdown("##### The champion's error, batch by batch")
        if found.error is None:
            st.info(found.error_note or "No model is live.", icon=":material/info:")
        else:
            scores = session.ask(drifts.scores, view.batch, found.error.version) or []
            st.plotly_chart(
                drift_charts.errors(scores, view.batch.id, dataset.target.unit),
                key=f"errors-{view.batch.id}",
                width="stretch",
                config=charts.png(f"error-batch-{view.batch.number}"),
                alt="Mean absolute error by batch with its uncertainty.",
            )
            st.caption(
                f"Version {found.error.version} on held-out rows, which no version has seen. "
                "The lines span two standard errors; this batch is hatched."
            )
    with right:
        st.markdown("##### Drift times importance")
        st.dataframe(
            [
                {
                    "Column": w.label + (" (target)" if w.is_target else ""),
                    "Drift, times its limit": round(w.drift, 2),
                    "Importance": "target"
                    if w.is_target
                    else "not known"
                    if w.importance is None
                    else words.percent(w.importance),
                    "Weight": round(w.weight, 3),
                }
                for w in found.columns
            ],
            hide_index=True,
            width="stretch",
            height="content",
        )
        st.caption(
            "Drift is the largest change beyond its band, in limits and at most ten. Importance "
            "is how much the champion's error grows when the column is shuffled. The target "
            "counts as much as the most important column."
        )
