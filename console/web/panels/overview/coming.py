"""What runs next by itself."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from console.text import formatting
from console.web import widgets
from core.rules.ops.schedule import Schedule, in_words


def listing(schedules: Sequence[Schedule]) -> None:
    """The schedules that are due next, soonest first."""
    st.subheader("Next runs", anchor=False)
    if not schedules:
        st.caption("Nothing is scheduled. Batches come when somebody ingests them.")
    for schedule in schedules:
        due = schedule.next_run_at
        ahead = formatting.ahead(due, widgets.now()) if due else ""
        task = formatting.TASKS[schedule.task]
        st.markdown(
            f"**{ahead}** · {task}, {widgets.plain(in_words(schedule.timing))}",
            help=widgets.exact(due),
        )
    widgets.page_link("pipeline", "Schedules", {"view": "Schedule"})
