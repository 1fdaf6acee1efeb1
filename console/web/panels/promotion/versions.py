"""The version that the Promotion page shows: queue, selection, and external versions."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from console.actions import pipeline
from console.queries import promotion as promotion_queries
from console.queries import status as status_queries
from console.text import formatting
from console.web import page_state, reading, widgets
from console.web.select import chosen_in, select
from core.domain.promotions import Promotion, PromotionState
from core.rules.access.roles import Right

LISTED = 200
"""How many versions are listed; the address can name any version."""

# The queue is listed from this many candidates on.
_QUEUE = 2
_SHOWN = 5
_ELSEWHERE = 20
_ELSEWHERE_SECONDS = 10.0
_LONGEST_NUMBER = 9
VERSION, _CHOSEN = "version", "promotion-version"
"""The parameter of the address, and the list's key."""


def queue(status: status_queries.Status, promotions: list[Promotion]) -> None:
    """The candidates, newest first, each with its current recommendation."""
    waiting = [p for p in promotions if p.state is PromotionState.PROPOSED]
    if len(waiting) < _QUEUE:
        return
    row = st.container(horizontal=True, vertical_alignment="center", gap="small")
    row.markdown(f"**{len(waiting)} versions await approval:**", width="content")
    with row:
        for promotion in waiting[:_SHOWN]:
            advice = status.recommendation(promotion)
            badge = f":{formatting.STANDINGS[advice.standing]}-badge[{advice.standing}]"
            link(promotion.version, "queue", f" {badge}", widgets.plain(advice.says))
    if len(waiting) > _SHOWN:
        row.caption(f"and {len(waiting) - _SHOWN} older ones", width="content")


def link(version: int, place: str, note: str = "", says: str | None = None) -> None:
    """A button to one version: a page link to the current page would not change its address."""
    st.button(
        f"Version {version}{note}", key=f"{place}-{version}", type="tertiary",
        icon=":material/fact_check:", on_click=page_state.note_address, help=says,
        args=(VERSION, str(version)),
    )  # fmt: skip


def choose(promotions: list[Promotion]) -> Promotion | None:
    """The version named by the address, else the newest candidate, else the live version.

    If the address names an unknown version, shows a message and returns None.
    """
    asked = page_state.address(VERSION)
    shown = {p.version: p for p in promotions}
    if asked:
        promotion = _asked(asked, shown)
        if promotion is None:
            _missing(asked, promotions)
            return None
        shown[promotion.version] = promotion
        chosen = promotion.version
    else:
        chosen = _default(promotions)
    page_state.set_state(_CHOSEN, chosen)

    def note() -> None:
        if (version := chosen_in(_CHOSEN)) in shown:
            page_state.note_address(VERSION, str(version))

    row = st.container(horizontal=True, vertical_alignment="bottom", gap="small")
    newest_first = sorted(shown, reverse=True)
    names = {v: f"Version {v} · {formatting.STATES[shown[v].state][1]}" for v in newest_first}
    help_ = "Proposed versions await approval."
    picked = select(row, "Version", names, _CHOSEN, on_change=note, help=help_)
    widgets.steps(row, VERSION, [str(v) for v in newest_first], str(picked))
    if len(promotions) >= LISTED:
        st.caption(
            f"The newest {LISTED} versions are listed. Open an older one by address: ?version=7"
        )
    return shown[picked]


def _default(promotions: list[Promotion]) -> int:
    for state in (PromotionState.PROPOSED, PromotionState.LIVE):
        for promotion in promotions:
            if promotion.state is state:
                return promotion.version
    return promotions[0].version


def _asked(asked: str, shown: dict[int, Promotion]) -> Promotion | None:
    """The version that the address names, of any age; None if there is none."""
    if not (asked.isascii() and asked.isdigit() and len(asked) <= _LONGEST_NUMBER):
        return None
    version = int(asked)
    return shown.get(version) or reading.query_or_none(promotion_queries.promotion, version)


def _missing(asked: str, promotions: list[Promotion]) -> None:
    """Report that the address names an unknown version, and link to known ones."""
    why = f"There is no version {widgets.plain(asked[:40])} on record."
    st.warning(why, icon=":material/search_off:")
    st.markdown("Known versions:")
    first = _default(promotions)
    for version in dict.fromkeys([first, *(p.version for p in promotions[:_SHOWN])]):
        link(version, "instead")


@st.fragment(run_every=_ELSEWHERE_SECONDS)
def elsewhere(force: Callable[[int], None], *, busy: bool) -> None:
    """Versions registered outside driftdesk, with buttons to evaluate or force them."""
    told = reading.neighbour(
        status_queries.registered_elsewhere, ttl=_ELSEWHERE_SECONDS, silent=True
    )
    external = told.value or []  # why MLflow does not answer is said above
    if not external:
        return
    st.markdown("##### Registered outside driftdesk")
    for version in external[:_ELSEWHERE]:
        row = st.container(horizontal=True, border=True, vertical_alignment="center")
        row.markdown(f"**Version {version.version}** was never evaluated here.")
        number = version.version
        key, done = f"judge-{number}", f"Version {number} is being evaluated."
        look = {"icon": ":material/balance:", **widgets.only(Right.RUN)}
        widgets.act_button(row, "Evaluate", key, done, pipeline.request_judge, number, **look)
        look = {"key": f"force-{number}", "disabled": busy}
        if widgets.button(row, "Force…", ":material/gavel:", Right.DECIDE, **look):
            force(number)
    if len(external) > _ELSEWHERE:
        st.caption(f"And {len(external) - _ELSEWHERE} older ones.")
