"""The Drift page's other half: what clients ask now, beside what the champion learned from."""

from __future__ import annotations

import streamlit as st

from console import charts, drift_heat, parts, parts_drift, parts_profiles, session, traffic, words
from console.parts_profiles import Profiles
from core.broken import faults
from core.records import Finding
from core.traffic import Window

SECTIONS = ["What came in", "Distributions"]
_ASK_AGAIN = 5.0
_WINDOW, _HEAT = "live-window", "live-heat"
_SOME_REFUSED = 0.05
"""From this share of requests on, it is said aloud that they would be refused."""


def live_traffic() -> None:
    """The window that was asked for, or what it takes to get one."""
    found = session.ask(traffic.windows)
    if found is None:
        return
    size = session.desk().settings.live_window
    st.caption(
        f"What clients ask, in windows of {size:,} requests. Each is compared with the rows that "
        "the live version was trained on, by the rule and the limits of batches. A request has no "
        "target, so none is compared."
    )
    next_window()
    if not found:
        return
    window, grouping = choose(found)
    verdict(window)
    sides = session.ask(traffic.profiles, window)
    if sides is not None and window.unreadable < window.rows:
        looks_broken(sides)
        parts_drift.ratios(window.report, grouping, f"window-{window.id}")
        course(window, found)
        evidence(window, sides)


@st.fragment(run_every=_ASK_AGAIN)
def next_window() -> None:
    """How far the next window is; when it is there, the whole page follows."""
    now = session.ask(traffic.waiting)
    if now is None:
        return
    if session.changed("traffic", (now.last, now.live)):
        st.rerun()
    if now.live is None:
        st.info(
            f"No model is live, so there is nothing to compare requests with. {_recorded(now)}",
            icon=":material/hourglass_empty:",
        )
        _link("promotion", "Go to Promotion", ":material/approval:")
    elif not now.known:
        st.info(
            f"The rows that version {now.live} was trained on are not on record here, so requests "
            f"wait for a version that was trained at this desk. {_recorded(now)}",
            icon=":material/help:",
        )
    else:
        _progress(now)


def _recorded(now: traffic.Waiting) -> str:
    some = f"{now.size:,} or more" if now.recorded == now.size else f"{now.recorded:,}"
    return f"{some} are recorded." if now.recorded else "None is recorded yet."


def _progress(now: traffic.Waiting) -> None:
    first = now.last is None
    if first:
        st.info(
            f"**No window yet.** It takes {now.size:,} requests (`LIVE_WINDOW`), and is cut some "
            "ten seconds after the last of them. Ask on the **Predict** page, with `driftdesk "
            "predict --csv FILE`, or by `POST /predict`: each answer counts.",
            icon=":material/flag:",
        )
    if now.recorded >= now.size:
        said = "There are enough requests for the next window: it is there in some seconds."
    else:
        said = f"The next window has {now.recorded:,} of {now.size:,} requests."
    st.progress(now.recorded / now.size, text=said)
    if first:
        _link("predict", "Go to Predict", ":material/calculate:")


def _link(page: str, label: str, icon: str) -> None:
    st.page_link(f"views/{page}.py", label=label, icon=icon)


def name(window: Window) -> str:
    """How people tell a window from others."""
    return f"Window {window.id}: {words.span(window.started_at, window.ended_at)}"


def choose(found: list[Window]) -> tuple[Window, str]:
    """The window to look at, kept in the page's address, and how its charts are grouped."""
    wanted = st.query_params.get("window", "")
    asked = next((w for w in found if str(w.id) == wanted), None)
    if wanted and asked is None:
        asked = session.find(traffic.window, int(wanted)) if wanted.isdecimal() else None
        if asked is None:
            st.info(
                f"There is no window {parts.plain(wanted)}; this is the newest.",
                icon=":material/info:",
            )
    every = found if asked is None or asked in found else [*found, asked]
    named = {name(w): w for w in every}
    session.keep(_WINDOW, name(asked or found[0]))

    def note() -> None:
        st.query_params["window"] = str(named[session.field(_WINDOW)].id)

    left, right = st.columns([2, 1], vertical_alignment="bottom")
    chosen = left.selectbox("Window", list(named), key=_WINDOW, on_change=note)
    grouping = right.segmented_control(
        "Charts", [parts_drift.BY_STATISTIC, parts_drift.BY_COLUMN],
        default=parts_drift.BY_STATISTIC, key="charts", bind="query-params", required=True,
    )  # fmt: skip
    return named[chosen], str(grouping)


def verdict(window: Window) -> None:
    """The verdict in words, and how much it rests on."""
    st.caption(
        f"Compared with the rows that version {window.version} was trained on, "
        f"{parts.when(window.created_at)}",
        help=parts.exact(window.created_at),
    )
    if window.unreadable == window.rows:
        st.warning(f"**No verdict.** {window.report.reasons[0]}", icon=":material/block:")
    else:
        noise = "Above a limit, but it could be noise."
        drifted = noise if window.could_be_noise else "Live traffic has drifted."
        parts_drift.verdict(window.report, drifted)
    broken = [c for c in window.report.changes if c.finding is Finding.BREACH]
    row = st.container(horizontal=True)
    row.metric("Requests", f"{window.rows:,}", width=140)
    row.metric(
        "Unreadable",
        f"{window.unreadable:,}",
        width=140,
        help=f"Requests that version {window.version} would refuse, such as those with a field "
        "that it does not take. They are in no figure.",
    )
    row.metric("Above their limit", f"{len(broken)} of {len(window.report.changes)}", width=170)
    row.metric("Of these, could be noise", f"{sum(c.could_be_noise for c in broken)}", width=200)
    if _SOME_REFUSED <= window.unreadable / window.rows < 1:
        st.warning(
            f"Version {window.version} would refuse {window.unreadable / window.rows:.0%} of these "
            "requests. Look at what clients send under **Predict**, **History**.",
            icon=":material/report:",
        )


def looks_broken(sides: tuple[Profiles, Profiles]) -> None:
    """What no market does: a field that nobody fills any more, another unit, another spelling."""
    then, now = sides
    found = faults(then.values(), now.values(), session.desk().dataset)
    if found:
        st.warning(
            "**Some client looks broken.**\n"
            + "\n".join(f"- {parts.plain(sentence)}" for sentence in found),
            icon=":material/build:",
        )


def evidence(window: Window, sides: tuple[Profiles, Profiles]) -> None:
    """What the requests were made of, beside the training rows."""
    came, shapes = st.tabs(SECTIONS, key="live", bind="query-params")
    rows, file = f"version {window.version}'s training rows", f"window-{window.id}"
    if came.open:
        with came:
            parts_profiles.came_in(*sides, rows)
    if shapes.open:
        with shapes:
            names = (rows, f"window {window.id}")
            parts_profiles.distributions(*sides, names, file, place="live-")


def course(window: Window, found: list[Window]) -> None:
    """Each column's worst statistic, window by window; a click on a cell opens its window."""
    st.subheader("Window by window", anchor=False)
    shown = found[: traffic.COURSE]
    labels = {c.name: c.label for c in session.desk().dataset.compared}
    worst = drift_heat.worst(traffic.cells(shown), len(labels))
    figure = session.remembered(
        lambda: drift_heat.heat(
            worst, labels, window.id, by_column=True, of=drift_heat.WINDOW
        ),
        "live heat", shown[0].id, window.id,
    )  # fmt: skip
    newest = [c for c in worst if c.batch_id == shown[0].id and c.ratio is not None]
    st.plotly_chart(
        figure,
        key=_HEAT,
        width="stretch",
        config=charts.png("live-traffic"),
        on_select=open_cell,
        selection_mode="points",
        alt=f"Each column's worst ratio divided by its limit in the last {len(shown)} windows; "
        "in the newest: "
        + ", ".join(f"{labels.get(c.column, c.column)} {_times(c.ratio, c.limit)}" for c in newest),
    )
    parts_drift.heat_key(drift_heat.WINDOW)


def _times(ratio: float | None, limit: float) -> str:
    return f"{(ratio or 0.0) / limit:.2g} times its limit"


def open_cell() -> None:
    """Look at the window whose cell was clicked."""
    points = (session.field(_HEAT, None) or {}).get("selection", {}).get("points", [])
    if points and points[0].get("customdata"):
        st.query_params["window"] = str(int(points[0]["customdata"][0]))
