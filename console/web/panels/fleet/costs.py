"""What each dataset costs: rows, bytes, work and requests."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from console.queries import fleet as fleet_queries
from console.queries.fleet import Costs
from console.web import reading, session, widgets

_TTL = 30.0
_UNITS = {"h": 3600.0, "min": 60.0, "s": 1.0}
"""Units of work in seconds; the first one of which a dataset has used at least one counts."""


def panel() -> None:
    """A table of the datasets that this session may see, or of the one of the page."""
    st.subheader("Costs", anchor=False)
    found = reading.query_fleet(fleet_queries.costs, ttl=_TTL)
    if found is None:
        return
    name = session.dataset_name()
    number = st.column_config.NumberColumn(format="localized")
    shown = [costs for costs in found if name in ("", costs.cost.dataset)]
    kinds = sorted({kind for costs in shown for kind in costs.cost.seconds})
    unit = unit_of(shown)
    work = st.column_config.NumberColumn(format="%.1f", help="Work of ended jobs.")
    columns = {"Rows": number, "Predictions": number}
    columns["Received (MB)"] = st.column_config.NumberColumn(format="%.1f")
    columns |= {_heading(kind, unit): work for kind in ("work", *kinds)}
    widgets.table([_row(costs, kinds, unit) for costs in shown], column_config=columns)
    st.caption("Rows in the database now; bytes received, work and predictions since the start.")


def unit_of(shown: Sequence[Costs]) -> str:
    """The unit for the work of these datasets: the largest of which one used at least 1."""
    most = max((sum(costs.cost.seconds.values()) for costs in shown), default=0.0)
    return next((unit for unit, seconds in _UNITS.items() if most >= seconds), "s")


def _heading(kind: str, unit: str) -> str:
    return f"{kind.capitalize()} ({unit})"


def _row(costs: Costs, kinds: Sequence[str], unit: str) -> dict[str, object]:
    cost, seconds = costs.cost, _UNITS[unit]
    return {
        "Dataset": costs.title,
        "Rows": cost.rows,
        "Received (MB)": cost.bytes / 1e6,
        "Predictions": cost.predictions,
        _heading("work", unit): sum(cost.seconds.values()) / seconds,
        **{_heading(kind, unit): cost.seconds.get(kind, 0.0) / seconds for kind in kinds},
    }
