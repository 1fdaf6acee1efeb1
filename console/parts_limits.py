"""Limits on the Drift page: what is in force, what other ones would have said, and setting them."""

from __future__ import annotations

from itertools import product

import streamlit as st

from console import actions, charts, drifts, parts, session, words
from console.inert import inert
from core.dataset import STATISTICS
from core.limits import Cell, Key
from core.records import Reference
from core.roles import Right

_SHOWN = 12


@parts.dialog("Set limits")
def confirm(wanted: dict[Key, float | None], said: str) -> None:
    """Say what changes before it does, and ask why."""
    st.write(said)
    st.write(
        "The next comparison is judged by it. Reports that are stored keep the limits of their "
        "day; **Compare again** judges a batch anew."
    )
    parts.reason("limits-reason")

    def decide() -> None:
        reason = session.field("limits-reason")
        session.act("The limits are set.", actions.set_limits, wanted, reason=reason)

    parts.confirm("Set them", decide)


def editor(reference: Reference, cells: list[Cell]) -> None:
    """Limits in force, a form for others with a preview, and what was set before."""
    found = session.ask(drifts.limits)
    if found is None:
        return
    labels = {c.name: c.label for c in session.desk().dataset.compared}
    _table(found, labels)
    st.caption("Type another limit to see what it would have said of the batches that are stored.")
    keys, value = _form(labels)
    changed = {k: value for k in keys if value is not None and value != found.limits[k]}
    _preview(found.limits | changed, reference, cells, asked=bool(changed))
    row = st.container(horizontal=True)
    if row.button(
        "Set limits…",
        type="primary",
        icon=":material/rule:",
        **parts.only(Right.LIMITS, disabled=not changed),
    ):
        confirm(dict(changed), _in_words(changed, labels))
    chosen = dict.fromkeys(k for k in keys if k in found.set_here)
    if row.button(
        "Back to the dataset's…",
        icon=":material/settings_backup_restore:",
        **parts.only(
            Right.LIMITS,
            disabled=not chosen,
            help="For the columns and statistics chosen above.",
        ),
    ):
        confirm(
            dict(chosen),
            f"{len(chosen)} limit{'s go' if len(chosen) > 1 else ' goes'} back to what the "
            "dataset file says.",
        )
    _record(found, labels)


def _table(found: drifts.InForce, labels: dict[str, str]) -> None:
    st.caption("In force. An asterisk marks a limit that was set here, not in the dataset file.")
    st.dataframe(
        [
            {
                "Column": label,
                **{
                    charts.TITLES[s]: words.percent(found.limits[name, s])
                    + (" *" if (name, s) in found.set_here else "")
                    for s in STATISTICS
                },
            }
            for name, label in labels.items()
        ],
        hide_index=True,
        width="stretch",
        height="content",
    )


def _form(labels: dict[str, str]) -> tuple[list[Key], float | None]:
    """The columns and statistics that were chosen, and one limit for all of them, if given."""
    left, middle, right = st.columns([3, 3, 2])
    columns = left.multiselect(
        "Columns",
        list(labels),
        format_func=lambda name: labels[name],
        key="limit-columns",
        placeholder="All columns",
    )
    statistics = middle.multiselect(
        "Statistics",
        list(STATISTICS),
        format_func=lambda s: charts.TITLES[s],
        key="limit-statistics",
        placeholder="All statistics",
    )
    value = right.number_input(
        "New limit (%)",
        min_value=0.1,
        max_value=100_000.0,
        value=None,
        step=1.0,
        key="limit-value",
        format="%g",
        placeholder="such as 20",
    )
    keys = list(product(columns or labels, statistics or STATISTICS))
    return keys, None if value is None else round(value / 100, 9)


def _preview(
    limits: dict[Key, float], reference: Reference, cells: list[Cell], *, asked: bool
) -> None:
    """What past verdicts would have been, from the stored ratios."""
    if not asked:
        return
    seen = drifts.would_have_said(cells, limits)
    others = [p for p in seen if p.changes]
    against = "the batch before" if reference is Reference.PREVIOUS else "the champion's rows"
    batches = "batch" if len(seen) == 1 else "batches"
    if not seen:
        st.info("No comparison is stored yet to try these limits on.", icon=":material/info:")
        return
    say = st.warning if others else st.info
    say(
        f"Of {len(seen)} stored {batches} against {against}, {len(others)} would have had "
        f"another verdict.",
        icon=":material/history:",
    )
    shown = others or seen
    st.dataframe(
        [
            {
                "Epoch": p.epoch,
                "Batch": p.batch_number,
                "Verdict": _verdict(p.breaches),
                "With these limits": _verdict(p.would_breach),
            }
            for p in shown[:_SHOWN]
        ],
        hide_index=True,
        width="stretch",
        height="content",
    )
    if len(shown) > _SHOWN:
        st.caption(f"The newest {_SHOWN} of {len(shown)}.")


def _verdict(breaches: int) -> str:
    return f"training ({breaches} above)" if breaches else "no drift"


def _in_words(changed: dict[Key, float], labels: dict[str, str]) -> str:
    limit = words.percent(next(iter(changed.values())))
    named = [f"{labels[c]}, {charts.TITLES[s].lower()}" for c, s in list(changed)[:_SHOWN]]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"The limit becomes **{limit}** for {parts.plain('; '.join(named))}{more}."


def _record(found: drifts.InForce, labels: dict[str, str]) -> None:
    with st.expander(f"Set before ({len(found.entries)})"):
        if not found.entries:
            st.caption("Every limit is the dataset file's; none was ever set here.")
            return
        st.dataframe(
            [
                {
                    "When (UTC)": e.at.replace(tzinfo=None),
                    "Who": inert(e.actor),
                    "Limit of": f"{labels.get(e.column, e.column)}, "
                    f"{charts.TITLES.get(e.statistic, e.statistic).lower()}",
                    "Became": "the dataset's" if e.value is None else words.percent(e.value),
                    "Why": inert(e.reason),
                }
                for e in found.entries
            ],
            hide_index=True,
            width="stretch",
        )
