"""Audit: who did what, when and why; whether anything was altered; and one id the whole way."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from console import parts, passport, review, session, trail
from console.jsonable import jsonable

_PAGE = 50
_WHEN = {"Any time": 0, "Last day": 1, "Last 7 days": 7, "Last 30 days": 30}


def filters() -> dict[str, Any]:
    """What to look for, kept in the page's address."""
    actions, actors = session.ask(review.audit_names) or ([], [])
    columns = st.columns(4)
    action = columns[0].selectbox(
        "Action", ["", *actions], key="action", bind="query-params", placeholder="any",
        format_func=lambda name: name or "any",
    )  # fmt: skip
    actor = columns[1].selectbox(
        "Who", ["", *actors], key="actor", bind="query-params", placeholder="anybody",
        format_func=lambda name: name or "anybody",
    )  # fmt: skip
    subject = columns[2].text_input(
        "About", key="about", bind="query-params", placeholder="version:3, job:7, batch:12",
        max_chars=100,
    )  # fmt: skip
    when = columns[3].selectbox("When", list(_WHEN), key="when", bind="query-params")
    return {
        "action": action or "",
        "actor": actor or "",
        "subject": (subject or "").strip(),
        "days": _WHEN[when],
    }


def check() -> None:
    """Verify the whole trail on request."""
    if st.button("Verify the trail", icon=":material/verified_user:"):
        with st.spinner("Checking every event against the one before it…"):
            found = session.ask(review.verify_audit)
        if found is None:
            return
        if found.whole:
            st.success(parts.plain(found.says), icon=":material/verified:")
            st.caption(f"Note the last hash elsewhere to be able to prove it later: `{found.head}`")
        else:
            st.error(
                f"**Event {found.first_altered}** is the first that is not as it was written. "
                f"{parts.plain(found.says)}",
                icon=":material/gpp_bad:",
            )


def events(wanted: dict[str, Any]) -> None:
    """A page of the trail, newest first, and the way to older ones."""
    before = st.query_params.get("before", "")
    before_id = int(before) if before.isdecimal() else None
    found = session.ask(
        review.audit,
        _PAGE + 1,
        **wanted,
        before_id=before_id,
    )
    if found is None:
        return
    if not found:
        st.info(
            "Nothing on record fits." if any(wanted.values()) else "Nothing is on record yet.",
            icon=":material/search_off:",
        )
    shown = found[:_PAGE]
    if shown:
        st.dataframe(
            trail.table(shown),
            hide_index=True,
            height="content",
            alt="The events, newest first",
        )
    row = st.container(horizontal=True)
    if before_id is not None and row.button("Newest", icon=":material/first_page:"):
        del st.query_params["before"]
        st.rerun()
    if len(found) > _PAGE and row.button("Older", icon=":material/chevron_right:"):
        st.query_params["before"] = str(shown[-1].id)
        st.rerun()
    if shown:
        row.download_button(
            "CSV",
            session.later(trail.csv, **wanted),
            "audit.csv",
            "text/csv",
            icon=":material/download:",
            help="Everything that fits, at most 10,000 events; inert in spreadsheets.",
        )


def follow() -> None:
    """The passport of one id."""
    subject = st.text_input(
        "An id to follow",
        key="id",
        bind="query-params",
        placeholder="a prediction's id, or version:3, batch:12, job:7",
        max_chars=100,
    )
    if not subject:
        st.caption(
            "Give an id, and see everything that led to it: prediction, version, approval, "
            "dossier, batches, drift reports. `driftdesk passport ID --json` gives the same."
        )
        return
    found = session.ask(passport.passport, subject)
    if not found:
        return
    if prediction := found.get("prediction"):
        with st.container(border=True):
            st.markdown(f"##### Prediction `{prediction.id}`")
            st.markdown(
                f"**{prediction.prediction:,.2f}** by version {prediction.model_version}, "
                f"{parts.when(prediction.at)}",
                help=parts.exact(prediction.at),
            )
            st.json(prediction.inputs, expanded=False)
    if version := found.get("version"):
        with st.container(border=True):
            st.markdown(f"##### Version {version.version} {parts.badge(version.state)}")
            st.markdown("\n".join(f"- {parts.plain(r)}" for r in version.verdict.reasons))
            st.page_link(
                "views/promotion.py",
                label="Its dossier",
                icon=":material/fact_check:",
                query_params={"version": str(version.version)},
            )
    if decisions := found.get("decisions"):
        st.markdown("##### What was done")
        st.dataframe(trail.table(decisions), hide_index=True, alt="The events about it")
    if batches := found.get("batches"):
        st.markdown("##### Batches")
        st.dataframe(trail.batches(batches), hide_index=True, alt="The batches behind it")
    if versions := found.get("versions"):
        st.markdown(
            f"Trained on it: version{'s' if len(versions) > 1 else ''} "
            + ", ".join(map(str, versions))
        )
    if reports := found.get("drift"):
        st.markdown("##### Drift")
        st.dataframe(trail.reports(reports), hide_index=True, alt="The drift reports")
    for job in found.get("jobs", []):
        with st.container(border=True):
            parts.job_card(job)
    st.download_button(
        "JSON",
        lambda: json.dumps(jsonable(found), ensure_ascii=False, indent=2),
        "passport.json",
        "application/json",
        icon=":material/download:",
    )


record, one_id = st.tabs(["Record", "Follow an id"], key="show", bind="query-params")
if record.open:
    with record:
        check()
        events(filters())
if one_id.open:
    with one_id:
        follow()
