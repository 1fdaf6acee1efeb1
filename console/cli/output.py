"""The text output of the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from console import queries
from console.text import approval_lines, audit_sentences, formatting
from console.text.column_drift import figure_of, times
from console.text.lineage import Lineage, chain
from console.text.prediction import recorded
from core.domain.dataset import Dataset
from core.domain.dossier import Difference, OwnFigure
from core.domain.drift import DriftReport, StoredReport
from core.domain.job_results import sentence
from core.domain.jobs import Job
from core.domain.number_format import percent
from core.domain.promotions import FollowUp, Promotion, Term
from core.rules.drift.column_weights import importance_in, of_report
from core.rules.drift.live_windows import Window
from core.rules.drift.recommendation import Advice
from core.rules.drift.references import against
from core.rules.model.metric_comparison import change, interval_in_words
from core.rules.model.promotion_states import decision_in_words, named
from core.rules.ops.need import Need

_MOVED = {False: "a prediction that changes by more than 10 %", True: "another label"}


def job_line(job: Job) -> str:
    """A job and its result."""
    head = f"{job.kind.value} {job.id}: {job.state.value.lower()}"
    note = job.error or sentence(job.result)
    return f"{head}. {note}" if note else head


def report_lines(
    reports: list[StoredReport], dataset: Dataset, view: queries.drift.View | None = None
) -> list[str]:
    """The verdict, what decides, the findings by reference, and the recommendation."""
    if not reports:
        return ["No batch has been compared yet."]
    lines = [view.verdict.sentence, f"decides: {view.verdict.decided_by}"] if view else []
    for r in reports:
        lines.append(
            f"drift rule: epoch {r.epoch}, batch {r.batch_number} against {against(r)}: "
            f"{r.report.verdict}" + (f" ({r.note})" if r.note else "")
        )
        lines += _reasons(r.report)
        if breaches := r.report.measure_reasons:
            lines.append(f"additional measures: {len(breaches)} beyond limit and noise")
            lines += [f"  {reason.says}" for reason in breaches]
    if advice := view.advice if view else None:
        lines.append(f"recommendation: {advice.recommendation.value}")
        lines += [f"  {reason}" for reason in advice.reasons]
        lines += [line for r in reports for line in _columns(r, advice, dataset)]
    return lines


def _columns(report: StoredReport, advice: Advice, dataset: Dataset) -> list[str]:
    """The columns beyond a limit against one reference, which each line names."""
    weights = of_report(report.report, importance_in(advice.columns), dataset)
    return [
        f"  {w.label}: {figure_of(w)} {times(w)} against {against(report)}"
        + (f", importance {percent(w.importance)}" if w.importance is not None else "")
        + (", new values" if w.unseen else "")
        for w in weights
        if w.drift > 1
    ]


def comparison_lines(found: queries.comparison.Comparison) -> list[str]:
    """A comparison on demand: its sides, and each breach."""
    lines = [
        f"{found.current.name} against {found.reference.name}: {found.report.verdict}",
        *_reasons(found.report),
    ]
    if breaches := found.report.measure_reasons:
        lines.append(f"additional measures: {len(breaches)} beyond limit and noise")
        lines += [f"  {reason.says}" for reason in breaches]
    return lines


def window_lines(now: queries.live_traffic.Waiting, windows: list[Window]) -> list[str]:
    """The progress of the next window of live traffic, then each window with its reasons."""
    against = f"to be compared with version {now.live}" if now.live else "and no model is live"
    lines = [f"next window: {now.recorded} of {now.size} requests, {against}"]
    for w in windows:
        span = formatting.span(w.started_at, w.ended_at)
        refused = f", {w.unreadable} unreadable" if w.unreadable else ""
        verdict = "drifted" if w.drifted else w.report.verdict
        lines.append(f"window {w.id}, {span}, {formatting.count(w.rows, 'request')}{refused}, ")
        lines[-1] += f"against version {w.version}: {verdict}"
        lines += _reasons(w.report)
        lines += [f"  {reason.says}" for reason in w.report.measure_reasons]
    return lines


def _reasons(report: DriftReport) -> list[str]:
    sentences = [reason.says for reason in report.reasons]
    return [f"  {sentence}" for sentence in [*sentences, report.estimate] if sentence]


def status_lines(
    now: queries.status.Status,
    services: list[queries.service_checks.Service],
    stuck: Mapping[int, str],
) -> list[str]:
    """The state of the pipeline; `stuck` has the reasons of jobs without progress."""
    batch, newest = now.last_batch, now.batches.newest
    lines = [
        f"epoch      {now.epoch.number} ({now.epoch.state.value.lower()})"
        if now.epoch
        else "epoch      none yet: run `driftdesk ingest`",
        f"batch      {batch.number}: {batch.note}" if batch else "batch      none yet",
        f"verdict    {newest.sentence}" if newest else "verdict    none yet",
        f"live       version {now.live.version}" if now.live else "live       none yet",
    ]
    if now.ending and now.ending.coming:
        lines.insert(1, f"           {now.ending.coming}")
    lines += [f"held       batch {b.number}, entry {b.id}: {b.hold_reason}" for b in now.held]
    for c in now.candidates:
        seen = now.recommendation(c)
        lines.append(f"candidate  version {c.version}, {seen.standing}: {seen.says}")
    lines += [f"waits      {v.sentence}" for v in now.batches.waiting if v is not newest]
    for j in now.open_jobs:
        lines.append(f"job        {job_line(j)} {j.progress:.0%} {j.stage}")
        if j.id in stuck:
            lines.append(f"           {stuck[j.id]}")
    return [*lines, *service_lines(services)]


def service_lines(services: Sequence[queries.service_checks.Service]) -> list[str]:
    """The state of each service, and what to do if it is down."""
    signs, lines = {True: "ok  ", False: "DOWN", None: "?   "}, []
    for s in services:
        advice = f"{'' if s.says.endswith('.') else '.'} {s.advice}" if s.advice else ""
        lines.append(f"{signs[s.healthy]}       {s.name}: {s.says}{advice}")
    return lines


def need_lines(needs: Sequence[Need]) -> list[str]:
    """What a person has to do, the most urgent first."""
    return [f"todo       {need.title}: {need.detail}" for need in needs]


def candidate_lines(
    versions: list[Promotion], now: queries.status.Status, unit: str = ""
) -> list[str]:
    """Every version: state, scores, decision, reasons; `unit` is the target's."""
    if not versions:
        return ["No model has been trained yet: run `driftdesk train`."]
    lines = []
    for p in versions:
        scores = "  ".join(
            f"{name} {formatting.metric(name, value, unit)}" for name, value in p.metrics.items()
        )
        seen = now.recommendation(p)
        lines += [
            f"version {p.version}  {p.state.value.lower()}  {seen.standing}  {scores}",
            *([f"  {decision_in_words(p)}"] if p.decided_by else []),
            f"  {seen.says}",
            *(f"  {reason}" for reason in p.verdict.reasons if reason != seen.says),
        ]
        if p.failure:
            lines.append(f"  failed: {p.failure}")
    return lines


def rollback_lines(
    live: int | None,
    before: Promotion | None,
    choices: Sequence[Promotion],
    unit: str = "",
    *,
    taken: Mapping[int, Term],
    compared: Mapping[int, Sequence[str]],
) -> list[str]:
    """The versions that can come back, each with its scores, by whom and why; and the command.

    `taken` has the rollback that took a version away, and `compared` every comparison of it with
    the live one.
    """
    if live is None:
        return ["Nothing is live, so there is nothing to roll back."]
    if not choices:
        return [f"There is nothing to roll back to: no version was live before {named(live)}."]
    lines = [f"live now: {named(live)}"]
    for p in choices:
        note = "  the default" if before is not None and p.version == before.version else ""
        lines.append(f"version {p.version}  last live {p.live_at:%Y-%m-%d %H:%M} UTC{note}")
        scores = [f"{name} {formatting.metric(name, v, unit)}" for name, v in p.metrics.items()]
        lines += [f"  {', '.join(scores)}"] if scores else []
        if p.decided_by:
            lines.append(f"  {decision_in_words(p)}{f': {p.reason}' if p.reason else ''}")
        if by := taken.get(p.version):
            lines.append(f"  {approval_lines.taken_back(by, datetime.now(UTC))}")
        lines += [f"  {line}" for line in compared.get(p.version, ())]
    to = "[--to VERSION]" if before is not None else "--to VERSION"
    return [*lines, f"Roll back with: driftdesk rollback {to} --reason WHY"]


def dossier_lines(report: queries.promotion.EvidenceReport, unit: str = "") -> list[str]:
    """The evidence about a version: the gates, then the differences; `unit` is the target's."""
    dossier = report.dossier
    candidate = dossier.candidate
    lines = [f"version {candidate.version}, dossier {report.digest[:12]}"]
    lines += [f"  {batch.sentence}" for batch in report.held]
    lines += [
        f"  {'passed' if gate.passed else 'FAILED'}  {gate.name}: {gate.says}"
        for gate in dossier.gates
    ]
    for name, value in dossier.baseline.metrics.items() if dossier.baseline else ():
        mine = candidate.metrics[name]
        lines.append(
            f"  {name} {formatting.metric(name, mine, unit)}, baseline "
            f"{formatting.metric(name, value, unit)}: {change(name, mine, value)}"
        )
    for name, d in dossier.differences.items():
        apart = interval_in_words(name, Difference(d.difference, d.difference, d.difference), unit)
        words = interval_in_words(name, d, unit)
        lines.append(f"  {name} against the champion: {apart} (95 % interval: {words})")
    lines += [f"  {line}" for own in dossier.own_metrics for line in _own_metric(own)]
    if newer := dossier.newer:
        batches = ", ".join(map(str, newer.batches))
        lines.append(
            f"  newer than both models: batch {batches}, {formatting.count(newer.rows, 'row')}"
        )
        lines += [
            f"    {name}: {formatting.metric(name, value)} against "
            f"{formatting.metric(name, newer.champion[name])}"
            for name, value in newer.candidate.items()
        ]
    elif dossier.champion:
        lines.append("  no rows were newer than both models")
    if split := dossier.split:
        lines.append(f"  trained on rows up to {split.text} ({split.column})")
    if dossier.replay.requests:
        lines.append(
            f"  {percent(dossier.replay.moved)} of the latest {dossier.replay.requests} requests "
            f"get {_MOVED[dossier.task.is_classifier]}"
        )
    return lines


def _own_metric(own: OwnFigure) -> list[str]:
    """One of the team's own metrics for each model, or why it has no value."""
    lines = [own.problem] if own.problem else []
    if own.candidate is not None:
        others = (("champion", own.champion), ("baseline", own.baseline))
        text = f"{own.key} {formatting.metric(own.metric, own.candidate)}"
        for name, value in others:
            if value is not None:
                text += f", {name} {formatting.metric(own.metric, value)}: "
                text += change(own.metric, own.candidate, value)
        lines.append(text)
    return lines


def follow_up_lines(items: list[FollowUp]) -> list[str]:
    """The open follow-ups."""
    return [f"{f.id}  {f.subject}  {f.text}" for f in items] or ["There are no open follow-ups."]


def passport_lines(lineage: Lineage) -> list[str]:
    """The lineage of one id."""
    lines = [lineage.subject]
    lines += [f"  {link.title:<13}{link.says}" for link in chain(lineage)]
    if lineage.verdict:
        lines.append(f"  {lineage.verdict.sentence}")
    if prediction := lineage.prediction:
        answer_text = recorded(prediction).in_words(lineage.unit)
        lines.append(f"  answered {answer_text} by version {prediction.model_version}")
    version = lineage.version
    lines += [
        f"  {e.at:%Y-%m-%d %H:%M} UTC  {audit_sentences.sentence(e)} {e.reason}".rstrip()
        for e in lineage.decisions
    ]
    if version and version.dossier_digest:
        lines.append(f"  dossier {version.dossier_digest[:12]}")
    lines += [f"  {b.subject}: {b.note}" for b in lineage.batches if b.note]
    lines += [
        f"  drift of batch {r.batch_number} of epoch {r.epoch} against {r.reference_name}: "
        f"{r.report.reasons[0].says}"
        for r in lineage.drift
    ]
    lines += [f"  {job_line(job)}" for job in lineage.jobs]
    return lines
