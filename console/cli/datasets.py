"""`driftdesk dataset …`: dataset files, without a running system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console import actions
from console.cli.shared import AsJson, Commands, in_words, permitted, tell
from core.domain.errors import BadInput
from core.domain.task import Task

if TYPE_CHECKING:
    from core.rules.data.infer_columns import Guess

app = Commands(no_args_is_help=True, help="Dataset files: write one from a table, try one.")

_SHOWN, _SHOWN_NAMES = 20, 5

File = Annotated[Path, typer.Argument(help="A CSV file (also .csv.gz) or a Parquet file.")]


@app.command()
def init(
    file: File,
    *,
    target: Annotated[
        str, typer.Option(help="The column to predict; default: the last that fits the task.")
    ] = "",
    task: Annotated[
        str, typer.Option(help="What models predict: regression, binary or multiclass.")
    ] = Task.REGRESSION.value,
    name: Annotated[str, typer.Option(help="The dataset's name; default: the file's.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="The file to write; default: stdout.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a commented dataset file from the first 10,000 rows of a table.

    Types and roles are guessed; what is doubtful is named in comments.
    """
    with in_words():
        permitted()
        if task not in tuple(Task):
            raise BadInput(
                f"There is no task {task!r:.40}. Models predict a number (regression), one of two "
                "classes (binary), or one of several (multiclass)."
            )
        written = actions.dataset_files.init(file, target, name, out, Task(task))
    if written.path is None and not as_json:
        typer.echo(written.text, nl=False)
        return
    columns = written.guesses.columns
    doubtful = sum(bool(column.doubts) for column in columns)
    summary = (
        f"{written.path}: {len(columns)} columns guessed from {written.rows:,} rows; "
        f"doubtful: {doubtful}; the target is {written.guesses.target}."
    )
    following = (
        f"Next: correct {written.path}, try it with driftdesk dataset check {file} --dataset "
        f"{written.path}, and start with DATASET={written.path}."
    )
    lines = [
        summary,
        *_doubts(columns),
        *(f"  {source} is left out: {why}" for source, why in written.guesses.left_out.items()),
        following,
    ]
    tell(written, as_json=as_json, lines=lambda: lines)


def _doubts(columns: Sequence[Guess]) -> Iterator[str]:
    """A line for each doubt, with the first columns that share it."""
    names: dict[str, list[str]] = {}
    for column in columns:
        for doubt in column.doubts:
            names.setdefault(doubt, []).append(column.name)
    for doubt, sharing in names.items():
        more = len(sharing) - _SHOWN_NAMES
        first = ", ".join(sharing[:_SHOWN_NAMES]) + (f" and {more:,} more" if more > 0 else "")
        yield f"  {first}: {'each ' * (len(sharing) > 1)}{doubt}"


@app.command()
def check(
    file: Annotated[
        Path | None,
        typer.Argument(help="A CSV or Parquet file; without it, the database is looked at."),
    ] = None,
    *,
    dataset: Annotated[
        Path | None, typer.Option(help="The dataset file; default: the setting DATASET.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say how many of a table's first 10,000 rows are valid, and why others are not.

    For a classifier, also list the rows of each class. Exit code 1 if a row is not valid, or if
    there are too few or too many classes to train on. Without a table, say what `python -m workers
    migrate` would change in the database. A dataset file that cannot be used gives exit code 2.
    """
    from core.platform.dataset_file import load

    with in_words():
        settings, _ = permitted()
        described = load(dataset or settings.dataset_path)
        if file is None:
            changes = actions.dataset_files.changes(settings.database, described)
            todo = " Run python -m workers migrate." if changes.added or not changes.exists else ""
            tell(changes, as_json=as_json, lines=lambda: [changes.says + todo])
            return
        result, note = actions.dataset_files.check(file, described)
    lines = [note] if note else []
    lines.append(
        f"{result.valid:,} of the {result.rows:,} rows that were read are valid rows of "
        f"{described.name}."
    )
    for reason in result.reasons[:_SHOWN]:
        example = f", such as {reason.example}" if reason.example else ""
        lines.append(f"{reason.rows:>7,}  {reason.rule} (first in row {reason.first_row}{example})")
    if len(result.reasons) > _SHOWN:
        lines.append(f"and {len(result.reasons) - _SHOWN:,} more reasons")
    if result.classes:
        counted = [f"{label[:40]!r} {rows:,}" for label, rows in result.classes.items()]
        more = f" and {len(counted) - _SHOWN_NAMES:,} more" if len(counted) > _SHOWN_NAMES else ""
        lines.append(f"Rows of each class: {', '.join(counted[:_SHOWN_NAMES])}{more}.")
    if result.no_classes:
        lines.append(f"No model can be trained on rows like these: {result.no_classes}")
    tell(result, as_json=as_json, lines=lambda: lines)
    if result.valid < result.rows or result.no_classes:
        raise typer.Exit(1)
