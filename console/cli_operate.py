"""The commands for whoever runs driftdesk: the doctor, backup and restore, and pruning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console import doctor as doctors
from console import upkeep
from console.desk import Desk
from console.identity import command_line_actor
from console.terminal import Actor, AsJson, at_desk, in_words, say, tell, who
from core.errors import DriftdeskError, NotAllowed
from core.log import configure
from core.retention import Due
from core.roles import Right
from core.settings import read_settings

Models = Annotated[
    bool, typer.Option("--models/--without-models", help="Whether MLflow's models belong to it.")
]


def doctor(*, as_json: AsJson = False) -> None:
    """Check everything that driftdesk needs, and say what to do; exit code 1 if anything is bad."""
    try:
        settings = read_settings()
        configure(settings.log_format, "cli", settings.secrets)
        command_line_actor(settings, "").demand(Right.SEE, settings.auth_contact)
        with Desk.opened(settings) as desk:
            found = doctors.examine(desk)
    except NotAllowed as error:
        say(str(error), err=True)
        raise typer.Exit(1) from error
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
    with at_desk(actor) as desk:
        due = upkeep.due(desk) if dry_run else upkeep.prune(desk, who(desk, actor))
        tell(due.to_json(), as_json=as_json, lines=lambda: _due_lines(due, dry_run=dry_run))


def backup(
    where: Annotated[Path, typer.Argument(help="A folder, or a file that is not there yet.")],
    *,
    models: Models = True,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Write database, models, spool and dataset file into one file, while everything runs."""
    from console.backup import back_up  # noqa: PLC0415 - brings Alembic, which nobody else needs

    with at_desk(actor) as desk:
        made = back_up(desk, who(desk, actor), where, models=models)
        figures = f"{made.rows:,} rows, {made.versions} versions, {made.spool_files} spool files"
        said = [f"{made.path}: {made.bytes / 1e6:,.1f} MB; {figures}."]
        if not made.chain_is_whole:
            said.append("The audit trail does not hold; see driftdesk audit --verify.")
        tell(made, as_json=as_json, lines=lambda: said)


def restore(
    file: Annotated[Path, typer.Argument(help="What driftdesk backup made.")],
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what the database holds.")
    ] = False,
    models: Models = True,
    as_json: AsJson = False,
    actor: Actor = "",
) -> None:
    """Check a backup from end to end, then put everything of it back where the settings point."""
    from console.restore import restore as put_back  # noqa: PLC0415 - the same

    with in_words():
        settings = read_settings()
        configure(settings.log_format, "cli", settings.secrets)
        acting = command_line_actor(settings, actor)
        acting.demand(Right.SEE, settings.auth_contact)
        done = put_back(settings, acting, file, force=force, models=models)
        said = (
            f"Restored as of {done.made_at}: {done.rows:,} rows, {done.versions} versions "
            f"({done.added_versions} added to MLflow), {done.spool_files} spool files."
        )
        tell(done, as_json=as_json, lines=lambda: [said])


def _due_lines(due: Due, *, dry_run: bool) -> list[str]:
    if due.is_empty:
        return ["Nothing is over its time."]
    said = [f"{n:>12,}  {kind.value}" for kind, n in due.counts.items() if n]
    if due.files:
        said.append(f"{due.files:>12,}  spool files ({due.bytes / 1e6:,.1f} MB)")
    return [*said, "Nothing was deleted." if dry_run else "Deleted, and on record."]


COMMANDS = (doctor, backup, restore, prune)
