"""Scores versions on each newly stored batch that they were not trained on.

No job waits for the scores, and they need only the database and MLflow. Each pass looks for missing
scores, so an interruption only delays them. This is not part of the drift job, because that job
completes without MLflow and would not repeat the scoring.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import takewhile
from typing import TYPE_CHECKING

import structlog

from core.domain.errors import Missing, ModelRefused
from core.domain.forward_scores import ForwardScore
from core.rules.model.forward_scores import MOST_VERSIONS, due, versions
from workers.runtime.services import Services

if TYPE_CHECKING:
    from core.domain.batches import Batch
    from core.domain.promotions import Promotion

AT_ONCE = 4
"""The maximum number of scores per pass; the next pass continues."""

BEGUN_WITHIN = 60.0
"""Seconds of a turn in which scores begin: a slow model must not make the turn look stuck."""

log = structlog.get_logger()


def score_forward(services: Services, clock: Callable[[], float] = time.monotonic) -> None:
    """Compute missing scores: the live version's first, then candidates', then others'.

    Safe to run concurrently: two processes store the same score.

    Raises:
        StoreUnavailable, RegistryUnavailable: the database or MLflow is unreachable.
    """
    with services.store.read() as work:
        promotions = work.promotions
        scored = versions(
            promotions.live(),
            promotions.waiting(MOST_VERSIONS),
            promotions.were_live(MOST_VERSIONS),
        )
        epoch = work.batches.epoch()
        batches = work.holds.usable(epoch.number) if epoch and scored else []
        known = work.forward_scores.of([p.version for p in scored], [b.id for b in batches])
    missing = due(scored, batches, known)
    remaining, until = AT_ONCE, clock() + BEGUN_WITHIN
    for promotion in scored:
        now = missing.get(promotion.version, [])[:remaining]
        if now and clock() <= until:
            _score(services, promotion, now, lambda: clock() <= until)
            remaining -= len(now)


def _score(
    services: Services, promotion: Promotion, batches: list[Batch], has_time: Callable[[], bool]
) -> None:
    # Imported here because without scores to compute no ONNX runtime is needed.
    from workers.evidence.dossier import load  # noqa: PLC0415
    from workers.evidence.forward_score import score_batch  # noqa: PLC0415

    version = promotion.version
    names = [c.name for c in services.dataset.features]
    try:
        runtime = load(
            services.registry, version, names, promotion.file_digest, task=services.dataset.task
        ).runtime
    except (Missing, ModelRefused) as error:
        note = f"Version {version} cannot be scored: {error}"
        for batch in batches:
            _put(services, ForwardScore(version, batch.id, 0, {}, note=note))
        return
    split = promotion.dossier.split if promotion.dossier else None
    for batch in takewhile(lambda _: has_time(), batches):
        _put(services, score_batch(services.store, batch, runtime, version, split))


def _put(services: Services, score: ForwardScore) -> None:
    with services.store.transaction() as work:
        work.forward_scores.put(score)
    log.info("forward score", version=score.version, batch=score.batch_id, rows=score.rows)
