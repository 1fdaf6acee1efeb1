"""One row: a form made from the served model's own contract, and the answer to it."""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

from console import actions, parts, predicting, session
from console.views import predict_answer
from core.contract import Contract, Field
from core.dataset import ColumnType
from core.errors import BadRow, DriftdeskError
from core.roles import Right

_ANSWER = "predict.answer"
_ABREAST = 3
_SORTED_FROM = 12
_EARLIEST, _LATEST = date(1800, 1, 1), date(2200, 12, 31)


def one_row(contract: Contract) -> None:
    """The form, and below it the last answer that was asked for."""
    row = form(contract)
    if row is not None:
        session.keep(_ANSWER, None)
        ask(contract, row)
    answer = session.field(_ANSWER, None)
    if answer is not None:
        for note in predicting.unusual(contract, answer.inputs):
            st.warning(parts.plain(note), icon=":material/travel_explore:")
        predict_answer.show(answer, contract)
        predict_answer.link(answer)


def form(contract: Contract) -> dict[str, Any] | None:
    """The row that was asked about, once the button was pressed."""
    with st.form("predict", border=True):
        row = {}
        for start in range(0, len(contract.fields), _ABREAST):
            # A line of columns at a time, so that a narrow screen keeps the fields' order.
            columns = st.columns(_ABREAST)
            for column, field in zip(columns, contract.fields[start:], strict=False):
                with column:
                    row[field.name] = widget(field)
        asked = st.form_submit_button(
            "Predict", type="primary", icon=":material/calculate:", **parts.only(Right.PREDICT)
        )
    return {k: v for k, v in row.items() if v is not None} if asked else None


def widget(field: Field) -> Any:
    """The widget that suits a field, with what is usual in it; it can be emptied.

    The first value comes from the session, because a widget that is made with one cannot be
    emptied.
    """
    unit = f" ({parts.plain(field.unit)})" if field.unit else ""
    label = parts.plain(field.label) + unit
    key = f"field-{field.name}"
    empty = "May be empty." if field.nullable else "Must be given."
    about = f"{predicting.usual_words(field)} {empty}".strip()
    if field.default is not None:
        session.prefill(key, as_widget(field, field.default))
    if field.type is ColumnType.NUMBER:
        return number(field, label, key, about)
    if field.type is ColumnType.DATE:
        chosen = st.date_input(
            label, value=None, min_value=_EARLIEST, max_value=_LATEST, key=key,
            help=about,
        )  # fmt: skip
        return chosen.isoformat() if isinstance(chosen, date) else None
    offered = list(field.categories)
    return st.selectbox(
        label,
        sorted(offered) if len(offered) > _SORTED_FROM else offered,
        index=None,
        accept_new_options=True,
        placeholder="Empty" if field.nullable else "Choose or type",
        key=key,
        help=f"Any other value may be typed. {empty}",
    )


def number(field: Field, label: str, key: str, about: str) -> float | int | None:
    """A number's widget: whole numbers for what is counted."""
    low = field.minimum
    step = predicting.step_of(field)
    if predicting.is_whole(field):
        return st.number_input(
            label, value=None, min_value=None if low is None else int(low), step=int(step),
            key=key, placeholder="Empty", help=about,
        )  # fmt: skip
    return st.number_input(
        label, value=None, min_value=low, step=step, format="%g", key=key, placeholder="Empty",
        help=about,
    )  # fmt: skip


def as_widget(field: Field, value: Any) -> Any:
    """A value as the field's widget holds it; None where it cannot."""
    if value is None or value == "":
        return None
    try:
        if field.type is ColumnType.NUMBER:
            given = float(value)
            fits = field.minimum is None or given >= field.minimum
            if predicting.is_whole(field):
                return int(given) if fits else None
            return given if fits else None
        if field.type is ColumnType.DATE:
            day = date.fromisoformat(str(value)[:10])
            return day if _EARLIEST <= day <= _LATEST else None
    except (TypeError, ValueError, OverflowError):
        return None
    return str(value)


def refill(contract: Contract, inputs: dict[str, Any]) -> None:
    """Put recorded inputs into the form; meant for a button on a recorded prediction."""
    for field in contract.fields:
        session.keep(f"field-{field.name}", as_widget(field, inputs.get(field.name)))
    session.keep(_ANSWER, None)
    predict_answer.leave("One row")


def ask(contract: Contract, row: dict[str, Any]) -> None:
    """Ask, and keep the answer for the reruns to come; or say what is wrong with the row."""
    try:
        with session.acting("predict"):
            given = actions.predict(session.desk(), session.actor(), row, explain=True)
    except BadRow as error:
        labels = {f.name: f.label for f in contract.fields}
        for name, rule in error.problems.items():
            st.error(parts.plain(f"{labels.get(name, name)} {rule}."), icon=":material/error:")
        return
    except DriftdeskError as error:
        st.error(parts.plain(str(error)), icon=":material/cloud_off:")
        return
    session.keep(_ANSWER, predicting.answered(given, row, contract))
