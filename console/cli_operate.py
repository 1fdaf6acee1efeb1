"""The commands for whoever runs driftdesk: the doctor, and what is over its time."""

from __future__ import annotations

from typing import Annotated

import typer

from console import doctor as doctors
from console.desk import Desk
from console.terminal import Actor, AsJson, at_desk, tell, who
from core.errors import DriftdeskError
from core.log import configure
from core.retention import Due, Retention
from core.settings import read_settings


def doctor(*, as_json: AsJson = False) -> None:
    """Check everything that driftdesk needs, and say what to do; exit code 1 if anything is bad."""
    try:
        settings = read_settings()
        configure(settings.log_format, "cli")
        found = doctors.examine(Desk.make(settings))
    except DriftdeskError as error:
        found = doctors.unreadable(error)
    tell(found, as_json=as_json, lines=lambda: doctors.lines(found))
    if doctors.is_bad(found):
        raise typer.Exit(1)


def prune(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what is over its time.")
    ] = False,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Delete what the RETAIN settings do not keep; the reconciler does so once an hour."""
    with at_desk() as desk:
        retention = Retention.of(desk.store, desk.settings)
        due = retention.due()
        if not dry_run:
            for _ in retention.run(who(desk, actor)):
                pass
        tell(due.to_json(), as_json=as_json, lines=lambda: _due_lines(due, dry_run=dry_run))


def _due_lines(due: Due, *, dry_run: bool) -> list[str]:
    if due.is_empty:
        return ["Nothing is over its time."]
    said = [f"{n:>12,}  {kind.value}" for kind, n in due.counts.items() if n]
    if due.files:
        said.append(f"{due.files:>12,}  spool files ({due.bytes / 1e6:,.1f} MB)")
    return [*said, "Nothing was deleted." if dry_run else "Deleted, and on record."]


COMMANDS = (doctor, prune)
