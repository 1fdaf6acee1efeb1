"""One answer: the prediction, its range, what pushed it, and the page that it keeps for good."""

from __future__ import annotations

import re

import streamlit as st

from console import effects, parts, predicting, queries, session
from console.predicting import Answer
from core.contract import Contract
from core.errors import DriftdeskError, Missing
from core.records import figure

_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_PLAIN_CHART = {"displayModeBar": False, "responsive": True}


def show(answer: Answer, contract: Contract | None) -> None:
    """Everything that is known of one answer."""
    unit = session.desk().dataset.target.unit
    label = session.desk().dataset.target.label
    if contract:
        unit, label = contract.target_unit, contract.target_label
    on_log = bool(answer.contributions and answer.contributions["scale"] == "log")
    with st.container(border=True):
        left, right = st.columns([1, 2], vertical_alignment="center")
        left.metric(parts.plain(label), predicting.amount(answer.prediction, unit))
        left.caption(f"Version {answer.version} · {predicting.when(answer, parts.now())}")
        with right:
            span(answer, unit, on_log=on_log)
    pushes(answer, contract, unit, on_log=on_log)


def span(answer: Answer, unit: str, *, on_log: bool) -> None:
    """The range in a figure and in words."""
    if answer.low is None or answer.high is None:
        st.caption(
            "This version has no range: it was trained on too few rows, or before there was one."
        )
        return
    st.plotly_chart(
        effects.span(answer, unit, on_log=on_log), config=_PLAIN_CHART, key=f"span-{answer.id}"
    )
    said = f"**{figure(answer.low)} to {predicting.amount(answer.high, unit)}**"
    if answer.coverage:
        said += f" · {predicting.coverage_words(answer.coverage)}"
    st.markdown(said)


def pushes(answer: Answer, contract: Contract | None, unit: str, *, on_log: bool) -> None:
    """What pushed the answer up or down, field by field."""
    units = {c.name: (c.label, c.unit) for c in session.desk().dataset.columns}
    units |= {f.name: (f.label, f.unit) for f in contract.fields} if contract else {}
    pushed = predicting.steps(answer, units)
    if not pushed or not answer.contributions:
        st.caption(
            "What pushed this answer was not asked for when it was made, or its version cannot say."
        )
        return
    st.subheader("What pushed it", anchor=False)
    start = predicting.amount(answer.contributions["baseline"], unit)
    how = "each field multiplies it" if on_log else "each field adds to it"
    st.caption(
        f"From **{start}**, what the model says of typical values, {how}, the largest push "
        f"first, until **{predicting.amount(answer.prediction, unit)}**. These are shares of this "
        "answer, not causes."
    )
    st.plotly_chart(effects.way(pushed, on_log=on_log), config=_PLAIN_CHART, key=f"way-{answer.id}")
    with st.expander("As a table"):
        st.dataframe(
            [
                {
                    "Field": s.label,
                    "Value": s.value,
                    "Push": s.words,
                    "From": figure(s.start),
                    "To": figure(s.end),
                }
                for s in pushed
            ],
            hide_index=True,
            width="stretch",
        )


def link(answer: Answer) -> None:
    """The way to the page that this answer keeps; its address is the permanent link."""
    st.button(
        "Open its permanent page",
        icon=":material/link:",
        help=f"Prediction {answer.id}",
        on_click=_open,
        args=(answer.id,),
    )


def _open(prediction_id: str) -> None:
    st.query_params["id"] = prediction_id


def leave(mode: str) -> None:
    """From the page of one prediction to another part of the page; meant for buttons."""
    st.query_params.pop("id", None)
    session.keep("show", mode)


def permanent(wanted: str, contract: Contract | None) -> None:
    """A recorded prediction by its id, whatever is live today."""
    st.button("All predictions", icon=":material/arrow_back:", on_click=leave, args=("History",))
    if not _ID.fullmatch(wanted):
        st.error("This is no prediction's id. Ids look like 3fa85f64-5717-4562-b3fc-2c963f66afa6.",
                 icon=":material/link_off:")  # fmt: skip
        return
    try:
        found = queries.prediction(session.desk(), wanted.lower())
    except Missing:
        wait(wanted.lower())
        return
    except DriftdeskError as error:
        st.error(parts.plain(str(error)), icon=":material/cloud_off:")
        return
    answer = predicting.recorded(found)
    st.markdown(f"##### Prediction `{answer.id}`")
    show(answer, contract)
    inputs(answer, contract)


@st.fragment(run_every=2.0)
def wait(wanted: str) -> None:
    """Look again until the record is there: serving writes it behind its answer."""
    try:
        queries.prediction(session.desk(), wanted)
    except DriftdeskError:
        st.info(
            f"Prediction {wanted} is not on record (yet). Serving writes a record seconds after "
            "its answer, and later while the database is away; this page looks again by itself. "
            "An id that was never answered stays unknown.",
            icon=":material/hourglass_empty:",
        )
        return
    st.rerun()


def inputs(answer: Answer, contract: Contract | None) -> None:
    """What was asked, as it came."""
    st.subheader("Inputs", anchor=False)
    columns = {c.name: (c.label, c.unit) for c in session.desk().dataset.columns}
    st.dataframe(
        [
            {
                "Field": columns.get(name, (name, ""))[0],
                "Value": predicting.value_words(value, columns.get(name, ("", ""))[1]),
            }
            for name, value in answer.inputs.items()
        ]
        or [{"Field": "(none)", "Value": "every field was empty"}],
        hide_index=True,
        width="stretch",
    )
    if contract:
        from console.views import predict_form  # noqa: PLC0415 - the form shows answers, too

        st.button(
            "Ask again with these inputs",
            icon=":material/replay:",
            on_click=predict_form.refill,
            args=(contract, answer.inputs),
        )
