"""The dialog that makes a person's file the next batch, after a look at its first rows."""

from __future__ import annotations

from typing import Any

import streamlit as st

from console.actions import file_checks, uploads
from console.text.file_check import FileCheck
from console.web import acting, page_state, session, widgets
from core.domain.errors import BadInput

_ENDINGS = ["csv", "tsv", "jsonl", "ndjson", "json", "parquet", "pq", "gz", "zst"]
_REASONS = 10
_CHECKED = "upload-checked"


@widgets.dialog("Upload a file")
def upload_file() -> None:
    """Choose a file and ingest it."""
    choose()


def choose() -> None:
    """The content of the dialog: a file, how its first rows are read, and the button."""
    most = min(session.desk().settings.file_max_mb, uploads.PAGE_MB)
    st.write(
        "The file becomes the next batch of the current epoch. It may be CSV, JSON Lines, JSON or "
        "Parquet, also compressed (.gz, .zst). For a larger one use "
        f"`{widgets.with_dataset('driftdesk ingest FILE')}`."
    )
    chosen = st.file_uploader(
        f"A file of at most {most:,} MB",
        type=_ENDINGS,
        max_upload_size=most,
        key="upload-file",
    )
    if chosen is None:
        page_state.set_state(_CHECKED, None)
        return
    st.caption(f"{widgets.plain(chosen.name)}: {chosen.size:,} bytes.")
    check = _checked(chosen)
    if isinstance(check, str):
        st.error(widgets.plain(check), icon=":material/error:")
        return
    _preview(check)

    def ingest() -> None:
        chosen.seek(0)
        acting.act("The ingest is queued.", uploads.upload, chosen, chosen.name)

    widgets.confirm("Ingest this file", ingest)


def _checked(chosen: Any) -> FileCheck | str:
    """The check of a file, made once; a text says why it cannot be read."""
    checked = page_state.get_state(_CHECKED, None)
    if checked is None or checked[0] != chosen.file_id:  # each rerun would read the file again
        desk = session.desk()
        try:
            with st.spinner("Reading the first rows…"):
                result: FileCheck | str = file_checks.check(
                    chosen, chosen.name, desk.dataset, desk.settings.file_max_mb * 1_000_000
                )
        except BadInput as error:
            result = str(error)
        checked = (chosen.file_id, result)
        page_state.set_state(_CHECKED, checked)
    found: FileCheck | str = checked[1]
    return found


def _preview(check: FileCheck) -> None:
    """How the file was read, its first rows as they would be stored, and the others' reasons."""
    if check.note:
        st.caption(widgets.plain(check.note))
    if check.rows and check.valid == check.rows:
        st.success(check.verdict, icon=":material/check:")
    else:
        st.warning(check.verdict, icon=":material/rule:")
    if check.no_classes:
        st.warning(widgets.plain(check.no_classes), icon=":material/rule:")
    if check.first:
        st.caption(f"The first {len(check.first):,} valid rows, as they would be stored:")
        widgets.table(check.first)
    if not check.reasons:
        return
    st.caption("Why rows would be quarantined:")
    widgets.table([{"Reason": r.rule, "Rows": r.rows} for r in check.reasons[:_REASONS]])
    st.caption("The first of these values:")
    widgets.table([
        {"Row": b.row, "Column": b.column or "(whole row)", "Value": b.value, "Reason": b.reason}
        for b in check.broken
    ])  # fmt: skip
