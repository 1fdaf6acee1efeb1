"""Agreement of MLflow's alias with the version that is live on record; a different one is put back.

A check before a write to MLflow is not atomic with it: a process may be stopped between the two and
write much later. So the alias is read afterwards, by the reconciler and at the end of each
promotion. A difference is corrected, and notified.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from core.adapters.store import Store, Work
from core.domain.audit_event import ITSELF
from core.domain.errors import IllegalTransition, StaleDossier
from core.domain.jobs import JobKind
from core.domain.promotions import PromotionState
from core.rules.access.roles import Actor
from core.rules.model.alias_repair import Remedy, remedy
from core.rules.model.promotion_states import Seen, named, require_reason, require_seen
from core.rules.ops.notification import Event

if TYPE_CHECKING:
    from core.adapters.mlflow.registry import Registry

_LOOK_EVERY = 10.0
"""Seconds between two checks of the alias by the reconciler."""

_LONGEST_PAUSE = 300.0
"""Seconds to which the pause grows while something else keeps moving the alias."""

log = structlog.get_logger()


_Live = tuple[int | None, datetime | None]
"""The version that is live on record, and since when."""


def put_right(store: Store, registry: Registry, push: Callable[[], None], why: str) -> Remedy:
    """Let the alias name the version that is live on record; `push` makes serving check it now.

    During a promotion nothing is done: its job owns the alias. `why` goes into the audit row.

    Raises:
        StoreUnavailable, RegistryUnavailable: one of the two is unavailable; nothing is known.
        Missing: the version that is live on record is not in the registry.
    """
    live = _live(store)
    if live is None:
        return Remedy.NOTHING
    alias = registry.champion()
    wanted = remedy(alias, live[0], is_ours=_is_ours(store, alias))
    if wanted is not Remedy.PUT_BACK:
        return wanted
    if _live(store) != live:  # a promotion went on meanwhile; the next check decides
        return Remedy.NOTHING
    registry.set_champion(live[0])
    _tell(store, alias, live[0], why)
    push()
    return wanted


def put_back(
    store: Store, registry: Registry, *, by: Actor, reason: str, seen: Seen | None = None
) -> None:
    """Let the alias name the live version again, at a person's request.

    In one transaction, the live version is compared with the one that the person saw, and the act
    is recorded; then the alias is set. If that fails, the reconciler does it.

    Raises:
        ReasonRequired: no reason was given.
        IllegalTransition: a promotion is under way, or nothing is live.
        StaleDossier: another version is live than the person saw, or went live meanwhile; the
            alias names that one.
        RegistryUnavailable: MLflow is unavailable.
    """
    reason = require_reason(reason, "putting the alias back")
    alias = registry.champion()
    with store.transaction(by) as work:
        live = work.promotions.live_version()
        if live is None:
            raise IllegalTransition("Nothing is live here, so there is nothing to put back.")
        if _is_promoting(work):
            raise IllegalTransition("A promotion is under way; wait until it has ended.")
        require_seen(seen, live)
        about = {"found": alias}
        work.audit.add(by.name, "put back", f"version:{live}", reason=reason, details=about)
    registry.set_champion(live)
    with store.read() as work:
        now = work.promotions.live_version()
    if now is not None and now != live:
        registry.set_champion(now)
        raise StaleDossier(f"Version {now} went live meanwhile, so the registry names that one.")


def _live(store: Store) -> _Live | None:
    """None while a promotion is under way."""
    with store.read() as work:
        if _is_promoting(work):
            return None
        live = work.promotions.live()
    return (live.version, live.live_at) if live else (None, None)


def _is_promoting(work: Work) -> bool:
    return any(job.kind is JobKind.PROMOTE for job in work.jobs.open()) or bool(
        work.promotions.latest(1, PromotionState.APPROVED)
    )


def _is_ours(store: Store, version: int | None) -> bool:
    """Whether the version that the alias names has been evaluated here."""
    with store.read() as work:
        return version is None or version in work.promotions.known([version])


def _tell(store: Store, alias: int | None, live: int | None, why: str) -> None:
    sentence = (
        f"The registry named {named(alias)} as champion, but {named(live)} was decided here. "
        f"The alias was put back. {why}"
    )
    subject = f"version:{live if live is not None else alias}"
    log.warning("alias put back", found=alias, live=live)
    with store.transaction() as work:
        work.audit.add(ITSELF, "put back", subject, reason=sentence, details={"found": alias})
        work.notifications.add(Event.FAILED, subject, sentence)


@dataclass(eq=False)
class Watchman:
    """Checks the alias every few seconds, and less often while it keeps being moved."""

    store: Store
    registry: Registry
    push: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    _next: float = -math.inf
    _pause: float = _LOOK_EVERY
    _told: str = ""

    def look(self) -> bool:
        """Check the alias if it is time to; returns whether it was.

        Raises:
            StoreUnavailable, RegistryUnavailable, Missing: see `put_right`.
        """
        if self.clock() < self._next:
            return False
        self._next = self.clock() + self._pause
        why = "A look at MLflow found the difference."
        remedy_found = put_right(self.store, self.registry, self.push, why)
        is_moved = remedy_found is Remedy.PUT_BACK
        self._pause = min(self._pause * 2, _LONGEST_PAUSE) if is_moved else _LOOK_EVERY
        self._say(
            "The registry's alias names a version that this desk never judged, and nothing is "
            "live on record. It stays as it is; adopt the version on the page Promotion."
            if remedy_found is Remedy.TELL
            else ""
        )
        return True

    def _say(self, sentence: str) -> None:
        """Log a finding once, until it changes."""
        if sentence and sentence != self._told:
            log.warning(sentence)
        self._told = sentence
