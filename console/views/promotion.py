"""Promotion: candidates beside the champion, and the decision about them."""

from __future__ import annotations

import streamlit as st

from console import actions, parts, queries, session, words
from core.dataset import METRICS
from core.promotion import improvement
from core.records import JobKind, Promotion, PromotionState


@st.dialog("Approve")
def confirm_approve(promotion: Promotion, live: int | None) -> None:
    """Say what an approval changes."""
    now = f"version {live}" if live else "no version"
    st.write(
        f"Serving answers with {now} today. After this it answers with "
        f"**version {promotion.version}**. If serving does not take it, the alias is put back."
    )
    if not promotion.verdict.promote:
        st.warning(f"The verdict is against it: {parts.plain(promotion.verdict.reasons[0])}")
    if st.button(
        "Approve and serve it",
        type="primary",
        on_click=session.act,
        args=(f"Version {promotion.version} is approved.", actions.approve, promotion.version),
    ):
        st.rerun()


@st.dialog("Decide with a reason")
def ask_reason(verb: str, version: int | None) -> None:
    """Reject, force or roll back: each goes on record with a reason."""
    explain = {
        "Reject": f"Version {version} is not promoted. It stays in the registry.",
        "Force": f"Version {version} is served whatever was recommended.",
        "Roll back": f"Serving goes back to version {version}.",
    }
    st.write(explain[verb])
    st.text_area("Reason", key="decision-reason", placeholder="It goes on record.")

    def decide() -> None:
        reason = session.field("decision-reason")
        if verb == "Reject":
            session.act(f"Version {version} is rejected.", actions.reject, version, reason=reason)
        elif verb == "Force":
            session.act(f"Version {version} is forced.", actions.force, version, reason=reason)
        else:
            session.act("The rollback is queued.", actions.roll_back, reason=reason)

    if st.button(verb, type="primary", on_click=decide):
        st.rerun()


def scores(promotion: Promotion) -> None:
    """Candidate and champion, metric by metric, on the same rows."""
    dossier = promotion.dossier
    candidate = dossier.get("candidate", {}).get("metrics", {})
    champion = (dossier.get("champion") or {}).get("metrics", {})
    columns = st.columns(len(METRICS))
    for column, name in zip(columns, METRICS, strict=True):
        delta = None
        if name in candidate and name in champion:
            delta = f"{improvement(name, candidate[name], champion[name]):+.1%} better"
        column.metric(
            words.METRICS[name],
            words.metric(name, candidate.get(name)),
            delta,
            help=f"Champion: {words.metric(name, champion.get(name))}" if champion else None,
        )
    if candidate:
        against = (
            f"against version {dossier['champion']['version']}" if champion else "with no champion"
        )
        batches = ", ".join(str(b["number"]) for b in dossier["batches"])
        st.caption(
            f"Scored {against} on the same {dossier['held_out_rows']:,} held-out rows; trained on "
            f"{dossier['training_rows']:,} rows of batches {batches}."
        )


def card(promotion: Promotion, live: int | None, *, busy: bool) -> None:
    """One version: how it does, what is recommended, and what can be done."""
    with st.container(border=True):
        recommended = "recommended" if promotion.verdict.promote else "not recommended"
        colour = "green" if promotion.verdict.promote else "orange"
        st.markdown(
            f"#### Version {promotion.version} {parts.badge(promotion.state)} "
            f":{colour}-badge[{recommended}]"
        )
        st.markdown("\n".join(f"- {parts.plain(r)}" for r in promotion.verdict.reasons))
        scores(promotion)
        if promotion.decided_by:
            said = f": {promotion.reason}" if promotion.reason else ""
            forced = " (forced)" if promotion.forced else ""
            st.caption(
                parts.plain(
                    f"Decided {words.ago(promotion.decided_at, parts.now())} by "
                    f"{promotion.decided_by}{forced}{said}"
                )
            )
        if promotion.failure:
            st.error(promotion.failure, icon=":material/undo:")
        buttons(promotion, live, busy=busy)


def buttons(promotion: Promotion, live: int | None, *, busy: bool) -> None:
    """The decisions that this version's state allows."""
    version = promotion.version
    row = st.container(horizontal=True)
    if promotion.state is PromotionState.PROPOSED:
        if row.button(
            "Approve…",
            key=f"approve-{version}",
            type="primary",
            disabled=busy,
            icon=":material/check:",
        ):
            confirm_approve(promotion, live)
        if row.button("Reject…", key=f"reject-{version}", icon=":material/close:"):
            ask_reason("Reject", version)
    elif promotion.state in (
        PromotionState.REJECTED,
        PromotionState.FAILED,
        PromotionState.RETIRED,
    ) and row.button("Force…", key=f"force-{version}", disabled=busy, icon=":material/gavel:"):
        ask_reason("Force", version)


@st.fragment(run_every=3.0)
def promotions() -> None:
    """Everything that was proposed, the open ones first."""
    status = session.ask(queries.status)
    found = session.ask(queries.promotions)
    if status is None or found is None:
        return
    live = status.live.version if status.live else None
    under_way = [j for j in status.open_jobs if j.kind is JobKind.PROMOTE]
    for job in under_way:
        with st.container(border=True):
            parts.job_card(job)
    if not found:
        st.info(
            "No model has been trained yet. Ingest a batch and train on the **Pipeline** page.",
            icon=":material/flag:",
        )
        st.page_link("views/pipeline.py", label="Go to Pipeline", icon=":material/conveyor_belt:")
        return
    serving = session.ask(queries.served)
    agree(live, serving.get("version") if serving else None, busy=bool(under_way))
    before = session.ask(queries.rollback_target)
    if (
        live
        and before
        and st.button(
            f"Roll back to version {before.version}…",
            icon=":material/undo:",
            disabled=bool(under_way),
        )
    ):
        ask_reason("Roll back", before.version)
    open_first = sorted(found, key=lambda p: p.state is not PromotionState.PROPOSED)
    for promotion in open_first[:10]:
        card(promotion, live, busy=bool(under_way))


def elsewhere() -> None:
    """Versions that nobody proposed here: they can only be forced."""
    found = session.ask(queries.registered_elsewhere) or []
    if not found:
        return
    with st.expander(f"Registered outside the desk ({len(found)})"):
        for version in found[:20]:
            row = st.container(horizontal=True, vertical_alignment="center")
            row.markdown(f"Version {version.version}, never judged here")
            if row.button("Force…", key=f"force-{version.version}", icon=":material/gavel:"):
                ask_reason("Force", version.version)


def agree(live: int | None, served: int | None, *, busy: bool) -> None:
    """Whether what was decided is what is served."""
    if live is None:
        st.info("Nothing is live yet.", icon=":material/hourglass_empty:")
    elif live == served:
        st.success(
            f"Version {live} is live, and serving answers with it.", icon=":material/verified:"
        )
    elif not busy:
        st.error(
            f"Version {live} was decided, but serving answers with {served or 'nothing'}. "
            "See the Services page.",
            icon=":material/sync_problem:",
        )


promotions()
elsewhere()
