"""The tables, as `core.tables` declares them; what they mean is what the comments there say."""

from __future__ import annotations

import ast
import inspect
import re
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from core import notice, records, tables
from core.dataset import load
from core.settings import DATASETS
from handbook.markdown import code, page, prose, table

_INTRO = """\
driftdesk keeps its tables in one database: SQLite in `DATA_DIR`, or MySQL or MariaDB. Types are
MySQL's. `python -m workers migrate` makes them and brings older ones up to date; `make run` does
that at each start. Times are UTC. There are no foreign keys: `batch_id` is `batches.id`,
`report_id` is `drift_reports.id`, `job_id` is `jobs.id`, `model_version` and `version` are
MLflow's version numbers."""

_ROWS = """\
Made from the dataset file, one table for each dataset. Shown for `real_estate`. It holds the
rows of the present [epoch](../explanation/epochs.md) only. `held_out` marks the rows that no
version learns from."""

_VIEW = """\
A view: the original's wide comparison table. One row for each comparison of a batch with the one
before, one column for each compared column and statistic, such as `price_mean`, with the
relative change."""

_STATES = {
    "batches": (records.BatchState,),
    "epochs": (records.EpochState,),
    "jobs": (records.JobKind, records.JobState),
    "drift_reports": (records.Reference,),
    "drift_stats": (records.Finding,),
    "promotions": (records.PromotionState,),
    "notifications": (notice.Delivery,),
}
"""What the columns `kind`, `state`, `reference` and `finding` may say."""


def render() -> str:
    """The page."""
    said = meanings()
    dataset = load(DATASETS / "real_estate.toml")
    rows = tables.rows_table(dataset)
    listed = [*tables.metadata.tables.values()]
    return page(
        "Tables",
        _INTRO,
        *(_section(t, said) for t in listed),
        _section(rows, {rows.name: _ROWS}),
        f"## `data_comp`\n\n{_VIEW}",
    )


def meanings() -> dict[str, str]:
    """Comments of `core.tables` by `table` and `table.column`: above a thing, or after it."""
    source = inspect.getsource(tables)
    lines = source.splitlines()
    found: dict[str, str] = {}
    for node in ast.parse(source).body:
        if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)):
            continue
        name = _first_text(node.value)
        if name is None or ast.unparse(node.value.func) != "sa.Table":
            continue
        found[name] = _comment_above(lines, node.lineno)
        for call in node.value.args:
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "sa.Column":
                after = re.search(r"#\s*(.*)$", lines[(call.end_lineno or 0) - 1])
                comment = after[1] if after else _comment_above(lines, call.lineno)
                found[f"{name}.{_first_text(call)}"] = _sentence(comment)
    return found


def _first_text(call: ast.Call) -> str | None:
    first = call.args[0] if call.args else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _comment_above(lines: list[str], number: int) -> str:
    above: list[str] = []
    for line in reversed(lines[: number - 1]):
        if not line.lstrip().startswith("#"):
            break
        above.insert(0, line.strip().removeprefix("#").strip())
    return " ".join(above)


def _sentence(text: str) -> str:
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _section(found: sa.Table, said: dict[str, str]) -> str:
    rows = [
        [code(c.name), _type(c), "yes" if c.nullable else "", _key(found, c),
         said.get(f"{found.name}.{c.name}", "")]
        for c in found.columns
    ]  # fmt: skip
    columns = table(["column", "type", "null", "key", "meaning"], rows)
    parts = [f"## `{found.name}`", said.get(found.name, ""), columns, _together(found)]
    parts += [_states(kind) for kind in _STATES.get(found.name, ())]
    return "\n\n".join(p for p in parts if p)


def _type(column: sa.Column[object]) -> str:
    return code(column.type.compile(dialect=mysql.dialect()))


def _key(found: sa.Table, column: sa.Column[object]) -> str:
    kinds = []
    if column.primary_key:
        kinds.append("primary")
    if column.unique:
        kinds.append("unique")
    if any(list(index.columns) == [column] and not index.unique for index in found.indexes):
        kinds.append("index")
    return ", ".join(kinds)


def _together(found: sa.Table) -> str:
    """Keys over several columns."""
    said = [
        f"unique together: {', '.join(code(c.name) for c in rule.columns)}"
        for rule in sorted(found.constraints, key=lambda c: str(c.name))
        if isinstance(rule, sa.UniqueConstraint) and len(rule.columns) > 1
    ]
    said += [
        f"index over {', '.join(code(c.name) for c in index.columns)}"
        for index in sorted(found.indexes, key=lambda i: str(i.name))
        if len(index.columns) > 1
    ]
    return _sentence("; ".join(said))


def _states(kind: type[StrEnum]) -> str:
    column = {"JobKind": "kind", "Reference": "reference", "Finding": "finding"}
    values = ", ".join(code(value.value) for value in kind)
    return f"`{column.get(kind.__name__, 'state')}` is one of {values}. {prose(kind.__doc__)}"
