"""What a person needs to know before deciding, and what became of earlier decisions: reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import zip_longest
from typing import Any

from console.desk import Desk
from core.errors import DriftdeskError, Missing
from core.promotion import named, why_stale
from core.records import (
    AuditEvent,
    FollowUp,
    ForceRequest,
    JobKind,
    Promotion,
    PromotionState,
    Term,
)


def dossier(desk: Desk, version: int) -> dict[str, Any]:
    """The whole evidence about a version, as it was frozen.

    Raises:
        Missing: the version was never proposed, or never judged here.
        Refused: the dossier's text was altered.
    """
    with desk.store.read() as work:
        promotion = work.promotions.of_version(version)
        if not promotion.dossier_digest:
            raise Missing(f"Version {version} has no dossier: it was never judged here.")
        found = work.dossiers.get(promotion.dossier_digest)
    return {"dossier": promotion.dossier_digest, **found}


def promotion(desk: Desk, version: int) -> Promotion:
    """One version and where it stands.

    Raises:
        Missing: it was never proposed.
    """
    with desk.store.read() as work:
        return work.promotions.of_version(version)


def follow_ups(desk: Desk) -> list[FollowUp]:
    """What somebody must still look at, newest first."""
    with desk.store.read() as work:
        return work.oversight.follow_ups()


def force_requests(desk: Desk) -> list[ForceRequest]:
    """The forces that wait for a second person."""
    with desk.store.read() as work:
        return work.oversight.open_forces()


def terms(desk: Desk) -> list[Term]:
    """Which version was live when, newest first, a thousand at most."""
    with desk.store.read() as work:
        return terms_of(work.audit.of(actions=["live"]))


def terms_of(events: Sequence[AuditEvent]) -> list[Term]:
    """The terms that these `live` events began, given oldest first; returned newest first."""
    found = []
    for event, after in zip_longest(events, events[1:]):
        found.append(
            Term(
                int(event.subject.partition(":")[2]),
                event.at,
                after.at if after else None,
                event.actor,
                str(event.details.get("action", "approve")),
                event.reason,
            )
        )
    return found[::-1]


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether what was decided, what the registry names and what serving answers with are one.

    `served` has each replica's version, None where it has none or is away. `differs` says what is
    not as it should be, in sentences; `alias_moved` that the registry's alias was moved by
    somebody else. While a promotion is under way nothing is said to differ.
    """

    live: int | None
    alias: int | None
    served: dict[str, int | None]
    differs: tuple[str, ...]
    alias_moved: bool
    under_way: bool


def agreement(desk: Desk) -> Agreement:
    """Ask the database, the registry and every replica of serving.

    Raises:
        StoreUnavailable, RegistryUnavailable: one of the two is away.
    """
    with desk.store.read() as work:
        live = work.promotions.live()
        busy = any(job.kind is JobKind.PROMOTE for job in work.jobs.open())
        judged = {p.version: p for p in work.promotions.latest(1000)}
    versions = desk.registry.versions()
    alias = next((v.version for v in versions if v.is_champion), None)
    served = _served(desk)
    decided = live.version if live else None
    differs = []
    moved = not busy and alias != decided
    if moved:
        differs.append(
            f"The registry names {named(alias)} as champion, but {named(decided)} was "
            "decided here. Somebody changed it in MLflow."
        )
    if not busy and not moved:
        differs += [
            f"The registry names {named(alias)}, but serving at {url} answers with "
            f"{named(version)}."
            for url, version in served.items()
            if version != alias
        ]
    for version in versions:
        known = judged.get(version.version)
        digest = known.dossier.get("digest") if known else None
        if digest and version.digest != digest:
            differs.append(
                f"Version {version.version} carries another digest in MLflow than when it was "
                "judged. Do not approve it."
            )
        if version.stage == "Production" and not version.is_champion and not busy:
            differs.append(
                f"Version {version.version} stands in the stage Production, but the alias names "
                f"{named(alias)}. The stage is only a mirror."
            )
    there = {v.version for v in versions}
    if decided is not None and decided not in there:
        differs.append(f"Version {decided} is live here, and gone from the registry.")
    return Agreement(decided, alias, served, tuple(differs), moved, busy)


def _served(desk: Desk) -> dict[str, int | None]:
    with desk.store.read() as work:
        alive = [replica.url for replica in work.replicas.alive()]
    found: dict[str, int | None] = {}
    for url in dict.fromkeys([*desk.serving.urls, *alive]):
        try:
            found[url] = desk.serving.model(url).get("version")
        except DriftdeskError:
            found[url] = None
    return found


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of the audit trail found; `head` names the last event and its hash."""

    whole: bool
    says: str
    events: int
    head: str
    first_altered: int | None


def verify_audit(desk: Desk) -> Checked:
    """Check every event against the chain."""
    with desk.store.read() as work:
        broken = work.audit.verify()
        count, head = work.audit.head()
    if broken:
        return Checked(False, broken.says, count, head, broken.event_id)
    says = f"All {count:,} events are as they were written; the last hash is {head[:16]}…"
    return Checked(True, says, count, head, None)


def audit(
    desk: Desk,
    limit: int = 50,
    *,
    subject: str = "",
    action: str = "",
    actor: str = "",
    days: int = 0,
    before_id: int | None = None,
) -> list[AuditEvent]:
    """A page of the audit trail, newest first; of the last `days` days where that is not zero."""
    with desk.store.read() as work:
        return work.audit.latest(
            limit,
            subject=subject,
            action=action,
            actor=actor,
            since=work.now - timedelta(days=days) if days else None,
            before_id=before_id,
        )


def audit_names(desk: Desk) -> tuple[list[str], list[str]]:
    """The actions and the actors on record."""
    with desk.store.read() as work:
        return work.audit.names()


def stale(promotion: Promotion, champion: int | None) -> str:
    """Why an open candidate's evidence cannot be decided on any more; empty if it can."""
    return why_stale(promotion, champion) if promotion.state is PromotionState.PROPOSED else ""
