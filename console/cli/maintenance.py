"""The commands for operating driftdesk: doctor, backup, restore, pruning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console import actions, queries
from console.cli import shared as options
from console.cli.printing import say, tell
from console.cli.shared import Output, Reason, at_desk, configured, in_words, permitted
from console.cli.view import View
from console.desk import Desk
from console.text.formatting import count
from core.domain.errors import DriftdeskError, NotAllowed
from core.rules.access.roles import Actor, Right

if TYPE_CHECKING:
    from console.cli import answers
    from core.usecases.retention import Due

OnlyDataset = Annotated[
    str, typer.Option("--dataset", help="This dataset alone; DRIFTDESK_DATASET does not count.")
]
Models = Annotated[
    bool, typer.Option("--models/--without-models", help="Whether MLflow's models are included.")
]


def doctor(*, dataset: options.DatasetName = "", as_json: options.AsJson = False) -> None:
    """Check everything that driftdesk depends on; exit code 1 if anything is bad.

    What the datasets share is checked once, and each dataset by itself.
    """
    try:
        findings = _examined(View.opened(configured()), dataset)
    except NotAllowed as error:
        say(str(error), err=True)
        raise typer.Exit(1) from error
    except DriftdeskError as error:
        findings = queries.doctor.unreadable(error)
    tell(findings, as_json=as_json, lines=lambda: queries.doctor.lines(findings))
    if queries.doctor.is_bad(findings):
        raise typer.Exit(1)


def _examined(view: View, dataset: str) -> list[queries.doctor_rules.Finding]:
    """The findings about one dataset, or about all that this person may see.

    Raises:
        DriftdeskError: nothing can be looked at.
    """
    try:
        if dataset or not view.settings.datasets:
            return queries.doctor.examine(view.desk(dataset))
        names, files = view.names, view.actor().may(Right.SEE)
        return queries.doctor_fleet.examine(view.fleet, names, with_files=files)
    finally:
        view.close()


def prune(
    desk: Desk,
    actor: Actor,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what has expired.")] = False,
) -> Output[answers.Pruned]:
    """Delete what has expired by the RETAIN settings, as the reconciler does every hour."""
    due = actions.retention.due(desk) if dry_run else actions.retention.prune(desk, actor)
    return Output(due.to_json(), _due_lines(due, dry_run=dry_run))


def backup(
    where: Annotated[Path, typer.Argument(help="A folder, or a file that does not exist yet.")],
    *,
    dataset: OnlyDataset = "",
    models: Models = True,
    as_json: options.AsJson = False,
    actor: options.Actor = "",
) -> None:
    """Back up database, models, spool and dataset files into one file, while the system runs.

    With --dataset the rows, models and files of that dataset, and the audit trail of the whole
    desk: it is one hash chain, which cannot be verified in parts.
    """
    from console.actions.backup.create import back_up
    from core.adapters.store.timeouts import WORKING

    with at_desk(actor, WORKING, whole=True) as (
        desk,
        acting,
    ):  # a large table needs a long timeout
        done = back_up(desk, acting, where, models=models, only=dataset)
        versions, files = count(done.versions, "version"), count(done.spool_files, "spool file")
        counts = f"{count(done.rows, 'row')}, {versions}, {files}"
        lines = [f"{done.path}: {done.bytes / 1e6:,.1f} MB; {counts}."]
        if dataset:
            lines.append(f"The dataset {dataset} alone, with the audit trail of the whole desk.")
        lines += _lost_lines(done.lost_versions)
        if not done.chain_is_whole:
            lines.append("The audit chain is broken; see driftdesk audit --verify.")
        tell(done, as_json=as_json, lines=lambda: lines)


def restore(
    file: Annotated[Path, typer.Argument(help="A file made by driftdesk backup.")],
    *,
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace the contents of the database, or of the dataset."),
    ] = False,
    dataset: OnlyDataset = "",
    models: Models = True,
    as_json: options.AsJson = False,
    actor: options.Actor = "",
) -> None:
    """Verify a backup, then restore all of it into the stores that the settings name.

    With --dataset that dataset alone, from a backup of one or of all: other datasets and the audit
    trail stay.
    """
    from console.actions.backup.restore import restore as put_back
    from console.actions.backup.restore_dataset import restore_dataset

    with in_words():
        settings, acting = permitted(actor)
        if dataset:
            done = restore_dataset(settings, acting, file, dataset, force=force, models=models)
        else:
            done = put_back(settings, acting, file, force=force, models=models)
        line = (
            f"Restored{f' {dataset}' if dataset else ''} as of {done.made_at}: "
            f"{count(done.rows, 'row')}, {count(done.versions, 'version')} "
            f"({done.added_versions} added to MLflow), {count(done.spool_files, 'spool file')}."
        )
        tell(done, as_json=as_json, lines=lambda: [line, *_lost_lines(done.lost_versions)])


def continue_numbers(desk: Desk, actor: Actor, *, reason: Reason = "") -> Output[answers.Numbers]:
    """Let MLflow number new versions above those on record, after its old ones were lost."""
    done = actions.retention.continue_numbers(desk, actor, reason=reason)
    line = f"Nothing to do: MLflow has already reached version {done.newest}."
    if done.used_up:
        line = (
            f"MLflow continues at version {done.newest + 1}; {done.used_up} numbers were skipped."
        )
    return Output(done, [line])


def _lost_lines(versions: Sequence[int | str]) -> list[str]:
    """A sentence about the versions that a backup lacks."""
    if not versions:
        return []
    named = ", ".join(map(str, versions))
    return [f"Without version {named}: MLflow had no model file of it when the backup was made."]


def _due_lines(due: Due, *, dry_run: bool) -> list[str]:
    if due.is_empty:
        return ["Nothing has expired."]
    lines = [f"{n:>12,}  {kind.value}" for kind, n in due.counts.items() if n]
    if due.files:
        lines.append(f"{due.files:>12,}  spool files ({due.bytes / 1e6:,.1f} MB)")
    return [*lines, "Nothing was deleted." if dry_run else "Deleted."]


COMMANDS = (doctor, backup, restore, prune, continue_numbers)
