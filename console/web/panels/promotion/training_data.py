"""What a version was trained and evaluated on, and the run that made it."""

from __future__ import annotations

import streamlit as st

from console.queries.promotion import EvidenceReport
from console.queries.training_run import training_run
from console.text import formatting
from console.web import reading, widgets


def show(report: EvidenceReport) -> None:
    """Rows, digests, parity, replay and batches."""
    full = report.dossier
    rows = f"**{full.training_rows:,}** training rows, **{full.held_out_rows:,}** held-out rows"
    lines = [
        f"{rows}, **{full.overlap:,}** in both",
        f"Digests: model file `{full.digest[:16]}`, data `{full.data_digest[:16]}`",
    ]
    if full.candidate.rows < full.held_out_rows:
        which = "those with the smallest content hashes (the same sample for every version)"
        if full.compared_after:
            which = f"those later than {full.compared_after.text}"
        lines.append(f"Evaluated on **{full.candidate.rows:,}** of the held-out rows: {which}")
    if full.parity is not None:
        of = "difference of probabilities" if full.task.is_classifier else "relative difference"
        lines.append(f"Largest {of} between the fitted and the ONNX model: {full.parity:.1e}")
    else:
        lines.append("No parity check: the training command wrote only an ONNX file")
    replay = full.replay
    if replay.requests:
        invalid = f"; {replay.unreadable} are invalid for it" if replay.unreadable else ""
        how = "labels change" if full.task.is_classifier else "predictions change by over 10 %"
        lines.append(
            f"Replay of the latest {replay.requests:,} requests: "
            f"**{100 * replay.moved:.0f} %** of {how}{invalid}"
        )
    else:
        lines.append("No requests were on record to replay")
    st.markdown("\n".join(f"- {line}" for line in lines))
    held_now = {batch.id: batch.reason for batch in report.held}
    widgets.table(
        [
            {"Epoch": b.epoch, "Batch": b.number, "Rows": b.rows, "Id": b.id}
            | ({"Held": held_now.get(b.id, "")} if held_now else {})
            for b in full.batches
        ],
        height=min(38 + 35 * max(len(full.batches), 1), 320),
        column_config={"Rows": st.column_config.NumberColumn(format="localized")},
        alt="The batches it was trained on",
    )
    _run(full.candidate.version)


def _run(version: int) -> None:
    """The training's recipe, duration and parameters, with links to MLflow."""
    st.markdown("##### Training run")
    run = reading.query_or_none(training_run, version)
    if run is None:
        st.caption(f"MLflow has no run of version {version}.")
        return
    facts = [f"recipe **{widgets.plain(run.recipe)}**"] if run.recipe else []
    if run.job:
        facts.append(f"job {run.job.id}")
        facts.append(formatting.duration(run.job.started_at, run.job.finished_at))
    links = {"Run in MLflow": run.run_link, "Version in MLflow": run.version_link}
    facts += [f"[{label}]({link})" for label, link in links.items() if link]
    st.markdown(" · ".join(facts))
    widgets.table(
        [{"Parameter": name, "Value": value} for name, value in sorted(run.parameters.items())],
        height=min(38 + 35 * max(len(run.parameters), 1), 320),
        alt="The parameters of the training run",
    )
