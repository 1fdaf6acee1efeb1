"""Promotion: candidates with their dossiers, decisions, and the deployment history."""

from __future__ import annotations

import streamlit as st

from console.queries import forward_scores
from console.queries import promotion as promotion_queries
from console.queries import status as status_queries
from console.text import formatting
from console.web import job_widgets, page_state, reading, session, widgets
from console.web.panels.promotion import (
    decision,
    dialogs,
    dossier,
    history,
    version_pairs,
    versions,
)
from core.domain.jobs import JobKind
from core.domain.promotions import Promotion
from core.rules.access.roles import Right
from core.rules.model.promotion_states import decision_in_words, is_second_person, other_version

_REFRESH = 3.0


@st.fragment(run_every=_REFRESH)
def standing(just_read: list[status_queries.Status], *, has_versions: bool) -> None:
    """Running promotions and evaluations, and whether registry and serving agree.

    `just_read` has the status that the run of the whole page has read; a refresh reads it again.
    """
    status = just_read.pop() if just_read else reading.query(status_queries.status)
    if status is None:
        return
    under_way = [j for j in status.open_jobs if j.kind in (JobKind.PROMOTE, JobKind.JUDGE)]
    for job in under_way:
        with st.container(border=True):
            job_widgets.job_card(job)
    as_of = status.live_version, tuple(job.id for job in under_way)
    agreement, is_awaited = reading.neighbour(promotion_queries.agreement, as_of, ttl=_REFRESH)
    if is_awaited:
        st.caption("Asking MLflow and serving which version they have…")
    if agreement:
        show_agreement(agreement, has_versions=has_versions)
    drawn = (
        [j.id for j in under_way],
        [(c.version, c.dossier_digest) for c in status.candidates],
        status.live_version,
    )
    if page_state.changed("promotion", repr(drawn)):
        st.rerun()


def show_agreement(agree: promotion_queries.Agreement, *, has_versions: bool) -> None:
    """Whether the decided, the registered and the served version agree."""
    for sentence in agree.differs:
        st.error(widgets.plain(sentence), icon=":material/sync_problem:")
    for sentence in agree.silent:
        st.error(widgets.plain(sentence), icon=":material/cloud_off:")
    if agree.alias_moved:
        row = st.container(horizontal=True)
        label = f"Put the registry back to version {agree.live}…"
        if agree.can_put_back and widgets.button(row, label, ":material/undo:", Right.DECIDE):
            dialogs.put_back(agree.live, agree.alias)
        label = f"Make version {agree.alias} the decision…"
        if agree.alias and widgets.button(row, label, ":material/gavel:", Right.DECIDE):
            force(agree.alias)
    if agree.live is None and has_versions and not agree.differs:
        st.info("Nothing is live yet.", icon=":material/hourglass_empty:")
    elif agree.live is not None and not (agree.differs or agree.silent or agree.under_way):
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


def candidate(
    promotion: Promotion,
    status: status_queries.Status,
    promotions: list[Promotion],
    *,
    busy: bool,
) -> None:
    """One version of `promotions`: recommendation, actions, scores, gates and evidence."""
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
    if decided := decision_in_words(promotion):
        reason = f": {promotion.reason}" if promotion.reason else ""
        st.caption(
            widgets.plain(
                f"{decided[0].upper()}{decided[1:]} {widgets.when(promotion.decided_at)}{reason}"
            ),
            help=widgets.exact(promotion.decided_at),
        )
    if same := promotion_queries.same_lesson(promotion, promotions):
        text = f"Same rows and recipe as version {same}, so it is the same model."
        st.caption(f":material/content_copy: {text}")
    report = on_newer = None
    contradicts = ""
    if promotion.dossier_digest:
        # One other version for the figures above and the comparison below.
        other = other_version(promotion, status.live_version)
        on_newer = reading.query(forward_scores.forward_report, promotion.version, other)
        report = reading.query(promotion_queries.evidence_report, promotion.version)
        contradicts = version_pairs.contradiction(promotion, session.desk().dataset)
    decision.show(promotion, status, report, on_newer, force, contradicts=contradicts, busy=busy)
    if not promotion.dossier_digest:
        st.markdown("\n".join(f"- {widgets.plain(r)}" for r in promotion.verdict.reasons))
        return
    st.markdown("##### Other metrics" if report else "##### Every metric")
    above = report.dossier.primary_metric if report else ""
    dossier.scores(promotion, session.desk().dataset.target.unit, without=above)
    if on_newer:
        others = [p.version for p in promotions if p.version != promotion.version]
        version_pairs.show(promotion, on_newer, others)
    left, right = st.columns([1, 2], gap="large")
    with left:
        st.markdown("##### Gates")
        dossier.gates(promotion)
    with right:
        st.markdown("##### Evidence")
        if report:
            dossier.evidence(report, session.desk().dataset)


promotions = reading.query(status_queries.promotions, versions.LISTED)
status = reading.query(status_queries.status)
if status is not None:
    standing([status], has_versions=bool(promotions))
force_requests()
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
                    candidate(chosen, status, promotions, busy=busy)
        if past.open:
            with past:
                back = reading.query(promotion_queries.rollback_choices) or []
                history.roll_back(st, status.live_version, back, busy=busy)
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
