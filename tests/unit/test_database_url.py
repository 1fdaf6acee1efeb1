"""One reading of DATABASE_URL: what the driver is given, and what is refused."""

from __future__ import annotations

import pymysql
import pytest
import sqlalchemy as sa
from pydantic import ValidationError

from core.domain.errors import SettingsError
from core.platform.database_url import DatabaseUrl, read_database_url, sqlite_url
from core.platform.settings import Settings

MYSQL = "mysql+pymysql://"
OWN = {"client_flag", "connect_timeout", "read_timeout", "write_timeout", "local_infile"}
"""What a program adds on its own, whatever the URL says."""


@pytest.mark.parametrize(
    "url",
    [
        "root@127.0.0.1:3307/desk",
        "desk:secret@db.example/desk?charset=utf8mb4",
        "desk:p%40ss%2Fw%3Ard%3F%23%25@db.example:3306/desk",
        "desk:p/w:r?d#1@db.example/desk",
        "desk%40corp:pw@[2001:db8::1]:3306/desk",
        "desk@localhost/desk?unix_socket=/run/mysqld/mysqld.sock",
        "desk@/desk?unix_socket=%2Frun%2Fmy%20sql.sock",
        "desk:pw@db.example/desk?ssl_ca=/etc/ssl/ca.pem",
        "desk:pw@db.example/desk?ssl_ca=/ca&ssl_cert=/cert&ssl_key=/key&ssl_cipher=AES256",
        "desk:pw@db.example/desk?ssl_capath=/etc/ssl/certs&ssl_check_hostname=false",
        "desk:pw@db.example/desk?ssl_ca=/ca&ssl_check_hostname=true",
        "db.example/my%20desk",
    ],
)
def test_case_i_the_driver_gets_what_sqlalchemy_would_give_it(url: str) -> None:
    made = sa.make_url(MYSQL + url)
    _, theirs = made.get_dialect()(dbapi=pymysql).create_connect_args(made)
    theirs = {name: value for name, value in theirs.items() if name not in OWN}
    ours = read_database_url(MYSQL + url).arguments
    assert ours.pop("ssl_disabled", False) is ("unix_socket" in theirs)
    assert ours == theirs | {"charset": "utf8mb4"}


def test_options_of_tls_hold_on_a_socket_too() -> None:
    arguments = read_database_url(f"{MYSQL}desk@/desk?unix_socket=/run/s&ssl_ca=/ca").arguments
    assert "ssl_disabled" not in arguments
    assert arguments["ssl"] == {"ca": "/ca"}


def test_a_password_beyond_ascii_is_sent_as_utf8() -> None:
    told = read_database_url(f"{MYSQL}desk:gr%C3%BC%C3%9Fe@db/desk").arguments
    assert told["password"] == "grüße".encode()


@pytest.mark.parametrize(
    ("query", "ssl"),
    [
        ("ssl_ca=/ca&ssl_verify_cert=true&ssl_verify_identity=true",
         {"ca": "/ca", "check_hostname": True}),
        ("ssl_ca=/ca&ssl_verify_cert=true&ssl_verify_identity=false",
         {"ca": "/ca", "check_hostname": False}),
        ("ssl_ca=/ca&ssl_verify_cert=no",
         {"ca": "/ca", "check_hostname": False, "verify_mode": False}),
    ],
)  # fmt: skip
def test_pymysqls_own_names_of_the_checks_are_taken(query: str, ssl: dict[str, object]) -> None:
    told = read_database_url(f"{MYSQL}db/desk?{query}")
    assert told.ssl == ssl
    pymysql.connections.Connection._create_ssl_ctx(  # takes it, and does not contradict itself
        None, {name: value for name, value in told.ssl.items() if name != "ca"}  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://db/desk", "must start with"),
        (f"{MYSQL}db", "names no database"),
        (f"{MYSQL}db/", "names no database"),
        (f"{MYSQL}me:p@ss@db/desk", "%40"),
        (f"{MYSQL}db:99999/desk", "port"),
        (f"{MYSQL}db:3_306/desk", "port"),
        (f"{MYSQL}db:/desk", "port"),
        (f"{MYSQL}me:%E9@db/desk", "password"),
        (f"{MYSQL}db/desk\n", "control character"),
        (f"{MYSQL}db/desk?ssl_mode=REQUIRED", "'ssl_mode'"),
        (f"{MYSQL}db/desk?SSL_CA=/ca", "'SSL_CA'"),
        (f"{MYSQL}db/desk?read_timeout=5", "'read_timeout'"),
        (f"{MYSQL}db/desk?ssl_ca=", "ssl_ca without a value"),
        (f"{MYSQL}db/desk?ssl_ca", "ssl_ca without a value"),
        (f"{MYSQL}db/desk?ssl_ca=/a&ssl_ca=/b", "ssl_ca twice"),
        (f"{MYSQL}db/desk?charset=latin1", "charset"),
        (f"{MYSQL}db/desk?ssl_key=/key", "ssl_cert"),
        (f"{MYSQL}db/desk?ssl_verify_cert=true", "ssl_ca"),
        (f"{MYSQL}db/desk?ssl_check_hostname=1", "ssl_ca"),
        (f"{MYSQL}db/desk?ssl_ca=/ca&ssl_check_hostname=maybe", "ssl_check_hostname"),
        (f"{MYSQL}db/desk?ssl_ca=/ca&ssl_check_hostname=1&ssl_verify_identity=0", "contradict"),
        (f"{MYSQL}db/desk?ssl_ca=/ca&ssl_check_hostname=1&ssl_verify_cert=0", "ssl_verify_cert"),
        ("sqlite://", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://folder/desk.db", "names a host"),
        ("sqlite:///desk.db?timeout=5", "timeout"),
    ],
)  # fmt: skip
def test_case_i_what_is_not_understood_is_refused_by_name(url: str, why: str) -> None:
    with pytest.raises(SettingsError, match=r"^(?!.*(p@ss|%E9))") as refused:
        read_database_url(url)
    assert why in str(refused.value)
    with pytest.raises(ValidationError, match="database_url"):
        Settings(_env_file=None, database_url=url)


@pytest.mark.parametrize("path", ["desk.db", "/var/my desk/a%41b?c#d.db", "/tmp/ü/desk.db"])
def test_a_sqlite_file_keeps_its_name_whatever_is_in_it(path: str) -> None:
    url = sqlite_url(path)
    assert read_database_url(url) == DatabaseUrl("sqlite", path=path)
    assert sa.make_url(url).database == path


def test_what_is_shown_holds_no_secret() -> None:
    told = read_database_url(f"{MYSQL}me:p/w@[::1]:3307/desk?ssl_ca=/private/ca.pem")
    assert told.shown == f"{MYSQL}[::1]:3307/desk"
    assert "p/w" not in repr(told)
    assert told.is_local
    assert not read_database_url(f"{MYSQL}db.example/desk").is_local
    assert read_database_url(f"{MYSQL}db.example/desk?unix_socket=/run/s").is_local


def test_a_password_of_any_characters_is_kept_out_of_the_log() -> None:
    settings = Settings(_env_file=None, database_url=f"{MYSQL}me:kq/w:r?d#1@db.example/desk")
    assert "kq/w:r?d#1" in settings.secrets
