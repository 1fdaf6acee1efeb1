"""Fits by running the team's own program; see `workers.recipes.command`."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from core.domain.dataset import Column, ColumnType, Dataset
from core.rules.model.classes import classes_of, labels_in
from workers.recipes.command.left_files import read_files
from workers.recipes.command.model_file import FittedFile, output_of
from workers.recipes.command.program import failure, named, run
from workers.recipes.command.row_parts import row_parts
from workers.recipes.port import JobContext, Rows, ordered

SEED = 20261129

INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR")
"""Variables that a program inherits from the worker; none of them is a secret."""

_TOLD = ("name", "type", "label", "unit", "width", "features")
"""The properties of a column in the program's JSON file, if they are set."""

_TRIED = 1_000
"""The number of training rows that the model must predict before the held-out rows."""


def fit(rows: Rows, dataset: Dataset, context: JobContext) -> FittedFile:
    """Fit a model; see `workers.recipes.port.Recipe`.

    Raises:
        NothingToTrainOn: too few rows, or a target whose log does not exist.
        RecipeFailed: the program fails, or exceeds a limit.
        ModelRefused: the model does not fit this dataset.
        JobCancelled, LeaseLost: the job must stop.
    """
    training, _ = ordered(rows, dataset)
    target = training[dataset.target.name]
    classes = classes_of(labels_in(target, dataset), dataset) if dataset.task.is_classifier else ()
    with (
        tempfile.TemporaryDirectory(prefix="training-") as work,
        row_parts(training, dataset, context) as where,
    ):
        out_folder = Path(work) / "left"
        out_folder.mkdir()
        about = Path(work) / "dataset.json"
        description = described(dataset, len(target), classes)
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
    fitted = FittedFile.read(dataset, model, files, classes, lines.quoted())
    fitted.predict(_first(training, _TRIED))
    fitted.predict(_first(training, 1))
    return fitted


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


def _first(rows: Rows, count: int) -> Rows:
    return {name: np.asarray(values)[:count] for name, values in rows.items()}
