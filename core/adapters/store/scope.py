"""Every statement is bound to one dataset, by the connection that runs it.

A connection is opened for a dataset by its name, or for all of them (`EVERY`), in its execution
option `DATASET`. Each SELECT, UPDATE and DELETE of a table that has the column `dataset`, and each
subquery of one, gets the condition `dataset = :name` when it is compiled; each inserted row gets
the name. So no query has to say it, and none can forget it: a statement on a connection that was
opened for neither does not compile.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.selectable import SelectState

DATASET = "driftdesk_dataset"
"""The execution option of a connection: the name of its dataset, or `EVERY`."""

EVERY = "*"
"""For all datasets; no dataset has this name."""

_COLUMN = "dataset"
_NAME = sa.bindparam("driftdesk_dataset_name", required=True, type_=sa.String(48))
_FREE = "driftdesk_every_dataset"

_BOUND = (sa.Select, sa.CompoundSelect, sa.Update, sa.Delete)

_Values = Mapping[str, Any]


class UnscopedQuery(sa.exc.DontWrapMixin, RuntimeError):
    """A bug: a statement on tables of datasets, and nobody said of which."""


def dataset_column(*, key: bool = False) -> sa.Column[str]:
    """The column of a row's dataset, filled in by the connection."""
    return sa.Column(_COLUMN, sa.String(48), nullable=False, primary_key=key, default=_of_row)


def is_scoped(table: object) -> bool:
    """Whether the rows of a table belong to datasets."""
    return (
        isinstance(table, sa.Table) and getattr(table.c.get(_COLUMN), "default", None) is not None
    )


def watch(engine: sa.Engine) -> None:
    """Pass on to each statement which dataset its connection was opened for."""
    event.listen(engine, "before_execute", _say_which, retval=True)


def _of_row(context: DefaultExecutionContext) -> str:
    name = context.execution_options.get(DATASET)
    if name in (None, EVERY):
        raise UnscopedQuery("A row of a dataset is inserted on a connection that is for none.")
    return str(name)


def _say_which(
    _connection: sa.Connection,
    statement: Any,
    many: list[_Values],
    values: _Values,
    options: Mapping[str, Any],
) -> tuple[Any, list[_Values], _Values]:
    """Add the name to the statement's values, or, for all datasets, a mark instead.

    Both are part of the key of SQLAlchemy's cache, so the three forms of a statement are compiled
    once each.
    """
    name = options.get(DATASET)
    if name is None or not isinstance(
        statement, sa.Select | sa.CompoundSelect | sa.Update | sa.Delete
    ):
        return statement, many, values
    said = {_FREE: None} if name == EVERY else {_NAME.key: name}
    if many:
        return statement, [{**one, **said} for one in many], values
    return statement, many, {**values, **said}


def _tables(source: object) -> Iterator[sa.FromClause]:
    """The tables of datasets, and aliases of them, that a FROM joins."""
    if isinstance(source, sa.Join):
        yield from _tables(source.left)
        yield from _tables(source.right)
        if source.isouter and next(_tables(source.right), None) is not None:
            raise UnscopedQuery("An outer join of a dataset's table: bind it in a subquery.")
    elif isinstance(source, sa.FromClause) and is_scoped(getattr(source, "element", source)):
        yield source


def _bounds(sources: list[Any], compiler: SQLCompiler) -> list[sa.ColumnElement[bool]]:
    """The conditions that are lacking; none of a statement that is only shown, not executed."""
    keys = compiler.column_keys
    if keys is None or _FREE in keys:
        return []
    tables = list(dict.fromkeys(table for source in sources for table in _tables(source)))
    if tables and _NAME.key not in keys:
        raise UnscopedQuery(f"The connection was not opened for a dataset: {tables[0]}.")
    return [table.c[_COLUMN] == _NAME for table in tables]


@compiles(sa.Select)
def _select(statement: sa.Select[Any], compiler: SQLCompiler, **kw: Any) -> str:
    # `get_final_froms` would compile the statement, and so call this function again without end.
    bounds = _bounds(SelectState(statement, compiler).froms, compiler)
    return str(compiler.visit_select(statement.where(*bounds), **kw))  # type: ignore[no-untyped-call]


@compiles(sa.Update)
def _update(statement: sa.Update, compiler: SQLCompiler, **kw: Any) -> str:
    bounds = _bounds([statement.table], compiler)
    return compiler.visit_update(statement.where(*bounds), **kw)


@compiles(sa.Delete)
def _delete(statement: sa.Delete, compiler: SQLCompiler, **kw: Any) -> str:
    bounds = _bounds([statement.table], compiler)
    return str(compiler.visit_delete(statement.where(*bounds), **kw))  # type: ignore[no-untyped-call]
