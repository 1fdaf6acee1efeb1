"""One row: a form built from the served model's input schema, and the prediction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import streamlit as st

from console.actions import predictions
from console.text import prediction
from console.text.prediction import Answer
from console.web import acting, page_state, widgets
from console.web.panels.predict import answer as answer_panel
from core.domain.dataset import ColumnType
from core.domain.errors import BadRow, DriftdeskError
from core.domain.predictions import ID_LENGTH, ID_PREFIX
from core.rules.access.roles import Right
from core.rules.data.typed_values import read_boolean
from core.rules.model.contract import Contract, Field
from core.rules.model.unusual_values import usual_words

_FIELD = "field-"
_ANSWER = "predict.answer"
_TAKEN = "predict.taken"
_COLUMNS = 3
_SORTED_FROM = 12
_EARLIEST, _LATEST = date(1800, 1, 1), date(2200, 12, 31)


def one_row(contract: Contract, version: int) -> None:
    """The form, and below it the latest prediction; `contract` is that of the live `version`."""
    restore(contract, version)
    row = form(contract)
    if row is not None:
        page_state.set_state(_ANSWER, None)
        predict(contract, row)
    answer = page_state.get_state(_ANSWER, None)
    if answer is not None:
        for note in page_state.get_state(_TAKEN, []):
            st.info(widgets.plain(note), icon=":material/keyboard_tab:")
        answer_panel.show(answer, contract)
        with st.container(horizontal=True):
            answer_panel.permanent_link(answer)
            new_prediction(st)


def restore(contract: Contract, version: int) -> None:
    """Show the form with the inputs of the last answer, which the address names.

    So both are there again after a reload, after Back, and after a look at another page.
    """
    shown: Answer | None = page_state.get_state(_ANSWER, None)
    wanted = page_state.address(answer_panel.LAST)
    is_id = len(wanted) == ID_LENGTH and ID_PREFIX.fullmatch(wanted)
    if is_id and (shown is None or shown.id != wanted):
        shown = answer_panel.recall(wanted, contract, version)
        page_state.set_state(_ANSWER, shown)
        page_state.set_state(_TAKEN, [])
    elif not contract.fields or page_state.has_state(_key(contract.fields[0])):
        return
    if shown is not None:
        fill(contract, shown.inputs)


def new_prediction(where: Any) -> None:
    """A button to the form with the typical row, without an answer."""

    def begin() -> None:
        page_state.drop_states(_FIELD)
        page_state.set_state(_ANSWER, None)
        answer_panel.leave("One row")

    where.button("New prediction", key="new-prediction", icon=":material/add:", on_click=begin)


def form(contract: Contract) -> dict[str, Any] | None:
    """The form; returns its row when the button was pressed, else None."""
    with st.form("predict", border=True):
        row = {}
        for start in range(0, len(contract.fields), _COLUMNS):
            # One row of columns at a time keeps the fields in order on a narrow screen.
            columns = st.columns(_COLUMNS)
            for column, field in zip(columns, contract.fields[start:], strict=False):
                with column:
                    row[field.name] = widget(field)
        submitted = st.form_submit_button(
            "Predict",
            key="predict-submit", type="primary", icon=":material/calculate:", on_click=take_known,
            args=(contract,), **widgets.only(Right.PREDICT)
        )  # fmt: skip
    return {k: v for k, v in row.items() if v is not None} if submitted else None


def take_known(contract: Contract) -> None:
    """Complete a typed part of a known category in its field, and note it; for a callback.

    The list of a select box adds what was typed on Enter, where a search takes the first match.
    """
    notes = []
    for field in contract.fields:
        key = _key(field)
        typed = page_state.get_state(key, None)
        if not isinstance(typed, str) or not field.categories:
            continue
        known = prediction.known_category(field, typed)
        if known != typed:
            page_state.set_state(key, known)
        if known in field.categories and known.casefold() != typed.casefold():
            notes.append(prediction.taken_words(field, typed, known))
    page_state.set_state(_TAKEN, notes)


def _key(field: Field) -> str:
    return f"{_FIELD}{field.name}"


def widget(field: Field) -> Any:
    """The input widget for a field, preset to its typical value.

    The initial value is set in the session state, so that the widget can be cleared.
    """
    unit = f" ({widgets.plain(field.unit)})" if field.unit else ""
    label = widgets.plain(field.label) + unit
    key = _key(field)
    empty = prediction.empty_words(field)
    about = f"{usual_words(field)} {empty}".strip()
    if field.default is not None:
        page_state.default_state(key, as_widget(field, field.default))
    if field.type is ColumnType.NUMBER:
        return number(field, label, key, about)
    if field.type is ColumnType.DATE:
        chosen = st.date_input(
            label, value=None, min_value=_EARLIEST, max_value=_LATEST, key=key,
            help=about,
        )  # fmt: skip
        return chosen.isoformat() if isinstance(chosen, date) else None
    if field.type is ColumnType.BOOLEAN:
        return st.selectbox(
            label, ["true", "false"], index=None, placeholder="Empty", key=key, help=empty
        )
    if field.type is ColumnType.TIMESTAMP:
        example = "2026-11-28T10:00:00Z"
        return st.text_input(label, value=None, key=key, placeholder=example, help=about) or None
    offered = list(field.categories)
    return st.selectbox(
        label,
        sorted(offered) if len(offered) > _SORTED_FROM else offered,
        index=None,
        accept_new_options=True,
        placeholder="Empty" if field.nullable else "Choose or type",
        key=key,
        help=f"Type a part of a value, or another value. {empty}",
    )


def number(field: Field, label: str, key: str, about: str) -> float | int | None:
    """A number widget; integers only for counts."""
    low, step = field.minimum, prediction.step_of(field)
    form: str | None = "%g"
    if prediction.is_whole(field):
        low, step, form = None if low is None else int(low), int(step), None
    return st.number_input(
        label, value=None, min_value=low, step=step, format=form, key=key, placeholder="Empty",
        help=about,
    )  # fmt: skip


def as_widget(field: Field, value: Any) -> Any:
    """A value converted to the type of the field's widget; None if it does not fit."""
    if value is None or value == "":
        return None
    try:
        if field.type is ColumnType.NUMBER:
            parsed = float(value)
            if field.minimum is not None and parsed < field.minimum:
                return None
            return int(parsed) if prediction.is_whole(field) else parsed
        if field.type is ColumnType.DATE:
            day = date.fromisoformat(str(value)[:10])
            return day if _EARLIEST <= day <= _LATEST else None
        return read_boolean(value) if field.type is ColumnType.BOOLEAN else str(value)
    except (TypeError, ValueError, OverflowError):
        return None


def refill(contract: Contract, inputs: dict[str, Any]) -> None:
    """Fill the form with recorded inputs; for a button callback on a recorded prediction."""
    fill(contract, inputs)
    page_state.set_state(_ANSWER, None)
    answer_panel.leave("One row")


def fill(contract: Contract, inputs: Mapping[str, Any]) -> None:
    """Fill the form with recorded inputs, before it is drawn."""
    for field in contract.fields:
        page_state.set_state(_key(field), as_widget(field, inputs.get(field.name)))


def predict(contract: Contract, row: dict[str, Any]) -> None:
    """Predict, keep the answer and name it in the address, or show what is wrong with the row."""
    try:
        with acting.acting("predict") as (desk, actor):
            response = predictions.predict(desk, actor, row, explain=True)
    except BadRow as error:
        labels = {f.name: f.label for f in contract.fields}
        for name, rule in error.problems.items():
            st.error(widgets.plain(f"{labels.get(name, name)} {rule}."), icon=":material/error:")
    except DriftdeskError as error:
        st.error(widgets.plain(str(error)), icon=":material/cloud_off:")
    else:
        answer = prediction.answered(response, row, contract)
        page_state.set_state(_ANSWER, answer)
        page_state.note_address(answer_panel.LAST, answer.id)
        return
    # What is typed now must not be replaced by the inputs of the answer before.
    st.query_params.pop(answer_panel.LAST, None)
