"""The frozen dossier on the page: scores, gates and evidence of a version."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from console.figures import dossier_charts
from console.queries.promotion import EvidenceReport
from console.text import formatting
from console.text.deciding_figures import SIGNIFICANT
from console.text.version_pairs import evaluated_words
from console.web import sorted_cells, widgets
from console.web.panels.promotion import classes, figures, training_data
from core.domain.dataset import Dataset
from core.domain.dossier import Baseline, Difference, Dossier, DossierSummary
from core.domain.metrics import ERROR, ERROR_OF, METRICS, METRICS_OF
from core.domain.promotions import Promotion
from core.rules.model.metric_comparison import certainty

_QUIET = {"displayModeBar": False}
_SHARES = 10
"""The maximum number of classes whose shares are listed."""

_HIGHER = {
    False: "R² is shown as the reduction of 1 \u2212 R².",
    True: "A metric that is better when higher is shown as the reduction of 1 \u2212 the metric.",
}


def scores(promotion: Promotion, unit: str, *, without: str = "") -> None:
    """The metrics of candidate and champion on the same rows; `without` one that is shown above."""
    summary = promotion.dossier
    if summary is None:
        return
    candidate = summary.candidate.metrics
    champion = summary.champion.metrics if summary.champion else {}
    row = st.container(horizontal=True, key="scores")
    for name in METRICS:
        if name in candidate and name != without:
            figures.tile(row, METRICS[name], candidate[name], champion.get(name), unit)
    for own in summary.own_metrics:
        if own.candidate is not None:
            figures.tile(row, own.metric, own.candidate, own.champion, unit)
        if own.problem:
            st.warning(widgets.plain(own.problem), icon=":material/calculate:")
    rows = evaluated_words(summary)
    text = f"Evaluated on {rows}; there was no champion to compare with."
    if champion:
        text = (
            f"Compared with version {summary.compared_with} on the same {rows}, which no "
            "version was trained on."
        )
        if summary.compared_after:
            text = (
                f"Compared with version {summary.compared_with} on the same {rows}, all later "
                f"than {summary.compared_after.text}: neither was trained on a later row."
            )
    trained = formatting.count(summary.training_rows, "row")
    if summary.split:
        trained += f" up to {summary.split.text} ({summary.split.column})"
    st.caption(f"{text} Trained on {trained}.{_constant(summary, unit)}")


def _constant(summary: DossierSummary, unit: str) -> str:
    """The scores of the constant answer as a baseline; empty in dossiers without them."""
    if summary.baseline is None:
        return ""
    metrics = summary.baseline.metrics
    scores = (
        f"{metric.name} {formatting.metric(n, metrics[n], unit)}"
        for n, metric in METRICS.items()
        if n in metrics
    )
    constant = f"the {summary.task.constant} of the training rows"
    return f" Baseline ({constant}): {', '.join(scores)}."


def gates(promotion: Promotion) -> None:
    """Each gate with its result and its explanation."""
    for gate in promotion.dossier.gates if promotion.dossier else ():
        icon, colour = ("check_circle", "green") if gate.passed else ("cancel", "red")
        word = "passed" if gate.passed else "not passed"
        st.markdown(
            f":{colour}[:material/{icon}:] **{gate.name}** :{colour}-badge[{word}]  \n"
            f"{widgets.plain(gate.says)}"
        )


def held(promotion: Promotion | None) -> None:
    """Say which of a version's training batches are held."""
    for batch in promotion.held if promotion else ():
        st.warning(widgets.plain(batch.sentence), icon=":material/front_hand:")


def evidence(report: EvidenceReport, dataset: Dataset) -> None:
    """Tabs with differences, segments, predictions, importance and training data."""
    full = report.dossier
    labels = {c.name: c.label for c in dataset.columns} | {
        "target": dataset.target.label,
        "batch": "Batch",
    }
    answers: dict[str, Callable[[], None]] = {"Predictions": lambda: _predictions(full, dataset)}
    if full.task.is_classifier:
        answers = {
            "Confusion": lambda: classes.confusion(full),
            "Curves": lambda: classes.curves(full),
        }
    shows: dict[str, Callable[[], None]] = {
        "Differences": lambda: _differences(full, dataset.target.unit),
        "Segments": lambda: _segments(full, labels, dataset),
        **answers,
        "Importance": lambda: _importance(full, labels),
        "Training data and files": lambda: training_data.show(report),
    }
    tabs = st.tabs(list(shows), key="evidence", bind="query-params")
    for tab, show in zip(tabs, shows.values(), strict=True):
        if tab.open:
            with tab:
                show()


def _differences(full: Dossier, unit: str) -> None:
    baseline, champion = full.baseline, full.champion
    if champion and full.differences:
        st.caption(
            "Relative to the champion, with 95 % confidence intervals (CI) from a paired bootstrap "
            "over the held-out rows. An interval that excludes zero is statistically significant "
            f"(5 % level). {_HIGHER[full.task.is_classifier]}"
        )
        differences = _ordered(full, full.differences)
        figure = dossier_charts.intervals(full.candidate, champion, differences, unit)
        st.plotly_chart(figure, key="intervals", config=_QUIET)
        also = {full.task.constant.capitalize(): baseline.metrics} if baseline else {}
        table(full.candidate.metrics, "Champion", champion.metrics, differences, unit, also=also)
    else:
        st.caption("There was no champion to compare with at the evaluation.")
    _newer(full, unit)
    figures.own_metrics(full, unit)
    if baseline:
        st.caption(
            f"Baseline: {_baseline(full, baseline, unit)} A model must be significantly better."
        )
        constant = full.task.constant.capitalize()
        differences = _ordered(full, baseline.differences)
        table(full.candidate.metrics, constant, baseline.metrics, differences, unit)


def _newer(full: Dossier, unit: str) -> None:
    """Both models on the batches that were newer than both at the evaluation."""
    newer = full.newer
    if newer is None:
        return
    batches = ", ".join(str(number) for number in newer.batches)
    name = "batch" if len(newer.batches) == 1 else "batches"
    st.caption(
        f"Both models on {name} {batches}, newer than all their training batches: "
        f"{formatting.count(newer.rows, 'row')}."
    )
    differences = _ordered(full, newer.differences)
    table(newer.candidate, "Champion", newer.champion, differences, unit)


def _ordered(full: Dossier, differences: Mapping[str, Difference]) -> Mapping[str, Difference]:
    """A classifier's metrics in their defined order; others as they are stored."""
    if not full.task.is_classifier:
        return differences
    return {name: differences[name] for name in METRICS_OF[full.task] if name in differences}


def _baseline(full: Dossier, baseline: Baseline, unit: str) -> str:
    """The baseline's constant answer in words."""
    if not full.task.is_classifier:
        amount = formatting.metric(ERROR, baseline.value, unit)
        return f"the median of the training rows ({amount}) as the prediction for every row."
    shares = sorted(baseline.shares.items(), key=lambda item: -item[1])
    listed = [f"{widgets.plain(label)} {formatting.percent(p)}" for label, p in shares[:_SHARES]]
    more = f" and {len(shares) - _SHARES} more" if len(shares) > _SHARES else ""
    return (
        f"the class shares of the training rows ({', '.join(listed)}{more}) as the probabilities "
        "for every row."
    )


def table(
    mine: Mapping[str, float],
    other: str,
    metrics: Mapping[str, float],
    differences: Mapping[str, Difference],
    unit: str,
    *,
    name: str = "Candidate",
    also: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """The metrics of one model and of another with their difference, and of others.

    `name` and `other` head their columns.
    """
    beside = also or {}
    widgets.table(
        [
            {
                "Metric": METRICS[n].heading,
                name: sorted_cells.metric(n, mine[n], unit),
                other: sorted_cells.metric(n, metrics[n], unit),
                **{of: sorted_cells.metric(n, m.get(n), unit) for of, m in beside.items()},
                "Change": sorted_cells.change(n, mine[n], metrics[n]),
                f"{name} than {other.lower()}, 95 % CI": sorted_cells.interval(
                    n, d, metrics[n], unit
                ),
            }
            for n, d in differences.items()
        ],
        alt=f"Every metric of the {name.lower()} and of the {other.lower()}, and their difference",
    )


def _segments(full: Dossier, labels: Mapping[str, str], dataset: Dataset) -> None:
    if not full.slices:
        st.caption("No segment of the held-out rows is large enough to be evaluated separately.")
        return
    error = ERROR_OF[full.task]
    unit = f" in {dataset.target.unit}" if dataset.target.unit and error == ERROR else ""
    st.caption(f"The {METRICS[error].name}{unit} on segments of the same held-out rows.")
    chart = dossier_charts.slices(full.slices, labels, error)
    st.plotly_chart(chart, key="slices", config=_QUIET)
    if full.champion:
        target = dataset.target.unit
        widgets.table(
            [
                {
                    "By": labels.get(s.by, s.by),
                    "Segment": s.value,
                    "Rows": s.rows,
                    "Candidate": sorted_cells.metric(error, s.candidate, target),
                    "Champion": sorted_cells.metric(error, s.champion, target),
                    "Change": sorted_cells.change(error, s.candidate, s.champion),
                    "Statistically significant": SIGNIFICANT[certainty(error, s.difference)],
                }
                for s in full.slices
                if s.champion is not None and s.difference
            ],
            column_config={"Rows": st.column_config.NumberColumn(format="localized")},
            alt="Both models on each segment",
        )


def _predictions(full: Dossier, dataset: Dataset) -> None:
    log, unit = dataset.fit_on == "log", dataset.target.unit
    st.caption(
        f"{formatting.count(len(full.points.actual), 'held-out row')}, the same for each "
        "version. Points on the dotted line are exact predictions."
    )
    left, right = st.columns(2)
    predicted = dossier_charts.predictions(full.points, log=log, unit=unit)
    left.plotly_chart(predicted, key="predicted", config=_QUIET)
    residuals = dossier_charts.residuals(full.points, log=log, unit=unit)
    right.plotly_chart(residuals, key="residuals", config=_QUIET)


def _importance(full: Dossier, labels: Mapping[str, str]) -> None:
    if not full.importance:
        st.caption("Not measured.")
        return
    error = "log loss" if full.task.is_classifier else METRICS[ERROR].name
    st.caption(f"Permutation importance: the increase of the {error} when a column is shuffled.")
    st.plotly_chart(
        dossier_charts.importance(full.importance, labels), key="importance", config=_QUIET
    )
