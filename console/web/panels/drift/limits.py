"""Drift limits on the Drift page: current limits, a what-if preview, and setting them."""

from __future__ import annotations

from itertools import product

import streamlit as st

from console.actions import limits
from console.figures import drift_ratios
from console.queries import drift
from console.text import formatting
from console.text import measures as measure_text
from console.text.csv_output import inert
from console.web import reading, session, widgets
from console.web.panels.drift.comparison import NAMES
from core.domain.dataset import STATISTICS
from core.domain.drift import Measure, Reference
from core.rules.access.roles import Right
from core.rules.drift.thresholds import Cell, Key

_SHOWN = 12


@widgets.dialog("Set limits")
def confirm(wanted: dict[Key, float | None], summary: str) -> None:
    """Show the change and ask for a reason."""
    st.write(summary)
    st.write(
        "The new limits apply from the next comparison on. Stored reports keep their limits; "
        "**Compare again** re-evaluates a batch."
    )
    widgets.confirm_with_reason(
        "Set them", "limits-reason", "The limits are set.", limits.set_limits, wanted
    )


def editor(reference: Reference, cells: list[Cell]) -> None:
    """The current limits, a form for new limits with a preview, and the change history."""
    current = reading.query(drift.limits)
    if current is None:
        return
    labels = {c.name: c.label for c in session.desk().dataset.compared}
    _table(current, labels)
    st.caption("Enter a new limit to preview the verdicts of the stored batches.")
    keys, value = _form(labels)
    changed = {k: value for k in keys if value is not None and value != current.limits[k]}
    if changed:
        _preview(current.limits | changed, reference, cells)
    row = st.container(horizontal=True)
    look = {"icon": ":material/rule:", **widgets.only(Right.LIMITS, disabled=not changed)}
    if row.button("Set limits…", key="set-limits", type="primary", **look):
        confirm(dict(changed), _summary(changed, labels))
    chosen = dict.fromkeys(k for k in keys if k in current.set_here)
    help_ = "For the columns and statistics selected above."
    look = widgets.only(Right.LIMITS, disabled=not chosen, help=help_)
    icon = ":material/settings_backup_restore:"
    if row.button("Reset to the dataset file…", key="reset-limits", icon=icon, **look):
        count = formatting.count(len(chosen), "limit")
        confirm(dict(chosen), f"{count} reset to the dataset file.")
    _history(current, labels)
    _measures(current)


def _measures(current: drift.InForce) -> None:
    """The limits of the measures beside the rule, one row for each column."""
    if not current.measures:
        return
    labels = {c.name: c.label for c in session.desk().dataset.watched}
    shown = [m for m in Measure if any(m is key[1] for key in current.measures)]
    st.caption(measure_text.WHERE)
    widgets.table(
        [
            {
                "Column": label,
                **{
                    measure_text.NAMES[m]: measure_text.value(m, current.measures.get((name, m)))
                    for m in shown
                },
            }
            for name, label in labels.items()
        ],
        height="content",
    )


def _table(current: drift.InForce, labels: dict[str, str]) -> None:
    st.caption(
        "Current limits. An asterisk marks a limit that was set here, not in the dataset file."
    )
    widgets.table(
        [
            {
                "Column": label,
                **{
                    drift_ratios.TITLES[s]: formatting.percent(current.limits[name, s])
                    + (" *" if (name, s) in current.set_here else "")
                    for s in STATISTICS
                },
            }
            for name, label in labels.items()
        ],
        height="content",
    )


def _form(labels: dict[str, str]) -> tuple[list[Key], float | None]:
    """The selected columns and statistics, and the new limit for all of them, if entered."""
    left, middle, right = st.columns([3, 3, 2])
    columns = left.multiselect(
        "Columns", list(labels), format_func=labels.__getitem__, key="limit-columns",
        placeholder="All columns",
    )  # fmt: skip
    statistics = middle.multiselect(
        "Statistics", list(STATISTICS), format_func=drift_ratios.TITLES.__getitem__,
        key="limit-statistics", placeholder="All statistics",
    )  # fmt: skip
    value = right.number_input(
        "New limit (%)", min_value=0.1, max_value=100_000.0, value=None, step=1.0,
        key="limit-value", format="%g", placeholder="e.g. 20",
    )  # fmt: skip
    keys = list(product(columns or labels, statistics or STATISTICS))
    return keys, None if value is None else round(value / 100, 9)


def _preview(limits: dict[Key, float], reference: Reference, cells: list[Cell]) -> None:
    """The verdicts of stored comparisons under the new limits."""
    previews = drift.would_have_said(cells, limits)
    changed = [p for p in previews if p.changes]
    if not previews:
        st.info("No comparison is stored yet.", icon=":material/info:")
        return
    show = st.warning if changed else st.info
    show(
        f"With these limits, {len(changed)} of {formatting.count(len(previews), 'stored batch')} "
        f"(compared with the {NAMES[reference]}) would have another verdict.",
        icon=":material/history:",
    )
    shown = changed or previews
    widgets.table(
        [
            {
                "Epoch": p.epoch,
                "Batch": p.batch_number,
                "Verdict": _verdict(p.breaches),
                "With these limits": _verdict(p.would_breach),
            }
            for p in shown[:_SHOWN]
        ],
        height="content",
    )
    if len(shown) > _SHOWN:
        st.caption(f"The newest {_SHOWN} of {len(shown)}.")


def _verdict(breaches: int) -> str:
    return f"drift ({breaches} above the limit)" if breaches else "no drift"


def _summary(changed: dict[Key, float], labels: dict[str, str]) -> str:
    limit = formatting.percent(next(iter(changed.values())))
    named = [f"{labels[c]}, {drift_ratios.TITLES[s].lower()}" for c, s in list(changed)[:_SHOWN]]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"New limit: **{limit}** for {widgets.plain('; '.join(named))}{more}."


def _history(current: drift.InForce, labels: dict[str, str]) -> None:
    with st.expander(f"Change history ({len(current.entries)})"):
        if not current.entries:
            st.caption("All limits come from the dataset file; none was set here.")
            return
        widgets.table(
            [
                {
                    "When (UTC)": e.at.replace(tzinfo=None),
                    "Who": inert(e.actor),
                    "Limit": f"{labels.get(e.column, e.column)}, "
                    f"{drift_ratios.TITLES.get(e.statistic, e.statistic).lower()}",
                    "New value": "dataset file" if e.value is None else formatting.percent(e.value),
                    "Why": inert(e.reason),
                }
                for e in current.entries
            ],
        )
