"""Promotion: candidates with their dossiers, the decision about them, and what became of it."""

from __future__ import annotations

import streamlit as st

from console import actions, dialogs, dossier, parts, queries, review, session, words
from core.records import JobKind, Promotion, PromotionState
from core.roles import Right

_ENDED = (PromotionState.REJECTED, PromotionState.FAILED, PromotionState.RETIRED)
_ASK_AGAIN = 3.0
# From so many candidates on they are listed; a single one is shown at once.
_QUEUE = 2
_SHOWN = 5


@st.fragment(run_every=_ASK_AGAIN)
def standing() -> None:
    """What is live, what is under way, and whether registry and serving agree."""
    status = session.ask(queries.status)
    if status is None:
        return
    under_way = [j for j in status.open_jobs if j.kind in (JobKind.PROMOTE, JobKind.JUDGE)]
    for job in under_way:
        with st.container(border=True):
            parts.job_card(job)
    agree = session.ask_lately(_ASK_AGAIN, review.agreement)
    if agree:
        tell(agree)
    seen = ([j.id for j in under_way], [c.version for c in status.candidates], status.live)
    if session.changed("promotion", repr(seen)):
        st.rerun()


def tell(agree: review.Agreement) -> None:
    """Decided, registered and served: one thing or not."""
    for sentence in agree.differs:
        st.error(parts.plain(sentence), icon=":material/sync_problem:")
    if agree.alias_moved:
        row = st.container(horizontal=True)
        if agree.live and row.button(
            f"Put the registry back to version {agree.live}…",
            icon=":material/undo:",
            **parts.only(Right.DECIDE),
        ):
            dialogs.put_back(agree.live, agree.alias)
        if agree.alias and row.button(
            f"Make version {agree.alias} the decision…",
            icon=":material/gavel:",
            **parts.only(Right.DECIDE),
        ):
            force(agree.alias)
    if agree.live is None and not agree.differs:
        st.info("Nothing is live yet.", icon=":material/hourglass_empty:")
    elif not agree.differs and not agree.under_way:
        several = len(agree.served) > 1
        every = "every address of serving answers" if several else "serving answers"
        st.success(
            f"Version {agree.live} is live, and {every} with it.", icon=":material/verified:"
        )


def force(version: int) -> None:
    """Open the dialog that forces a version."""
    promotion = session.find(review.promotion, version)
    status = session.ask(queries.status)
    live = status.live.version if status and status.live else None
    dialogs.force(version, promotion, live, session.desk().settings.reviewers_required)


def second_person() -> None:
    """Forces that wait for somebody else."""
    for request in session.ask(review.force_requests) or []:
        with st.container(border=True):
            st.markdown(
                f":orange-badge[waits for a second person] {parts.plain(request.asked_by)} asked "
                f"{parts.when(request.asked_at)} to force **version {request.version}**: "
                f"{parts.plain(request.reason)}",
                help=parts.exact(request.asked_at),
            )
            row = st.container(horizontal=True)
            mine = request.asked_by == session.actor().name
            if row.button(
                "Confirm…",
                key=f"confirm-{request.id}",
                type="primary",
                **parts.only(
                    Right.DECIDE,
                    disabled=mine,
                    help="You asked for it; somebody else must confirm." if mine else None,
                ),
            ):
                dialogs.confirm_force(request, session.find(review.promotion, request.version))
            if row.button("Turn down…", key=f"withdraw-{request.id}", **parts.only(Right.DECIDE)):
                dialogs.withdraw_force(request)


def waiting(found: list[Promotion], live: int | None) -> None:
    """The candidates as a queue, the newest first; which one is looked at is in the address."""
    queue = [p for p in found if p.state is PromotionState.PROPOSED]
    if len(queue) < _QUEUE:
        return
    st.markdown(f"**{len(queue)} versions wait for a decision**")
    for promotion in queue[:_SHOWN]:
        word, colour = (
            ("recommended", "green") if promotion.verdict.promote else ("not recommended", "orange")
        )
        row = st.container(horizontal=True, vertical_alignment="center")
        row.page_link(
            "views/promotion.py",
            label=f"Version {promotion.version}",
            icon=":material/fact_check:",
            query_params={"version": str(promotion.version)},
        )
        old = " :gray-badge[to be judged anew]" if review.stale(promotion, live) else ""
        row.markdown(
            f":{colour}-badge[{word}]{old} {parts.plain(promotion.verdict.reasons[0])}",
            width="stretch",
        )
    if len(queue) > _SHOWN:
        st.caption(f"And {len(queue) - _SHOWN} older ones: choose them below.")


def choose(found: list[Promotion]) -> Promotion:
    """The version to look at, kept in the page's address; by default the newest that waits."""
    versions = {p.version: p for p in found}
    wanted = st.query_params.get("version", "")
    chosen = int(wanted) if wanted.isdecimal() and int(wanted) in versions else None
    if chosen is None:
        waiting = [p.version for p in found if p.state is PromotionState.PROPOSED]
        live = [p.version for p in found if p.state is PromotionState.LIVE]
        chosen = (waiting or live or [found[0].version])[0]
    numbers = list(versions)
    picked = st.selectbox(
        "Version",
        numbers,
        index=numbers.index(chosen),
        format_func=lambda v: f"Version {v} · {words.STATES[versions[v].state][1]}",
        help="Open ones wait for a decision.",
    )
    st.query_params["version"] = str(picked)
    return versions[picked]


def candidate(promotion: Promotion, live: int | None, *, busy: bool) -> None:
    """One version: verdict, gates, scores, what can be done, and the whole dossier."""
    recommended = promotion.verdict.promote
    word, colour = ("recommended", "green") if recommended else ("not recommended", "orange")
    st.markdown(
        f"### Version {promotion.version} {parts.badge(promotion.state)} :{colour}-badge[{word}]"
    )
    st.caption(
        f"Proposed {parts.when(promotion.proposed_at)} by {parts.plain(promotion.proposed_by)}"
        + (f" · dossier `{promotion.dossier_digest[:12]}`" if promotion.dossier_digest else ""),
        help=parts.exact(promotion.proposed_at),
    )
    if promotion.failure:
        st.error(parts.plain(promotion.failure), icon=":material/undo:")
    if promotion.decided_by:
        said = f": {promotion.reason}" if promotion.reason else ""
        forced = " (forced)" if promotion.forced else ""
        st.caption(
            parts.plain(
                f"Decided {parts.when(promotion.decided_at)} by {promotion.decided_by}"
                f"{forced}{said}"
            ),
            help=parts.exact(promotion.decided_at),
        )
    old = review.stale(promotion, live)
    if old:
        st.warning(f"{old} Judge it anew, then decide.", icon=":material/history:")
    buttons(promotion, live, busy=busy, stale=bool(old))
    dossier.scores(promotion)
    if not promotion.dossier_digest:
        st.markdown("\n".join(f"- {parts.plain(r)}" for r in promotion.verdict.reasons))
        return
    full = session.ask(review.dossier, promotion.version)
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.markdown("##### Gates")
        dossier.gates(promotion)
    with right:
        st.markdown("##### Evidence")
        if full:
            dossier.evidence(full, session.desk().dataset)


def buttons(promotion: Promotion, live: int | None, *, busy: bool, stale: bool) -> None:
    """The decisions that this version's state allows."""
    version = promotion.version
    blocked = any(gate.blocks for gate in promotion.failed_gates)
    row = st.container(horizontal=True)
    if promotion.state is PromotionState.PROPOSED:
        if row.button(
            "Approve…",
            key=f"approve-{version}",
            type="primary",
            icon=":material/check:",
            **parts.only(
                Right.DECIDE,
                disabled=busy or stale or blocked,
                help="A blocking gate is not passed." if blocked else None,
            ),
        ):
            dialogs.approve(promotion, live)
        if row.button(
            "Reject…",
            key=f"reject-{version}",
            icon=":material/close:",
            **parts.only(Right.DECIDE),
        ):
            dialogs.reject(promotion)
    if promotion.state in (*_ENDED, PromotionState.PROPOSED) and row.button(
        "Force…",
        key=f"force-{version}",
        icon=":material/gavel:",
        **parts.only(Right.DECIDE, disabled=busy),
    ):
        force(version)
    parts.act_button(
        row,
        "Judge anew",
        f"judge-{version}",
        f"Version {version} is being judged anew.",
        actions.request_judge,
        version,
        icon=":material/balance:",
        **parts.only(
            Right.RUN,
            disabled=busy or promotion.state is PromotionState.LIVE,
            help="Score it and the champion again on today's held-out rows.",
        ),
    )


def roll_back(live: int | None, *, busy: bool) -> None:
    """The way back to what was live before."""
    before = session.ask(queries.rollback_target)
    if (
        live
        and before
        and st.button(
            f"Roll back to version {before.version}…",
            icon=":material/undo:",
            **parts.only(Right.DECIDE, disabled=busy),
        )
    ):
        dialogs.roll_back(live, before)


def follow_ups() -> None:
    """What somebody must still look at."""
    found = session.ask(review.follow_ups) or []
    if not found:
        st.caption("Nothing waits to be looked at. Forcing a version opens a follow-up here.")
    for item in found:
        row = st.container(horizontal=True, border=True, vertical_alignment="center")
        row.markdown(
            f"{parts.plain(item.text)}  \n:gray[opened {parts.when(item.opened_at)} by "
            f"{parts.plain(item.opened_by)}]",
            help=parts.exact(item.opened_at),
        )
        if row.button(
            "Close…",
            key=f"follow-up-{item.id}",
            icon=":material/task_alt:",
            **parts.only(Right.DECIDE),
        ):
            dialogs.close_follow_up(item.id, item.text)


def history(found: list[Promotion]) -> None:
    """Who decided what and why, and how long each version was live."""
    terms = session.ask(review.terms) or []
    if terms:
        st.markdown("##### Live, one after the other")
        st.dataframe(
            [
                {
                    "Version": t.version,
                    "Since (UTC)": t.since.replace(tzinfo=None),
                    "How long": words.duration(t.since, t.until or parts.now())
                    + ("" if t.until else ", still live"),
                    "By": t.by,
                    "How": t.action,
                    "Why": t.reason,
                }
                for t in terms
            ],
            hide_index=True,
            alt="Which version was live when",
        )
    st.markdown("##### Every version")
    metric = session.desk().dataset.primary_metric
    st.dataframe(
        [
            {
                "Version": p.version,
                "State": words.STATES[p.state][1],
                "Recommended": p.verdict.promote,
                words.METRICS[metric]: p.dossier.get("candidate", {})
                .get("metrics", {})
                .get(metric),
                "Proposed (UTC)": p.proposed_at.replace(tzinfo=None),
                "Decided by": p.decided_by,
                "Why": p.reason,
                "What went wrong": p.failure,
            }
            for p in found
        ],
        hide_index=True,
        alt="Every version and where it stands",
    )


def elsewhere(*, busy: bool) -> None:
    """Versions that nobody proposed here: judge them, or force them."""
    found = session.ask_lately(10.0, queries.registered_elsewhere) or []
    if not found:
        return
    st.markdown("##### Registered outside the desk")
    for version in found[:20]:
        row = st.container(horizontal=True, border=True, vertical_alignment="center")
        row.markdown(f"**Version {version.version}** was never judged here.")
        parts.act_button(
            row,
            "Judge",
            f"judge-{version.version}",
            f"Version {version.version} is being judged.",
            actions.request_judge,
            version.version,
            icon=":material/balance:",
            **parts.only(Right.RUN),
        )
        if row.button(
            "Force…",
            key=f"force-{version.version}",
            icon=":material/gavel:",
            **parts.only(Right.DECIDE, disabled=busy),
        ):
            force(version.version)


standing()
second_person()
status = session.ask(queries.status)
found = session.ask(queries.promotions, 200)
if status is not None and found is not None:
    live = status.live.version if status.live else None
    busy = any(j.kind is JobKind.PROMOTE for j in status.open_jobs)
    if found:
        decide, past, open_items = st.tabs(
            ["Decide", "History", "Follow-ups"], key="show", bind="query-params"
        )
        if decide.open:
            with decide:
                waiting(found, live)
                candidate(choose(found), live, busy=busy)
        if past.open:
            with past:
                roll_back(live, busy=busy)
                history(found)
        if open_items.open:
            with open_items:
                follow_ups()
    else:
        st.info(
            "No model has been trained yet. Ingest a batch and train on the **Pipeline** page.",
            icon=":material/flag:",
        )
        st.page_link("views/pipeline.py", label="Go to Pipeline", icon=":material/conveyor_belt:")
    elsewhere(busy=busy)
