"""The page of one recorded prediction, under its permanent address."""

from __future__ import annotations

import streamlit as st

from console.actions import predictions
from console.queries import prediction_log
from console.text import prediction
from console.text.prediction import Answer
from console.web import acting, page_state, reading, session, widgets
from console.web.panels.predict import answer as answer_panel
from console.web.panels.predict import form
from core.domain.predictions import ID_PREFIX
from core.rules.access.roles import Right
from core.rules.model.contract import Contract

_SAVED = "predict.saved"


def permanent(wanted: str, contract: Contract | None, live: int | None) -> None:
    """A recorded prediction by the start of its id; `contract` is that of the version `live`."""
    ways_back()
    wanted = wanted.strip().lower()
    if not ID_PREFIX.fullmatch(wanted):
        st.error("This is not a prediction id. Ids look like 3fa85f64-5717-4562-b3fc-2c963f66afa6.",
                 icon=":material/link_off:")  # fmt: skip
        return
    answer = answer_panel.recall(wanted, contract, live)
    if answer is None:
        return
    st.markdown(f"##### Prediction `{answer.id}`")
    if answer.caller:
        st.caption(f"Asked by {widgets.plain(answer.caller)}.")
    with st.container(horizontal=True):
        version = str(answer.version)
        widgets.page_link("promotion", f"See version {version}", {"version": version})
        about = {"part": "Lineage", "follow": f"prediction:{answer.id}"}
        widgets.page_link("audit", "See its lineage", about)
    answer_panel.show(answer, contract)
    feedback(answer, contract)
    inputs(answer, contract)


def ways_back() -> None:
    """Buttons that leave the page of one prediction."""
    row, back = st.container(horizontal=True), answer_panel.leave
    icon = ":material/arrow_back:"
    row.button("All predictions", key="all-predictions", icon=icon, on_click=back,
               args=("History",))  # fmt: skip
    form.new_prediction(row)


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
