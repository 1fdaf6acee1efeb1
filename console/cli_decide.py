"""The commands that decide about a version, and those that show what was decided on."""

from __future__ import annotations

from typing import Annotated

import typer

from console import actions, review
from console import lines as lines_of
from console.terminal import Actor, AsJson, Note, Reason, Wait, at_desk, follow, tell, who
from core.records import ForceRequest


def approve(
    version: int,
    *,
    reason: Reason = "",
    dossier: Annotated[
        str, typer.Option(help="The digest of the dossier decided on; default: the newest.")
    ] = "",
    wait: Wait = False,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Approve a candidate: it becomes champion, and serving answers with it."""
    with at_desk(actor) as desk:
        job = actions.approve(desk, who(desk, actor), version, digest=dossier, reason=reason)
        follow(desk, job, wait=wait, as_json=as_json)


def reject(
    version: int, *, reason: Reason = "", as_json: AsJson = False, actor: Actor = ""
) -> None:
    """Turn a candidate down; needs a reason."""
    with at_desk(actor) as desk:
        promotion = actions.reject(desk, who(desk, actor), version, reason=reason)
        tell(promotion, as_json=as_json, lines=lambda: [f"version {version}: rejected"])


def force(
    version: int,
    *,
    reason: Reason = "",
    wait: Wait = False,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Promote any version of the registry, whatever was recommended; needs a reason."""
    with at_desk(actor) as desk:
        made = actions.force(desk, who(desk, actor), version, reason=reason)
        if isinstance(made, ForceRequest):
            said = f"version {version}: waits for a second person, who runs `driftdesk confirm`"
            tell(made, as_json=as_json, lines=lambda: [said])
        else:
            follow(desk, made, wait=wait, as_json=as_json)


def confirm(
    version: int, *, wait: Wait = False, as_json: AsJson = False, actor: Actor = ""
) -> None:
    """Confirm, as a second person, a force that somebody else asked for."""
    with at_desk(actor) as desk:
        job = actions.confirm_force(desk, who(desk, actor), version)
        follow(desk, job, wait=wait, as_json=as_json)


def withdraw(version: int, *, reason: Reason = "", actor: Actor = "") -> None:
    """Take back, or turn down, a force that waits for a second person."""
    with at_desk(actor) as desk:
        actions.withdraw_force(desk, who(desk, actor), version, reason=reason)
        typer.echo(f"version {version}: not forced")


def judge(version: int, *, wait: Wait = False, as_json: AsJson = False, actor: Actor = "") -> None:
    """Make a version's dossier anew, against today's champion."""
    with at_desk(actor) as desk:
        job = actions.request_judge(desk, who(desk, actor), version)
        follow(desk, job, wait=wait, as_json=as_json)


def dossier(version: int, *, as_json: AsJson = False) -> None:
    """The evidence about a version, as it was frozen."""
    with at_desk() as desk:
        found = review.dossier(desk, version)
        tell(found, as_json=as_json, lines=lambda: lines_of.dossier_lines(found))


def follow_ups(
    close: Annotated[int | None, typer.Argument(help="The follow-up to close.")] = None,
    *,
    note: Note = "",
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """What somebody must still look at; with a number, close it with a note."""
    with at_desk(actor) as desk:
        if close is not None:
            actions.close_follow_up(desk, who(desk, actor), close, note=note)
        found = review.follow_ups(desk)
        tell(found, as_json=as_json, lines=lambda: lines_of.follow_up_lines(found))


def rollback(
    *, reason: Reason = "", wait: Wait = False, as_json: AsJson = False, actor: Actor = ""
) -> None:
    """Go back to the version that was live before; needs a reason."""
    with at_desk(actor) as desk:
        job = actions.roll_back(desk, who(desk, actor), reason=reason)
        follow(desk, job, wait=wait, as_json=as_json)


COMMANDS = (approve, reject, force, confirm, withdraw, rollback, judge, dossier, follow_ups)
