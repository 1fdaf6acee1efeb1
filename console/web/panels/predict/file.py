"""Batch prediction: upload a CSV file, review invalid rows, download the predictions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from console.actions import predictions
from console.text import csv_input, formatting, prediction, prediction_tables
from console.web import acting, page_state, widgets
from core.domain.errors import BadInput, BadRow, DriftdeskError
from core.rules.access.roles import Right
from core.rules.model.contract import Contract

_RUN = "predict.file"
_SHOWN = 100
_AMOUNTS = {"prediction": "Prediction", "low": "Low", "high": "High"}


@dataclass(slots=True)
class Run:
    """An uploaded file and its predictions so far, kept in the session across reruns."""

    file: tuple[str, str]
    sheet: csv_input.Sheet
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def remaining(self) -> int:
        """How many valid rows have no prediction yet."""
        return len(self.sheet.accepted) - len(self.answers)


def many_rows(contract: Contract) -> None:
    """Upload, preview, prediction and download."""
    upload, start = st.columns([3, 1], vertical_alignment="bottom")
    with upload:
        uploaded = st.file_uploader(
            f"A CSV file with a header, up to {csv_input.MOST_ROWS:,} rows",
            type=["csv", "tsv"],
            max_upload_size=csv_input.MOST_MEGABYTES,
            key="predict-file",
        )
    with start:
        template, file = (
            prediction_tables.template_rows(contract),
            f"{contract.dataset}_to_predict.csv",
        )
        icon = ":material/description:"
        widgets.download_csv("Download a template", template, file, icon=icon)
    if uploaded is None:
        page_state.set_state(_RUN, None)
        names = ", ".join(f"`{f.name}`" for f in contract.fields)
        st.caption(f"Columns: {names}. Optional columns may be missing.")
        return
    run = page_state.get_state(_RUN, None)
    identity = (uploaded.file_id, contract.to_json())
    if run is None or run.file != identity:
        sheet = _read(uploaded.getvalue(), contract, uploaded.file_id)
        if sheet is None:
            return
        run = Run(identity, sheet)
        page_state.set_state(_RUN, run)
    preview(run, contract)
    predict(run)
    if run.answers:
        results(run, contract)


def _read(content: bytes, contract: Contract, file_id: str) -> csv_input.Sheet | None:
    """The parsed file; None after an error, or while unknown columns are not confirmed."""
    try:
        return csv_input.read_sheet(content, contract)
    except csv_input.UnknownColumns as error:
        st.warning(widgets.plain(str(error)), icon=":material/warning:")
        if not st.checkbox("Predict without these columns", key=f"predict-extra-{file_id}"):
            return None
    except BadInput as error:
        st.error(widgets.plain(str(error)), icon=":material/error:")
        return None
    return csv_input.read_sheet(content, contract, ignore_extra=True)


def preview(run: Run, contract: Contract) -> None:
    """The valid rows, and the invalid rows with the rules that they break."""
    sheet = run.sheet
    counts = st.columns(2)
    counts[0].metric("Valid rows", f"{len(sheet.accepted):,}")
    counts[1].metric("Invalid rows", f"{len(sheet.rejected):,}")
    for note in sheet.notes():
        st.caption(widgets.plain(note))
    if sheet.rejected:
        with st.expander(f"Invalid rows ({len(sheet.rejected):,})", expanded=True,
                         icon=":material/rule:"):  # fmt: skip
            rejected = prediction_tables.rejected_rows(sheet.rejected)
            _table(prediction_tables.as_text(rejected[:_SHOWN]), contract)
            widgets.download_csv("Download invalid rows", rejected, "invalid.csv")
    if sheet.accepted:
        label = f"Rows to predict ({len(sheet.accepted):,})"
        with st.expander(label, icon=":material/table_rows:"):
            _table(prediction_tables.accepted_rows(sheet.accepted[:_SHOWN]), contract)


def predict(run: Run) -> None:
    """The button and its progress bar; an interrupted run continues with the remaining rows."""
    if not run.remaining:
        return
    label = f"Predict {formatting.count(run.remaining, 'row')}"
    if run.answers:
        done = f"{len(run.answers):,} of {len(run.sheet.accepted):,} rows are predicted."
        st.warning(done, icon=":material/pause_circle:")
        label = f"Continue with the remaining {formatting.count(run.remaining, 'row')}"
    look = widgets.only(Right.PREDICT)
    if not st.button(
        label, key="predict-rows", type="primary", icon=":material/calculate:", **look
    ):
        return
    total = len(run.sheet.accepted)
    bar = st.progress(len(run.answers) / total, text="Sending rows to serving…")
    rows = [a.row for a in run.sheet.accepted[len(run.answers) :]]
    try:
        with acting.acting("predict_rows") as (desk, actor):
            for answers in predictions.predict_rows(desk, actor, rows):
                run.answers += answers
                count = len(run.answers)
                bar.progress(count / total, text=f"{count:,} of {total:,} rows")
        st.rerun()  # hides the button
    except BadRow as error:
        why = f"The live model has changed and rejects a row: {error}. Upload the file again."
        st.error(widgets.plain(why), icon=":material/error:")
    except DriftdeskError as error:
        st.error(widgets.plain(f"{error} The predictions so far are kept."),
                 icon=":material/cloud_off:")  # fmt: skip
    bar.empty()


def results(run: Run, contract: Contract) -> None:
    """The predictions as a table and as a download."""
    rows = prediction_tables.result_rows(run.sheet.accepted, run.answers)
    versions = sorted({str(a["model_version"]) for a in run.answers})
    st.success(
        f"{formatting.count(len(rows), 'row')} predicted by version {', '.join(versions)}. "
        "Each prediction is stored under its prediction_id.",
        icon=":material/task_alt:",
    )
    widgets.download_csv(
        "Download results", rows, f"{contract.dataset}_predicted.csv", type="primary"
    )
    if contract.classes:
        shown = [prediction_tables.in_percent(row) for row in rows[:_SHOWN]]
        _table(prediction_tables.as_text(shown), contract, _of_classes(contract))
    else:
        rounded = [row | {name: _rounded(row[name]) for name in _AMOUNTS} for row in rows[:_SHOWN]]
        amounts = {
            name: st.column_config.NumberColumn(label, format="localized")
            for name, label in _AMOUNTS.items()
        }
        _table(prediction_tables.as_text(rounded), contract, amounts)
    if len(rows) > _SHOWN:
        st.caption(f"The first {_SHOWN} of {len(rows):,} rows; the download has all of them.")


def _of_classes(contract: Contract) -> dict[str, Any]:
    """The headings of a classifier's answers; probabilities are in per cent."""
    columns: dict[str, Any] = {
        f"{prediction.PROBABILITY}{label}": st.column_config.NumberColumn(
            f"Probability of {label}", format=formatting.PERCENT
        )
        for label in contract.classes
    }
    columns["prediction"] = st.column_config.TextColumn("Prediction")
    columns["set"] = st.column_config.TextColumn("Prediction set")
    return columns


def _table(
    rows: list[dict[str, object]], contract: Contract, columns: dict[str, Any] | None = None
) -> None:
    """Rows with a readable heading for each column; `columns` replaces some of the headings."""
    labels = {"line": "Line", "why": "Reason", "model_version": "Version", "warnings": "Warnings"}
    labels |= {f.name: f.label for f in contract.fields} | {"prediction_id": "Prediction id"}
    headings = {name: st.column_config.Column(label) for name, label in labels.items()}
    widgets.table(rows, placeholder="", column_config=headings | (columns or {}))


def _rounded(value: object) -> float | None:
    return formatting.rounded(value) if isinstance(value, float) else None
