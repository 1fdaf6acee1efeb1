"""The permission check of every action: the same for a page, the command line, and any caller."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from console.desk import Desk
from core.domain.errors import NotAllowed, StoreUnavailable
from core.rules.access.roles import OF_THE_DESK, Actor, Right

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger()


def needs(
    right: Right,
) -> Callable[[Callable[Concatenate[Desk, Actor, P], R]], Callable[Concatenate[Desk, Actor, P], R]]:
    """Run an action only for actors with this right; the check comes before anything else."""

    def guard(
        verb: Callable[Concatenate[Desk, Actor, P], R],
    ) -> Callable[Concatenate[Desk, Actor, P], R]:
        @wraps(verb)
        def guarded(desk: Desk, actor: Actor, /, *args: P.args, **kwargs: P.kwargs) -> R:
            demand(desk, actor, right, verb.__name__)
            return verb(desk, actor, *args, **kwargs)

        return guarded

    return guard


def demand(desk: Desk, actor: Actor, right: Right, verb: str) -> None:
    """Require the right; a refusal goes on record if the database answers.

    Raises:
        NotAllowed: the actor does not have it, or is somebody only for another dataset; nothing
            else was written.
    """
    if actor.dataset not in ("", desk.dataset.name):
        actor = replace(actor, role=None)
    try:
        actor.demand(right, desk.settings.auth_contact)
    except NotAllowed:
        log.warning("refused", actor=actor.name, verb=verb, needs=right.name.lower())
        with suppress(StoreUnavailable), desk.store.transaction(actor) as work:
            subject = f"right:{right.name.lower()}"
            about = whole_desk(desk) if right in OF_THE_DESK else None
            work.audit.add(actor.name, "refused", subject, details={"verb": verb}, dataset=about)
        raise


def whole_desk(desk: Desk) -> str | None:
    """The dataset of an audit row about the whole desk: "", or its only one."""
    return "" if desk.settings.datasets else None
