"""What a decision about a version rests on, on one screen: recommendation, figures, gates, act."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from console.actions import pipeline
from console.queries import promotion as promotion_queries
from console.queries.forward_scores import ForwardReport
from console.queries.promotion import EvidenceReport
from console.queries.status import Status
from console.text import approval_lines, formatting
from console.text.deciding_figures import deciding_figures
from console.web import page_state, reading, session, widgets
from console.web.panels.promotion import dialogs, dossier, history, versions
from core.domain.promotions import Decision, Promotion, PromotionState
from core.rules.access.roles import Right
from core.rules.model.next_step import next_step
from core.rules.model.promotion_states import AGAIN, allows
from core.rules.model.verdict_validity import Recommendation, Standing

_AGAIN = {
    Standing.STALE: AGAIN,
    Standing.JUDGING: "It is being re-evaluated; its new dossier will appear here.",
}


def show(
    promotion: Promotion,
    status: Status,
    report: EvidenceReport | None,
    on_newer: ForwardReport | None,
    force: Callable[[int], None],
    *,
    contradicts: str,
    busy: bool,
) -> None:
    """The recommendation and why, the figures, the open gates, what a decision changes, the act.

    `contradicts` says that a comparison contradicts the figures; empty if none does.
    """
    advice, waits = status.recommendation(promotion), promotion.state is PromotionState.PROPOSED
    with st.container(border=True, key="decision"):
        _recommendation(promotion, advice, waits=waits)
        dossier.held(promotion)
        if report:
            _figures(report, on_newer)
        if contradicts:
            st.warning(widgets.plain(contradicts), icon=":material/compare_arrows:")
        if waits:
            text = " ".join(approval_lines.effects(promotion.version, status.live_version))
            st.markdown(f":material/swap_horiz: {widgets.plain(text)}")
        step = next_step(promotion, status.live_version)
        if step:
            st.markdown(f":material/lightbulb: {widgets.plain(step.says)}")
        _buttons(promotion, status, advice, force, busy=busy)
        if step and step.ingests:
            widgets.page_link("pipeline")


def _recommendation(promotion: Promotion, advice: Recommendation, *, waits: bool) -> None:
    """The recommendation with the sentence that decides it, and the gates that are not passed."""
    if waits and advice.standing in _AGAIN:
        text = f"{advice.says} {_AGAIN[advice.standing]}"
        st.warning(widgets.plain(text), icon=":material/history:")
        return
    then = "" if waits or not promotion.dossier else " at its evaluation"
    word = f"**{str(advice.standing).capitalize()}{then}.**"
    failed, gates = promotion.failed_gates, promotion.dossier.gates if promotion.dossier else ()
    if not failed:
        every = f" It passes every gate ({len(gates)})." if gates else ""
        st.markdown(f"{word} {widgets.plain(advice.says + every)}")
        return
    st.markdown(f"{word} {widgets.plain(failed[0].says)}")
    names = ", ".join(f"**{gate.name}**" for gate in failed)
    st.markdown(f"{len(failed)} of {len(gates)} gates not passed: {names}.")


def _figures(report: EvidenceReport, on_newer: ForwardReport | None) -> None:
    """The five figures as tiles."""
    dataset = session.desk().dataset
    labels = {c.name: c.label for c in dataset.columns} | {"target": dataset.target.label}
    newest = on_newer.newest_of_both if on_newer else None
    other = on_newer.other if on_newer else None
    row = st.container(horizontal=True, key="deciding")
    for figure in deciding_figures(report.dossier, labels, dataset.target.unit, newest, other):
        look: dict[str, Any] = {"delta_color": formatting.SENSES[figure.sense], "width": 200}
        name, says = widgets.plain(figure.name), widgets.plain(figure.says)
        row.metric(name, figure.value, says, delta_arrow="off", **look)


def _buttons(
    promotion: Promotion,
    status: Status,
    advice: Recommendation,
    force: Callable[[int], None],
    *,
    busy: bool,
) -> None:
    """The actions that this version's state allows."""
    version = promotion.version
    # The decision changes which version the page would show without one in its address.
    stays: dict[str, Any] = {
        "on_click": page_state.note_address, "args": (versions.VERSION, str(version)),
    }  # fmt: skip
    row = st.container(horizontal=True)
    if allows(promotion.state, Decision.APPROVE):
        recommended = advice.approvable and advice.standing is Standing.RECOMMENDED
        look = {"disabled": busy or not advice.approvable, **stays}
        look |= {"type": "primary" if recommended else "secondary", "key": f"approve-{version}"}
        look["help"] = widgets.plain(advice.obstacle) or None
        if widgets.button(row, "Approve…", ":material/check:", Right.DECIDE, **look):
            dialogs.approve(promotion, status.live_version, advice)
    look = {"key": f"reject-{version}", **stays}
    if allows(promotion.state, Decision.REJECT) and widgets.button(
        row, "Reject…", ":material/close:", Right.DECIDE, **look
    ):
        dialogs.reject(promotion)
    look = {"key": f"danger-force-{version}", "disabled": busy, **stays}
    look["help"] = "Serve it although it is not recommended; needs a reason."
    if allows(promotion.state, Decision.FORCE) and widgets.button(
        row, "Force…", ":material/gavel:", Right.DECIDE, **look
    ):
        force(version)
    about = "Evaluate it and the champion again on the current held-out rows."
    refused = busy or promotion.state is PromotionState.LIVE
    look = {"icon": ":material/balance:", **widgets.only(Right.RUN, disabled=refused, help=about)}
    key, done = f"judge-{version}", f"Version {version} is being re-evaluated."
    widgets.act_button(row, "Re-evaluate", key, done, pipeline.request_judge, version, **look)
    if promotion.state is PromotionState.LIVE:
        choices = reading.query(promotion_queries.rollback_choices) or []
        history.roll_back(row, version, choices, busy=busy)
