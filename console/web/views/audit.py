"""Audit: the audit log, its verification, and the lineage of one id."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from console.queries import lineage, promotion
from console.queries.promotion import Scope
from console.text.lineage import Lineage
from console.text.lineage import chain as chain_of
from console.text.prediction import recorded
from console.web import job_widgets, reading, session, widgets
from console.web.html_table import html_table
from console.web.panels.audit import chain, tables
from core.domain.safe_text import key_of

_PAGE = 50
_THIS = "This dataset"
_SCOPES = {_THIS: Scope.DATASET, "Whole desk": Scope.DESK, "All": Scope.ALL}
_WHEN = {"Any time": 0, "Last day": 1, "Last 7 days": 7, "Last 30 days": 30}


def scope_of() -> Scope:
    """Which events are shown: those of this dataset, unless somebody may see the others, too."""
    if not (session.has_several() and session.sees_whole_desk()):
        return Scope.DATASET
    chosen = st.segmented_control(
        "Events of", list(_SCOPES), default=_THIS, key="of", bind="query-params",
        help="The whole desk's are those about no single dataset, such as API keys and backups.",
    )  # fmt: skip
    return _SCOPES[chosen or _THIS]


def filters() -> dict[str, Any]:
    """The filters, kept in the page's address."""
    scope = scope_of()
    actions, actors = reading.query(promotion.audit_names, scope) or ([], [])
    columns = st.columns(4)
    action = columns[0].selectbox(
        "Action", ["", *actions], key="action", bind="query-params", placeholder="Any",
        format_func=lambda name: name or "Any",
    )  # fmt: skip
    actor = columns[1].selectbox(
        "Who", ["", *actors], key="actor", bind="query-params", placeholder="Anyone",
        format_func=lambda name: name or "Anyone",
    )  # fmt: skip
    subject = columns[2].text_input(
        "About", key="about", bind="query-params", placeholder="version:3, job:7, batch:2/3",
        max_chars=100,
    )  # fmt: skip
    when = columns[3].selectbox("When", list(_WHEN), key="when", bind="query-params")
    return {
        "scope": scope,
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
        has_filter = any(value for name, value in wanted.items() if name != "scope")
        what = "Each request, decision and changed limit is recorded here."
        why = "No event matches." if has_filter else f"No events yet. {what}"
        st.info(why, icon=":material/search_off:")
    shown = page[:_PAGE]
    if shown:
        named = wanted["scope"] is Scope.ALL
        st.html(html_table(tables.events(shown, widgets.now(), names_datasets=named)))
    row = st.container(horizontal=True)
    if before_id is not None and row.button("Newest", icon=":material/first_page:"):
        del st.query_params["before"]
        st.rerun()
    if len(page) > _PAGE and row.button("Older", icon=":material/chevron_right:"):
        st.query_params["before"] = str(shown[-1].id)
        st.rerun()
    if shown:
        note = "All matching events, at most 10,000"
        for label, make, file, kind, help_ in (
            ("CSV", tables.csv, "audit.csv", "text/csv", f"{note}; formulas are escaped."),
            ("JSON", tables.as_json, "audit.json", "application/json", f"{note}."),
        ):
            data = reading.deferred_query(make, **wanted)
            row.download_button(label, data, file, kind, icon=":material/download:", help=help_)


def batches_of(result: Lineage) -> None:
    """The batches of a lineage, and their drift reports."""
    if result.verdict:
        st.markdown(widgets.plain(result.verdict.sentence))
    if result.batches:
        st.markdown("##### Batches")
        st.html(html_table(tables.batches(result.batches, widgets.now())))
    if result.drift:
        st.markdown("##### Drift")
        st.html(html_table(tables.reports(result.drift)))


def follow() -> None:
    """The lineage of one id."""
    subject = st.text_input(
        "Id", key="follow", bind="query-params", max_chars=100,
        placeholder="version 3, job 7, batch 2/3, the start of a prediction's id",
    )  # fmt: skip
    if not subject:
        st.caption(
            "Enter an id to see its lineage: prediction, version, approval, dossier, batches, "
            f"drift reports. `{widgets.with_dataset('driftdesk passport ID --json')}` prints "
            "the same."
        )
        if starts := reading.query(lineage.starting_points):
            st.markdown("The newest:")
            st.html(tables.choices(starts))
        return
    result = reading.query(lineage.found_or_choice, subject)
    if not result:
        return
    if isinstance(result, lineage.Choice):
        st.info(widgets.plain(result.says), icon=":material/alt_route:")
        st.html(tables.choices(result.subjects))
        return
    chain.show(chain_of(result))
    if prediction := result.prediction:
        with st.container(border=True):
            st.markdown(f"##### Prediction `{prediction.id}`")
            text = widgets.plain(recorded(prediction).in_words(result.unit))
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
        st.html(html_table(tables.events(result.decisions, widgets.now())))
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
        events(filters())
        check()
if one_id.open:
    with one_id:
        follow()
