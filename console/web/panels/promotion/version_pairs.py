"""A version beside any other one: on the same held-out rows, and on newer batches."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from console.actions import pipeline
from console.queries.forward_scores import ForwardReport, forward_report
from console.queries.version_pairs import Pair, pair
from console.text import formatting
from console.web import page_state, reading, session, widgets
from console.web.panels.promotion import dossier, newer_batches
from core.domain.dataset import Dataset
from core.domain.job_results import VersionsCompared
from core.domain.promotions import Promotion
from core.rules.access.roles import Right


def show(promotion: Promotion, report: ForwardReport, others: Sequence[int]) -> None:
    """The version beside another one that a person chooses; `others` has all, newest first.

    `report` compares it with the live version; the address names another one.
    """
    version, dataset = promotion.version, session.desk().dataset
    st.markdown("##### Against another version")
    named = {f"Version {v}": str(v) for v in others}
    if not named:
        st.caption("There is no other version yet.")
        newer_batches.show(report, dataset)
        return
    asked = page_state.address("against")
    shown = asked if asked in named.values() else str(report.other)
    if shown not in named.values():
        shown = str(others[0])
    box, at = st.container(width=260), f"Version {shown}"
    widgets.choice(box, "Against", named, at, "newer-against", has_steps=False)
    other = int(shown)
    if told := reading.query(pair, version, other):
        _held_out(version, other, told, dataset)
    if other != report.other:
        report = reading.query(forward_report, version, other) or report
    newer_batches.show(report, dataset)


def _held_out(version: int, other: int, told: Pair, dataset: Dataset) -> None:
    """Both on held-out rows: what is on record, and a button that asks for what is missing."""
    open_ = told.job is not None and not told.job.state.is_over
    if told.found is None and not open_:
        st.caption(
            f"Versions {version} and {other} were not compared yet. A comparison scores both on "
            "the same held-out rows, which neither was trained on."
        )
    if told.found:
        says = told.says(dataset.primary_metric, dataset.target.unit)
        st.caption(f"{widgets.plain(says)} {_source(told, told.found)}")
    if told.found and told.dossier != version:  # its own evaluation is among the evidence
        both = told.found
        dossier.table(
            both.metrics, f"Version {other}", both.others, both.differences, dataset.target.unit,
            name=f"Version {version}",
        )  # fmt: skip
    if told.job and told.job.error:
        why = f"Job {told.job.id} could not compare them: {told.job.error}"
        st.warning(widgets.plain(why), icon=":material/report:")
    if open_:
        st.caption(f"Job {told.job.id if told.job else ''} is comparing them.")
        return
    label = "Compare again" if told.found else f"Compare with version {other}"
    done = f"Versions {version} and {other} are being compared."
    about = "Score both on the current held-out rows that neither was trained on."
    look = {"icon": ":material/balance:", **widgets.only(Right.RUN, help=about)}
    key, action = f"compare-{version}-{other}", pipeline.request_comparison
    widgets.act_button(st, label, key, done, action, version, other, **look)


def _source(told: Pair, found: VersionsCompared) -> str:
    """Which rows these are, and when they were scored."""
    rows = "They are held out: neither version was trained on them"
    if found.after:
        rows += f", and all are later than {widgets.plain(found.after)}"
    if told.dossier is not None:
        return f"{rows}. From the evaluation of version {told.dossier}."
    batches = formatting.count(len(found.batches), "batch")
    text = f"{rows}. From {batches} of epoch {found.epoch}, scored {widgets.when(told.at)}."
    if told.newer:
        later = formatting.count(told.newer, "newer batch")
        text += f" {later} {'was' if told.newer == 1 else 'were'} stored since."
    return text
