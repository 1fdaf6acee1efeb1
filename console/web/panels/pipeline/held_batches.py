"""Below the batch ledger: held batches, hold and release, and row downloads."""

from __future__ import annotations

import streamlit as st

from console.actions import batch_holds
from console.queries import rows_export
from console.text import formatting
from console.web import reading, widgets
from console.web.select import select
from core.domain.batches import Batch, BatchState
from core.rules.access.roles import Right

FORMATS = {"CSV": "csv", "Parquet": "parquet"}
MIME = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}


def held(batches: list[Batch]) -> None:
    """Each held batch with its reason and a release button, and a button to hold a batch."""
    stored = [b for b in batches if b.state is BatchState.STORED]
    for batch in stored:
        if batch.is_held:
            _held(batch)
    free = [b for b in stored if not b.is_held]
    if free and st.button(
        "Hold a batch",
        key="hold-batch",
        icon=":material/pause_circle:",
        **widgets.only(Right.RUN, help="Exclude its rows from comparisons and training."),
    ):
        hold(free)


def _held(batch: Batch) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":orange-badge[held] **Batch {batch.number}** {widgets.when(batch.held_at)} by "
            f"{widgets.plain(batch.held_by or '')}: {widgets.plain(batch.hold_reason or '')}  \n"
            ":gray[:small[Excluded from comparisons and training until it is released.]]",
            width="stretch",
        )
        if st.button("Release…", key=f"release-{batch.id}", **widgets.only(Right.RUN)):
            release(batch)


@widgets.dialog("Release the batch")
def release(batch: Batch) -> None:
    """Say what a release changes."""
    st.markdown(
        f"**Batch {batch.number}** is held: {widgets.plain(batch.hold_reason or '')}\n\n"
        "After the release, later batches are compared with it, and it counts for the champion's "
        "error and for training. Existing reports do not change; **Compare again** uses it."
    )
    done = f"Batch {batch.number} is released."
    widgets.confirm_with_reason(
        "Release it", "release-reason", done, batch_holds.release_batch, batch.id
    )


@widgets.dialog("Hold a batch")
def hold(batches: list[Batch]) -> None:
    """Choose a batch to exclude from comparisons and training."""
    numbers = {b.id: f"Batch {b.number} ({formatting.count(b.stored, 'row')})" for b in batches}
    chosen = select(st, "Batch", numbers, "hold-which")
    st.caption("Later batches that were compared with it are compared again with another batch.")
    widgets.confirm_with_reason(
        "Hold it", "hold-reason", "The batch is held.", batch_holds.hold_batch, chosen
    )


def downloads(epoch: int, batches: list[Batch]) -> None:
    """Download the rows of the epoch or of one batch, up to a maximum number of rows."""
    kept = [b for b in batches if b.state is BatchState.STORED and b.kept_rows]
    if not kept:
        return
    total = sum(b.kept_rows for b in kept)
    choices = {0: f"All of epoch {epoch} ({formatting.count(total, 'row')})"} | {
        b.id: f"Batch {b.number} ({formatting.count(b.kept_rows, 'row')})" for b in kept
    }
    with st.expander("Download rows"):
        row = st.container(horizontal=True, vertical_alignment="bottom")
        chosen = select(row, "Rows of", choices, "rows-of")
        named = row.segmented_control(
            "Format", list(FORMATS), default="CSV", required=True, key="rows-as"
        )
        form = FORMATS[named]
        batch = next((b for b in kept if b.id == chosen), None)
        if (batch.kept_rows if batch else total) > rows_export.ON_PAGE:
            st.caption(
                f"Downloads are limited to {rows_export.ON_PAGE:,} rows. "
                f"`{widgets.with_dataset('driftdesk rows export')} --epoch {epoch} FILE.{form}` "
                "has no limit."
            )
            return
        wanted = rows_export.Chosen(epoch, chosen or None)
        part = f"batch-{batch.number}" if batch else "rows"
        row.download_button(
            "Download",
            reading.deferred_query(rows_export.content, wanted, form),
            file_name=f"epoch-{epoch}-{part}.{form}",
            mime=MIME[form],
            icon=":material/download:",
            on_click="ignore",
        )
