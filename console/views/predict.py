"""Predict: try the served model, in a form made from its own contract."""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

from console import actions, parts, queries, session, words
from core.contract import Contract, Field
from core.dataset import ColumnType
from core.errors import BadRow, DriftdeskError

_OFFERED = 60


def widget(field: Field) -> Any:
    """The widget that suits a field, with what is usual as its default."""
    label = f"{field.label} ({field.unit})" if field.unit else field.label
    key = f"field-{field.name}"
    if field.type is ColumnType.NUMBER:
        usual = ""
        if field.low is not None and field.high is not None:
            usual = f"Usually {field.low:,.6g} to {field.high:,.6g}."
        return st.number_input(
            label,
            value=float(field.default) if field.default is not None else None,
            min_value=field.minimum,
            step=field.step,
            format="%g",
            key=key,
            help=usual + (" May be empty." if field.nullable else ""),
        )
    if field.type is ColumnType.DATE:
        default = date.fromisoformat(str(field.default)) if field.default else None
        chosen = st.date_input(label, value=default, key=key)
        return chosen.isoformat() if isinstance(chosen, date) else None
    return st.selectbox(
        label,
        list(field.categories[:_OFFERED]),
        index=0 if field.categories else None,
        accept_new_options=True,
        placeholder="Empty" if field.nullable else "Choose or type",
        key=key,
        help="Any other value may be typed." + (" May be empty." if field.nullable else ""),
    )


def form(contract: Contract) -> dict[str, Any] | None:
    """The row that was asked about, once the button was pressed."""
    with st.form("predict", border=True):
        columns = st.columns(3)
        row = {}
        for n, field in enumerate(contract.fields):
            with columns[n % 3]:
                row[field.name] = widget(field)
        asked = st.form_submit_button("Predict", type="primary", icon=":material/calculate:")
    return {k: v for k, v in row.items() if v is not None} if asked else None


def answer(contract: Contract, row: dict[str, Any]) -> None:
    """The prediction, or what is wrong with the row."""
    try:
        given = actions.predict(session.desk(), row)
    except BadRow as error:
        labels = {f.name: f.label for f in contract.fields}
        for name, rule in error.problems.items():
            st.error(f"{labels.get(name, name)} {rule}.")
        return
    except DriftdeskError as error:
        st.error(str(error))
        return
    unit = f" {contract.target_unit}" if contract.target_unit else ""
    st.metric(contract.target_label, f"{given['prediction']:,.0f}{unit}")
    st.caption(f"Version {given['model_version']} · prediction {given['prediction_id']}")


def history() -> None:
    """The newest answers that serving gave."""
    recent = session.ask(queries.predictions, 20) or []
    with st.expander(f"Latest predictions ({len(recent)})"):
        if not recent:
            st.caption("Nothing has been predicted yet.")
            return
        st.dataframe(
            [
                {
                    "When": words.ago(p.at, parts.now()),
                    "Prediction": p.prediction,
                    "Version": p.model_version,
                    **p.inputs,
                    "Id": p.id,
                }
                for p in recent
            ],
            hide_index=True,
            width="stretch",
        )


served = session.ask(queries.served)
if served:
    contract = queries.contract_of(served)
    st.caption(f"Version {served['version']} answers. The form follows from its own contract.")
    row = form(contract)
    if row is not None:
        answer(contract, row)
    history()
elif served is not None:
    st.info(
        "No model is live yet. Train one on the **Pipeline** page and approve it.",
        icon=":material/flag:",
    )
    st.page_link("views/promotion.py", label="Go to Promotion", icon=":material/approval:")
