"""The dialogs in which a person decides about a version: each shows what will change."""

from __future__ import annotations

import streamlit as st

from console import actions, parts, session
from core.promotion import named
from core.records import ForceRequest, Promotion


@parts.dialog("Approve")
def approve(promotion: Promotion, live: int | None) -> None:
    """Say what an approval changes, and on which dossier it is made."""
    version = promotion.version
    st.markdown(
        f"Serving answers with **{named(live)}** today. After this it answers with "
        f"**version {version}**."
    )
    st.caption(
        "The alias moves, and every replica of serving must name this version, its file and the "
        "answers that the dossier foretold. If one does not, the alias is put back. You can roll "
        "back at any time."
    )
    if not promotion.verdict.promote:
        st.warning(
            f"The verdict is against it: {parts.plain(promotion.verdict.reasons[0])}",
            icon=":material/gavel:",
        )
    parts.reason("approve-reason", "Reason (optional)")
    st.caption(f"You decide on dossier `{promotion.dossier_digest[:12]}`.")

    def decide() -> None:
        session.act(
            f"Version {version} is approved; serving is being asked.",
            actions.approve,
            version,
            digest=promotion.dossier_digest,
            reason=session.field("approve-reason"),
        )

    parts.confirm("Approve and serve it", decide)


@parts.dialog("Reject")
def reject(promotion: Promotion) -> None:
    """A rejection goes on record with a reason."""
    st.markdown(
        f"**Version {promotion.version}** is not promoted. It stays in the registry, and can be "
        "forced later."
    )
    parts.reason("reject-reason")

    def decide() -> None:
        session.act(
            f"Version {promotion.version} is rejected.",
            actions.reject,
            promotion.version,
            reason=session.field("reject-reason"),
        )

    parts.confirm("Reject", decide)


@parts.dialog("Force")
def force(version: int, promotion: Promotion | None, live: int | None, reviewers: int) -> None:
    """Name each gate that is passed over; ask for a reason and a typed confirmation."""
    st.markdown(
        f"Serving answers with **{named(live)}** today. Forcing serves **version {version}**, "
        "whatever was recommended."
    )
    failed = promotion.failed_gates if promotion else ()
    if promotion is None or not promotion.dossier_digest:
        st.warning("It was never judged here, so nothing is known of how well it does.")
    elif failed:
        st.warning(
            "It does not pass:\n\n"
            + "\n".join(f"- **{gate.name}**: {parts.plain(gate.says)}" for gate in failed)
        )
    else:
        st.info("It passes every gate of its dossier.")
    st.caption(
        "A follow-up is opened, so that somebody looks at how it does."
        + (" A second person must confirm before anything changes." if reviewers > 1 else "")
    )
    parts.reason("force-reason")
    words = f"force {version}"
    st.text_input(f"Type {words} to confirm", key="force-typed")

    def decide() -> None:
        if session.field("force-typed").strip().lower() != words:
            session.refuse(f"Type {words} to confirm; nothing was done.")
            return
        done = (
            f"Version {version} waits for a second person."
            if reviewers > 1
            else f"Version {version} is forced; serving is being asked."
        )
        session.act(done, actions.force, version, reason=session.field("force-reason"))

    parts.confirm("Force", decide)


@parts.dialog("Confirm a force")
def confirm_force(request: ForceRequest, promotion: Promotion | None) -> None:
    """The second person sees what the first one saw."""
    st.markdown(
        f"{parts.plain(request.asked_by)} asked {parts.when(request.asked_at)} to force "
        f"**version {request.version}**."
    )
    st.markdown(f"> {parts.plain(request.reason)}")
    failed = promotion.failed_gates if promotion else ()
    if failed:
        st.warning(
            "It does not pass:\n\n"
            + "\n".join(f"- **{gate.name}**: {parts.plain(gate.says)}" for gate in failed)
        )

    def decide() -> None:
        session.act(
            f"Version {request.version} is forced; serving is being asked.",
            actions.confirm_force,
            request.version,
        )

    parts.confirm("Confirm and serve it", decide)


@parts.dialog("Turn down a force")
def withdraw_force(request: ForceRequest) -> None:
    """Anybody may turn it down, who asked for it too."""
    st.markdown(f"Version {request.version} is not forced. The request is closed.")
    parts.reason("withdraw-reason")

    def decide() -> None:
        session.act(
            f"The request to force version {request.version} is closed.",
            actions.withdraw_force,
            request.version,
            reason=session.field("withdraw-reason"),
        )

    parts.confirm("Turn it down", decide)


@parts.dialog("Roll back")
def roll_back(live: int, before: Promotion) -> None:
    """Say what a rollback brings back."""
    st.markdown(
        f"Serving answers with **version {live}** today. After this it answers with **version "
        f"{before.version}** again, which was live until {parts.exact(before.ended_at)}."
    )
    parts.reason("rollback-reason")

    def decide() -> None:
        session.act(
            "The rollback is queued.", actions.roll_back, reason=session.field("rollback-reason")
        )

    parts.confirm(f"Go back to version {before.version}", decide)


@parts.dialog("Put the registry back")
def put_back(live: int | None, alias: int | None) -> None:
    """Undo what somebody did in MLflow behind the desk's back."""
    st.markdown(
        f"The alias `champion` names **{named(alias)}**; it will name **{named(live)}** again, "
        "as was decided here. Serving follows within seconds."
    )
    parts.reason("put-back-reason")

    def decide() -> None:
        session.act(
            "The registry names what was decided here.",
            actions.put_back,
            reason=session.field("put-back-reason"),
        )

    parts.confirm("Put it back", decide)


@parts.dialog("Close the follow-up")
def close_follow_up(follow_up_id: int, text: str) -> None:
    """Say what was found."""
    st.markdown(parts.plain(text))
    parts.reason("follow-up-note", "What you found")

    def decide() -> None:
        session.act(
            "The follow-up is closed.",
            actions.close_follow_up,
            follow_up_id,
            note=session.field("follow-up-note"),
        )

    parts.confirm("Close it", decide)
