"""What needs a person about one dataset: the one rule of Overview, fleet and command line. Pure.

Several things that say the same are one need that names them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from core.domain.batches import EpochState
from core.domain.dataset import Dataset
from core.domain.fleet import FailedJob
from core.domain.promotions import ForceRequest
from core.domain.sources import first_number
from core.domain.subject import subject_of
from core.rules.data.batch_ledger import gaps
from core.rules.drift.batch_verdict import BatchVerdict, Stand, verdict
from core.rules.drift.verdict_facts import Facts
from core.rules.model.feedback_error import Bucket
from core.rules.model.promotion_states import named
from core.rules.model.verdict_validity import (
    Standing,
    not_recommended,
    re_evaluation_failed,
    recommend,
)
from core.rules.ops import live_alerts
from core.rules.ops.batch_names import named_batches, named_versions
from core.rules.ops.batch_needs import batch_needs
from core.rules.ops.need import Need
from core.rules.ops.need_facts import NeedFacts

SOURCE_ENDED = "The source has delivered its last batch"
"""What a person is told once a source has no more batches."""

DISAGREE = "Registry and serving disagree"
"""What a person is told where a replica answers with another version than the live one."""

RESTORED = "The alias was restored"
"""What a person is told within a day after driftdesk put the alias back."""

_TOLD = 3
"""The most reasons that one need repeats."""

_LOG = "See its log, or retry"


def needs(dataset: Dataset, facts: NeedFacts, feedback: Bucket | None = None) -> tuple[Need, ...]:
    """What needs a person, alerts first, then in the order of importance.

    `feedback` is the live version's error from reported actual values.
    """
    found = verdicts(dataset, facts)
    every = [
        *map(_second_person, facts.forces),
        *_feedback(dataset, facts, feedback),
        *_alerts(dataset, facts, found),
        *_serving(facts),
        *_candidates(facts),
        *_failed(facts, found),
        *batch_needs(facts, found),
        *_source(dataset, facts),
        *_follow_ups(facts),
        *_notes(facts),
    ]
    return tuple(sorted(every, key=lambda need: not need.urgent))


def newest_verdict(dataset: Dataset, facts: NeedFacts) -> BatchVerdict | None:
    """The verdict about the newest batch, if there is one."""
    return next(iter(_verdicts(dataset, facts, facts.verdicts[:1])), None)


def verdicts(dataset: Dataset, facts: NeedFacts) -> list[BatchVerdict]:
    """The verdicts about the newest batches and about those before them that wait."""
    of_each = _verdicts(dataset, facts, facts.verdicts)
    newest = {batch.id for batch in facts.batches}
    return [v for v in of_each if v.batch_id in newest or v.waits]


def _verdicts(
    dataset: Dataset, facts: NeedFacts, of_batches: Iterable[Facts]
) -> list[BatchVerdict]:
    unfit = not_recommended(facts.candidates, facts.live_version)
    return [
        verdict(replace(of_batch, when=dataset.retrain_when, unfit=unfit))
        for of_batch in of_batches
    ]


def _second_person(request: ForceRequest) -> Need:
    title = f"Version {request.version} awaits a second approver"
    detail = f"{request.asked_by} requested to force it: {request.reason}"
    query = {"version": str(request.version)}
    return Need(title, detail, "promotion", query, act="Confirm or turn down")


def _feedback(dataset: Dataset, facts: NeedFacts, feedback: Bucket | None) -> list[Need]:
    """The alert about the live model's error from feedback, if it is far above the approved."""
    alert = live_alerts.feedback_error(facts.approved, feedback, dataset)
    if alert is None:
        return []
    query, act = {"ask": "History"}, "See the predictions"
    return [Need(alert.title, alert.detail, "predict", query, urgent=True, act=act)]


def _alerts(dataset: Dataset, facts: NeedFacts, found: Sequence[BatchVerdict]) -> Iterator[Need]:
    """The live model's error and its traffic, without batches that are held or look broken."""
    if facts.live is None:
        return
    broken = {v.batch_id for v in found if v.looks_broken}
    broken |= {batch.id for batch in facts.batches if batch.is_held}
    sound = [score for score in facts.scores if score.batch_id not in broken]
    current = facts.epoch.number if facts.epoch else 0
    jump = live_alerts.open_errors(
        facts.approved, sound, facts.batches, facts.seen, dataset, epoch=current
    )
    if jump:
        batch, alert = jump
        yield Need(
            alert.title, alert.detail, "drift", {"batch": f"{batch.epoch}/{batch.number}"},
            urgent=True, act="Compare", seen=batch.subject,
        )  # fmt: skip
    if drifted := live_alerts.open_traffic(facts.windows, facts.live.version, facts.seen):
        window, alert = drifted
        yield Need(
            alert.title, alert.detail, "drift", {"show": "Live traffic"},
            urgent=True, act="Compare", seen=live_alerts.subject(window),
        )  # fmt: skip


def _serving(facts: NeedFacts) -> Iterator[Need]:
    if facts.refusals:
        refusal = facts.refusals[0]
        detail = f"{refusal.url} refuses {refusal.why}"
        yield Need("Serving refuses a version", detail, "services", urgent=True)
    if facts.live is None:
        return
    for url, version in facts.served.items():
        if version != facts.live.version:
            detail = (
                f"{named(facts.live.version).capitalize()} is live, but serving at {url} answers "
                f"with {named(version)}."
            )
            yield Need(DISAGREE, detail, "services", urgent=True)
            return


def _candidates(facts: NeedFacts) -> Iterator[Need]:
    """The candidates that await approval, without those being re-evaluated.

    Those that are not recommended are one need: they ask for little, and the newest says it best.
    """
    failures = {v: re_evaluation_failed(job.id, job.error) for v, job in facts.unjudged.items()}
    seen = [
        (c, recommend(c, facts.live_version, facts.judging, failures.get(c.version, "")))
        for c in facts.candidates
    ]
    seen.sort(key=lambda one: one[1].standing is not Standing.RECOMMENDED)
    others = [c.version for c, r in seen if r.standing is Standing.NOT_RECOMMENDED]
    for c, recommended in seen:
        standing, says = recommended.standing, recommended.says
        if standing is Standing.JUDGING or c.version in others[1:]:
            continue
        title = f"Version {c.version} awaits approval ({standing})"
        if c.version in others and len(others) > 1:
            title = f"{named_versions(others).capitalize()} await approval ({standing})"
            says = f"Version {c.version}: {says}"
        query, act = {"version": str(c.version)}, f"Review version {c.version}"
        yield Need(title, says, "promotion", query, act=act)


def _failed(facts: NeedFacts, found: Sequence[BatchVerdict]) -> Iterator[Need]:
    """The newest job of each kind that failed, and batches whose comparison did."""
    for job in facts.failed_jobs:
        yield _job(job, f"The last {job.kind.value} job failed", job.error)
    newest = {job.id for job in facts.failed_jobs}
    for v in found:
        failed = facts.uncompared.get(v.batch_id)
        if v.stand is Stand.UNCOMPARED and failed and failed.id not in newest:
            yield _job(failed, v.title, f"Its comparison failed: {failed.error}")


def _job(job: FailedJob, title: str, detail: str) -> Need:
    return Need(title, detail, "pipeline", {"job": str(job.id)}, urgent=True, act=_LOG)


def _source(dataset: Dataset, facts: NeedFacts) -> Iterator[Need]:
    """The end of the source, and batches that never came."""
    if facts.epoch and facts.epoch.state is EpochState.EXHAUSTED:
        detail = "Restart the source to begin the next epoch."
        yield Need(SOURCE_ENDED, detail, "pipeline", act="Restart the source")
    if lost := gaps(facts.arrived, first_number(dataset.source)):
        numbers = [number for gap in lost for number in gap]
        be, them = ("is", "it") if len(numbers) == 1 else ("are", "them")
        detail = f"Never received. The source delivers {them} again only after a restart."
        yield Need(f"{named_batches(numbers)} {be} missing", detail, "pipeline")


def _follow_ups(facts: NeedFacts) -> Iterator[Need]:
    if tasks := facts.follow_ups:
        versions = [subject.number for task in tasks if (subject := subject_of(task.subject))]
        title = f"Follow up on {named_versions(versions) if versions else 'an open task'}"
        texts = list(dict.fromkeys(task.text for task in tasks))
        detail = " ".join(texts[:_TOLD])
        query = {"tab": "Follow-ups"}
        yield Need(title, detail, "promotion", query, act="Record the outcome")


def _notes(facts: NeedFacts) -> Iterator[Need]:
    if notice := facts.undelivered:
        detail = f"{notice.text} Delivery failed: {notice.failure}"
        yield Need("A notification was not delivered", detail, "services", urgent=True)
    if event := facts.restored:
        detail = f"{event.at:%Y-%m-%d %H:%M} UTC. {event.reason}"
        yield Need(RESTORED, detail, "promotion")
