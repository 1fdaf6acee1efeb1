"""Services: health of all services, queues and workers, notifications, and the doctor."""

from __future__ import annotations

from datetime import timedelta

import streamlit as st

from console.actions import notifications as notification_actions
from console.queries import doctor as doctor_queries
from console.queries import doctor_fleet, local_logs
from console.queries.doctor_rules import Finding
from console.queries.local_logs import PROCESSES
from console.queries.service_checks import Service
from console.queries.workers import Queue
from console.queries.workers import queues as all_queues
from console.text import formatting
from console.web import reading, session, widgets
from console.web.panels.fleet import costs
from core.rules.access.roles import Right
from core.rules.ops.notification import Notice

# Seconds to wait for health checks when the page opens, and at each refresh.
_FIRST, _LATER = 1.0, 0.3

# Seconds between refreshes, while checks are pending and when all are complete.
_SOON, _RELAXED = 1.0, 5.0

_ABREAST = 3
_STATES = {True: "green-badge[Healthy]", False: "red-badge[Down]", None: "gray-badge[Unknown]"}
_WORKERS = {"busy": "blue", "idle": "green", "silent": "orange", "dead": "red"}


def services(complete: bool) -> None:  # noqa: FBT001 - what the fragment was drawn with
    """The health of all services, as known so far; reruns the page when all checks are done."""
    current = session.watch().look(_LATER)
    if is_complete(current) != complete:
        st.rerun()
    cards(current)


def is_complete(checked: list[Service]) -> bool:
    """Whether each service has a result and none is overdue."""
    return all((s.healthy is not None or s.says) and not s.is_silent for s in checked)


def cards(checked: list[Service]) -> None:
    """A card for each service, in rows of equal height."""
    for start in range(0, len(checked), _ABREAST):
        columns = st.columns(_ABREAST)
        for column, service in zip(columns, checked[start:], strict=False):
            with column.container(border=True, height="stretch"):
                card(service)


def card(service: Service) -> None:
    """One service: state, response time, version, link, and advice if it is down."""
    name = f"[{service.name}]({service.link})" if service.link else service.name
    st.markdown(f"**{name}** :{_STATES[service.healthy]}")
    facts = [widgets.plain(text) for text in (service.says, service.version) if text]
    if service.healthy is not None and not service.is_silent:
        facts.append(f"{service.milliseconds:,.0f} ms")
    if service.down_for is not None:
        since = widgets.now() - timedelta(seconds=service.down_for)
        facts.append(f"down since {since:%H:%M:%S} UTC")
    if service.age is not None:
        verb = "last answered" if service.is_silent else "checked"
        seconds = round(service.age)
        facts.append(f"{verb} {f'{seconds:,} s ago' if seconds else 'just now'}")
    st.caption(" · ".join(facts) or "Checking…")
    if service.advice:
        st.warning(service.advice, icon=":material/build:")


@st.fragment(run_every=5.0)
def workers() -> None:
    """The queues with their workers."""
    st.subheader("Queues and workers", anchor=False)
    queues, is_awaited = reading.neighbour(all_queues, shared=True)
    if is_awaited:
        st.caption("Redis has not answered yet.")
    if queues is None:
        return
    for column, one in zip(st.columns(len(queues)), queues, strict=True):
        with column.container(border=True, height="stretch"):
            queue(one)


def queue(shown: Queue) -> None:
    """One queue: its kinds of jobs, its length, and its workers."""
    waits = f"{shown.length:,} waiting" if shown.length else "empty"
    st.markdown(f"**{shown.name}** · {waits}", help=f"For {shown.kinds}.")
    for worker in shown.workers:
        entry = f", running {worker.entry}" if worker.entry else ""
        beat, began = widgets.when(worker.heartbeat), widgets.when(worker.started)
        if worker.state == "silent" and worker.heartbeat:
            beat = f"{(widgets.now() - worker.heartbeat).total_seconds():.0f} s ago"
        since = f"last heartbeat {beat}, started {began}"
        st.markdown(
            f":{_WORKERS[worker.state]}-badge[{worker.state}] "
            + widgets.plain(f"{worker.name[:12]}{entry}")
            + f" :gray[:small[{since}]]"
        )
    if shown.stalled:
        st.warning(widgets.plain(shown.stalled), icon=":material/build:")
    elif not shown.is_served:
        st.warning(
            "No worker is running for this queue. Start one: "
            f"`python -m workers run --queue {shown.name}`",
            icon=":material/build:",
        )


@st.fragment(run_every=5.0)
def notifications() -> None:
    """The sent notifications, and a test button."""
    st.subheader("Notifications", anchor=False)
    settings = session.desk().settings
    host = settings.webhook_host
    if host:
        events = ", ".join(sorted(e.value for e in settings.notified if e.value != "test"))
        signed = "signed" if settings.webhook_secret.get_secret_value() else "**unsigned**"
        st.caption(f"Posted to {widgets.plain(host)}, {signed}: {events}.")
    else:
        st.caption(
            "Set `WEBHOOK_URL` to be notified of drift, a new candidate, a promotion or a failed "
            "job. Works with Slack-compatible webhooks."
        )
    done = "The test notification is queued; its state is shown below."
    look = {"icon": ":material/send:", **widgets.only(Right.NOTIFY, disabled=not host)}
    widgets.act_button(st, "Send a test", None, done, notification_actions.send_test, **look)
    sent = reading.query(notification_actions.notices)
    if sent:
        columns = {"Message": st.column_config.TextColumn(width="large")}
        widgets.table([_row(notice) for notice in sent], column_config=columns)
    elif sent is not None:
        st.caption("No notification yet.")


@st.fragment
def doctor() -> None:
    """All checks of `driftdesk doctor`, on request."""
    with st.expander("Doctor", icon=":material/stethoscope:"):
        st.caption(
            "Checks versions, rights, clocks, disk, migrations and secrets, as `driftdesk "
            f"doctor` does. Takes at most {doctor_queries.TIME_LIMIT:g} seconds."
        )
        if st.button("Check everything", icon=":material/play_arrow:"):
            with st.spinner("Checking…"):
                findings = _findings()
            if findings:
                columns = ("State", "Check", "Result", "Action")
                rows = ((f.state.value, f.name, f.says, f.todo) for f in findings)
                widgets.table([dict(zip(columns, row, strict=True)) for row in rows])


@st.fragment
def logs() -> None:
    """The logs of the processes that `make run` started here."""
    names = reading.query_shared(local_logs.names)
    if not names:
        return
    with st.expander("Logs of `make run`", icon=":material/article:"):
        if why := session.why_not(Right.OPERATE):
            st.caption(widgets.plain(why))
            return
        row = st.container(horizontal=True, vertical_alignment="bottom")
        down = {PROCESSES.get(s.name) for s in session.watch().look(0.0) if s.healthy is False}
        first = next((n for n, name in enumerate(names) if name in down), 0)
        name = row.selectbox("Process", names, first, key="log", bind="query-params", width=240)
        row.button("Refresh", icon=":material/refresh:", key="log-refresh")
        text = reading.query_shared(local_logs.tail, name)
        if text is not None:
            st.code(text or "The log is empty.", language=None, wrap_lines=True, height=400)


def _findings() -> list[Finding] | None:
    """Of this page's dataset and what it shares, or of every dataset that may be seen."""
    if session.dataset_name():
        return reading.query(doctor_queries.examine)
    return reading.query_fleet(doctor_fleet.examine)


def _row(notice: Notice) -> dict[str, object]:
    return {
        "When": widgets.when(notice.created_at),
        "State": formatting.DELIVERIES[notice.state],
        "Event": notice.event.value,
        "Message": notice.text,
        "Attempts": notice.attempts,
        "Note": notice.failure,
        "At (UTC)": f"{notice.created_at:%Y-%m-%d %H:%M:%S}",
    }


if session.has_several() and not session.dataset_name():
    st.caption(
        "What the datasets share. A dataset's own source, serving and notifications are on its "
        "Services page."
    )
complete = is_complete(session.watch().look(_FIRST))
st.fragment(services, run_every=_RELAXED if complete else _SOON)(complete)
workers()
if session.dataset_name():
    notifications()
costs.panel()
logs()
doctor()
