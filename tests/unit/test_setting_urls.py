"""URLs in the settings: which ones stop the start."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from core.platform.settings import Settings
from core.rules.access.setting_urls import check_redis


@pytest.mark.parametrize(
    "url",
    ["ftp://data.example", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "//data.example",
     "data.example", "http://", "http://ana:pw@data.example", "http://ana:geheim\u2100@x/"],
)  # fmt: skip
def test_an_address_that_must_not_be_asked_stops_the_start(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None, data_api_url=url)
    said = str(refused.value.errors(include_input=False)[0]["msg"])
    assert "geheim" not in said
    assert "pw" not in said


@pytest.mark.parametrize("field", ["mlflow_tracking_uri", "serving_url"])
def test_addresses_that_are_shown_have_no_password_in_them(field: str) -> None:
    with pytest.raises(ValidationError, match="name or password"):
        Settings(_env_file=None, **{field: "http://one:1,http://ana:pw@two:2"})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    ["redis://queue:6379/0", "redis://10.0.0.5", "rediss://queue:6380", "redis://ana@queue",
     "redis://", "http://127.0.0.1", "redis://127.0.0.1.example.com"],
)  # fmt: skip
def test_a_queue_that_anybody_on_the_network_could_fill_stops_the_start(url: str) -> None:
    with pytest.raises(ValidationError, match="redis://"):
        Settings(_env_file=None, redis_url=url)


@pytest.mark.parametrize(
    "url",
    ["redis://127.0.0.1:6380/0", "redis://localhost", "redis://[::1]:6379", "unix:///run/redis.s",
     "redis://:pw@queue:6379/0", "redis://ana:pw@queue", "redis://queue?password=pw",
     "rediss://queue?ssl_certfile=me.pem&ssl_keyfile=me.key"],
)  # fmt: skip
def test_a_queue_of_this_machine_or_with_a_password_is_taken(url: str) -> None:
    check_redis(url)
    assert Settings(_env_file=None, redis_url=url).redis_url == url


@pytest.mark.parametrize(
    ("name", "password"), [("ünï", "x"), ("me", "pässword"), ("m:e", "x"), ("me", "x\n")]
)
def test_a_login_that_mlflow_would_not_understand_stops_the_start(name: str, password: str) -> None:
    with pytest.raises(ValidationError, match=r"ASCII|colon"):
        Settings(_env_file=None, mlflow_tracking_username=name, mlflow_tracking_password=password)


def test_settings_that_are_printed_show_no_secret() -> None:
    made = Settings(
        _env_file=None,
        redis_url="redis://:c4n4ry@queue",
        database_url="mysql+pymysql://me:c4n4ry@db/x",
        mlflow_tracking_username="me",
        mlflow_tracking_password="c4n4ry",
        webhook_url="https://hooks.example/c4n4ry",
        webhook_secret="c4n4ry",
        serving_key="c4n4ry",
        serving_push_secret="c4n4ry",
    )
    assert "c4n4ry" not in repr(made) + str(made) + repr(made.mlflow_login)
