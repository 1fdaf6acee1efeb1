"""Promotion: candidates with their dossiers, decisions, and the deployment history."""

from __future__ import annotations

from typing import Any

import streamlit as st

from console.actions import pipeline
from console.queries import forward_scores
from console.queries import promotion as promotion_queries
from console.queries import status as status_queries
from console.text import formatting
from console.web import job_widgets, page_state, reading, session, widgets
from console.web.panels.promotion import dialogs, dossier, history, newer_batches, versions
from core.domain.jobs import JobKind
from core.domain.promotions import Decision, Promotion, PromotionState
from core.rules.access.roles import Right
from core.rules.model.promotion_states import AGAIN, allows, decision_in_words, is_second_person
from core.rules.model.verdict_validity import Recommendation, Standing

_REFRESH = 3.0
_AGAIN = {
    Standing.STALE: AGAIN,
    Standing.JUDGING: "It is being re-evaluated; its new dossier will appear here.",
}


@st.fragment(run_every=_REFRESH)
def standing() -> None:
    """Running promotions and evaluations, and whether registry and serving agree."""
    status = reading.query(status_queries.status)
    if status is None:
        return
    under_way = [j for j in status.open_jobs if j.kind in (JobKind.PROMOTE, JobKind.JUDGE)]
    for job in under_way:
        with st.container(border=True):
            job_widgets.job_card(job)
    agreement = reading.query_cached(_REFRESH, promotion_queries.agreement)
    if agreement:
        show_agreement(agreement)
    drawn = (
        [j.id for j in under_way],
        [(c.version, c.dossier_digest) for c in status.candidates],
        status.live_version,
    )
    if page_state.changed("promotion", repr(drawn)):
        st.rerun()


def show_agreement(agree: promotion_queries.Agreement) -> None:
    """Whether the decided, the registered and the served version agree."""
    for sentence in agree.differs:
        st.error(widgets.plain(sentence), icon=":material/sync_problem:")
    if agree.alias_moved:
        row = st.container(horizontal=True)
        label = f"Put the registry back to version {agree.live}…"
        if agree.can_put_back and widgets.button(row, label, ":material/undo:", Right.DECIDE):
            dialogs.put_back(agree.live, agree.alias)
        label = f"Make version {agree.alias} the decision…"
        if agree.alias and widgets.button(row, label, ":material/gavel:", Right.DECIDE):
            force(agree.alias)
    if agree.live is None and not agree.differs:
        st.info("Nothing is live yet.", icon=":material/hourglass_empty:")
    elif not agree.differs and not agree.under_way:
        several = len(agree.served) > 1
        every = "all replicas of serving answer" if several else "serving answers"
        st.success(
            f"Version {agree.live} is live, and {every} with it.", icon=":material/verified:"
        )


def force(version: int) -> None:
    """Open the dialog that forces a version."""
    reviewers = session.desk().settings.reviewers_required
    dialogs.force(version, *_version_and_live(version), reviewers)


def _version_and_live(version: int) -> tuple[Promotion | None, int | None]:
    """A version as it is on record now, and what is live now."""
    status = reading.query(status_queries.status)
    live = status.live_version if status else None
    return reading.query_or_none(promotion_queries.promotion, version), live


def force_requests() -> None:
    """Force requests that await a second approver."""
    for request in reading.query(promotion_queries.force_requests) or []:
        with st.container(border=True):
            st.markdown(
                f":orange-badge[awaits a second approver] {widgets.plain(request.asked_by)} asked "
                f"{widgets.when(request.asked_at)} to force **version {request.version}**: "
                f"{widgets.plain(request.reason)}",
                help=widgets.exact(request.asked_at),
            )
            row = st.container(horizontal=True)
            mine = not is_second_person(request, session.actor().name)
            why = "You requested this; a second person must confirm it." if mine else None
            look = widgets.only(Right.DECIDE, disabled=mine, help=why)
            if row.button("Confirm…", key=f"confirm-{request.id}", type="primary", **look):
                dialogs.confirm_force(request, *_version_and_live(request.version))
            if row.button("Turn down…", key=f"withdraw-{request.id}", **widgets.only(Right.DECIDE)):
                dialogs.withdraw_force(request)


def candidate(promotion: Promotion, status: status_queries.Status, *, busy: bool) -> None:
    """One version: recommendation, actions, scores, gates and evidence."""
    advice = status.recommendation(promotion)
    st.markdown(
        f"### Version {promotion.version} {widgets.badge(promotion.state)} "
        f":{formatting.STANDINGS[advice.standing]}-badge[{advice.standing}]"
    )
    st.caption(
        f"Proposed {widgets.when(promotion.proposed_at)} by {widgets.plain(promotion.proposed_by)}"
        + (f" · dossier `{promotion.dossier_digest[:12]}`" if promotion.dossier_digest else ""),
        help=widgets.exact(promotion.proposed_at),
    )
    if promotion.failure:
        st.error(widgets.plain(promotion.failure), icon=":material/undo:")
    if decision := decision_in_words(promotion):
        reason = f": {promotion.reason}" if promotion.reason else ""
        st.caption(
            widgets.plain(
                f"{decision[0].upper()}{decision[1:]} {widgets.when(promotion.decided_at)}{reason}"
            ),
            help=widgets.exact(promotion.decided_at),
        )
    waits = promotion.state is PromotionState.PROPOSED
    if waits and advice.standing in (Standing.STALE, Standing.JUDGING):
        st.warning(
            widgets.plain(f"{advice.says} {_AGAIN[advice.standing]}"), icon=":material/history:"
        )
    dossier.held(promotion)
    buttons(promotion, status, advice, busy=busy)
    if waits and promotion.failed_gates and not advice.approvable:
        names = ", ".join(gate.name for gate in promotion.failed_gates)
        st.caption(
            widgets.plain(f"Gates not passed: {names}. Force the version to deploy it anyway.")
        )
    dossier.scores(promotion, session.desk().dataset.target.unit)
    if not promotion.dossier_digest:
        st.markdown("\n".join(f"- {widgets.plain(r)}" for r in promotion.verdict.reasons))
        return
    on_newer = reading.query(forward_scores.forward_report, promotion.version)
    if on_newer and (on_newer.says or on_newer.rows):
        st.markdown("##### On newer batches")
        newer_batches.fact(on_newer)
        newer_batches.table(on_newer, session.desk().dataset, key="newer")
    report = reading.query(promotion_queries.evidence_report, promotion.version)
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.markdown("##### Gates")
        dossier.gates(promotion)
    with right:
        st.markdown("##### Evidence")
        if report:
            dossier.evidence(report, session.desk().dataset)


def buttons(
    promotion: Promotion, status: status_queries.Status, advice: Recommendation, *, busy: bool
) -> None:
    """The actions that this version's state allows."""
    version = promotion.version
    row = st.container(horizontal=True)
    if allows(promotion.state, Decision.APPROVE):
        recommended = advice.approvable and advice.standing is Standing.RECOMMENDED
        look: dict[str, Any] = {"disabled": busy or not advice.approvable}
        look |= {"type": "primary" if recommended else "secondary", "key": f"approve-{version}"}
        look["help"] = widgets.plain(advice.obstacle) or None
        if widgets.button(row, "Approve…", ":material/check:", Right.DECIDE, **look):
            dialogs.approve(promotion, status.live_version, advice)
    look = {"key": f"reject-{version}"}
    if allows(promotion.state, Decision.REJECT) and widgets.button(
        row, "Reject…", ":material/close:", Right.DECIDE, **look
    ):
        dialogs.reject(promotion)
    look = {"key": f"danger-force-{version}", "disabled": busy}
    if allows(promotion.state, Decision.FORCE) and widgets.button(
        row, "Force…", ":material/gavel:", Right.DECIDE, **look
    ):
        force(version)
    about = "Evaluate it and the champion again on the current held-out rows."
    refused = busy or promotion.state is PromotionState.LIVE
    look = {"icon": ":material/balance:", **widgets.only(Right.RUN, disabled=refused, help=about)}
    key, done = f"judge-{version}", f"Version {version} is being re-evaluated."
    widgets.act_button(row, "Re-evaluate", key, done, pipeline.request_judge, version, **look)


standing()
force_requests()
status = reading.query(status_queries.status)
promotions = reading.query(status_queries.promotions, versions.LISTED)
if status is not None and promotions is not None:
    busy = any(j.kind is JobKind.PROMOTE for j in status.open_jobs)
    if promotions:
        decide, past, open_items = st.tabs(
            ["Decide", "History", "Follow-ups"], key="tab", bind="query-params"
        )
        if decide.open:
            with decide:
                versions.queue(status, promotions)
                chosen = versions.choose(promotions)
                if chosen is not None:
                    candidate(chosen, status, busy=busy)
        if past.open:
            with past:
                history.roll_back(status.live_version, busy=busy)
                history.history(promotions)
        if open_items.open:
            with open_items:
                history.follow_ups()
    else:
        st.info(
            "No model has been trained yet. Ingest a batch and train on the **Pipeline** page.",
            icon=":material/flag:",
        )
        widgets.page_link("pipeline")
    versions.elsewhere(force, busy=busy)
