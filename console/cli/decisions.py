"""The commands that decide about a version, and those that show the evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console import actions, queries
from console.cli import output
from console.cli.printing import say
from console.cli.shared import MOST, Note, Output, Reason, Version
from console.desk import Desk
from console.text.as_json import jsonable
from console.text.audit_sentences import in_words
from core.domain.jobs import Job
from core.domain.promotions import ForceRequest, Promotion
from core.rules.access.roles import Actor

if TYPE_CHECKING:
    from console.cli import answers
    from console.queries.status import Status

Dossier = Annotated[
    str, typer.Option(help="The digest of the dossier decided on; default: the newest.")
]


Candidate = Annotated[
    int | None,
    typer.Argument(min=1, max=MOST, help="The version's number; without it, those that wait."),
]


def approve(
    desk: Desk,
    actor: Actor,
    version: Candidate = None,
    *,
    reason: Reason = "",
    dossier: Dossier = "",
) -> Output[answers.Candidates] | Job:
    """Approve a candidate that passes every gate, and make it live. Others need force.

    Without a version, the command lists those that await a decision, and exits with code 1.
    """
    if version is None:
        return undecided(desk)
    return actions.decisions.approve(desk, actor, version, digest=dossier, reason=reason)


def reject(
    desk: Desk, actor: Actor, version: Candidate = None, *, reason: Reason = ""
) -> Output[answers.Candidates] | Output[answers.Version]:
    """Reject a candidate; needs a reason.

    Without a version, the command lists those that await a decision, and exits with code 1.
    """
    if version is None:
        return undecided(desk)
    promotion = actions.decisions.reject(desk, actor, version, reason=reason)
    return Output(promotion, [f"version {version}: rejected"])


def force(
    desk: Desk, actor: Actor, version: Version, *, reason: Reason = "", dossier: Dossier = ""
) -> Output[answers.Force] | Job:
    """Promote any version of the registry, even if it is not recommended; needs a reason."""
    outcome = actions.decisions.force(desk, actor, version, reason=reason, digest=dossier or None)
    if isinstance(outcome, ForceRequest):
        line = f"version {version}: awaits a second person: `driftdesk confirm {version}`"
        return Output(outcome, [line])
    return outcome


def confirm(desk: Desk, actor: Actor, version: Version, *, dossier: Dossier = "") -> Job:
    """Confirm, as a second person, a force that another person requested."""
    return actions.decisions.confirm_force(desk, actor, version, digest=dossier or None)


def withdraw(
    desk: Desk, actor: Actor, version: Version, *, reason: Reason = ""
) -> Output[answers.Force]:
    """Withdraw or decline a force that awaits a second person."""
    request = actions.decisions.withdraw_force(desk, actor, version, reason=reason)
    return Output(request, [f"version {version}: not forced"])


def judge(
    desk: Desk,
    actor: Actor,
    version: Version,
    *,
    against: Annotated[
        int | None,
        typer.Option(min=1, max=MOST, help="Only compare with this version, whatever is live."),
    ] = None,
) -> Job:
    """Re-evaluate a version against the current champion, in a new dossier.

    With --against, it is only compared with that version, on held-out rows that neither was
    trained on; no dossier changes.
    """
    if against is not None:
        return actions.pipeline.request_comparison(desk, actor, version, against)
    return actions.pipeline.request_judge(desk, actor, version)


def dossier(desk: Desk, version: Version) -> Output[answers.Dossier]:
    """The evidence about a version, as it was recorded."""
    report = queries.promotion.evidence_report(desk, version)
    return Output(report.to_json(), output.dossier_lines(report, desk.dataset.target.unit))


def follow_ups(
    desk: Desk,
    actor: Actor,
    close: Annotated[
        int | None, typer.Argument(min=1, max=MOST, help="The follow-up to close.")
    ] = None,
    *,
    note: Note = "",
) -> Output[answers.FollowUps]:
    """List the open follow-ups; with a number, close that one with --note."""
    if close is not None:
        actions.decisions.close_follow_up(desk, actor, close, note=note)
    items = queries.promotion.follow_ups(desk)
    return Output(items, output.follow_up_lines(items))


def rollback(
    desk: Desk,
    actor: Actor,
    *,
    to: Annotated[
        int | None,
        typer.Option(help="The version to go back to; default: the one before.", min=0, max=MOST),
    ] = None,
    reason: Reason = "",
) -> Output[answers.Rollbacks] | Job:
    """Go back to the version that was live before; needs a reason.

    The version before is the newest that was live before this one and that no rollback took away.
    Without options, the command lists the versions that can come back, and exits with code 1.
    """
    from core.domain.errors import IllegalTransition
    from core.rules.model.promotion_states import Seen, named

    live, before = queries.promotion.rollback(desk)
    if to is None and not reason:
        choices = queries.promotion.rollback_choices(desk)
        return Output(choices, _ways_back(desk, live, before, choices), code=1)
    if to is None and before is not None:
        to = before.version
    choices = queries.promotion.rollback_choices(desk) if to is None else []
    if choices:
        *rest, last = [str(p.version) for p in choices]
        these = f"versions {', '.join(rest)} and {last} were" if rest else f"version {last} was"
        raise IllegalTransition(
            f"No rollback goes further back by itself: {these} live before. Name the version to go "
            f"back to: `driftdesk rollback --to {choices[0].version} --reason WHY`."
        )
    if to is not None:
        say(f"Version {to} comes back in the place of {named(live)}.", err=True)
    return actions.decisions.roll_back(desk, actor, reason=reason, to=to, seen=Seen(live))


def _ways_back(
    desk: Desk, live: int | None, before: Promotion | None, choices: list[Promotion]
) -> list[str]:
    """The versions that can come back, with what the dialog of the Promotion page tells."""
    metric, unit = desk.dataset.primary_metric, desk.dataset.target.unit
    compared = {
        p.version: queries.version_pairs.pair(desk, p.version, live).evidence(metric, unit)
        for p in choices
        if live is not None
    }
    taken = queries.promotion.taken_back(desk)
    return output.rollback_lines(live, before, choices, unit, taken=taken, compared=compared)


def candidates(desk: Desk) -> Output[answers.Candidates]:
    """List every proposed version and its state."""
    versions, state = queries.status.promotions(desk), queries.status.status(desk)
    return _listed(desk, versions, state)


def undecided(desk: Desk) -> Output[answers.Candidates]:
    """The versions that await a decision, with exit code 1 as none was named."""
    state = queries.status.status(desk)
    if not state.candidates:
        return Output([], ["No version awaits a decision."], code=1)
    listed = _listed(desk, state.candidates, state)
    how = "Decide with: driftdesk approve VERSION, driftdesk reject VERSION --reason …"
    return listed._replace(lines=[*listed.lines, how], code=1)


def _listed(desk: Desk, versions: list[Promotion], state: Status) -> Output[answers.Candidates]:
    return Output(
        [
            {**jsonable(p), "recommendation": state.recommendation(p).standing.value}
            for p in versions
        ],
        output.candidate_lines(versions, state, desk.dataset.target.unit),
    )


def seen(
    desk: Desk,
    actor: Actor,
    subject: Annotated[
        str, typer.Argument(help="What the alert is about: batch:EPOCH/NUMBER or window:ID.")
    ],
) -> Output[answers.Seen]:
    """Mark an alert about the live model as seen; it leaves the Overview page."""
    actions.alerts.see(desk, actor, subject)
    line = f"{actor.name} has seen the alert about {in_words(subject)}."
    return Output({"subject": subject, "seen_by": actor.name}, [line])


COMMANDS = (
    candidates, approve, reject, force, confirm, withdraw, rollback, judge, dossier, follow_ups,
    seen,
)  # fmt: skip
