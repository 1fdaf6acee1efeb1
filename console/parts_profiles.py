"""Two profiles side by side: one column's shape then and now, and what came in."""

from __future__ import annotations

import streamlit as st

from console import charts, drift_charts, session, words
from console.inert import inert
from core.broken import null_share
from core.dataset import ColumnType, Role
from core.records import ColumnProfile
from core.shape import beyond, categories, overlay

Profiles = dict[str, ColumnProfile]


def distributions(
    then: Profiles, now: Profiles, names: tuple[str, str], file: str, *, place: str = ""
) -> None:
    """One column's shape then and now; `names` says what each is, `file` what a chart saves as.

    Where a page has two of them, `place` begins the keys of one: a widget that two tabs share
    loses what is chosen right after the other tab was open.
    """
    dataset = session.desk().dataset
    named = {c.label: c for c in dataset.columns if c.type is ColumnType.NUMBER}
    named = {label: c for label, c in named.items() if c.name in then and c.name in now}
    if not named:
        st.caption("There is no second profile to lay over this one.")
        return
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    chosen = left.selectbox("Column", list(named), key=f"{place}column", bind="query-params")
    logarithmic = right.toggle("Log axis", key=f"{place}log", bind="query-params")
    column = named[chosen]
    before, after = then[column.name], now[column.name]
    seen = overlay(before, after, logarithmic=logarithmic)
    if seen is None:
        why = "has no values above zero" if logarithmic else "has no values on one side"
        st.info(f"{column.label} {why}, so there is nothing to draw.", icon=":material/info:")
        return
    st.plotly_chart(
        drift_charts.distribution(
            seen, names, column.unit or column.label, logarithmic=logarithmic
        ),
        key=f"shape-{file}-{column.name}-{logarithmic}",
        width="stretch",
        config=charts.png(f"distribution-{column.name}-{file}"),
        alt=f"{column.label}: share of rows in {len(seen.current)} bins, then and now.",
    )
    st.caption(
        f"From {before.count:,} and {after.count:,} values; {seen.outside[0]:.1%} and "
        f"{seen.outside[1]:.1%} of them lie beyond the axis, which ends at the outermost 1 % and "
        "99 % quantiles."
    )


def came_in(then: Profiles, now: Profiles, against: str) -> None:
    """Nulls, new and vanished categories, and values beyond the range of `then`."""
    dataset = session.desk().dataset
    if not then:
        st.caption("There was nothing to compare the first batch with.")
        return
    rows = [
        {
            "Column": column.label,
            "Empty then": words.percent(null_share(then[column.name])),
            "Empty now": words.percent(null_share(now[column.name])),
            **(_texts if column.is_text else _numbers)(then[column.name], now[column.name]),
        }
        for column in dataset.columns
        if column.role is not Role.IDENTIFIER and column.name in then and column.name in now
    ]
    st.caption(
        f"Against {against}. Shares are of the rows that have a value; values are "
        "the most common ones, and counts stand only where every value is known."
    )
    st.dataframe(rows, hide_index=True, width="stretch", height="content")


def _texts(before: ColumnProfile, after: ColumnProfile) -> dict[str, str]:
    seen = categories(before, after)
    return {
        "Values": f"{before.distinct:,} → {after.distinct:,}",
        "New": _values(seen.new, seen.new_count),
        "Vanished": _values(seen.vanished, seen.vanished_count),
        "Out of the old range": "",
    }


def _values(found: tuple[tuple[str, float], ...], count: int | None) -> str:
    named = ", ".join(f"{value} ({share:.1%})" for value, share in found)
    # The table's own toolbar saves cells as they are, so they are made inert here.
    return f"{count:,}: {named}" if found and count is not None else inert(named)


def _numbers(before: ColumnProfile, after: ColumnProfile) -> dict[str, str]:
    below, above = beyond(before, after)
    sides = [f"{below:.2%} below" if below else "", f"{above:.2%} above" if above else ""]
    out = " and ".join(s for s in sides if s) or "none"
    return {"Values": "", "New": "", "Vanished": "", "Out of the old range": out}
