"""Read-only queries for decisions: dossiers, agreement of the stores, audit log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from console.desk import Desk
from console.text.as_json import jsonable
from core.adapters.store import Work
from core.adapters.store.desk_work import DeskWork
from core.domain.audit_event import AuditEvent
from core.domain.dossier import Dossier
from core.domain.errors import DriftdeskError, Missing, ServingUnavailable
from core.domain.jobs import JobKind
from core.domain.promotions import FollowUp, ForceRequest, HeldBatch, Promotion, Term
from core.rules.data.training_set import same_as
from core.rules.model.alias_repair import difference
from core.rules.model.promotion_states import named
from core.usecases import live_terms


@dataclass(frozen=True, slots=True)
class EvidenceReport:
    """The frozen dossier of a version, and its training batches that are held now."""

    digest: str
    dossier: Dossier
    held: tuple[HeldBatch, ...]

    def to_json(self) -> dict[str, Any]:
        """The report as the command line prints it for programs."""
        held = [jsonable(batch) | {"told": batch.sentence} for batch in self.held]
        return {"dossier": self.digest, "held": held, **jsonable(self.dossier)}


def evidence_report(desk: Desk, version: int) -> EvidenceReport:
    """The frozen dossier of a version.

    Raises:
        Missing: the version was never proposed, or never evaluated here.
        Refused: the dossier does not match its digest, or its format is too new.
    """
    with desk.store.read() as work:
        promotion = work.promotions.of_version(version)
        if not promotion.dossier_digest:
            raise Missing(f"Version {version} has no dossier: it was never evaluated here.")
        frozen = work.dossiers.get(promotion.dossier_digest)
    return EvidenceReport(promotion.dossier_digest, frozen, promotion.held)


def promotion(desk: Desk, version: int) -> Promotion:
    """One version with its state.

    Raises:
        Missing: it was never proposed.
    """
    with desk.store.read() as work:
        return work.promotions.of_version(version)


def same_lesson(promotion: Promotion, versions: Sequence[Promotion]) -> int | None:
    """The newest earlier one of these versions that learned the same rows by the same recipe."""
    lesson = promotion.dossier.learned if promotion.dossier else None
    earlier = [v for v in versions if v.version < promotion.version]
    return same_as(lesson, earlier) if lesson else None


def follow_ups(desk: Desk) -> list[FollowUp]:
    """Open follow-ups, newest first."""
    with desk.store.read() as work:
        return work.force_requests.follow_ups()


def closed_follow_ups(desk: Desk, limit: int = 50) -> list[FollowUp]:
    """The newest follow-ups that were closed, with their outcome."""
    with desk.store.read() as work:
        every = work.force_requests.follow_ups(only_open=False, limit=2 * limit)
    return [item for item in every if item.closed_at][:limit]


def force_requests(desk: Desk) -> list[ForceRequest]:
    """Force requests that await a second approver."""
    with desk.store.read() as work:
        return work.force_requests.open_forces()


def terms(desk: Desk) -> list[Term]:
    """The deployment history, newest first, at most a thousand entries."""
    with desk.store.read() as work:
        return live_terms.terms(work)


def rollback(desk: Desk) -> tuple[int | None, Promotion | None]:
    """What is live, and the version that a rollback would bring back."""
    with desk.store.read() as work:
        return work.promotions.live_version(), live_terms.rollback_target(work)


def rollback_choices(desk: Desk) -> list[Promotion]:
    """The versions that a rollback can bring back, the one that it goes to unasked first."""
    with desk.store.read() as work:
        return live_terms.ways_back(work)


def taken_back(desk: Desk) -> dict[int, Term]:
    """The versions that a rollback took away last, each with the term that it began."""
    with desk.store.read() as work:
        return live_terms.taken_away(work)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Whether the decided, the registered and the served version agree.

    `served` maps each replica to its version, None if it has none or is unreachable. `differs`
    describes each disagreement in a sentence, and `silent` each replica that does not answer.
    `alias_moved` means that another program moved the registry's alias outside driftdesk, and
    `can_put_back` that MLflow has the live version. During a promotion differences are not
    reported.
    """

    live: int | None
    alias: int | None
    served: dict[str, int | None]
    differs: tuple[str, ...]
    silent: tuple[str, ...]
    alias_moved: bool
    can_put_back: bool
    under_way: bool


def agreement(desk: Desk, _as_of: object = None) -> Agreement:
    """Compare the database, the registry and every replica of serving.

    `_as_of` keeps cached results apart: what the caller has read of the record.

    Raises:
        StoreUnavailable, RegistryUnavailable: one of the two is unreachable.
    """
    with desk.store.read() as work:
        live = work.promotions.live()
        busy = any(job.kind is JobKind.PROMOTE for job in work.jobs.open())
    versions = desk.registry.versions()
    with desk.store.read() as work:
        judged = work.promotions.known([v.version for v in versions])
    alias = next((v.version for v in versions if v.is_champion), None)
    served, silent = _served(desk)
    decided = live.version if live else None
    deviation = difference(desk.registry.name, alias, decided, {v.version for v in versions})
    differs = []
    if deviation and not busy:
        differs.append(
            deviation.says if deviation.can_put_back else f"{deviation.says} {deviation.todo}"
        )
    if not busy and not deviation:
        differs += [
            f"The registry names {named(alias)}, but serving at {url} answers with "
            f"{named(version)}."
            for url, version in served.items()
            if version != alias and url not in silent
        ]
    for version in versions:
        digest = judged.get(version.version)
        if digest and version.digest != digest:
            differs.append(
                f"The digest of version {version.version} in MLflow differs from the digest at its "
                "evaluation. Do not approve it."
            )
        if version.stage == "Production" and not version.is_champion and not busy:
            differs.append(
                f"Version {version.version} has the stage Production, but the alias names "
                f"{named(alias)}. The stage only mirrors the alias."
            )
    moved = not busy and alias != decided
    can_put_back = moved and deviation is not None and deviation.can_put_back
    says = tuple(f"Serving at {url} does not answer." for url in silent)
    return Agreement(decided, alias, served, tuple(differs), says, moved, can_put_back, busy)


def _served(desk: Desk) -> tuple[dict[str, int | None], list[str]]:
    """The version of each replica, and the replicas that do not answer."""
    with desk.store.read() as work:
        alive = [replica.url for replica in work.replicas.alive()]
    versions: dict[str, int | None] = {}
    silent: list[str] = []
    for url in dict.fromkeys([*desk.serving.urls, *alive]):
        try:
            versions[url] = desk.serving.model(url).get("version")
        except DriftdeskError as error:
            versions[url] = None
            if isinstance(error, ServingUnavailable):
                silent.append(url)
    return versions, silent


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of an audit log verification; `head` is the last event's id and hash."""

    whole: bool
    says: str
    events: int
    head: str
    first_altered: int | None


def verify_audit(desk: Desk) -> Checked:
    """Verify the hash chain of the audit log."""
    with desk.store.read() as work:
        broken = work.audit.verify()
        count, head = work.audit.head()
    if broken:
        return Checked(False, broken.says, count, head, broken.event_id)
    says = f"Hash chain intact: {count:,} events verified; the last hash is {head[:16]}…"
    return Checked(True, says, count, head, None)


class Scope(StrEnum):
    """Which events of the audit log: of one dataset, of the whole desk alone, or every one."""

    DATASET = "dataset"
    DESK = "desk"
    ALL = "all"


def audit(
    desk: Desk,
    limit: int = 50,
    *,
    scope: Scope = Scope.DATASET,
    subject: str = "",
    action: str = "",
    actor: str = "",
    days: int = 0,
    before_id: int | None = None,
) -> list[AuditEvent]:
    """A page of the audit log, newest first; `days` limits it to that many days unless 0.

    On a desk with one dataset it also has the events of the whole desk, such as a new API key.
    Another `scope` is for people who may see every dataset.
    """
    with _trail(desk, scope) as work:
        return work.audit.latest(
            limit,
            subject=subject,
            action=action,
            actor=actor,
            since=work.now - timedelta(days=days) if days else None,
            before_id=before_id,
            datasets=[""] if scope is Scope.DESK else None,
        )


def audit_of(
    desk: Desk, datasets: Collection[str], limit: int = 50, *, subject: str = ""
) -> list[AuditEvent]:
    """The newest events about these datasets; "" is the whole desk."""
    with desk.store.desk() as work:
        return work.audit.latest(limit, subject=subject, datasets=datasets)


def audit_names(desk: Desk, scope: Scope = Scope.DATASET) -> tuple[list[str], list[str]]:
    """The actions and the actors on record; those of every event unless for one dataset."""
    with _trail(desk, scope) as work:
        return work.audit.names()


def _trail(desk: Desk, scope: Scope) -> AbstractContextManager[Work | DeskWork]:
    is_bound = desk.settings.datasets and scope is Scope.DATASET
    return desk.store.read() if is_bound else desk.store.desk()
