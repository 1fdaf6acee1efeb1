"""Predict: ask the served model about one row or many, and find what it said before."""

from __future__ import annotations

import streamlit as st

from console import parts, queries, session
from console.views import predict_answer, predict_file, predict_form, predict_history
from core.contract import Contract
from core.errors import DriftdeskError

_MODES = ("One row", "CSV file", "History")


def nothing_live() -> None:
    """What to do before anything can be predicted."""
    st.info(
        "No model is live yet. Train one on the **Pipeline** page and approve it.",
        icon=":material/flag:",
    )
    st.page_link("views/promotion.py", label="Go to Promotion", icon=":material/approval:")


def ask(mode: str) -> None:
    """A row or a file, for the model that answers now."""
    served = session.ask(queries.served)
    if served is None:
        return
    if not served:
        nothing_live()
        return
    contract = queries.contract_of(served)
    st.caption(
        f"Version {served['version']} answers: {parts.plain(contract.title)}. "
        "Form and file follow from its own contract."
    )
    if mode == "CSV file":
        predict_file.many_rows(contract)
    else:
        predict_form.one_row(contract)


def known() -> Contract | None:
    """The contract that serving has now; what is on record can be shown without it."""
    try:
        served = queries.served(session.desk())
    except DriftdeskError:
        return None
    return queries.contract_of(served) if served else None


wanted = st.query_params.get("id")
if wanted:
    predict_answer.permanent(wanted, known())
else:
    chosen = st.segmented_control(
        "What to predict",
        _MODES,
        default="One row",
        required=True,
        key="show",
        label_visibility="collapsed",
        bind="query-params",
    )
    if chosen == "History":
        predict_history.history()
    else:
        ask(str(chosen))
