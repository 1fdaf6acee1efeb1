"""Predict: ask the served model about one row or many, and find what it said before."""

from __future__ import annotations

import streamlit as st

from console import parts, queries, session
from console.views import predict_answer, predict_file, predict_form, predict_history
from core.contract import Contract

_MODES = ("One row", "CSV file", "History")


def nothing_live() -> None:
    """What to do before anything can be predicted."""
    st.info(
        "No model is live yet. Train one on the **Pipeline** page and approve it.",
        icon=":material/flag:",
    )
    st.page_link("views/promotion.py", label="Go to Promotion", icon=":material/approval:")


def ask(contract: Contract | None, mode: str) -> None:
    """The part of the page that was chosen; the history is there without a model, too."""
    if mode == "History":
        predict_history.history()
    elif contract is None:
        nothing_live()
    elif mode == "CSV file":
        predict_file.many_rows(contract)
    else:
        predict_form.one_row(contract)


served = session.ask(queries.served)
contract = queries.contract_of(served) if served else None
wanted = st.query_params.get("id")
if wanted:
    predict_answer.permanent(wanted, contract)
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
    if served and contract and chosen != "History":
        st.caption(
            f"Version {served['version']} answers: {parts.plain(contract.title)}. "
            "Form and file follow from its own contract."
        )
    ask(contract, str(chosen))
