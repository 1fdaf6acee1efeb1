"""Fleet: a line for each dataset, those that need somebody first."""

from __future__ import annotations

import streamlit as st

from console.queries import fleet as fleet_queries
from console.text.fleet_lines import headline
from console.web import addresses, reading, session, widgets
from console.web.panels.fleet.table import table
from core.rules.ops import fleet_state
from core.rules.ops.fleet_state import State

_REFRESH, _LOOK = 10.0, 3.0
_STATES = [state.value for state in State]
_TTL, _FEEDBACK_TTL = 2.0, 15.0


def nothing_yet() -> None:
    """What to do on a desk without datasets."""
    st.info("There is no dataset on this desk yet.", icon=":material/flag:")
    st.markdown(
        "Each dataset is one file, such as `bikes.toml`, in the folder that `DATASETS` names. "
        "Write one from a CSV file of yours:\n\n"
        "```sh\ndriftdesk dataset init rows.csv --target price --out bikes.toml\n```\n\n"
        "It appears here within a few seconds, without a restart."
    )


def nothing_for_you() -> None:
    """Nothing that this person may see."""
    st.info("There is no dataset on this desk that you may see.", icon=":material/visibility_off:")
    st.caption(widgets.plain(f"Ask {session.contact()} for a role."))


@st.fragment(run_every=_LOOK)
def services() -> None:
    """The services that all datasets share and that do not answer: they stand in no line."""
    if not session.visible():
        return
    down = [service.name for service in session.watch().look(0.0) if service.healthy is False]
    if down:
        be = "is" if len(down) == 1 else "are"
        st.error(f"{widgets.plain(' and '.join(down))} {be} down.", icon=":material/cloud_off:")
        widgets.page_link("services", "Open Services")


@st.fragment(run_every=_REFRESH)
def listing(states: list[str], text: str) -> None:
    """The lines that match the filters."""
    whole = session.sees_whole_desk()
    feedback = reading.query_fleet(fleet_queries.feedback_errors, ttl=_FEEDBACK_TTL)
    if feedback is None:
        return
    lines = reading.query_fleet(fleet_queries.lines, with_files=whole, feedback=feedback, ttl=_TTL)
    if lines is None:
        return
    if problem := session.fleet().datasets().problem if whole else "":
        st.error(widgets.plain(problem), icon=":material/folder_off:")
    if not lines:
        nothing_yet() if whole else nothing_for_you()
        return
    if news := headline(lines):
        st.markdown(f"**{news}**")
    shown = fleet_state.matching(lines, states, text)
    if not shown:
        st.info("No dataset matches the filters.", icon=":material/search_off:")
        return
    st.html(table(shown, session.fleet().datasets().usable, widgets.now(), addresses.of))


with st.container(horizontal=True, vertical_alignment="bottom", key="fleet-filters"):
    named = st.text_input(
        "Name", key="named", bind="query-params", placeholder="Filter by name", max_chars=100,
        label_visibility="collapsed", icon=":material/filter_list:", width=260,
    )  # fmt: skip
    chosen = st.pills(
        "State", _STATES, key="only", bind="query-params", selection_mode="multi",
        label_visibility="collapsed",
    )  # fmt: skip
services()
listing(chosen, named or "")
