"""One comparison on the Drift page: verdict, rule, measures, recommendation and ratio charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import streamlit as st

from console.figures import drift_heatmap, drift_ratios
from console.queries import drift
from console.text import formatting
from console.web import addresses, page_state, session, widgets
from core.domain.dataset import STATISTICS
from core.domain.drift import (
    DriftReport,
    Finding,
    Reason,
    Reference,
    RetrainWhen,
    StatChange,
    StoredReport,
    breach_reasons,
)
from core.rules.data.far_values import FarValues
from core.rules.drift.batch_verdict import DECIDES, BatchVerdict, Stand
from core.rules.drift.recommendation import CHECK, Advice, Recommendation
from core.rules.drift.references import against

BY_STATISTIC, BY_COLUMN = "By statistic", "By column"

ADVICE = {
    Recommendation.IGNORE: ("green", ":material/check_circle:", "ignore"),
    Recommendation.RETRAIN: ("orange", ":material/model_training:", "retrain"),
    Recommendation.BLOCK: ("red", ":material/block:", "block (the batch looks broken)"),
}

DECIDING, ADVISORY = ":blue-badge[decides]", ":gray-badge[does not decide]"
"""Marks the finding that the verdict follows, and the others."""

NAMES = {Reference.PREVIOUS: "previous batch", Reference.CHAMPION: "champion's training data"}


STANDS = {
    Stand.UNCOMPARED: (st.info, ":material/help:"),
    Stand.CALM: (st.success, ":material/check:"),
    Stand.ASKS: (st.warning, ":material/notification_important:"),
    Stand.BROKEN: (st.error, ":material/block:"),
    Stand.HELD: (st.error, ":material/block:"),
    Stand.ROLLED_BACK: (st.warning, ":material/notification_important:"),
    Stand.TRAINING: (st.info, ":material/model_training:"),
    Stand.LEARNED: (st.success, ":material/check:"),
    Stand.UNFIT: (st.warning, ":material/notification_important:"),
    Stand.DOUBTFUL: (st.warning, ":material/notification_important:"),
    Stand.DISMISSED: (st.info, ":material/do_not_disturb_on:"),
}

_BY_FINDING = {
    Stand.CALM, Stand.DOUBTFUL, Stand.ASKS, Stand.TRAINING, Stand.LEARNED, Stand.UNFIT,
}  # fmt: skip
"""Verdicts that follow from one of the findings."""


def standing(verdict: BatchVerdict) -> None:
    """The batch's verdict as on other pages, without the reasons: the findings below have them."""
    show, icon = STANDS[verdict.stand]
    decides = DECIDES[verdict.decided_by] if verdict.stand in _BY_FINDING else ""
    more = " ".join(f"{part.rstrip('.')}." for part in (verdict.besides, decides) if part)
    show(f"**{widgets.plain(verdict.title)}.** {widgets.plain(more)}".strip(), icon=icon)


def alone(verdict: BatchVerdict, address: str) -> None:
    """A batch that nothing was compared with: its verdict with the reason, and its own profile."""
    show, icon = STANDS[verdict.stand]
    show(widgets.plain(verdict.sentence), icon=icon)
    to = addresses.of(session.dataset_name(), "pipeline", {"batch": address})
    st.html(addresses.anchor("See its profile and first rows", to, "act"))


def far_values(far: Iterable[FarValues], others: Mapping[FarValues, str] | None = None) -> None:
    """Values far outside the former range: a fact about the data, whatever was found.

    `others` has the words for a reference that is not the one shown, where the range is its own.
    """
    for one in far:
        other = (others or {}).get(one, "")
        of_other = f" The range is that of {widgets.plain(other)}." if other else ""
        st.error(f"**{widgets.plain(one.says)}**{of_other} {CHECK}", icon=":material/report:")


def why(report: StoredReport, view: drift.View) -> None:
    """The findings of a comparison beside each other, each with the reason that comes first."""
    decided_by = view.verdict.decided_by
    is_measured = any(m.known for m in report.report.measures)
    places = iter(st.columns([5, 5, 8] if is_measured else [5, 8]))
    with next(places), st.container(border=True, gap="xxsmall", height="stretch"):
        _rule(report, decided_by)
    if is_measured:
        with next(places), st.container(border=True, gap="xxsmall", height="stretch"):
            _measures(report, decided_by)
    with next(places):
        advice(view.advice, view.verdict, [against(r) for r in view.reports.values()])


def more(report: StoredReport) -> None:
    """The reasons behind the first ones, where they do not push the charts off the screen."""
    found = (report.report.reasons, report.report.measure_reasons)
    _more([reason for reasons in found for reason in reasons[1:]])


def _rule(report: StoredReport, decided_by: RetrainWhen) -> None:
    """The drift rule's breaches against one reference; those that could be noise are marked."""
    breaches = sum(c.finding is Finding.BREACH for c in report.report.changes)
    title = f"{breaches} above the limit" if breaches else "no breach"
    _heading(f":material/rule: Drift rule: {title}", RetrainWhen.RULE, decided_by, report)
    st.markdown(_with_noise(report.report.reasons[0]))


def _measures(report: StoredReport, decided_by: RetrainWhen) -> None:
    """The breaches of the additional measures against one reference."""
    reasons = report.report.measure_reasons
    title = f"{len(reasons)} beyond limit and noise" if reasons else "none beyond limit and noise"
    head = f":material/straighten: Additional measures: {title}"
    _heading(head, RetrainWhen.BEYOND_NOISE, decided_by, report)
    calm = "Categories, empty values and means are within limits or noise."
    st.markdown(_with_noise(reasons[0]) if reasons else calm)


def _heading(
    title: str, finding: RetrainWhen, decided_by: RetrainWhen, report: StoredReport
) -> None:
    """The heading of a finding, which says whether it decides."""
    together = {RetrainWhen.RULE, RetrainWhen.BEYOND_NOISE}
    if decided_by is RetrainWhen.BEYOND_NOISE and finding in together:
        badge = ":blue-badge[decides if beyond noise]"
    else:
        badge = DECIDING if finding is decided_by else ADVISORY
    named = f"{DECIDES[decided_by]}."
    st.markdown(f"##### {title} {badge}", help=named)
    st.markdown(f":gray[Against {widgets.plain(against(report))}.]")


def verdict(report: DriftReport, drifted: str, within: str = "No drift.") -> None:
    """The verdict of one comparison, the surest breach first."""
    breaches = breach_reasons(report)
    if not breaches and not any(check.known for check in report.checks):
        st.info(widgets.plain(" ".join(r.text for r in report.reasons)), icon=":material/help:")
        return
    show = st.warning if breaches else st.success
    icon = ":material/notification_important:" if breaches else ":material/check:"
    first = _with_noise((breaches or report.reasons)[0])
    show(f"**{drifted if breaches else within}** {first}", icon=icon)
    _more(breaches[1:])


def _more(reasons: Sequence[Reason]) -> None:
    if reasons:
        with st.expander(f"{len(reasons)} more above the limit"):
            st.markdown("\n".join(f"- {_with_noise(reason)}" for reason in reasons))


def _with_noise(reason: Reason) -> str:
    """A reason with its doubt: broken values are no noise."""
    text = widgets.plain(reason.text)
    if reason.far:
        return f"{text} :red-badge[far outside the former range]"
    return f"{text} :gray-badge[could be noise]" if reason.could_be_noise else text


def advice(
    recommended: Advice | None, verdict: BatchVerdict, references: Sequence[str] = ()
) -> None:
    """The recommendation when the batch was compared, and whether it was followed since.

    It follows from the comparisons with all the `references`, which it names if they are several.
    """
    if recommended is None:
        st.info(
            "This batch was compared before driftdesk gave recommendations. "
            "**Compare again** calculates one.",
            icon=":material/help:",
        )
        return
    colour, icon, title = ADVICE[recommended.recommendation]
    if recommended.far and recommended.recommendation is Recommendation.IGNORE:
        colour, icon, title = "orange", ":material/report:", "check the values, no retraining"
    done = done_since(verdict)
    if done:
        colour = "gray"
    with st.container(border=True, gap="xxsmall", height="stretch"):
        decides = verdict.decided_by is RetrainWhen.RECOMMENDATION
        badge = DECIDING if decides else ADVISORY
        heading = f"##### {icon} Recommendation when compared: :{colour}[{title}{done}] {badge}"
        st.markdown(heading, help=f"{DECIDES[verdict.decided_by]}.")
        if len(references) > 1:
            both = " and with ".join(map(widgets.plain, references))
            st.markdown(f":gray[From the comparisons with {both}.]")
        reasons = recommended.reasons[len(recommended.far) :]  # those stand above, as facts
        st.markdown("\n".join(f"- {widgets.plain(reason)}" for reason in reasons))


def done_since(verdict: BatchVerdict) -> str:
    """What was done since the comparison, in brackets; empty if the recommendation is open."""
    if verdict.recommendation == Recommendation.IGNORE.value:
        return ""
    done = {
        Stand.LEARNED: f"done: version {verdict.learned_by}",
        Stand.UNFIT: f"done: version {verdict.learned_by}, which is not fit",
        Stand.ROLLED_BACK: f"done: version {verdict.learned_by}, no longer live",
        Stand.TRAINING: "training",
        Stand.DISMISSED: "dismissed",
    }.get(verdict.stand)
    return f" ({done})" if done else ""


def ratios(
    report: DriftReport,
    grouping: str,
    file: str,
    far: Sequence[FarValues] = (),
    reference: str = "the reference",
) -> None:
    """Charts of every ratio with its limit and its noise band; stacked on a narrow screen.

    `file` is the base of the charts' keys and file names; `far` as in `far_values`; `reference` is
    what the report compares with, in words.
    """
    labels = {c.name: c.label for c in session.desk().dataset.compared}
    shown = [c for c in report.changes if c.column in labels]
    if not shown:
        return
    broken = {one.column for one in far}
    if grouping == BY_COLUMN:
        present = {c.column for c in shown}
        groups = [(labels[k], [c for c in shown if c.column == k]) for k in labels if k in present]
        names = [[drift_ratios.TITLES[c.statistic] for c in changes] for _, changes in groups]
    else:
        titles = drift_ratios.TITLES
        groups = [(titles[k], [c for c in shown if c.statistic == k]) for k in STATISTICS]
        names = [[labels[c.column] for c in changes] for _, changes in groups]
    st.caption(
        f"Relative change from {widgets.plain(reference)}, in multiples of its limit (amber line); "
        "bars end at 4. Grey bar: noise band (the expected difference between two samples of the "
        "same data). "
        "Red and hatched: breach. Dotted with ~: breach within the noise band. "
        f"{report.estimate}".rstrip()
    )
    wide = 3 if grouping == BY_COLUMN else len(STATISTICS)
    row: list[st.delta_generator.DeltaGenerator] = []
    for n, ((title, changes), bars) in enumerate(zip(groups, names, strict=True)):
        if n % wide == 0:
            row = list(st.columns(wide))
        figure = drift_ratios.ratios(changes, bars, title, among=shown, far=broken)
        key, name = f"ratios-{file}-{grouping}-{n}", f"{file}-{title.lower()}"
        with row[n % wide]:
            widgets.chart(figure, key, name, _alt(title, changes))


def heat_key(of: str) -> None:
    """The legend of the history's shades and marks."""
    keys = " ".join(
        f'<span style="display:inline-block;width:.8em;height:.8em;background:{colour}"></span> '
        f"{text} &nbsp;"
        for _, colour, text in drift_heatmap.STEPS
    )
    st.html(
        f'<div style="font-size:.8rem">{keys} &nbsp; &times; or ! breach &nbsp; ○ or ~ breach '
        f"that could be noise &nbsp; click a cell to open the {of}</div>"
    )


def clicked_cell(key: str) -> int | None:
    """The id of the batch or window whose cell of the history was clicked."""
    points = (page_state.get_state(key, None) or {}).get("selection", {}).get("points", [])
    return int(points[0]["customdata"][0]) if points and points[0].get("customdata") else None


def _alt(title: str, changes: list[StatChange]) -> str:
    return f"{title}: " + "; ".join(
        f"{c.name} {drift_ratios.signed_change(c)} of limit {formatting.percent(c.limit)}"
        for c in changes
    )
