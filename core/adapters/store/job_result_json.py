"""Job results from the JSON that is stored, by the job's kind and the keys that are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import structlog
from pydantic import TypeAdapter, ValidationError

from core.domain import job_results
from core.domain.batches import EpochState
from core.domain.job_results import JobResult
from core.domain.jobs import JobKind

log = structlog.get_logger()

_ADAPTERS: Mapping[type, TypeAdapter[Any]] = {
    record: TypeAdapter(record) for record in get_args(JobResult)
}


def from_json(kind: JobKind, content: Mapping[str, Any]) -> JobResult | None:
    """The result that was stored, also an older one; None for a job without a readable one."""
    if not content:
        return None
    try:
        result: JobResult = _ADAPTERS[_record(kind, content)].validate_python(content)
    except ValidationError as error:  # it must not hide the other jobs
        log.warning("a stored job result cannot be read", kind=kind.value, reason=str(error))
        return None
    return result


def _record(kind: JobKind, content: Mapping[str, Any]) -> type[JobResult]:
    match kind:
        case JobKind.INGEST:
            return _ingest_record(content)
        case JobKind.DRIFT:
            return job_results.BatchCompared
        case JobKind.TRAIN:
            is_new = "same_as" not in content
            return job_results.VersionProposed if is_new else job_results.NothingNew
        case JobKind.JUDGE:
            is_pair = "against" in content
            return job_results.VersionsCompared if is_pair else job_results.VersionJudged
        case JobKind.PROMOTE:
            return job_results.VersionPromoted


def _ingest_record(content: Mapping[str, Any]) -> type[JobResult]:
    if content.get("state") == EpochState.EXHAUSTED:
        return job_results.SourceEnded
    if "added" in content:
        return job_results.RowsReadAgain
    if "nothing_new" in content:
        return job_results.NoNewBatch
    return job_results.BatchStored if "stored" in content else job_results.BatchNotStored
