"""Case I: console, workers and serving reach the same server in the same way."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pymysql
import pytest
import sqlalchemy as sa

from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.errors import StoreUnavailable
from core.platform.database_url import read_database_url
from serving.database import Database, DatabaseAway

PASSWORD = "p@s/w:r?d#é%41"
OWN = {"client_flag", "connect_timeout", "read_timeout", "write_timeout", "local_infile"}
"""Time limits and rights that each program adds on its own."""


class Asked(Exception):
    """A connection was asked for; none is made."""


@pytest.mark.parametrize(
    "query",
    ["", "?unix_socket=/run/mysqld/other.sock", "?charset=utf8mb4",
     "?ssl_ca=/etc/ca.pem&ssl_cert=/etc/cert.pem&ssl_key=/etc/key.pem",
     "?ssl_ca=/etc/ca.pem&ssl_check_hostname=false"],
)  # fmt: skip
def test_case_i_serving_gives_the_driver_what_the_engine_gives_it(
    query: str, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def connect(**arguments: Any) -> None:
        asked.append({n: v for n, v in arguments.items() if n not in OWN})
        raise pymysql.err.OperationalError(2003, "not here")

    monkeypatch.setattr(pymysql, "connect", connect)
    url = f"mysql+pymysql://me:p%40ss%2Fw%3Ard@db.example:3307/desk{query}"
    store = Store.open(url, dataset)
    with suppress(StoreUnavailable), store.read():
        pass
    store.close()
    with suppress(DatabaseAway):
        Database(url).delete_replica("none")
    of_engine, of_serving = asked
    assert of_serving == of_engine == read_database_url(url).arguments


def test_case_i_a_socket_and_a_password_of_any_characters_reach_the_server(
    mariadb: str, dataset: Dataset
) -> None:
    from tests.databases import drop_databases, fresh_database

    url = fresh_database(mariadb)
    server = sa.create_engine(url)
    with server.begin() as connection:
        socket = connection.exec_driver_sql("SELECT @@socket").scalar_one()
        name = sa.make_url(url).database
        connection.execute(
            sa.text(f"CREATE USER '{name}'@'localhost' IDENTIFIED BY :pw"), {"pw": PASSWORD}
        )
        connection.exec_driver_sql(f"GRANT ALL ON {name}.* TO '{name}'@'localhost'")
    server.dispose()
    if not Path(socket).exists():  # TEST_DATABASE_SERVER may be on another machine
        pytest.skip("the database's socket is not on this machine")
    from urllib.parse import quote

    # Nothing listens at the host: only who honours the socket gets through.
    told = f"mysql+pymysql://{name}:{quote(PASSWORD, safe='')}@127.0.0.1:1/{name}"
    store = Store.open(f"{told}?unix_socket={socket}", dataset)
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT DATABASE()").scalar_one() == name
    store.close()
    drop_databases(mariadb)


def test_case_i_a_certificate_that_is_not_there_is_said_and_not_left_out(
    mariadb: str, dataset: Dataset, tmp_path: Path
) -> None:
    store = Store.open(f"{mariadb}/desk?ssl_ca={tmp_path / 'none.pem'}", dataset)
    with (
        pytest.raises(StoreUnavailable, match="certificates that DATABASE_URL names"),
        store.read(),
    ):
        pass
    store.close()
