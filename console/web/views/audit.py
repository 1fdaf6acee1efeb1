"""Audit: the audit log, its verification, and the lineage of one id."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from console.queries import lineage, promotion
from console.text.lineage import Lineage
from console.text.lineage import chain as chain_of
from console.text.prediction import recorded
from console.web import job_widgets, reading, widgets
from console.web.panels.audit import chain, tables
from core.domain.safe_text import key_of

_PAGE = 50
_COLUMNS = {
    "Id": st.column_config.NumberColumn(width=50),
    "When (UTC)": st.column_config.DatetimeColumn(width=120, format="MM-DD HH:mm:ss"),
    "What happened": st.column_config.TextColumn(width=420),
    "Reason": st.column_config.TextColumn(width=340),
    "About": st.column_config.LinkColumn(width=110, display_text="follow=(.*)"),
    "Who": st.column_config.TextColumn(width=90),
    "Role": st.column_config.TextColumn(width=80),
}
_WHEN = {"Any time": 0, "Last day": 1, "Last 7 days": 7, "Last 30 days": 30}


def filters() -> dict[str, Any]:
    """The filters, kept in the page's address."""
    actions, actors = reading.query(promotion.audit_names) or ([], [])
    columns = st.columns(4)
    action = columns[0].selectbox(
        "Action", ["", *actions], key="action", bind="query-params", placeholder="any",
        format_func=lambda name: name or "any",
    )  # fmt: skip
    actor = columns[1].selectbox(
        "Who", ["", *actors], key="actor", bind="query-params", placeholder="anyone",
        format_func=lambda name: name or "anyone",
    )  # fmt: skip
    subject = columns[2].text_input(
        "About", key="about", bind="query-params", placeholder="version:3, job:7, batch:2/3",
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
    """Verify the whole audit log on request."""
    if st.button("Verify the audit log", icon=":material/verified_user:"):
        with st.spinner("Verifying the hash chain…"):
            checked = reading.query(promotion.verify_audit)
        if checked is None:
            return
        if checked.whole:
            st.success(widgets.plain(checked.says), icon=":material/verified:")
            st.caption(f"Store the last hash elsewhere as a proof: `{checked.head}`")
        else:
            event = f"**Event {checked.first_altered}** is the first altered event."
            st.error(f"{event} {widgets.plain(checked.says)}", icon=":material/gpp_bad:")


def events(wanted: dict[str, Any]) -> None:
    """A page of the audit log, newest first, with buttons to page through it."""
    before_id = key_of(st.query_params.get("before", ""))
    page = reading.query(promotion.audit, _PAGE + 1, **wanted, before_id=before_id)
    if page is None:
        return
    if not page:
        why = "No event matches." if any(wanted.values()) else "No events yet."
        st.info(why, icon=":material/search_off:")
    shown = page[:_PAGE]
    if shown:
        rows, alt = tables.table(shown), "The events, newest first"
        widgets.table(rows, height="content", column_config=_COLUMNS, alt=alt)
    row = st.container(horizontal=True)
    if before_id is not None and row.button("Newest", icon=":material/first_page:"):
        del st.query_params["before"]
        st.rerun()
    if len(page) > _PAGE and row.button("Older", icon=":material/chevron_right:"):
        st.query_params["before"] = str(shown[-1].id)
        st.rerun()
    if shown:
        row.download_button(
            "CSV",
            reading.deferred_query(tables.csv, **wanted),
            "audit.csv",
            "text/csv",
            icon=":material/download:",
            help="All matching events, at most 10,000; formulas are escaped.",
        )


def batches_of(result: Lineage) -> None:
    """The batches of a lineage, and their drift reports."""
    if result.verdict:
        st.markdown(widgets.plain(result.verdict.sentence))
    if result.batches:
        st.markdown("##### Batches")
        widgets.table(tables.batches(result.batches), alt="The batches")
    if result.drift:
        st.markdown("##### Drift")
        widgets.table(tables.reports(result.drift), alt="The drift reports")


def follow() -> None:
    """The lineage of one id."""
    subject = st.text_input(
        "Id", key="follow", bind="query-params", max_chars=100,
        placeholder="the start of a prediction's id, or version:3, batch:2/3, job:7",
    )  # fmt: skip
    if not subject:
        st.caption(
            "Enter an id to see its lineage: prediction, version, approval, dossier, batches, "
            "drift reports. `driftdesk passport ID --json` prints the same."
        )
        return
    result = reading.query(lineage.passport, subject)
    if not result:
        return
    chain.show(chain_of(result))
    if prediction := result.prediction:
        with st.container(border=True):
            st.markdown(f"##### Prediction `{prediction.id}`")
            text = widgets.plain(recorded(prediction).in_words())
            st.markdown(
                f"**{text}** by version {prediction.model_version}, {widgets.when(prediction.at)}",
                help=widgets.exact(prediction.at),
            )
            st.json(prediction.inputs, expanded=False)
    if version := result.version:
        with st.container(border=True):
            st.markdown(f"##### Version {version.version} {widgets.badge(version.state)}")
            st.markdown("\n".join(f"- {widgets.plain(r)}" for r in version.verdict.reasons))
            widgets.evidence_link(version.version)
    if result.decisions:
        st.markdown("##### Decisions and actions")
        rows, alt = tables.table(result.decisions), "The events about it"
        widgets.table(rows, column_config=_COLUMNS, alt=alt)
    batches_of(result)
    for job in result.jobs:
        with st.container(border=True):
            job_widgets.job_card(job)
    st.download_button(
        "JSON",
        lambda: json.dumps(result.to_json(), ensure_ascii=False, indent=2),
        "passport.json",
        "application/json",
        icon=":material/download:",
    )


record, one_id = st.tabs(["Audit log", "Lineage"], key="part", bind="query-params")
if record.open:
    with record:
        check()
        events(filters())
if one_id.open:
    with one_id:
        follow()
