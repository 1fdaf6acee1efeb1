"""Where a request may go that a setting leads somewhere."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from core.addresses import Destination, check_redis, check_url
from core.settings import Settings

PUBLIC = "93.184.215.14"
METADATA = "169.254.169.254"


def to(url: str, listed: str = "") -> Destination:
    return Destination.of("DATA_API_URL", url, listed)


@pytest.mark.parametrize(
    "address",
    [METADATA, "169.254.0.1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fd20:ce::254",
     "100.100.100.200", "192.0.0.192", "168.63.129.16", "224.0.0.1", "ff02::1", "0.0.0.0",
     "0.1.2.3", "::", "255.255.255.255", "240.0.0.1", "::ffff:169.254.169.254",
     "::169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1"],
)  # fmt: skip
def test_some_addresses_are_never_asked_whatever_is_listed(address: str) -> None:
    for host in ("data.example", "data-api"):
        assert to(f"http://{host}", host).refuses(host, [address])
        assert to(f"http://{host}", host).refuses(host, [PUBLIC, address])


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "::1",
                "fd12::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"],
)  # fmt: skip
def test_private_addresses_are_asked_where_they_were_plainly_meant(address: str) -> None:
    public_name = to("http://data.example:8010")
    assert "DATA_API_HOSTS" in public_name.refuses("data.example", [address])
    assert not to("http://data.example", "data.example").refuses("data.example", [address])
    for meant in ("localhost", "data-api", "data-api.prod.svc", "data.internal", "10.1.2.3"):
        assert not to(f"http://{meant}").refuses(meant, [address])


def test_a_public_address_is_asked_and_no_other_host_is() -> None:
    there = to("https://Data.Example./path")
    assert not there.refuses("data.example", [PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
    assert there.refuses("other.example", [PUBLIC])
    assert to("https://data.example", "other.example").refuses("data.example", [PUBLIC])


@pytest.mark.parametrize(
    "url",
    ["ftp://data.example", "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "//data.example",
     "data.example", "http://", "http://ana:pw@data.example", f"http://{METADATA}/latest",
     f"http://[::ffff:{METADATA}]/", "http://0.0.0.0:8010", "http://ana:geheim\u2100@x/"],
)  # fmt: skip
def test_an_address_that_must_not_be_asked_stops_the_start(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None, data_api_url=url)
    said = str(refused.value.errors(include_input=False)[0]["msg"])
    assert "geheim" not in said
    assert "pw" not in said


def test_the_list_of_hosts_must_name_the_one_that_is_asked() -> None:
    url = "http://data.example:8010"
    Settings(_env_file=None, data_api_url=url, data_api_hosts="other, DATA.example")
    for bad in ("other.example", "http://data.example", "data.example:8010", "data.example/x"):
        with pytest.raises(ValidationError):
            Settings(_env_file=None, data_api_url=url, data_api_hosts=bad)
    with pytest.raises(ValidationError):
        Settings(_env_file=None, webhook_url="https://hooks.example/x", webhook_hosts="other")
    with pytest.raises(ValueError, match="not in the list"):
        check_url(url, "other.example")


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
