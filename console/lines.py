"""What the command line prints for people, line by line."""

from __future__ import annotations

from typing import Any

from console import queries, traffic, words
from console.health import Service
from core.advice import Advice
from core.records import DriftReport, FollowUp, Job, Promotion, StoredReport
from core.traffic import Window


def job_line(job: Job) -> str:
    """A job and what came of it."""
    head = f"{job.kind.value} {job.id}: {job.state.value.lower()}"
    note = job.error or job.result.get("note") or ""
    if not note and job.result.get("reasons"):
        note = job.result["reasons"][0]
    if not note and job.result.get("version"):
        note = f"version {job.result['version']}"
    return f"{head}. {note}" if note else head


def report_lines(reports: list[StoredReport], advice: Advice | None = None) -> list[str]:
    """The verdict of each report with its reasons, and what is recommended about the batch."""
    if not reports:
        return ["No batch has been compared yet."]
    lines = []
    for r in reports:
        verdict = "retrain" if r.report.retrain else "no drift"
        lines.append(
            f"epoch {r.epoch}, batch {r.batch_number} against {r.reference_name}: {verdict}"
        )
        lines += _reasons(r.report)
    if advice:
        lines.append(f"recommendation: {advice.recommendation.value}")
        lines += [f"  {reason}" for reason in advice.reasons]
        lines += [
            f"  {w.label}: drift {w.drift:.1f} times its limit"
            + (f", importance {w.importance:.1%}" if w.importance is not None else "")
            for w in advice.columns
            if w.drift > 1
        ]
    return lines


def window_lines(now: traffic.Waiting, windows: list[Window]) -> list[str]:
    """How far the next window of live traffic is, then each window with its reasons."""
    against = f"to be compared with version {now.live}" if now.live else "and no model is live"
    lines = [f"next window: {now.recorded} of {now.size} requests, {against}"]
    for w in windows:
        span = words.span(w.started_at, w.ended_at)
        refused = f", {w.unreadable} unreadable" if w.unreadable else ""
        verdict = "drifted" if w.drifted else "no drift"
        lines.append(f"window {w.id}, {span}, {w.rows} requests{refused}, ")
        lines[-1] += f"against version {w.version}: {verdict}"
        lines += _reasons(w.report)
    return lines


def _reasons(report: DriftReport) -> list[str]:
    noise = {c.name for c in report.changes if c.could_be_noise}
    return [
        f"  {reason}" + (" Could be noise." if reason.split(" ", 1)[0] in noise else "")
        for reason in report.reasons
    ]


def status_lines(now: queries.Status, services: list[Service]) -> list[str]:
    """Where everything stands, a line each."""
    batch = now.last_batch
    lines = [
        f"epoch      {now.epoch.number} ({now.epoch.state.value.lower()})"
        if now.epoch
        else "epoch      none yet: run `driftdesk ingest`",
        f"batch      {batch.number}: {batch.note}" if batch else "batch      none yet",
        f"verdict    {now.report.report.reasons[0]}" if now.report else "verdict    none yet",
        f"live       version {now.live.version}" if now.live else "live       none yet",
    ]
    lines += [f"candidate  version {c.version}: {c.verdict.reasons[0]}" for c in now.candidates]
    lines += [f"job        {job_line(j)} {j.progress:.0%} {j.stage}" for j in now.open_jobs]
    signs = {True: "ok  ", False: "DOWN", None: "?   "}
    lines += [f"{signs[s.healthy]}       {s.name}: {s.says} {s.advice}".rstrip() for s in services]
    return lines


def candidate_lines(found: list[Promotion]) -> list[str]:
    """Every version: where it stands, its scores, the reasons."""
    if not found:
        return ["No model has been trained yet: run `driftdesk train`."]
    lines = []
    for p in found:
        metrics = p.dossier.get("candidate", {}).get("metrics", {})
        scores = "  ".join(f"{name} {words.metric(name, value)}" for name, value in metrics.items())
        advice = "recommended" if p.verdict.promote else "not recommended"
        lines += [
            f"version {p.version}  {p.state.value.lower()}  {advice}  {scores}",
            *(f"  {reason}" for reason in p.verdict.reasons),
        ]
        if p.failure:
            lines.append(f"  failed: {p.failure}")
    return lines


def dossier_lines(dossier: dict[str, Any]) -> list[str]:
    """The evidence about a version: the gates, then the differences."""
    version = dossier["candidate"]["version"]
    lines = [f"version {version}, dossier {dossier['dossier'][:12]}"]
    lines += [
        f"  {'passed' if gate['passed'] else 'FAILED'}  {gate['name']}: {gate['says']}"
        for gate in dossier["gates"]
    ]
    for name, d in dossier["differences"].items():
        low, high = words.metric(name, d["low"]), words.metric(name, d["high"])
        lines.append(f"  {name} {words.metric(name, d['difference'])} (95 %: {low} to {high})")
    replay = dossier["replay"]
    if replay["requests"]:
        lines.append(
            f"  {replay['moved']:.0%} of the latest {replay['requests']} requests get an answer "
            "that moves by more than 10 %"
        )
    return lines


def follow_up_lines(found: list[FollowUp]) -> list[str]:
    """What somebody must still look at."""
    return [f"{f.id}  {f.subject}  {f.text}" for f in found] or ["Nothing waits to be looked at."]


def passport_lines(found: dict[str, Any]) -> list[str]:
    """One id, step by step."""
    lines = [found["subject"]]
    if prediction := found.get("prediction"):
        lines.append(
            f"  answered {prediction.prediction:,.2f} by version {prediction.model_version}"
        )
    if version := found.get("version"):
        lines.append(f"  version {version.version} is {version.state.value.lower()}")
    lines += [
        f"  {e.at:%Y-%m-%d %H:%M}  {e.actor}  {e.action}  {e.reason}".rstrip()
        for e in found.get("decisions", [])
    ]
    if digest := found.get("dossier", {}).get("dossier"):
        lines.append(f"  dossier {digest[:12]}")
    lines += [f"  batch {b.id}: {b.note}" for b in found.get("batches", [])]
    lines += [
        f"  drift of batch {r.batch_number} against {r.reference_name}: {r.report.reasons[0]}"
        for r in found.get("drift", [])
    ]
    if versions := found.get("versions"):
        lines.append(f"  trained versions {', '.join(map(str, versions))}")
    lines += [f"  {job_line(job)}" for job in found.get("jobs", [])]
    return lines
