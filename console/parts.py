"""Parts that more than one page shows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from console import actions, queries, session, words
from core.printable import printable_lines
from core.records import Job, JobState
from core.roles import Right, right_for

P = ParamSpec("P")

_LOOK = Path(__file__).parent / "look.css"


def look() -> None:
    """The look that every page shares."""
    st.html(_LOOK)


def header(title: str) -> None:
    """The page's title, who sits here, and the way out."""
    look()
    row = st.container(horizontal=True, vertical_alignment="center")
    row.title(title, anchor=False, width="stretch")
    if not session.needs_login():
        row.caption("Local mode: no login, everyone on this machine is admin", width="content")
        return
    actor = session.actor()
    role = actor.role.value if actor.role else "no role"
    row.caption(f"{plain(actor.name)} · {role}", width="content", help=plain(actor.known_by))
    row.button("Log out", type="tertiary", icon=":material/logout:", on_click=session.log_out)


def only(right: Right, *, disabled: bool = False, help: str | None = None) -> dict[str, Any]:  # noqa: A002 - Streamlit's word
    """How a button looks that needs a right: without it, disabled, and it says why."""
    if why := session.why_not(right):
        return {"disabled": True, "help": plain(why)}
    return {"disabled": disabled, "help": help}


def badge(state: str) -> str:
    """A state as a coloured word, in Streamlit's markdown."""
    colour, word = words.STATES.get(state, ("gray", str(state).lower()))
    return f":{colour}-badge[{word}]"


def now() -> datetime:
    """The time that relative times are relative to."""
    return datetime.now(UTC)


def plain(text: str) -> str:
    """Text from data, made inert for Streamlit's markdown."""
    text = printable_lines(text)
    for mark in "\\`*_{}[]()<>#+-.!|$:~":
        text = text.replace(mark, "\\" + mark)
    # What looks like an address becomes a link, escaped or not; a word joiner keeps it text.
    for start, parted in (("\\://", "\u2060\\://"), ("www\\.", "www\u2060\\."), ("@", "\u2060@")):
        text = text.replace(start, parted)
    return text


def act_button(
    where: DeltaGenerator,
    label: str,
    key: str,
    done: str,
    action: Callable[..., Any],
    *args: Any,
    **look: Any,
) -> None:
    """A button that acts at once; `done` is said when it went well."""
    where.button(label, key=key, on_click=session.act, args=(done, action, *args), **look)


def dialog(title: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """A dialog that stays open whatever changes behind it: what was typed must not be lost."""

    def decorate(content: Callable[P, None]) -> Callable[P, None]:
        @st.dialog(title, width="medium", on_dismiss=session.dialog_closed)
        @wraps(content)
        def shown(*args: P.args, **kwargs: P.kwargs) -> None:
            session.dialog_opened()
            content(*args, **kwargs)

        return shown

    return decorate


def confirm(label: str, decide: Callable[[], None], *, disabled: bool = False) -> None:
    """A dialog's last button: it closes the dialog, or says in it why nothing was done."""
    if st.button(label, type="primary", on_click=decide, disabled=disabled):
        if session.failed():
            session.show_message()
        else:
            session.dialog_closed()
            st.rerun()


def reason(key: str, label: str = "Reason") -> None:
    """The field for what goes on record with an act; `session.field(key)` has what was typed."""
    st.text_area(f"{label}, for the record", key=key)


def when(then: datetime | None) -> str:
    """A time, relative."""
    return words.ago(then, now())


def exact(then: datetime | None) -> str:
    """A time to the second, for what appears on hover."""
    return f"{then:%Y-%m-%d %H:%M:%S} UTC" if then else "never"


def job_card(job: Job) -> None:
    """A job: state, progress while it runs, its result or error, and what can be done."""
    when = words.ago(job.requested_at, now())
    took = words.duration(job.started_at, job.finished_at or now())
    st.markdown(
        f"{badge(job.state)} **{job.kind.value} {job.id}** · asked for {when} by "
        f"{plain(job.actor)}" + (f" · {took}" if job.started_at else ""),
        help=f"{job.requested_at:%Y-%m-%d %H:%M:%S} UTC, attempt {job.attempt}",
    )
    if job.state is JobState.RUNNING:
        st.progress(job.progress, text=plain(job.stage or "starting"))
    if job.error:
        st.warning(plain(job.error), icon=":material/report:")
    elif note := job_note(job):
        st.caption(plain(note))
    _job_buttons(job)


def job_note(job: Job) -> str:
    """What a finished job has to say, in a sentence."""
    result: dict[str, Any] = job.result
    if "note" in result:
        return str(result["note"])
    if reasons := result.get("reasons"):
        start = f"Version {result['version']}: " if "version" in result else ""
        return start + str(reasons[0])
    if "version" in result:
        return f"Version {result['version']} is live."
    return ""


def _job_buttons(job: Job) -> None:
    if not job.state.is_over:
        st.button(
            "Cancel",
            key=f"cancel-{job.id}",
            icon=":material/stop_circle:",
            on_click=session.act,
            args=(f"Job {job.id} is being cancelled.", actions.cancel, job.id),
            **only(
                right_for(job),
                disabled=job.cancel_requested,
                help="Stopping…" if job.cancel_requested else None,
            ),
        )
    elif job.state in (JobState.FAILED, JobState.CANCELLED):
        st.button(
            "Retry",
            key=f"retry-{job.id}",
            icon=":material/replay:",
            on_click=session.act,
            args=(f"Job {job.id} is queued again.", actions.retry, job.id),
            **only(right_for(job)),
        )


def job_log(job: Job) -> None:
    """The lines that a job wrote."""
    lines = session.ask(queries.job_log, job.id) or []
    text = "\n".join(f"{line.at:%H:%M:%S}  {line.level:<7}  {line.message}" for line in lines)
    st.code(text or "Nothing yet.", language=None, wrap_lines=True)
