"""Live traffic on the Drift page: windows of requests against the champion's training data."""

from __future__ import annotations

import streamlit as st

from console.figures import drift_heatmap
from console.queries import live_traffic as traffic_queries
from console.text import formatting
from console.web import page_state, reading, session, widgets
from console.web.panels.drift import comparison, profiles
from console.web.panels.drift.profiles import Profiles
from core.domain.drift import Finding
from core.domain.safe_text import key_of
from core.rules.data.far_values import far_values
from core.rules.data.quality import faults
from core.rules.drift.live_windows import Window

SECTIONS = ["Data quality", "Distributions"]
_ASK_AGAIN = 5.0
_WINDOW, _HEAT = "live-window", "live-heat"
_SOME_REFUSED = 0.05
"""From this share of invalid requests on, a warning is shown."""


def live_traffic() -> None:
    """The selected window, or how to get the first one."""
    windows = reading.query(traffic_queries.windows)
    if windows is None:
        return
    size = session.desk().settings.live_window
    st.caption(
        f"Requests of clients, in windows of {size:,}. Each window is compared with the live "
        "version's training data, with the rule, the measures and the limits of batches, without "
        "the target (requests have none)."
    )
    next_window()
    if not windows:
        return
    window, grouping = choose(windows)
    verdict(window)
    sides = reading.query(traffic_queries.profiles, window)
    if sides is not None and window.unreadable < window.rows:
        looks_broken(sides)
        then, now = sides
        far = far_values(then.values(), now.values(), session.desk().dataset)
        comparison.far_values(far)
        comparison.ratios(window.report, grouping, f"window-{window.id}", far)
        history(window, windows)
        evidence(window, sides)


@st.fragment(run_every=_ASK_AGAIN)
def next_window() -> None:
    """The progress of the next window; the whole page reruns when it is complete."""
    now = reading.query(traffic_queries.waiting)
    if now is None:
        return
    if page_state.changed("traffic", (now.last, now.live)):
        st.rerun()
    if now.live is None:
        why = f"No model is live, so requests cannot be compared. {_recorded(now)}"
        st.info(why, icon=":material/hourglass_empty:")
        widgets.page_link("promotion")
    elif not now.has_profile:
        st.info(
            f"The training data of version {now.live} has no profile here, so requests cannot be "
            f"compared until a version trained with driftdesk is live. {_recorded(now)}",
            icon=":material/help:",
        )
    else:
        _progress(now)


def _recorded(now: traffic_queries.Waiting) -> str:
    more = " or more" if now.recorded == now.size else ""
    return f"Recorded requests: {now.recorded:,}{more}."


def _progress(now: traffic_queries.Waiting) -> None:
    first = now.last is None
    if first:
        st.info(
            f"**No window yet.** A window has {now.size:,} requests (`LIVE_WINDOW`) and closes "
            "about ten seconds after the last one. Send requests on the **Predict** page, with "
            f"`{widgets.with_dataset('driftdesk predict --csv FILE')}`, or with `POST /predict`.",
            icon=":material/flag:",
        )
    if now.recorded >= now.size:
        text = "The next window is complete and will be compared within seconds."
    else:
        text = f"Next window: {now.recorded:,} of {now.size:,} requests."
    st.progress(now.recorded / now.size, text=text)
    if first:
        widgets.page_link("predict")


def name(window: Window) -> str:
    """The window's name in lists."""
    return f"Window {window.id}: {formatting.span(window.started_at, window.ended_at)}"


def choose(windows: list[Window]) -> tuple[Window, str]:
    """The selected window, kept in the page's address, and the grouping of its charts."""
    wanted = st.query_params.get("window", "")
    named_window = next((w for w in windows if str(w.id) == wanted), None)
    if wanted and named_window is None:
        if key := key_of(wanted):
            named_window = reading.query_or_none(traffic_queries.window, key)
        if named_window is None:
            why = f"There is no window {widgets.plain(wanted)}; the newest is shown."
            st.info(why, icon=":material/info:")
    named = {name(w): w for w in windows}
    if named_window:
        named.setdefault(name(named_window), named_window)
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    addresses = {label: str(w.id) for label, w in named.items()}
    shown = name(named_window or windows[0])
    chosen = widgets.choice(left, "Window", addresses, shown, _WINDOW)
    grouping = right.segmented_control(
        "Charts", [comparison.BY_STATISTIC, comparison.BY_COLUMN],
        default=comparison.BY_STATISTIC, key="charts", bind="query-params", required=True,
    )  # fmt: skip
    return named[chosen], str(grouping)


def verdict(window: Window) -> None:
    """The window's verdict, and the number of its requests."""
    st.caption(
        f"Compared with the training data of version {window.version}, "
        f"{widgets.when(window.created_at)}",
        help=widgets.exact(window.created_at),
    )
    if window.unreadable == window.rows:
        st.warning(f"**No verdict.** {window.report.reasons[0].text}", icon=":material/block:")
    else:
        noise = "Above the limit, but could be noise."
        drifted = noise if window.could_be_noise else "Live traffic has drifted."
        comparison.verdict(window.report, drifted)
    checks = window.report.checks
    breaches = [c for c in checks if c.finding is Finding.BREACH]
    row = st.container(horizontal=True)
    row.metric("Requests", f"{window.rows:,}", width=140)
    explain = (
        f"Requests that version {window.version} would reject, for example because of an unknown "
        "field. They are not part of the comparison."
    )
    row.metric("Invalid", f"{window.unreadable:,}", width=140, help=explain)
    row.metric("Above the limit", f"{len(breaches)} of {len(checks)}", width=170)
    row.metric("Of these, could be noise", f"{sum(c.could_be_noise for c in breaches)}", width=200)
    if _SOME_REFUSED <= window.unreadable / window.rows < 1:
        st.warning(
            f"Version {window.version} would reject "
            f"{100 * window.unreadable / window.rows:.0f} % of these requests. See the requests "
            "under **Predict**, **History**.",
            icon=":material/report:",
        )


def looks_broken(sides: tuple[Profiles, Profiles]) -> None:
    """Signs of a faulty client: a field always missing, another unit, another spelling."""
    then, now = sides
    sentences = faults(then.values(), now.values(), session.desk().dataset)
    if sentences:
        st.warning(
            "**A client may be faulty.**\n"
            + "\n".join(f"- {widgets.plain(sentence)}" for sentence in sentences),
            icon=":material/build:",
        )


def evidence(window: Window, sides: tuple[Profiles, Profiles]) -> None:
    """Data quality and distributions of the requests, compared with the training data."""
    quality, shapes = st.tabs(SECTIONS, key="live", bind="query-params")
    rows, file = f"version {window.version}'s training data", f"window-{window.id}"
    if quality.open:
        with quality:
            profiles.data_quality(*sides, rows)
    if shapes.open:
        with shapes:
            names = (rows, f"window {window.id}")
            profiles.distributions(*sides, names, file, place="live-")


def history(window: Window, windows: list[Window]) -> None:
    """A heat map of each column's largest change by window; a click opens the window."""
    st.subheader("History", anchor=False)
    shown = windows[: traffic_queries.HISTORY]
    labels = {c.name: c.label for c in session.desk().dataset.compared}
    worst = drift_heatmap.worst(traffic_queries.cells(shown), len(labels))
    figure = reading.memo(
        lambda: drift_heatmap.heat(
            worst, labels, window.id, by_column=True, of=drift_heatmap.WINDOW
        ),
        "live heat", shown[0].id, window.id,
    )  # fmt: skip
    newest = [c for c in worst if c.batch_id == shown[0].id and c.ratio is not None]
    peaks = ", ".join(
        f"{labels.get(c.column, c.column)} {(c.ratio or 0.0) / c.limit:.2g} times its limit"
        for c in newest
    )
    alt = f"Largest ratio / limit of each column, {formatting.count(len(shown), 'window')}; "
    alt += f"in the newest: {peaks}"
    look = {"on_select": open_cell, "selection_mode": "points"}
    widgets.chart(figure, _HEAT, "live-traffic", alt, **look)
    comparison.heat_key(drift_heatmap.WINDOW)


def open_cell() -> None:
    """Open the window of the clicked cell."""
    if window_id := comparison.clicked_cell(_HEAT):
        st.query_params["window"] = str(window_id)
