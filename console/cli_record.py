"""The commands that tell what happened: the audit trail, and the passport of one id."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from console import lines as lines_of
from console import passport as passports
from console import review, words
from console.terminal import AsJson, at_desk, tell


def audit(
    *,
    subject: Annotated[str, typer.Option(help="Only this subject, such as version:3.")] = "",
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that nothing on record was altered.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Who did what, when and why, newest first."""
    with at_desk() as desk:
        if verify:
            checked = review.verify_audit(desk)
            tell(checked, as_json=as_json, lines=lambda: [checked.says])
            if not checked.whole:
                raise typer.Exit(1)
            return
        events = review.audit(desk, limit, subject=subject)
        now = datetime.now(UTC)
        tell(
            events,
            as_json=as_json,
            lines=lambda: (
                [
                    f"{words.ago(e.at, now):>12}  {e.actor}  {e.action}  {e.subject}  {e.reason}"
                    for e in events
                ]
                or ["Nothing is on record yet."]
            ),
        )


def passport(
    subject: Annotated[
        str, typer.Argument(help="A prediction's id, or version:3, batch:12, job:7.")
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Follow one id the whole way: prediction, version, approval, dossier, batches, drift."""
    with at_desk() as desk:
        found = passports.passport(desk, subject)
        tell(found, as_json=as_json, lines=lambda: lines_of.passport_lines(found))


COMMANDS = (audit, passport)
