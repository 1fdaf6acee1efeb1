"""Predict: one row or a CSV file with the live model, and the history of predictions."""

from __future__ import annotations

import streamlit as st

from console.queries import status
from console.web import reading, widgets
from console.web.panels.predict import file, form, history, recorded
from core.rules.model.contract import Contract

_MODES = ("One row", "CSV file", "History")


def nothing_live() -> None:
    """How to get a live model."""
    st.info(
        "No model is live yet. Train one on the **Pipeline** page, then approve it on the "
        "**Promotion** page.",
        icon=":material/flag:",
    )
    widgets.page_link("pipeline")
    widgets.page_link("promotion")


def predict(mode: str) -> None:
    """Predict one row or a file with the live model."""
    served = reading.query(status.served)
    if served is None:
        return
    if not served:
        nothing_live()
        return
    contract = status.contract_of(served)
    st.caption(
        f"{widgets.plain(contract.title)}, version {served['version']}. "
        "The form and the CSV columns come from this version's input schema."
    )
    if mode == "CSV file":
        file.many_rows(contract)
    else:
        form.one_row(contract)


def served_contract() -> tuple[Contract | None, int | None]:
    """The served model's input schema and version; None if unavailable."""
    served = reading.query(status.served, silent=True)
    return (status.contract_of(served), int(served["version"])) if served else (None, None)


wanted = st.query_params.get("id")
if wanted:
    recorded.permanent(wanted, *served_contract())
else:
    chosen = st.segmented_control(
        "What to predict", _MODES, default="One row", required=True, key="ask",
        label_visibility="collapsed", bind="query-params",
    )  # fmt: skip
    if chosen == "History":
        history.history()
    else:
        predict(str(chosen))
