"""`driftdesk dataset …`: dataset files, without a running system, and the datasets of this desk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from console import actions
from console.cli import dataset_states
from console.cli.printing import tell
from console.cli.shared import AsJson, Commands, configured, in_words, permitted
from console.cli.view import View
from console.text.file_check import check_lines, row_line
from core.domain.errors import BadInput, DatasetError
from core.domain.task import Task

if TYPE_CHECKING:
    from core.domain.dataset import Dataset
    from core.rules.data.infer_columns import Guess

app = Commands(
    no_args_is_help=True,
    help="Dataset files: write one from a table, try one; the datasets of this desk.",
)
for _name, _command in dataset_states.COMMANDS.items():
    app.command(_name)(_command)

_SHOWN_NAMES = 5

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
        typer.Argument(
            help="A file, of any format that is read; without it, the database is looked at."
        ),
    ] = None,
    *,
    dataset: Annotated[
        str,
        typer.Option(
            envvar="DRIFTDESK_DATASET",
            show_envvar=False,
            help="A dataset file, or a dataset of this desk; default: the only one.",
        ),
    ] = "",
    rows: Annotated[
        int, typer.Option(min=0, max=50, help="Also print so many rows as they would be stored.")
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Say how many of a file's first 10,000 rows an ingest would store, and why not the others.

    Nothing is stored. For a classifier, also list the rows of each class. Exit code 1 if a row is
    not valid, or if there are too few or too many classes to train on. Without a file, say what
    `python -m workers migrate` would change in the database. A dataset file that cannot be used
    gives exit code 2.
    """
    with in_words():
        view = View.opened(configured())
        if file is None:
            _check_database(view, dataset, as_json=as_json)
            return
        described = _described(view, dataset)
        most = view.settings.file_max_mb * 1_000_000
        result = actions.file_checks.check_path(file, described, most)
    lines = [*check_lines(result, described.name), *map(row_line, result.first[:rows])]
    tell(result, as_json=as_json, lines=lambda: lines)
    if result.valid < result.rows or result.no_classes:
        raise typer.Exit(1)


def _described(view: View, named: str) -> Dataset:
    """The dataset that is named by a file, or by its name on this desk.

    Raises:
        BadInput, DatasetError: there is none, or its file cannot be used.
    """
    from core.platform.dataset_file import load

    path = Path(named)
    is_file = bool(named) and (path.suffix == ".toml" or len(path.parts) > 1 or path.is_file())
    return load(path) if is_file else view.desk(named).dataset


def _check_database(view: View, named: str, *, as_json: bool) -> None:
    """Say what migrating would change, for one dataset or, where several are there, for each.

    Raises:
        BadInput, DatasetError: as `_described`; of several each is looked at first.
    """
    several = view.names if not named and (view.is_several or len(view.problems) > 0) else [named]
    found, lines = [], []
    for name in several:
        changes = actions.dataset_files.changes(view.settings.database, _described(view, name))
        todo = " Run python -m workers migrate." if changes.added or not changes.exists else ""
        found.append(changes)
        lines.append(changes.says + todo)
    one = found[0] if several == [named] else found
    tell(one, as_json=as_json, lines=lambda: lines)
    if several != [named] and view.problems:
        raise DatasetError(" ".join(view.problems.values()))
