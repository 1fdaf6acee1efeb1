"""The dialogs in which a person decides about a version: each shows what will change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import streamlit as st

from console.actions import decisions
from console.queries import forward_scores, version_pairs
from console.queries.promotion import promotion as read_promotion
from console.text import approval_lines
from console.web import acting, page_state, reading, session, widgets
from console.web.panels.promotion import dossier
from console.web.select import select
from core.domain.promotions import ForceRequest, Promotion, PromotionState, Term
from core.rules.model.promotion_states import Seen, named
from core.rules.model.verdict_validity import Recommendation


def _compared(version: int, live: int | None) -> list[str]:
    """Each comparison of a version with the live one on record, with its rows and batches."""
    if live is None or live == version:
        return []
    both, dataset = reading.query_or_none(version_pairs.pair, version, live), session.desk().dataset
    return both.evidence(dataset.primary_metric, dataset.target.unit) if both else []


def _lines(about: Iterable[str]) -> None:
    """A list of sentences."""
    if lines := [f"- {widgets.plain(line)}" for line in about]:
        st.markdown("\n".join(lines))


@widgets.dialog("Approve")
def approve(promotion: Promotion, live: int | None, advice: Recommendation) -> None:
    """Say what an approval changes, and on which dossier it is made."""
    version, dataset = promotion.version, session.desk().dataset
    unit, newer = dataset.target.unit, reading.query(forward_scores.forward_report, version)
    newest = newer.says if newer and newer.newest_of_both else ""
    compared = _compared(version, live)
    about = approval_lines.lines(
        promotion, live, dataset.primary_metric, unit, newest, compared=compared
    )
    _lines(about)
    if advice.passes_over:
        st.warning(
            f"It does not pass: {widgets.plain(', '.join(advice.passes_over))}. Nothing is live "
            "yet and only these comparisons are open, so it can be approved without force.",
            icon=":material/gavel:",
        )
    dossier.held(promotion)
    digest = promotion.dossier_digest
    st.caption(
        f"You decide on dossier `{digest[:12]}`. If a replica of serving does not confirm the "
        "version, the alias is put back."
    )
    done = f"Version {version} is approved; serving is being asked."
    widgets.confirm_with_reason(
        "Approve and serve it", "approve-reason", done, decisions.approve, version,
        prompt="Reason (optional)", digest=digest, seen=Seen(live),
    )  # fmt: skip


@widgets.dialog("Reject")
def reject(promotion: Promotion) -> None:
    """A rejection goes on record with a reason."""
    st.markdown(
        f"**Version {promotion.version}** is not promoted. It stays in the registry, and can be "
        "forced later."
    )
    version, done = promotion.version, f"Version {promotion.version} is rejected."
    widgets.confirm_with_reason("Reject", "reject-reason", done, decisions.reject, version)


@widgets.dialog("Force")
def force(version: int, promotion: Promotion | None, live: int | None, reviewers: int) -> None:
    """Name each gate that is passed over; ask for a reason and a typed confirmation."""
    st.markdown(
        f"Serving answers with **{named(live)}** now. Forcing serves **version {version}**, "
        "whatever was recommended."
    )
    dossier.held(promotion)
    if promotion is None or not promotion.dossier_digest:
        st.warning("It was never judged here, so nothing is known of how well it does.")
    elif promotion.failed_gates:
        _failed(promotion)
    else:
        st.info("It passes every gate of its dossier.")
    _lines(_compared(version, live))
    st.caption(
        "A follow-up is opened: check how the version performs."
        + (" A second person must confirm before anything changes." if reviewers > 1 else "")
    )
    widgets.reason("force-reason")
    words = f"force {version}"
    st.text_input(f"Type {words} to confirm", key="force-typed")

    def decide() -> None:
        if page_state.get_state("force-typed").strip().lower() != words:
            acting.refuse(f"Type {words} to confirm, and give a reason above; nothing was done.")
            return
        done = (
            f"Version {version} waits for a second person."
            if reviewers > 1
            else f"Version {version} is forced; serving is being asked."
        )
        digest = promotion.dossier_digest if promotion else ""
        look = {"reason": page_state.get_state("force-reason"), "digest": digest}
        acting.act(done, decisions.force, version, seen=Seen(live), **look)

    with st.container(key="danger-force"):
        widgets.confirm("Force", decide)


@widgets.dialog("Confirm a force")
def confirm_force(request: ForceRequest, promotion: Promotion | None, live: int | None) -> None:
    """The second person sees what the first one saw, and what is live now."""
    st.markdown(
        f"Serving answers with **{named(live)}** now. After this it answers with **version "
        f"{request.version}**."
    )
    st.markdown(
        f"{widgets.plain(request.asked_by)} asked {widgets.when(request.asked_at)} to force "
        f"**version {request.version}**."
    )
    st.markdown(f"> {widgets.plain(request.reason)}")
    dossier.held(promotion)
    if promotion and promotion.failed_gates:
        _failed(promotion)
    _lines(_compared(request.version, live))
    done = f"Version {request.version} is forced; serving is being asked."
    look = {"digest": promotion.dossier_digest if promotion else "", "seen": Seen(live)}
    decide = partial(acting.act, done, decisions.confirm_force, request.version, **look)
    widgets.confirm("Confirm and serve it", decide)


def _failed(promotion: Promotion) -> None:
    gates = (f"- **{gate.name}**: {widgets.plain(gate.says)}" for gate in promotion.failed_gates)
    st.warning("It does not pass:\n\n" + "\n".join(gates))


@widgets.dialog("Turn down a force")
def withdraw_force(request: ForceRequest) -> None:
    """Anybody may turn it down, who asked for it too."""
    st.markdown(f"Version {request.version} is not forced. The request is closed.")
    version = request.version
    done, action = f"The request to force version {version} is closed.", decisions.withdraw_force
    widgets.confirm_with_reason("Turn it down", "withdraw-reason", done, action, version)


@widgets.dialog("Roll back")
def roll_back(live: int, choices: list[Promotion], taken: Mapping[int, Term]) -> None:
    """Say what a rollback brings back, and what it leaves; the first choice is preselected.

    `taken` has the rollback that took a version away, for each version that one did.
    """
    before = choices[0]
    if len(choices) > 1:
        versions = {p.version: p for p in choices}
        names = {p.version: _went_live(p, is_taken=p.version in taken) for p in choices}
        before = versions[select(st, "Bring back", names, "rollback-to")]
    dataset = session.desk().dataset
    now = reading.query(read_promotion, live)
    newer = reading.query(forward_scores.forward_report, before.version, live)
    about = approval_lines.back_lines(
        before, now, dataset.primary_metric, dataset.target.unit,
        compared=_compared(before.version, live),
        newest=newer.says if newer else "",
    )  # fmt: skip
    _lines(about)
    if before.version in taken:
        words = approval_lines.taken_back(taken[before.version], widgets.now())
        text = f"Version {before.version} {words}."
        st.warning(widgets.plain(text), icon=":material/undo:")
    if before.failed_gates:
        _failed(before)
    if before.state is PromotionState.FAILED:
        st.warning(
            f"It failed to come back before: {widgets.plain(before.failure)}",
            icon=":material/warning:",
        )
    dossier.held(before)
    widgets.confirm_with_reason(
        f"Go back to version {before.version}", "rollback-reason", "The rollback is queued.",
        decisions.roll_back, to=before.version, seen=Seen(live),
    )  # fmt: skip


def _went_live(promotion: Promotion, *, is_taken: bool) -> str:
    """A version in the list, with the time at which it went live last, and if it was taken away."""
    at, text = promotion.live_at, f"Version {promotion.version}"
    text += f"; it went live on {at:%Y-%m-%d %H:%M} UTC" if at else ""
    return f"{text}, and was rolled back" if is_taken else text


@widgets.dialog("Put the registry back")
def put_back(live: int | None, alias: int | None) -> None:
    """Undo a change that was made in MLflow."""
    st.markdown(
        f"The alias `champion` names **{named(alias)}**; it will name **{named(live)}** again, "
        "as was decided here. Serving follows within seconds."
    )
    done = "The registry names what was decided here."
    widgets.confirm_with_reason(
        "Put it back", "put-back-reason", done, decisions.put_back, seen=Seen(live)
    )


@widgets.dialog("Close the follow-up")
def close_follow_up(follow_up_id: int, text: str) -> None:
    """Say what was found."""
    st.markdown(widgets.plain(text))
    widgets.reason("follow-up-note", "What you found")

    def decide() -> None:
        note, action = page_state.get_state("follow-up-note"), decisions.close_follow_up
        acting.act("The follow-up is closed.", action, follow_up_id, note=note)

    widgets.confirm("Close it", decide)
