"""Services: who is well, who is not, what to do about it, and what was told to the outside."""

from __future__ import annotations

import streamlit as st

from console import doctor as doctors
from console import health, notices, parts, session, words
from console.health import Line, Service
from core.notice import Notice
from core.roles import Right

# Seconds to wait for answers when the page is opened, and when it looks again.
_FIRST, _LATER = 1.0, 0.3

# Seconds between two looks, while answers are out and when all have come.
_SOON, _RELAXED = 1.0, 8.0

# Seconds of silence that are worth a word.
_LONG = 2.0

_STATES = {True: "green-badge[well]", False: "red-badge[not well]", None: "gray-badge[not known]"}
_WORKERS = {"busy": "blue", "idle": "green", "dead": "red"}


def services(complete: bool) -> None:  # noqa: FBT001 - what the fragment was drawn with
    """Every neighbour's health: what is known now, while the rest is being asked."""
    found = session.watch().look(_LATER)
    if heard(found) != complete:
        st.rerun()
    cards(found)


def heard(found: list[Service]) -> bool:
    """Whether everybody has said something."""
    return all(s.healthy is not None or s.says for s in found)


def cards(found: list[Service]) -> None:
    """A card for each neighbour."""
    columns = st.columns(3)
    for n, service in enumerate(found):
        with columns[n % 3].container(border=True):
            card(service)


def card(service: Service) -> None:
    """One neighbour: how it is, how fast, where it is, and what to do if it is not well."""
    st.markdown(f"**{service.name}** :{_STATES[service.healthy]}")
    figures = [parts.plain(service.says)] if service.says else []
    if service.version:
        figures.append(parts.plain(service.version))
    if service.healthy is not None:
        figures.append(f"{service.milliseconds:,.0f} ms")
    if service.asking > _LONG:
        figures.append(f"no answer for {service.asking:,.0f} s")
    st.caption(" · ".join(figures) or "Asking…")
    if service.advice:
        st.warning(service.advice, icon=":material/build:")
    if service.link:
        st.link_button("Open", service.link, icon=":material/open_in_new:", type="tertiary")


@st.fragment(run_every=5.0)
def workers() -> None:
    """The lines of work, and who works them off."""
    st.subheader("Queues and workers", anchor=False)
    found = session.ask(health.crew)
    if found is None:
        return
    for column, line in zip(st.columns(len(found)), found, strict=True):
        with column.container(border=True, height="stretch"):
            queue(line)


def queue(line: Line) -> None:
    """One queue: what it is for, how much waits, and its workers by name."""
    waits = f"{line.length:,} waiting" if line.length else "nothing waits"
    st.markdown(f"**{line.name}** · {waits}", help=f"For {line.kinds}.")
    now = parts.now()
    for hand in line.hands:
        entry = f", on {hand.entry}" if hand.entry else ""
        since = f"heard {words.ago(hand.heard, now)}, started {words.ago(hand.born, now)}"
        st.markdown(
            f":{_WORKERS[hand.state]}-badge[{hand.state}] "
            + parts.plain(f"{hand.name[:12]}{entry}")
            + f" :gray[:small[{since}]]"
        )
    if not line.is_served:
        st.warning(
            "Nobody works this line off. Start a worker: "
            f"`python -m workers run --queue {line.name}`",
            icon=":material/build:",
        )


@st.fragment(run_every=5.0)
def notifications() -> None:
    """What was told to the outside, and a way to try it."""
    st.subheader("Notifications", anchor=False)
    settings = session.desk().settings
    host = settings.webhook_host
    if host:
        events = ", ".join(sorted(e.value for e in settings.notified if e.value != "test"))
        signed = "signed" if settings.webhook_secret.get_secret_value() else "**unsigned**"
        st.caption(f"Posted to {parts.plain(host)}, {signed}: {events}.")
    else:
        st.caption(
            "Set `WEBHOOK_URL` to be told of a breach, a waiting candidate, a promotion or a "
            "failed job. Slack and what understands its messages will do."
        )
    st.button(
        "Send a test",
        icon=":material/send:",
        on_click=session.act,
        args=("The test is on its way; its state shows below.", notices.send_test),
        **parts.only(Right.NOTIFY, disabled=not host),
    )
    found = session.ask(notices.notices)
    if found:
        st.dataframe(
            [_row(notice) for notice in found],
            hide_index=True,
            width="stretch",
            column_config={"What": st.column_config.TextColumn(width="large")},
        )
    elif found is not None:
        st.caption("Nothing has been told yet.")


@st.fragment
def doctor() -> None:
    """Every check of `driftdesk doctor`, for who asks for it."""
    with st.expander("Doctor", icon=":material/stethoscope:"):
        st.caption(
            "Versions, rights, clocks, disk, migrations and secrets, as `driftdesk doctor` looks "
            f"at them. It takes {doctors.PATIENCE:g} seconds at most."
        )
        if st.button("Check everything", icon=":material/play_arrow:"):
            with st.spinner("Checking…"):
                found = session.ask(doctors.examine)
            if found:
                st.dataframe(
                    [
                        {"State": f.state.value, "Check": f.name, "Says": f.says, "To do": f.todo}
                        for f in found
                    ],
                    hide_index=True,
                    width="stretch",
                )


def _row(notice: Notice) -> dict[str, object]:
    return {
        "When": words.ago(notice.created_at, parts.now()),
        "State": words.STATES[notice.state][1],
        "Event": notice.event.value,
        "What": notice.text,
        "Tries": notice.attempts,
        "Why not": notice.failure,
        "At (UTC)": f"{notice.created_at:%Y-%m-%d %H:%M:%S}",
    }


known = heard(session.watch().look(_FIRST))
st.fragment(services, run_every=_RELAXED if known else _SOON)(known)
workers()
notifications()
doctor()
