"""A version beside any other one: on the same held-out rows, and on newer batches."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from console.actions import pipeline
from console.queries.forward_scores import ForwardReport, forward_report
from console.queries.version_pairs import Pair, pair
from console.text import formatting
from console.text.version_pairs import Comparison
from console.web import page_state, reading, session, sorted_cells, widgets
from console.web.panels.promotion import dossier, newer_batches
from console.web.sorted_cells import Shown
from core.domain.dataset import Dataset
from core.domain.metrics import METRICS
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
        # Beside the decision stands already what contradicts its own evaluation.
        _held_out(version, other, told, dataset, is_told=other == promotion.compared_with)
    if other != report.other:
        report = reading.query(forward_report, version, other) or report
    newer_batches.show(report, dataset)


def contradiction(promotion: Promotion, dataset: Dataset) -> str:
    """That a comparison contradicts the version's evaluation, as a sentence; empty if none does."""
    other = promotion.compared_with
    told = reading.query_or_none(pair, promotion.version, other) if other else None
    return told.conflict(dataset.primary_metric) if told else ""


def _held_out(version: int, other: int, told: Pair, dataset: Dataset, *, is_told: bool) -> None:
    """Both on held-out rows: what is on record, and a button that asks for what is missing."""
    open_ = told.job is not None and not told.job.state.is_over
    if told.comparisons:
        _results(told, dataset, is_told=is_told)
    elif not open_:
        st.caption(
            f"Versions {version} and {other} were not compared yet. A comparison scores both on "
            "the same held-out rows, which neither was trained on."
        )
    if told.job and told.job.error:
        why = f"Job {told.job.id} could not compare them: {told.job.error}"
        st.warning(widgets.plain(why), icon=":material/report:")
    if open_:
        st.caption(f"Job {told.job.id if told.job else ''} is comparing them.")
        return
    label = "Compare again" if told.comparisons else f"Compare with version {other}"
    done = f"Versions {version} and {other} are being compared."
    about = "Score both on the current held-out rows that neither was trained on."
    look = {"icon": ":material/balance:", **widgets.only(Right.RUN, help=about)}
    key, action = f"compare-{version}-{other}", pipeline.request_comparison
    widgets.act_button(st, label, key, done, action, version, other, **look)


def _results(told: Pair, dataset: Dataset, *, is_told: bool) -> None:
    """Each comparison with its rows and time, the oldest first; then every metric of the newest."""
    primary, unit, newest = dataset.primary_metric, dataset.target.unit, told.comparisons[-1]
    if not is_told and (says := told.conflict(primary)):
        st.warning(widgets.plain(says), icon=":material/compare_arrows:")
    results = told.results(primary, unit)
    if len(results) == 1:
        st.caption(widgets.plain(results[0]))
    elif results:
        _side_by_side(told.comparisons, primary, unit)
    text = f"These rows are held out: neither version was trained on them. {told.trained}"
    if told.newer:
        later = formatting.count(told.newer, "newer batch")
        text += f" {later} {'was' if told.newer == 1 else 'were'} stored since the last comparison."
    st.caption(widgets.plain(text))
    both = newest.found
    if newest.dossier == both.version:
        return  # its own evaluation is among the evidence
    if len(results) > 1:
        st.caption(f"Every metric of the newest comparison, on {widgets.plain(newest.rows)}:")
    dossier.table(
        both.metrics, f"Version {both.against}", both.others, both.differences, unit,
        name=f"Version {both.version}",
    )  # fmt: skip


def _side_by_side(made: Sequence[Comparison], metric: str, unit: str) -> None:
    """Each comparison in a row of a table, the oldest first."""
    rows = []
    for one in made:
        found, difference = one.found, one.found.differences.get(metric)
        if one.sense(metric) is None:
            continue
        mine, theirs = found.metrics[metric], found.others[metric]
        rows.append(
            {
                "Comparison": one.name,
                "Made (UTC)": one.at.replace(tzinfo=None) if one.at else None,
                "Batches": one.batches,
                "Rows": found.rows,
                f"Version {found.version}": sorted_cells.metric(metric, mine, unit),
                f"Version {found.against}": sorted_cells.metric(metric, theirs, unit),
                "Change": sorted_cells.change(metric, mine, theirs),
                "95 % CI": sorted_cells.interval(metric, difference, theirs, unit)
                if difference
                else Shown(None, "-"),
            }
        )
    heading = METRICS[metric].name
    widgets.table(
        rows,
        key="comparisons",
        column_config={
            "Made (UTC)": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "Rows": st.column_config.NumberColumn(format="localized"),
        },
        alt=f"The {heading} of both versions in each comparison, the oldest first",
    )
