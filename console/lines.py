"""What the command line prints for people, line by line."""

from __future__ import annotations

from console import queries, words
from console.health import Service
from core.records import Job, Promotion, StoredReport


def job_line(job: Job) -> str:
    """A job and what came of it."""
    head = f"{job.kind.value} {job.id}: {job.state.value.lower()}"
    note = job.error or job.result.get("note") or ""
    if not note and job.result.get("reasons"):
        note = job.result["reasons"][0]
    if not note and job.result.get("version"):
        note = f"version {job.result['version']}"
    return f"{head}. {note}" if note else head


def report_lines(reports: list[StoredReport]) -> list[str]:
    """The verdict of each report, and its reasons."""
    if not reports:
        return ["No batch has been compared yet."]
    lines = []
    for r in reports:
        verdict = "retrain" if r.report.retrain else "no drift"
        lines.append(
            f"epoch {r.epoch}, batch {r.batch_number} against {r.reference_name}: {verdict}"
        )
        lines += [f"  {reason}" for reason in r.report.reasons]
    return lines


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
