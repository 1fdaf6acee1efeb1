"""Predict: one row or a CSV file with the live model, and the history of predictions."""

from __future__ import annotations

import streamlit as st

from console.queries import served_model
from console.web import page_state, reading, widgets
from console.web.panels.predict import file, form, history, recorded
from core.rules.model.contract import Contract

_SERVED = "predict.served"
_RETRY = 2.0  # seconds after which a page without a model asks serving again

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
    """Predict one row or a file with the live model.

    While serving is away, form and file stay as serving described them last, or as the record does.
    """
    served, is_awaited = reading.neighbour(served_model.served, silent=True)
    if served is None:
        served = page_state.get_state(_SERVED, None) or reading.query(
            served_model.on_record, silent=True
        )
        if not served:
            no_form(is_awaited=is_awaited)
            return
        away(is_awaited=is_awaited, has_other_row="no_typical_row" in served)
    else:
        st.container()  # the form keeps its place, and with it what was typed
    page_state.set_state(_SERVED, served)
    if not served:
        nothing_live()
        until_served([None])
        return
    contract = served_model.contract_of(served)
    st.caption(
        f"{widgets.plain(contract.title)}, version {served['version']}. "
        "The form and the CSV columns come from this version's input schema."
    )
    if mode == "CSV file":
        file.many_rows(contract)
    else:
        form.one_row(contract, int(served["version"]))


def away(*, is_awaited: bool, has_other_row: bool) -> None:
    """Says that serving does not answer, until it does.

    `has_other_row`: the form does not start from the typical row.
    """
    does = "has not answered yet" if is_awaited else "does not answer"
    other = (
        " This form starts from medians and the most common values: the typical row of this "
        "version is only in its model file."
    )
    with st.container():
        st.warning(
            f"Serving {does}. Your input is kept, and this message goes when serving is back. See "
            f"the **Services** page.{other if has_other_row else ''}",
            icon=":material/cloud_off:",
        )
        until_served([None])


@st.fragment(run_every=_RETRY)
def until_served(just_asked: list[None]) -> None:
    """Draw the page again once serving answers with a model.

    `just_asked` is emptied by the run of the whole page, which has asked itself.
    """
    if just_asked:
        just_asked.pop()
    elif reading.neighbour(served_model.served, silent=True).value:
        st.rerun()


def no_form(*, is_awaited: bool) -> None:
    """Why there is no form: nothing is known of a model."""
    if is_awaited:
        st.info("Serving has not answered yet.", icon=":material/hourglass_empty:")
        st.button("Ask again", icon=":material/refresh:", key="ask-again")
    else:
        reading.neighbour(served_model.served)  # shows what went wrong
    until_served([None])


def served_contract() -> tuple[Contract | None, int | None]:
    """The served model's input schema and version; None if unavailable."""
    served = reading.neighbour(served_model.served, silent=True).value
    return (served_model.contract_of(served), int(served["version"])) if served else (None, None)


wanted = st.query_params.get("id")
if wanted:
    recorded.permanent(wanted, *served_contract())
else:
    for tab, mode in zip(st.tabs(_MODES, key="ask", bind="query-params"), _MODES, strict=True):
        if tab.open:
            with tab:
                history.history() if mode == "History" else predict(mode)
