"""Databases for tests: migrations run once per process, and what follows is copied or emptied."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from core.adapters.store import migrate as migration
from core.adapters.store.engine import make_file
from core.domain.dataset import Dataset

Datasets = Dataset | Sequence[Dataset]
"""The only dataset of a desk, or all of them."""

_created: list[tuple[str, str]] = []
_files: dict[str, Path] = {}
_templates: dict[tuple[str, str], Template] = {}

_DESCRIBED = (
    ("columns", "table", "table_name, column_name, column_type, is_nullable, column_default"),
    ("tables", "table", "table_name, engine, table_collation"),
    ("statistics", "table", "table_name, index_name, column_name, non_unique"),
    ("triggers", "trigger", "trigger_name"),
)
"""Views of the schema, the prefix of their column with its name, and what tells of a change."""


def fresh_database(server: str) -> str:
    """An empty database of its own on a server; of a shared one it is dropped in the end."""
    name = f"driftdesk_{uuid.uuid4().hex}"
    with _connection(server) as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    _created.append((server, name))
    return _named(server, name)


def drop_databases(server: str) -> None:
    """Drop what `fresh_database` created on a server, except what templates and pools keep."""
    for pair in [pair for pair in _created if pair[0] == server]:
        _drop(server, pair[1])
        _created.remove(pair)


def migrated(url: str, datasets: Datasets) -> None:
    """Bring an empty database to the current schema, as the migrations would, from a template."""
    if sa.make_url(url).get_backend_name() == "sqlite":
        make_file(url)
        shutil.copyfile(_sqlite_template(datasets), str(sa.make_url(url).database))
        return
    address = sa.make_url(url)
    server = address.set(database=None).render_as_string(hide_password=False)
    with _connection(url) as connection:
        _template(server, datasets).copy_to(connection)


def _sqlite_template(datasets: Datasets) -> Path:
    if repr(datasets) not in _files:
        folder = Path(tempfile.mkdtemp(prefix="driftdesk-template-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        migration.migrate(f"sqlite:///{folder / 'store.db'}", datasets)
        (_files[repr(datasets)],) = folder.iterdir()  # one file: the write-ahead log is empty
    return _files[repr(datasets)]


class Template:
    """The schema of a migrated database on a server, and the rows that the migrations insert."""

    def __init__(self, server: str, datasets: Datasets) -> None:
        url = fresh_database(server)
        name = str(sa.make_url(url).database)
        migration.migrate(url, datasets)
        with _connection(url) as connection:
            names = sorted(sa.inspect(connection).get_table_names())
            views = sorted(sa.inspect(connection).get_view_names())
            shown = [_definition(connection, "TABLE", table) for table in names]
            shown += [_definition(connection, "VIEW", view) for view in views]
            self.definitions = [text.replace(f"`{name}`.", "") for text in shown]
            self.digest = _digest(connection)
            tables = sa.MetaData()
            tables.reflect(connection)
            self.tables = tables.sorted_tables
            self.rows = {t: connection.execute(t.select()).mappings().all() for t in self.tables}
        _created.remove((server, name))
        _drop(server, name)

    def copy_to(self, connection: sa.Connection) -> None:
        """Create the tables, views and rows in an empty database."""
        connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
        for definition in self.definitions:
            connection.exec_driver_sql(definition)
        self._insert(connection)

    def empty(self, connection: sa.Connection) -> bool:
        """Bring a database that was used back to this state; False if its schema was changed."""
        _end_others(connection, str(connection.engine.url.database))
        if _digest(connection) != self.digest:
            return False
        connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 0")
        for table in self.tables:
            connection.exec_driver_sql(f"DELETE FROM `{table.name}`")
        if "MariaDB" not in str(connection.exec_driver_sql("SELECT VERSION()").scalar()):
            connection.exec_driver_sql("SET SESSION information_schema_stats_expiry = 0")
        counted = connection.exec_driver_sql(
            "SELECT table_name FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND auto_increment > 1"
        )
        for (table,) in counted.all():
            connection.exec_driver_sql(f"ALTER TABLE `{table}` AUTO_INCREMENT = 1")
        self._insert(connection)
        return True

    def _insert(self, connection: sa.Connection) -> None:
        for table, rows in self.rows.items():
            if rows:
                connection.execute(table.insert(), [dict(row) for row in rows])
        connection.exec_driver_sql("SET FOREIGN_KEY_CHECKS = 1")


class Pool:
    """One migrated database of a server, emptied between tests; a new one where one was altered."""

    def __init__(self, server: str, dataset: Dataset) -> None:
        self._server, self._dataset = _by_socket(server), dataset
        self._url = ""

    def take(self) -> str:
        """The URL of a database that has nothing but its schema."""
        if self._url and not self._emptied():
            self.close()
        if not self._url:
            self._url = fresh_database(self._server)
            _created.remove((self._server, str(sa.make_url(self._url).database)))
            migrated(self._url, self._dataset)
        return self._url

    def _emptied(self) -> bool:
        try:
            with _connection(self._url) as connection:
                return _template(self._server, self._dataset).empty(connection)
        except sa.exc.OperationalError:
            return False  # the test dropped it

    def close(self) -> None:
        """Drop the database."""
        if self._url:
            _drop(self._server, str(sa.make_url(self._url).database))
        self._url = ""


def shape(connection: sa.Connection) -> list[list[tuple[object, ...]]]:
    """What tables a database has, with columns, indexes and triggers."""
    return [
        sorted(map(tuple, connection.exec_driver_sql(_of_schema(columns, view, prefix))), key=repr)
        for view, prefix, columns in _DESCRIBED
    ]


def _digest(connection: sa.Connection) -> list[tuple[object, ...]]:
    """A digest of the shape, which the server calculates."""
    digests = []
    for view, prefix, columns in _DESCRIBED:
        row = ", ".join(f"QUOTE({name})" for name in columns.split(", "))
        query = _of_schema(f"COUNT(*), BIT_XOR(CRC32(CONCAT_WS('|', {row})))", view, prefix)
        digests.append(tuple(connection.exec_driver_sql(query).one()))
    return digests


def _of_schema(expressions: str, view: str, prefix: str) -> str:
    return f"SELECT {expressions} FROM information_schema.{view} WHERE {prefix}_schema = DATABASE()"


def _template(server: str, datasets: Datasets) -> Template:
    key = server, repr(datasets)
    if key not in _templates:
        _templates[key] = Template(server, datasets)
    return _templates[key]


def _definition(connection: sa.Connection, kind: str, name: str) -> str:
    return str(connection.exec_driver_sql(f"SHOW CREATE {kind} `{name}`").one()[1])


def _named(server: str, name: str) -> str:
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def _by_socket(server: str) -> str:
    """The same server by its socket, if it is on this machine: connecting is faster."""
    with _connection(server) as connection:
        path = str(connection.exec_driver_sql("SELECT @@socket").scalar())
    if not Path(path).is_socket():
        return server
    address = sa.make_url(server).update_query_dict({"unix_socket": path})
    return address.render_as_string(hide_password=False)


def _drop(server: str, name: str) -> None:
    with _connection(server) as connection:
        _end_others(connection, name)
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")


def _end_others(connection: sa.Connection, name: str) -> None:
    """End the connections that a test left open: they may hold locks."""
    others = connection.exec_driver_sql(
        "SELECT id FROM information_schema.processlist"
        f" WHERE db = '{name}' AND id <> CONNECTION_ID()"
    )
    for (process,) in others.all():
        try:
            connection.exec_driver_sql(f"KILL {process}")
        except sa.exc.OperationalError as error:
            if "1094" not in str(error):  # it ended by itself
                raise


@contextmanager
def _connection(url: str) -> Iterator[sa.Connection]:
    plain = {} if "ssl" in url else {"ssl_disabled": True}  # else certificates load each time
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args=plain)
    with engine.begin() as connection:
        yield connection
    engine.dispose()
