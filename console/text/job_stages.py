"""The stages of a job's newest attempt with their durations, from its log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.domain.jobs import STAGE, Job, LogLine


@dataclass(frozen=True, slots=True)
class JobStage:
    """A stage: its name, when it began, and its end, which is None while it lasts."""

    name: str
    began: datetime
    ended: datetime | None


def stages(job: Job, lines: Sequence[LogLine]) -> list[JobStage]:
    """The stages since the newest attempt started, in the order of time."""
    began = [
        line
        for line in lines
        if line.level == STAGE and job.started_at and line.at >= job.started_at
    ]
    ends = [*(line.at for line in began[1:]), job.finished_at]
    return [
        JobStage(line.message, line.at, ended) for line, ended in zip(began, ends, strict=False)
    ]
