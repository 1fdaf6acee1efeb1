"""The page of one recorded prediction, under its permanent address."""

from __future__ import annotations

import re

import streamlit as st

from console.actions import predictions
from console.queries import prediction_log, served_model
from console.text import prediction
from console.text.prediction import Answer
from console.web import acting, page_state, reading, session, widgets
from console.web.panels.predict import answer as answer_panel
from console.web.panels.predict import form
from core.domain.errors import DriftdeskError, Missing
from core.rules.access.roles import Right
from core.rules.model.contract import Contract

_SAVED = "predict.saved"
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def permanent(wanted: str, contract: Contract | None, live: int | None) -> None:
    """A recorded prediction by its id; `contract` is that of the version `live`."""
    icon, back = ":material/arrow_back:", answer_panel.leave
    st.button("All predictions", key="all-predictions", icon=icon, on_click=back, args=("History",))
    if not _ID.fullmatch(wanted):
        st.error("This is not a prediction id. Ids look like 3fa85f64-5717-4562-b3fc-2c963f66afa6.",
                 icon=":material/link_off:")  # fmt: skip
        return
    try:
        record = prediction_log.prediction(session.desk(), wanted.lower())
    except DriftdeskError:
        wait(wanted.lower())  # shows why, and retries
        return
    answer = prediction.recorded(record, contract_at(record.model_version, contract, live))
    st.markdown(f"##### Prediction `{answer.id}`")
    if answer.caller:
        st.caption(f"Asked by {widgets.plain(answer.caller)}.")
    answer_panel.show(answer, contract)
    feedback(answer, contract)
    inputs(answer, contract)


def contract_at(version: int, contract: Contract | None, live: int | None) -> Contract | None:
    """What a version was trained on: the live contract, or the record's; None if it has none."""
    if contract and live == version:
        return contract
    return reading.query(served_model.recorded_contract, version, silent=True)


def feedback(answer: Answer, contract: Contract | None) -> None:
    """The reported actual value, and a form to report one; the newest report counts."""
    st.subheader("Actual value", anchor=False)
    known = reading.query(prediction_log.reported, [answer.id]) or {}
    unit = session.desk().dataset.target.unit
    if answer.id in known:
        actual = known[answer.id]
        text = actual if isinstance(actual, str) else prediction.amount(actual, unit)
        st.markdown(f"Reported: **{widgets.plain(text)}**")
    elif page_state.get_state(_SAVED) == answer.id:
        st.caption("Saved. Serving writes it to the record within seconds.")
    else:
        st.caption("Nobody has reported the actual value yet. It counts for the live error.")
    row = st.container(horizontal=True, vertical_alignment="bottom")
    key, label = "actual-value", f"Actual value{f' ({widgets.plain(unit)})' if unit else ''}"
    if answer.label is None:
        row.number_input(label, value=None, key=key, width=260)
    else:
        offered = list(contract.classes) if contract else list(answer.probabilities)
        row.selectbox("Actual class", offered, index=None, key=key, width=260)
    look = widgets.only(Right.PREDICT)
    row.button(
        "Save",
        key="save-actual",
        icon=":material/save:",
        on_click=_save,
        args=(answer.id, key),
        **look,
    )


def _save(prediction_id: str, key: str) -> None:
    actual = page_state.get_state(key, None)
    if actual is None:
        acting.refuse("Enter the actual value first.")
        return
    acting.act("Feedback saved.", predictions.give_feedback, prediction_id, actual)
    if not acting.failed():
        page_state.set_state(_SAVED, prediction_id)


@st.fragment(run_every=2.0)
def wait(wanted: str) -> None:
    """Retry until the record exists: serving writes it after the response."""
    try:
        prediction_log.prediction(session.desk(), wanted)
    except Missing:
        st.info(
            f"Prediction {wanted} is not on record (yet). Serving writes the record within seconds "
            "of the response, or later if the database is unavailable. This page refreshes "
            "automatically. An unknown id is never found.",
            icon=":material/hourglass_empty:",
        )
        return
    except DriftdeskError as error:  # the record cannot be looked up
        st.error(
            f"{widgets.plain(str(error))} This page refreshes automatically.",
            icon=":material/cloud_off:",
        )
        return
    st.rerun()


def inputs(answer: Answer, contract: Contract | None) -> None:
    """The request's input values."""
    st.subheader("Inputs", anchor=False)
    columns = {c.name: (c.label, c.unit) for c in session.desk().dataset.columns}
    rows = []
    for name, value in answer.inputs.items():
        label, unit = columns.get(name, (name, ""))
        rows.append({"Field": label, "Value": prediction.value_words(value, unit)})
    widgets.table(rows or [{"Field": "(none)", "Value": "all fields were empty"}])
    if contract:
        label, icon, values = "Predict again with these inputs", ":material/replay:", answer.inputs
        st.button(
            label, key="predict-again", icon=icon, on_click=form.refill, args=(contract, values)
        )
