"""The dialog that makes a person's file the next batch, after a look at its first rows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from console.actions import dataset_files, uploads
from console.web import page_state, session, widgets
from core.domain.errors import BadInput
from core.rules.data.check_rows import RowCheck

_ENDINGS = ["csv", "tsv", "jsonl", "ndjson", "json", "parquet", "pq", "gz", "zst"]
_REASONS = 10
_CHECKED = "upload-checked"


@widgets.dialog("Upload a file")
def upload_file() -> None:
    """Choose a file and ingest it."""
    choose()


def choose() -> None:
    """The content of the dialog: a file, what its first rows are worth, and the button."""
    most = min(session.desk().settings.file_max_mb, uploads.PAGE_MB)
    st.write(
        "The file becomes the next batch of the current epoch. It may be CSV, JSON Lines, JSON or "
        "Parquet, also compressed (.gz, .zst). For a larger one use `driftdesk ingest FILE`."
    )
    chosen = st.file_uploader(
        f"A file of at most {most:,} MB",
        type=_ENDINGS,
        max_upload_size=most,
        key="upload-file",
    )
    if chosen is None:
        return
    _preview(chosen)

    def ingest() -> None:
        chosen.seek(0)
        session.act("The ingest is queued.", uploads.upload, chosen, chosen.name)

    widgets.confirm("Ingest this file", ingest)


def _preview(chosen: Any) -> None:
    """What the dataset's rules say about the first rows; other formats are read by the ingest."""
    st.caption(f"{widgets.plain(chosen.name)}: {chosen.size:,} bytes.")
    suffix = "".join(Path(chosen.name).suffixes[-2:]).lower()
    if not suffix.endswith((".csv", ".tsv", ".csv.gz", ".parquet")):
        st.info("The rows of this format are checked when they are ingested.")
        return
    checked = page_state.get_state(_CHECKED, None)
    if checked is None or checked[0] != chosen.file_id:  # each rerun would read the file again
        checked = (chosen.file_id, _check(chosen, suffix))
        page_state.set_state(_CHECKED, checked)
    result = checked[1]
    if isinstance(result, str):
        st.error(widgets.plain(result), icon=":material/error:")
        return
    rows, note = result
    if note:
        st.caption(widgets.plain(note))
    _verdict(rows)


def _check(chosen: Any, suffix: str) -> tuple[RowCheck, str] | str:
    """The check of the first rows, and how the file was read; a text says why there is none."""
    try:
        with tempfile.NamedTemporaryFile(suffix=suffix) as copy:
            copy.write(chosen.getbuffer())
            copy.flush()
            return dataset_files.check(Path(copy.name), session.desk().dataset)
    except BadInput as error:
        return str(error).replace(copy.name, chosen.name)
    except OSError as error:
        return f"The first rows cannot be shown: no temporary file ({error.strerror})."


def _verdict(result: RowCheck) -> None:
    words = f"{result.valid:,} of the first {result.rows:,} rows are valid."
    if result.valid == result.rows:
        st.success(words, icon=":material/check:")
        return
    st.warning(f"{words} The others are quarantined.", icon=":material/rule:")
    st.dataframe(
        [
            {"Rows": r.rows, "Reason": r.rule, "First row": r.first_row, "Example": r.example}
            for r in result.reasons[:_REASONS]
        ],
        hide_index=True,
    )
