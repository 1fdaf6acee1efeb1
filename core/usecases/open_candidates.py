"""What becomes of open candidates when another version goes live.

Their dossiers compare with what was live before, so they cannot be decided on. The newest few are
re-evaluated automatically; the older ones are superseded. It is safe to repeat: the promote job
does so in the transaction that makes a version live, and the reconciler afterwards, for what was
proposed at that very moment.
"""

from __future__ import annotations

from contextlib import suppress

from core.adapters.store import Work
from core.domain.audit_event import ITSELF
from core.domain.errors import DecidedAlready, StaleDossier
from core.domain.jobs import COMPARES, JobKind
from core.domain.promotions import Decision, Promotion
from core.rules.model.promotion_states import why_stale

RE_EVALUATED = 5
"""How many open candidates are re-evaluated for a new champion, the newest first."""


def judge_key(version: int) -> str:
    """Names the jobs that judge a version: one at a time is open."""
    return f"judge:{version}"


def pair_key(version: int, other: int) -> str:
    """Names the jobs that compare these two versions, in either order."""
    return f"{COMPARES}{max(version, other)}:{min(version, other)}"


def renew(work: Work, looks_at: int = 500) -> list[int]:
    """Queue a re-evaluation of stale candidates, and supersede the older ones.

    A version is queued once for each version that goes live: a judge job that fails is not
    repeated. A candidate that is being decided on or evaluated at this moment is skipped. Only the
    newest `looks_at` open candidates are read. Returns the versions that were changed.
    """
    touched = []
    live = work.promotions.live()
    for n, promotion in enumerate(_stale(work, live, looks_at)):
        if n < RE_EVALUATED:
            if not _is_asked(work, promotion, live):
                _judge(work, promotion, live)
                touched.append(promotion.version)
        else:
            with suppress(DecidedAlready, StaleDossier):
                _supersede(work, promotion, live)
                touched.append(promotion.version)
    return touched


def needs_renewal(work: Work, looks_at: int) -> bool:
    """Whether `renew` would do anything; for those who only look."""
    live = work.promotions.live()
    stale = _stale(work, live, looks_at)
    return len(stale) > RE_EVALUATED or any(not _is_asked(work, p, live) for p in stale)


def _stale(work: Work, live: Promotion | None, looks_at: int) -> list[Promotion]:
    if live is None:
        return []
    waiting = work.promotions.waiting(looks_at)
    return [p for p in waiting if p.dossier_digest and why_stale(p, live.version)]


def _is_asked(work: Work, promotion: Promotion, live: Promotion | None) -> bool:
    """Whether a judge job was asked for since the live version went live."""
    since = live.live_at if live else None
    return bool(since and work.jobs.asked_since(judge_key(promotion.version), since))


def _judge(work: Work, promotion: Promotion, live: Promotion | None) -> None:
    args, key = {"version": promotion.version}, judge_key(promotion.version)
    job, is_new = work.jobs.request(JobKind.JUDGE, args, ITSELF, key=key)
    if is_new:
        why = why_stale(promotion, live.version if live else None)
        work.audit.add(ITSELF, "request judge", f"job:{job.id}", reason=why, details=job.args)


def _supersede(work: Work, promotion: Promotion, live: Promotion | None) -> None:
    old = why_stale(promotion, live.version if live else None)
    why = f"{old} {RE_EVALUATED} newer candidates are re-evaluated instead."
    work.promotions.decide(promotion, Decision.SUPERSEDE, actor=ITSELF, reason=why)
    work.audit.add(ITSELF, "supersede", f"version:{promotion.version}", reason=why)
