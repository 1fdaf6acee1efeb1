"""Waiting for a job on the command line: its progress, and the jobs that it queues."""

from __future__ import annotations

import time
from dataclasses import replace

import typer

from console import queries
from console.cli import output
from console.cli.printing import say, tell
from console.desk import Desk
from console.text import formatting
from core.domain.job_results import next_job
from core.domain.jobs import Job, JobState

_POLL_SECONDS = 0.3
_STALL_CHECK_SECONDS = 2.0


def follow(desk: Desk, job: Job, *, wait: bool, as_json: bool) -> None:
    """Print a job, with `wait` after it has ended; a failed or cancelled one is exit code 1."""
    joined = job.joined
    if joined and not as_json:
        say(formatting.joined(job), err=True)
    if not wait and job.state is JobState.REQUESTED:
        say(f"  {_why_waiting(desk, job)}", err=True)
    if wait:
        job = _until_over(desk, job, as_json=as_json)
        job = replace(_follow_up(desk, job, as_json=as_json), joined=joined)
    tell(job, as_json=as_json, lines=lambda: [output.job_line(job)])
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        raise typer.Exit(1)


def _until_over(desk: Desk, job: Job, *, as_json: bool) -> Job:
    """Wait for a job, and print its progress, or why it makes none."""
    shown, warned, checked_at = "", False, time.monotonic()
    while not job.state.is_over:
        stage = _why_waiting(desk, job) if job.state is JobState.REQUESTED else job.stage
        if not as_json and stage and stage != shown:
            shown = stage
            say(f"  {job.progress:4.0%}  {stage}", err=True)
        if time.monotonic() - checked_at > _STALL_CHECK_SECONDS:
            checked_at = time.monotonic()
            stuck = queries.stalled_jobs.stuck(desk).get(job.id, "")
            if stuck and not warned:
                say(stuck, err=True)
            warned = bool(stuck)
        time.sleep(_POLL_SECONDS)
        job = queries.status.job(desk, job.id)
    return job


def _why_waiting(desk: Desk, job: Job) -> str:
    """Why a job is not queued yet, from its log: Redis does not accept it."""
    lines = queries.status.job_log(desk, job.id, 1)
    return next((line.message for line in lines), "Waits to be queued.")


def _follow_up(desk: Desk, job: Job, *, as_json: bool) -> Job:
    """Wait for the jobs that this one queued: drift after ingest, training after drift."""
    if following := next_job(job.result):
        if not as_json:
            say(output.job_line(job), err=True)
        after = _until_over(desk, queries.status.job(desk, following), as_json=as_json)
        if after.state is JobState.FAILED:
            return after
        last = _follow_up(desk, after, as_json=as_json)
        if not as_json and last.id != job.id:
            say(output.job_line(last), err=True)
    return job
