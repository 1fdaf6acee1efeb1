"""The tables reference, from the declarations and comments in `core.adapters.store.tables`."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from enum import StrEnum
from importlib import import_module
from itertools import takewhile

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from core.adapters.store import tables
from core.domain import batches, drift, jobs, promotions
from core.platform.dataset_file import load
from core.platform.settings import SHIPPED_DATASETS
from core.rules.ops import notification
from docs.generator.markdown import blocks, code, prose, table

_SUBJECTS = ("ingest", "drift", "job_runs", "decisions", "serving", "operations")
"""The modules of tables, in the order of the page."""

_INTRO = """\
# Tables

driftdesk keeps its tables in one database: SQLite in `DATA_DIR`, or MySQL or MariaDB. Types are
MySQL's. `python -m workers migrate` creates and migrates them; `make run` does so at each start.
Times are UTC. There are no foreign keys: `batch_id` is `batches.id`,
`report_id` is `drift_reports.id`, `job_id` is `jobs.id`, `model_version` and `version` are
MLflow's version numbers."""

_ROWS = """\
Generated from the dataset file, one table for each dataset; shown for `real_estate`. It contains
the rows of the current [epoch](../explanation/epochs.md) only. `held_out` marks the holdout rows,
which no version is trained on."""

_VIEW = """\
## `data_comp`

A view in the wide format of the original project: one row for each comparison of a batch with the
previous one, one column for each column and statistic, such as `price_mean`, with the relative
change. Where there are several datasets, each has a view with its name after this one, such as
`data_comp_rides`, and this one is that of the first."""

_STATES: dict[str, dict[str, type[StrEnum]]] = {
    "epochs": {"state": batches.EpochState},
    "batches": {"state": batches.BatchState},
    "jobs": {"kind": jobs.JobKind, "state": jobs.JobState},
    "drift_reports": {"reference": drift.Reference},
    "drift_stats": {"finding": drift.Finding},
    "promotions": {"state": promotions.PromotionState},
    "notifications": {"state": notification.Delivery},
}
"""The columns that hold an enumeration, by table."""


_CALLS = {"sa.Column", "id_column", "dataset_column"}
_DATASET = "The name of its dataset"


def render() -> str:
    """The page."""
    notes = comments()
    rows = tables.rows_table(load(SHIPPED_DATASETS / "real_estate.toml"))
    notes[rows.name] = _ROWS
    listed = [*(tables.metadata.tables[n] for n in notes if n in tables.metadata.tables), rows]
    return blocks(_INTRO, *(_section(t, notes) for t in listed), _VIEW)


def comments() -> dict[str, str]:
    """Comments on tables and columns, above or after each, by `table` and `table.column`."""
    notes: dict[str, str] = {}
    for subject in _SUBJECTS:
        module = import_module(f"{tables.__name__}.{subject}")
        source = inspect.getsource(module)
        lines = source.splitlines()
        for node in [n for n in ast.parse(source).body if isinstance(n, ast.Assign)]:
            declared = getattr(module, ast.unparse(node.targets[0]), None)
            if not isinstance(declared, sa.Table):
                continue
            notes[declared.name] = _comment_above(lines, node.lineno)
            for call, column in zip(_columns(node), declared.columns, strict=True):
                after = lines[(call.end_lineno or 0) - 1].partition("  # ")[2]
                comment = after or _comment_above(lines, call.lineno)
                if not comment and column.name == "dataset":
                    comment = _DATASET
                notes[f"{declared.name}.{column.name}"] = _sentence(comment)
    return notes


def _columns(table_node: ast.AST) -> list[ast.Call]:
    """The calls that make a table's columns, in their order."""
    calls = [node for node in ast.walk(table_node) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func) in _CALLS]


def _comment_above(lines: list[str], number: int) -> str:
    above = [line.strip() for line in lines[: number - 1]]
    comment = list(takewhile(lambda line: line.startswith("#"), reversed(above)))
    return " ".join(line.removeprefix("#").strip() for line in reversed(comment))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") or not text else ".")


def _section(section: sa.Table, notes: dict[str, str]) -> str:
    rows = [
        [code(c.name), code(c.type.compile(dialect=mysql.dialect())), "yes" if c.nullable else "",
         _key(section, c), notes.get(f"{section.name}.{c.name}", "")]
        for c in section.columns
    ]  # fmt: skip
    columns = table(["column", "type", "null", "key", "meaning"], rows)
    states = [_states(*entry) for entry in _STATES.get(section.name, {}).items()]
    keys = _composite_keys(section)
    return blocks(f"## `{section.name}`", notes.get(section.name, ""), columns, keys, *states)


def _key(section: sa.Table, column: sa.Column[object]) -> str:
    indexed = any(list(i.columns) == [column] and not i.unique for i in section.indexes)
    kinds = {"primary": column.primary_key, "unique": column.unique, "index": indexed}
    return ", ".join(kind for kind, holds in kinds.items() if holds)


def _composite_keys(section: sa.Table) -> str:
    groups: dict[str, Iterable[sa.UniqueConstraint | sa.Index]] = {
        "unique:": (c for c in section.constraints if isinstance(c, sa.UniqueConstraint)),
        "index over": section.indexes,
    }
    keys = [
        f"{words} {', '.join(code(c.name) for c in key.columns)}"
        for words, group in groups.items()
        for key in sorted(group, key=lambda k: str(k.name))
        if len(key.columns) > 1
    ]
    return _sentence("; ".join(keys))


def _states(column: str, kind: type[StrEnum]) -> str:
    values = ", ".join(code(value.value) for value in kind)
    return f"`{column}` is one of {values}. {prose(kind.__doc__)}"
