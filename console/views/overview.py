"""Overview: what needs me now, what is live, what ran last."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from console import charts_dossier, charts_hindsight, overview, parts, session, traffic, words
from core.dataset import METRICS

_ASK_AGAIN = 5.0
_FEEDBACK_LASTS = 15.0
_ICONS = {
    "pipeline": ":material/conveyor_belt:",
    "drift": ":material/stacked_line_chart:",
    "promotion": ":material/approval:",
    "services": ":material/dns:",
}


def needs(found: list[overview.Need]) -> None:
    """One line for each thing that waits, with its way."""
    st.subheader("Needs you", anchor=False)
    if not found:
        st.success("Nothing waits for you.", icon=":material/check_circle:")
    for n, need in enumerate(found):
        with st.container(border=True, key=f"need-{n}"):
            colour, word = ("red", "broken") if need.urgent else ("orange", "waits")
            st.markdown(f":{colour}-badge[{word}] **{parts.plain(need.title)}**")
            if need.detail:
                st.caption(parts.plain(need.detail))
            st.page_link(
                f"views/{need.page}.py",
                label=f"Open {need.page.capitalize()}",
                icon=_ICONS[need.page],
                query_params=need.query or None,
            )


def live(seen: overview.Overview) -> None:
    """What answers today, since when, by whom, and how well it does."""
    st.subheader("Live", anchor=False)
    promotion = seen.status.live
    if promotion is None:
        st.info("No model is live yet.", icon=":material/hourglass_empty:")
        return
    with st.container(border=True):
        st.markdown(f"### Version {promotion.version} {parts.badge(promotion.state)}")
        if seen.term:
            st.caption(
                f"Live {parts.when(seen.term.since)}, by {parts.plain(seen.term.by)} "
                f"({parts.plain(seen.term.action)})",
                help=parts.exact(seen.term.since),
            )
        metrics = promotion.dossier.get("candidate", {}).get("metrics", {})
        row = st.container(horizontal=True)
        for name in METRICS:
            if name in metrics:
                row.metric(words.METRICS[name], words.metric(name, metrics[name]), width=180)
        if metrics:
            st.caption(
                f"On {promotion.dossier['held_out_rows']:,} held-out rows, when it was judged."
            )
        errors(seen)
        hindsight(metrics)
        st.page_link(
            "views/promotion.py",
            label="Its dossier",
            icon=":material/fact_check:",
            query_params={"version": str(promotion.version)},
        )


def errors(seen: overview.Overview) -> None:
    """How the live version does on the last batches' held-out rows, which no version has seen."""
    found = [e.metrics["mae"] for e in seen.errors]
    if not found:
        return
    before = seen.error_before
    st.metric(
        "Mean absolute error on the newest batch",
        words.metric("mae", found[-1]),
        f"{found[-1] / before - 1:+.1%} against the {len(found) - 1} before" if before else None,
        delta_color="inverse",
        help="On each batch's held-out rows, which no version has ever learned from.",
    )
    if found[1:]:
        course(found)


def course(found: list[float]) -> None:
    """How the error went, batch by batch."""
    # The chart that a metric can carry has no text for screen readers.
    st.plotly_chart(
        charts_dossier.course(found),
        key="course",
        config={"displayModeBar": False},
        alt=f"The error on the last {len(found)} batches, oldest first: "
        + ", ".join(words.metric("mae", value) for value in found),
    )


def hindsight(judged: Mapping[str, float]) -> None:
    """How well it did by what people said later, beside the error when it was judged."""
    found = session.ask_lately(_FEEDBACK_LASTS, traffic.hindsight)
    if found is None:
        return
    st.markdown("**From feedback**")
    if not found.course:
        st.caption(
            "Nobody has said yet what an answer should have been. Send it with `driftdesk feedback "
            "PREDICTION_ID ACTUAL` or `POST /feedback`, and the error over time stands here."
        )
        return
    live = found.live
    if live:
        row = st.container(horizontal=True)
        row.metric(
            words.METRICS["mae"],
            words.metric("mae", live.mae),
            _beside(judged.get("mae"), lambda then: f"{live.mae / then - 1:+.1%}"),
            delta_color="inverse",
            width=180,
        )
        mdape = live.mdape
        if mdape is not None:
            row.metric(
                words.METRICS["mdape"],
                words.metric("mdape", mdape),
                _beside(judged.get("mdape"), lambda then: f"{100 * (mdape - then):+.1f} points"),
                delta_color="inverse",
                width=180,
            )
    st.plotly_chart(
        charts_hindsight.hindsight(found.course, judged, live.versions[0] if live else None),
        key="hindsight",
        config={"displayModeBar": False},
        alt=charts_hindsight.told(found.course, judged),
    )
    st.caption(
        f"From {found.told:,} answers of which somebody said what they should have been; "
        f"{live.count if live else 0:,} are the live version's. A point stands for some "
        f"{found.course[-1].count:,}, at the time of the last; it is open where another version "
        "answered. The dashed line is the error at judging."
    )


def _beside(then: float | None, change: Callable[[float], str]) -> str | None:
    """A change since judging, in words, where that is known."""
    return f"{change(then)} since judging" if then else None


def runs(seen: overview.Overview) -> None:
    """The last jobs, newest first."""
    st.subheader("Last runs", anchor=False)
    for job in seen.jobs:
        note = job.error or parts.job_note(job)
        took = words.duration(job.started_at, job.finished_at) if job.finished_at else ""
        st.markdown(
            f"{parts.badge(job.state)} **{job.kind.value} {job.id}** · "
            f"{parts.when(job.requested_at)}{f' · {took}' if took else ''}  \n"
            f":gray[{parts.plain(note[:160])}]",
            help=parts.exact(job.requested_at),
        )
    st.page_link("views/pipeline.py", label="All runs", icon=":material/conveyor_belt:")


def first_day() -> None:
    """What to do on a desk that has seen nothing yet."""
    st.info(
        "**Welcome.** Nothing has come in yet. Begin on the Pipeline page: **Ingest next batch** "
        "asks the data API for the first one. Its comparison follows by itself; then train, and "
        "decide about what comes of it on the Promotion page.",
        icon=":material/flag:",
    )
    st.page_link("views/pipeline.py", label="Go to Pipeline", icon=":material/conveyor_belt:")


@st.fragment(run_every=_ASK_AGAIN)
def page() -> None:
    """The whole page: it changes by itself."""
    seen = session.ask(overview.overview)
    if seen is None:
        return
    if seen.is_empty:
        first_day()
        return
    disagree = session.ask_lately(10.0, overview.disagreement) or []
    left, right = st.columns([3, 2], gap="large")
    with left:
        needs([*disagree, *seen.needs])
    with right:
        live(seen)
        runs(seen)


page()
