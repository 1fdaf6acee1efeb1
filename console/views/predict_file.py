"""Many rows: a CSV file in, its rejected rows in sight, the answers out as CSV."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from console import actions, csvfile, parts, predicting, session
from console.inert import inert_csv
from core.contract import Contract
from core.errors import BadInput, BadRow, DriftdeskError
from core.roles import Right

_RUN = "predict.file"
_SHOWN = 100


@dataclass(slots=True)
class Run:
    """A file and how far its rows are answered; kept, so that a rerun loses nothing."""

    file: tuple[str, str]
    sheet: csvfile.Sheet
    answers: list[dict[str, Any]] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Accepted rows that wait for an answer."""
        return len(self.sheet.accepted) - len(self.answers)


def many_rows(contract: Contract) -> None:
    """From the upload to the download."""
    upload, start = st.columns([3, 1], vertical_alignment="bottom")
    with upload:
        uploaded = st.file_uploader(
            f"A CSV file with a header, UTF-8, up to {csvfile.MOST_ROWS:,} rows",
            type=["csv"],
            max_upload_size=csvfile.MOST_MEGABYTES,
            key="predict-file",
        )
    with start:
        st.download_button(
            "A file to start from",
            inert_csv(predicting.template_rows(contract)).encode("utf-8-sig"),
            file_name=f"{contract.dataset}_to_predict.csv",
            mime="text/csv",
            icon=":material/description:",
            on_click="ignore",
        )
    if uploaded is None:
        session.keep(_RUN, None)
        names = ", ".join(f"`{f.name}`" for f in contract.fields)
        st.caption(f"Columns: {names}. Those that may be empty may also be left out.")
        return
    run = session.field(_RUN, None)
    this = (uploaded.file_id, contract.to_json())
    if run is None or run.file != this:
        try:
            run = Run(this, csvfile.read_sheet(uploaded.getvalue(), contract))
        except BadInput as error:
            st.error(parts.plain(str(error)), icon=":material/error:")
            return
        session.keep(_RUN, run)
    preview(run)
    predict(run)
    if run.answers:
        results(run, contract)


def preview(run: Run) -> None:
    """What was understood: the rows that fit, and those that do not with their rules."""
    sheet = run.sheet
    counts = st.columns(2)
    counts[0].metric("Rows that fit", f"{len(sheet.accepted):,}")
    counts[1].metric("Rows that do not", f"{len(sheet.rejected):,}")
    if sheet.absent:
        st.caption(
            f"Not in the file, so empty in every row: {parts.plain(', '.join(sheet.absent))}."
        )
    if sheet.rejected:
        with st.expander(f"Rejected rows ({len(sheet.rejected):,})", expanded=True,
                         icon=":material/rule:"):  # fmt: skip
            st.dataframe(
                predicting.rejected_rows(sheet.rejected[:_SHOWN]), hide_index=True, width="stretch"
            )
            st.download_button(
                "Download rejected rows",
                inert_csv(predicting.rejected_rows(sheet.rejected)).encode("utf-8-sig"),
                file_name="rejected.csv",
                mime="text/csv",
                icon=":material/download:",
                on_click="ignore",
            )
    if sheet.accepted:
        with st.expander(
            f"Rows to predict ({len(sheet.accepted):,})", icon=":material/table_rows:"
        ):
            st.dataframe(
                predicting.accepted_rows(sheet.accepted[:_SHOWN]), hide_index=True, width="stretch"
            )


def predict(run: Run) -> None:
    """The button, and the progress after it; a run that was broken off goes on where it was."""
    if not run.left:
        return
    label = f"Predict {run.left:,} rows"
    if run.answers:
        st.warning(
            f"{len(run.answers):,} of {len(run.sheet.accepted):,} rows are answered.",
            icon=":material/pause_circle:",
        )
        label = f"Go on with the other {run.left:,} rows"
    look = parts.only(Right.PREDICT)
    if not st.button(label, type="primary", icon=":material/calculate:", **look):
        return
    total = len(run.sheet.accepted)
    bar = st.progress(len(run.answers) / total, text="Asking serving…")
    rows = [a.row for a in run.sheet.accepted[len(run.answers) :]]
    try:
        with session.acting("predict_rows"):
            for lot in actions.predict_rows(session.desk(), session.actor(), rows):
                run.answers += lot
                done = len(run.answers)
                bar.progress(done / total, text=f"{done:,} of {total:,} rows")
        st.rerun()  # without the button, which has done its work
    except BadRow as error:
        st.error(
            parts.plain(f"The live model changed and refuses a row: {error}. Send the file again."),
            icon=":material/error:",
        )
    except DriftdeskError as error:
        st.error(parts.plain(f"{error} What was answered so far is kept."),
                 icon=":material/cloud_off:")  # fmt: skip
    bar.empty()


def results(run: Run, contract: Contract) -> None:
    """The answers, to look at and to take away."""
    rows = predicting.result_rows(run.sheet.accepted, run.answers)
    versions = sorted({str(a["model_version"]) for a in run.answers})
    st.success(
        f"{len(rows):,} rows are predicted by version {', '.join(versions)}. "
        "Each is on record under its prediction_id.",
        icon=":material/task_alt:",
    )
    st.download_button(
        "Download the results",
        inert_csv(rows).encode("utf-8-sig"),
        file_name=f"{contract.dataset}_predicted.csv",
        mime="text/csv",
        type="primary",
        icon=":material/download:",
        on_click="ignore",
    )
    st.dataframe(
        predicting.as_text(rows[:_SHOWN]),
        hide_index=True,
        width="stretch",
        column_config={
            name: st.column_config.NumberColumn(format="localized")
            for name in ("prediction", "low", "high")
        },
    )
    if len(rows) > _SHOWN:
        st.caption(f"The first {_SHOWN} of {len(rows):,} rows; the file has them all.")
