"""The dossier on the page: what speaks for and against a version, as it was frozen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from console import charts_dossier, parts, words
from core.dataset import METRICS, Dataset
from core.promotion import improvement
from core.records import Promotion

_QUIET = {"displayModeBar": False}


def scores(promotion: Promotion) -> None:
    """Candidate beside champion, metric by metric, on the same rows."""
    short = promotion.dossier
    candidate = short.get("candidate", {}).get("metrics", {})
    champion = (short.get("champion") or {}).get("metrics", {})
    row = st.container(horizontal=True)
    for name in METRICS:
        if name not in candidate:
            continue
        delta = None
        if name in champion:
            delta = f"{improvement(name, candidate[name], champion[name]):+.1%} better"
        row.metric(
            words.METRICS[name],
            words.metric(name, candidate[name]),
            delta,
            help=f"Champion: {words.metric(name, champion.get(name))}" if champion else None,
            width=190,
        )
    if candidate:
        against = f"against version {promotion.compared_with}" if champion else "with no champion"
        st.caption(
            f"Scored {against} on the same {short['held_out_rows']:,} held-out rows, which no "
            f"version has ever learned from. Trained on {short['training_rows']:,} rows."
        )


def gates(promotion: Promotion) -> None:
    """Each gate, passed or not, with its sentence."""
    for gate in promotion.dossier.get("gates", []):
        icon, colour = ("check_circle", "green") if gate["passed"] else ("cancel", "red")
        word = "passed" if gate["passed"] else "blocks" if gate["blocks"] else "not passed"
        st.markdown(
            f":{colour}[:material/{icon}:] **{gate['name']}** :{colour}-badge[{word}]  \n"
            f"{parts.plain(gate['says'])}"
        )


def evidence(full: Mapping[str, Any], dataset: Dataset) -> None:
    """Intervals, slices, predictions, importance and material, in tabs."""
    labels = {c.name: c.label for c in dataset.columns} | {
        "target": dataset.target.label,
        "batch": "Batch",
    }
    shows: dict[str, Callable[[], None]] = {
        "Differences": lambda: _differences(full),
        "Slices": lambda: _slices(full, labels, dataset),
        "Predictions": lambda: _predictions(full, dataset),
        "Columns": lambda: _columns(full, labels),
        "Material": lambda: _material(full),
    }
    tabs = st.tabs(list(shows), key="evidence", bind="query-params")
    for tab, show in zip(tabs, shows.values(), strict=True):
        if tab.open:
            with tab:
                show()


def _differences(full: Mapping[str, Any]) -> None:
    if not full["differences"]:
        st.caption("There was no champion to compare with when this was judged.")
        return
    st.caption(
        "Relative to the champion, with the 95 % interval of a paired bootstrap over the held-out "
        "rows. An interval that leaves out zero is no chance finding."
    )
    st.plotly_chart(charts_dossier.intervals(full), key="intervals", config=_QUIET)
    st.dataframe(
        [
            {
                "Metric": words.METRICS[name],
                "Candidate": words.metric(name, full["candidate"]["metrics"][name]),
                "Champion": words.metric(name, full["champion"]["metrics"][name]),
                "Difference": words.metric(name, d["difference"]),
                "95 % from": words.metric(name, d["low"]),
                "to": words.metric(name, d["high"]),
            }
            for name, d in full["differences"].items()
        ],
        hide_index=True,
        alt="Every metric of both models and the interval of their difference",
    )


def _slices(full: Mapping[str, Any], labels: Mapping[str, str], dataset: Dataset) -> None:
    if not full["slices"]:
        st.caption("No part of the held-out rows is large enough to be looked at by itself.")
        return
    unit = f" in {dataset.target.unit}" if dataset.target.unit else ""
    st.caption(f"The mean absolute error{unit} on parts of the same rows.")
    st.plotly_chart(charts_dossier.slices(full["slices"], labels), key="slices", config=_QUIET)
    if full["champion"]:
        st.dataframe(
            [
                {
                    "By": labels.get(s["by"], s["by"]),
                    "Slice": s["value"],
                    "Rows": s["rows"],
                    "Candidate": s["candidate"],
                    "Champion": s["champion"],
                    "Change": s["candidate"] / s["champion"] - 1 if s["champion"] else None,
                    "Beyond doubt": s["difference"]["low"] > 0 or s["difference"]["high"] < 0,
                }
                for s in full["slices"]
            ],
            hide_index=True,
            column_config={
                "Candidate": st.column_config.NumberColumn(format="localized"),
                "Champion": st.column_config.NumberColumn(format="localized"),
                "Change": st.column_config.NumberColumn(format="percent"),
            },
            alt="Both models on each slice",
        )


def _predictions(full: Mapping[str, Any], dataset: Dataset) -> None:
    log, unit = dataset.fit_on == "log", dataset.target.unit
    st.caption(
        f"{len(full['points']['actual'])} held-out rows, the same for every version. On the dotted "
        "line an answer is right."
    )
    left, right = st.columns(2)
    left.plotly_chart(
        charts_dossier.predictions(full["points"], log=log, unit=unit),
        key="predicted",
        config=_QUIET,
    )
    right.plotly_chart(
        charts_dossier.residuals(full["points"], log=log, unit=unit), key="residuals", config=_QUIET
    )


def _columns(full: Mapping[str, Any], labels: Mapping[str, str]) -> None:
    if not full["importance"]:
        st.caption("Not measured.")
        return
    st.caption("How much the mean absolute error grows when a column's values are shuffled.")
    st.plotly_chart(
        charts_dossier.importance(full["importance"], labels), key="importance", config=_QUIET
    )


def _material(full: Mapping[str, Any]) -> None:
    batches = full["batches"]
    parity = full.get("parity")
    rows = f"**{full['training_rows']:,}** rows to learn from"
    rows += f", **{full['held_out_rows']:,}** held out, **{full['overlap']:,}** on both sides"
    files = f"model file `{str(full.get('digest', ''))[:16]}`, data `{full['data_digest'][:16]}`"
    lines = [rows, files]
    if isinstance(parity, float):
        lines.append(f"scikit-learn and ONNX differ by {parity:.1e} at most")
    replay = full["replay"]
    if replay["requests"]:
        misfits = f"; {replay['unreadable']} do not fit it" if replay["unreadable"] else ""
        lines.append(
            f"of the latest **{replay['requests']:,}** real requests, **{replay['moved']:.0%}** "
            f"get an answer that moves by more than 10 %{misfits}"
        )
    else:
        lines.append("no real requests were on record to be replayed")
    st.markdown("\n".join(f"- {line}" for line in lines))
    st.dataframe(
        [
            {"Epoch": b["epoch"], "Batch": b["number"], "Rows": b["rows"], "Id": b["id"]}
            for b in batches
        ],
        hide_index=True,
        height=min(38 + 35 * max(len(batches), 1), 320),
        alt="The batches it was trained on",
    )
