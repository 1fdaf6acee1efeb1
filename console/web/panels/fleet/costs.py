"""What each dataset costs: rows, bytes, work and requests."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from console.queries import fleet as fleet_queries
from console.queries.fleet import Costs
from console.web import reading, session, widgets

_TTL = 30.0
_HOUR = 3600.0


def panel() -> None:
    """A table of the datasets that this session may see, or of the one of the page."""
    st.subheader("Costs", anchor=False)
    found = reading.query_fleet(fleet_queries.costs, ttl=_TTL)
    if found is None:
        return
    name = session.dataset_name()
    number = st.column_config.NumberColumn(format="localized")
    hours = st.column_config.NumberColumn(format="%.2f", help="Hours of work of ended jobs.")
    kinds = sorted({kind for costs in found for kind in costs.cost.seconds})
    rows = [_row(costs, kinds) for costs in found if name in ("", costs.cost.dataset)]
    columns = {"Rows": number, "Predictions": number, "Work (h)": hours}
    columns["Received (MB)"] = st.column_config.NumberColumn(format="%.1f")
    widgets.table(rows, column_config=columns | dict.fromkeys(map(_heading, kinds), hours))
    st.caption("Rows in the database now; bytes received, work and predictions since the start.")


def _heading(kind: str) -> str:
    return f"{kind.capitalize()} (h)"


def _row(costs: Costs, kinds: Sequence[str]) -> dict[str, object]:
    cost = costs.cost
    return {
        "Dataset": costs.title,
        "Rows": cost.rows,
        "Received (MB)": cost.bytes / 1e6,
        "Predictions": cost.predictions,
        "Work (h)": sum(cost.seconds.values()) / _HOUR,
        **{_heading(kind): cost.seconds.get(kind, 0.0) / _HOUR for kind in kinds},
    }
