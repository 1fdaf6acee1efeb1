"""The check that every verb makes first: the same for a page, the command line, and any caller."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from console.desk import Desk
from core.errors import NotAllowed, StoreUnavailable
from core.roles import Actor, Right

P = ParamSpec("P")
R = TypeVar("R")

log = structlog.get_logger()


def needs(
    right: Right,
) -> Callable[[Callable[Concatenate[Desk, Actor, P], R]], Callable[Concatenate[Desk, Actor, P], R]]:
    """Let a verb begin only for who has this right; it says so before anything is looked at."""

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
    """Go on only with the right; a refusal is put on record, where the database answers.

    Raises:
        NotAllowed: the actor does not have it; nothing else was written.
    """
    try:
        actor.demand(right, desk.settings.auth_contact)
    except NotAllowed:
        log.warning("refused", actor=actor.name, verb=verb, needs=right.name.lower())
        with suppress(StoreUnavailable), desk.store.begin(by=actor) as work:
            subject = f"right:{right.name.lower()}"
            work.audit.add(actor.name, "refused", subject, details={"verb": verb})
            work.commit()
        raise
