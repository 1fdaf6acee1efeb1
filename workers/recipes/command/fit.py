"""Fits by running the team's own program; see `workers.recipes.command`."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from core.domain.dataset import Column, ColumnType, Dataset
from core.rules.data.holdout import row_hash
from core.rules.model.classes import classes_of, labels_in
from workers.recipes.command.left_files import read_files
from workers.recipes.command.model_file import FittedFile, output_of
from workers.recipes.command.program import Lines, failure, named, run
from workers.recipes.command.row_parts import row_parts
from workers.recipes.command.row_spool import RowSpool, row_spool
from workers.recipes.port import JobContext, Rows, fitted_values

SEED = 20261129

INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""Variables that a program inherits from the worker; none of them is a secret."""

_TOLD = ("name", "type", "label", "unit", "width", "features")
"""The properties of a column in the program's JSON file, if they are set."""

_TRIED = 1_000
"""The number of training rows that the model must predict before the held-out rows."""


def fit(rows: Rows, dataset: Dataset, context: JobContext) -> FittedFile:
    """Fit a model on rows in memory; see `workers.recipes.port.Recipe` and `fit_spooled`."""
    with row_spool(dataset) as spool:
        spool.add(rows, row_hash(rows, dataset))
        return fit_spooled(spool, rows[dataset.target.name], dataset, context)


def fit_spooled(
    spool: RowSpool, target: NDArray[Any], dataset: Dataset, context: JobContext
) -> FittedFile:
    """Fit a model on the rows of a spool, which have this target.

    Raises:
        NothingToTrainOn: too few rows, or a target whose log does not exist.
        RecipeFailed: the program fails, or exceeds a limit.
        ModelRefused: the model does not fit this dataset.
        DiskRefused: the rows cannot be written to the temporary folder.
        JobCancelled, LeaseLost: the job must stop.
    """
    fitted_values(target, dataset)
    classes = classes_of(labels_in(target, dataset), dataset) if dataset.task.is_classifier else ()
    description = described(dataset, len(target), classes)
    with row_parts(spool.tables(classes), dataset, context) as where:
        model, files, lines = _run(dataset, description, where, context)
    fitted = FittedFile.read(dataset, model, files, classes, lines.quoted())
    for count in (_TRIED, 1):
        fitted.predict(spool.first(count, classes))
    return fitted


def _run(
    dataset: Dataset, description: Mapping[str, object], where: str, context: JobContext
) -> tuple[bytes, Mapping[str, bytes], Lines]:
    """The model and the other files that the program left, and its lines."""
    with tempfile.TemporaryDirectory(prefix="training-") as work:
        out_folder = Path(work) / "left"
        out_folder.mkdir()
        about = Path(work) / "dataset.json"
        about.write_text(json.dumps(description, indent=1), encoding="utf-8")
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        environment = {
            **inherited,
            **context.environment,
            "PYTHONUNBUFFERED": "1",
            "DRIFTDESK_ROWS": where,
            "DRIFTDESK_DATASET": str(about),
            "DRIFTDESK_OUT": str(out_folder),
            "DRIFTDESK_SEED": str(SEED),
        }
        command = dataset.training.command
        lines = run(command, Path(dataset.training.folder).absolute(), environment, context)
        model, files, left_out = read_files(out_folder)
    if left_out:
        context.say(left_out)
    if model is None:
        raise failure(named(command), "left no file model.onnx in the folder DRIFTDESK_OUT", lines)
    return model, files, lines


def described(dataset: Dataset, rows: int, classes: tuple[str, ...] = ()) -> dict[str, object]:
    """The dataset as JSON for the program."""
    return {
        "name": dataset.name,
        "task": dataset.task.value,
        "rows": rows,
        "seed": SEED,
        "target": dataset.target.name,
        "fit_on": dataset.fit_on,
        "classes": classes,
        "output": output_of(classes),
        "features": [_feature(c) for c in dataset.features],
    }


def _feature(column: Column) -> dict[str, object]:
    kinds = {ColumnType.TIMESTAMP: "double"}
    kind = "string" if column.is_text else kinds.get(column.type, "float")
    about = {
        key: value
        for key, value in asdict(column).items()
        if key in _TOLD and value not in ("", 0, None, ())
    }
    return about | {"input": kind}
