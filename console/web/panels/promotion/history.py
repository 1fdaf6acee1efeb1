"""The History and Follow-ups tabs of the Promotion page."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from console.queries import promotion
from console.text import approval_lines, formatting
from console.web import addresses, reading, session, sorted_cells, widgets
from console.web.html_table import html_table
from console.web.panels.promotion import dialogs, versions
from core.domain.metrics import METRICS
from core.domain.promotions import Promotion, Term
from core.rules.access.roles import Right
from core.rules.model.promotion_states import decision_in_words

_LINK = st.column_config.LinkColumn(
    display_text=r"[?&]version=([0-9]+)", width="small", pinned=True
)


def roll_back(
    where: DeltaGenerator | ModuleType,
    live: int | None,
    choices: Sequence[Promotion],
    *,
    busy: bool,
) -> None:
    """A button that opens the dialog of a rollback to one of these versions; none without any.

    If the first one was itself taken away by a rollback, that is said beside the button.
    """
    if not live or not choices:
        return
    taken = reading.query(promotion.taken_back) or {}
    label = f"Roll back to version {choices[0].version}…"
    more = "The dialog offers each version that was live before." if len(choices) > 1 else None
    look: dict[str, Any] = {"disabled": busy, "help": more}
    if widgets.button(where, label, ":material/undo:", Right.DECIDE, **look):
        dialogs.roll_back(live, list(choices), taken)
    if by := taken.get(choices[0].version):
        words = approval_lines.taken_back(by, widgets.now())
        where.caption(widgets.plain(f"Version {choices[0].version} {words}."))


def follow_ups() -> None:
    """Follow-ups of forced promotions: open ones to close, closed ones with their outcome."""
    items = reading.query(promotion.follow_ups)
    if items is None:
        return
    if not items:
        st.caption("No open follow-ups. A forced promotion opens one.")
    for item in items:
        row = st.container(horizontal=True, border=True, vertical_alignment="center")
        row.markdown(
            f"{widgets.plain(item.text)}  \n:gray[opened {widgets.when(item.opened_at)} by "
            f"{widgets.plain(item.opened_by)}]",
            help=widgets.exact(item.opened_at),
        )
        key = f"follow-up-{item.id}"
        if widgets.button(row, "Close…", ":material/task_alt:", Right.DECIDE, key=key):
            dialogs.close_follow_up(item.id, item.text)
    closed = reading.query(promotion.closed_follow_ups)
    if closed:
        st.markdown("##### Closed")
        st.html(
            html_table(
                [
                    {
                        "Closed (UTC)": item.closed_at,
                        "By": item.closed_by,
                        "About": item.subject,
                        "Outcome": item.note,
                        "Opened by": item.opened_by,
                    }
                    for item in closed
                ]
            )
        )


def history(promotions: list[Promotion]) -> None:
    """The deployment history, and every version with its decision."""
    terms = reading.query(promotion.terms) or []
    if terms:
        st.markdown("##### Deployment history")
        columns = ("Version", "Since (UTC)", "Duration", "By", "How", "Why")
        rows = (
            (
                _address(t.version),
                t.since.replace(tzinfo=None),
                _duration(t),
                t.by,
                t.action,
                t.reason,
            )
            for t in terms
        )
        alt = "The deployment history"
        widgets.table(
            [dict(zip(columns, row, strict=True)) for row in rows],
            column_config={"Version": _LINK},
            alt=alt,
        )
    cut = len(promotions) >= versions.LISTED
    st.markdown(f"##### The newest {versions.LISTED} versions" if cut else "##### Every version")
    dataset = session.desk().dataset
    metric, unit = dataset.primary_metric, dataset.target.unit
    heading = METRICS[metric].heading
    st.caption(f"{heading}: each on its own held-out rows; not comparable between versions.")
    widgets.table(
        [
            {
                "Version": _address(p.version),
                "State": formatting.STATES[p.state][1],
                "Recommended": "yes" if p.verdict.promote else "no",
                heading: sorted_cells.metric(metric, p.metrics.get(metric), unit),
                "Held-out rows": p.dossier.held_out_rows if p.dossier else None,
                "Proposed (UTC)": p.proposed_at.replace(tzinfo=None),
                "Decision": decision_in_words(p),
                "Why": p.reason,
                "Failure": p.failure,
            }
            for p in promotions
        ],
        column_config={
            "Version": _LINK,
            "Held-out rows": st.column_config.NumberColumn(format="localized"),
            "Proposed (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss"),
        },
        alt="Every version with its state",
    )


def _address(version: int) -> str:
    """The address of a version's evidence; the table shows its number."""
    return addresses.of(session.dataset_name(), "promotion", {versions.VERSION: str(version)})


def _duration(term: Term) -> str:
    lasted = formatting.duration(term.since, term.until or widgets.now())
    return lasted if term.until else f"{lasted}, still live"
