"""Waiting on the command line: for a job and those that it queues, or for a yes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from console import queries
from console.cli import output
from console.cli.printing import say, tell
from console.desk import Desk
from console.text import formatting
from core.domain.errors import ConfirmationRequired
from core.domain.job_results import next_job
from core.domain.jobs import Job, JobState

if TYPE_CHECKING:
    from core.rules.data.epoch_ending import Ending

_POLL_SECONDS = 0.3
_STALL_CHECK_SECONDS = 2.0


def follow(desk: Desk, job: Job, *, wait: bool, as_json: bool) -> None:
    """Print a job, with `wait` after it has ended; a failed or cancelled one is exit code 1."""
    joined = job.joined
    if joined and not as_json:
        say(formatting.joined(job), err=True)
    if not wait and (why := queries.stalled_jobs.disabled(desk)):
        say(f"  {why}", err=True)
    elif not wait and job.state is JobState.REQUESTED:
        say(f"  {_why_waiting(desk, job)}", err=True)
    jobs = _ended(desk, job, as_json=as_json) if wait else iter([job])
    result = replace(next(jobs), joined=joined)
    if not as_json:
        say(output.job_line(result))
    for after in jobs:
        if not as_json:
            say(output.job_line(after), err=True)
        if after.state is JobState.FAILED:
            result = after
    if as_json:
        tell(result, as_json=True, lines=list)
    if result.state in (JobState.FAILED, JobState.CANCELLED):
        raise typer.Exit(1)


def _ended(desk: Desk, job: Job, *, as_json: bool) -> Iterator[Job]:
    """A job when it has ended, then each that was queued by it: drift, and training after drift."""
    following: int | None = job.id
    while following:
        ended = _until_over(desk, queries.status.job(desk, following), as_json=as_json)
        yield ended
        following = next_job(ended.result)


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


def confirm_end(ends: Ending | None, *, yes: bool) -> int | None:
    """Show the consequences of an epoch's end, and ask unless `yes`; returns the epoch.

    Raises:
        ConfirmationRequired: there is no terminal to ask on, or the answer was no.
    """
    if ends is None:
        return None
    consequences = f"{ends.coming} This ends epoch {ends.epoch}. {ends.counts}".strip()
    if not yes and not sys.stdin.isatty():
        raise ConfirmationRequired(f"{consequences} Confirm it with --yes.")
    say(consequences, err=True)
    if not yes and not typer.confirm("Continue?", err=True):
        raise ConfirmationRequired("Nothing was done.")
    return ends.epoch
