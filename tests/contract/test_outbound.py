"""Requests that a setting leads somewhere: real servers, and a resolver that lies."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.addresses import Destination
from core.errors import AddressRefused, NotDelivered, SourceRefused
from core.notice import Delivery
from core.outbound import Session
from core.records import JobState
from core.remote import probe
from core.settings import Settings
from core.store import Store
from tests.contract.test_notifications import state, tell, wiring
from tests.receiver import Receiver, receiver
from tests.work import ingest
from workers.outbox import post_due
from workers.source import DataApi
from workers.webhook import Webhook

METADATA = "169.254.169.254"
NAME = "data.example"


@pytest.fixture
def api() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture
def other() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def port(of: Receiver) -> int:
    return urlsplit(of.url).port or 0


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Lets a name resolve to each of some answers in turn, the last for ever; what was asked."""
    real = socket.getaddrinfo

    def install(*answers: list[str]) -> list[str]:
        asked: list[str] = []

        def lie(host: Any, where: Any, *args: Any, **kwargs: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            if _is_literal(name) or name == "localhost":
                return real(host, where, *args, **kwargs)
            asked.append(name)
            addresses = answers[min(len(asked), len(answers)) - 1]
            return [
                (socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "",
                 (a, where))
                for a in addresses
            ]  # fmt: skip

        monkeypatch.setattr(socket, "getaddrinfo", lie)
        return asked

    return install


def _is_literal(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address to which a connection is tried; none leaves this machine."""
    tried: list[str] = []
    real = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        tried.append(address[0])
        if address[0] != "127.0.0.1":
            raise ConnectionRefusedError("not in a test")
        real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


def data_api(url: str, listed: str = "") -> DataApi:
    return DataApi(url, 7, "", 5.0, Destination.of("DATA_API_URL", url, listed))


def test_an_answer_that_points_elsewhere_is_not_followed(
    api: Receiver, other: Receiver, store: Store, tmp_path: Path
) -> None:
    api.answers = [(302, other.url), (307, other.url)]
    job = ingest(store, api.url, tmp_path)
    assert job.state is JobState.FAILED
    assert "HTTP 302" in job.error
    with pytest.raises(SourceRefused, match="HTTP 307"):
        data_api(api.url).restart()
    assert len(api.got) == 2
    assert other.got == []


def test_a_name_that_leads_to_the_metadata_service_is_not_asked(
    resolver: Callable[..., Any], connected: list[str], store: Store, tmp_path: Path
) -> None:
    for answer in ([METADATA], ["93.184.215.14", METADATA], ["::ffff:169.254.169.254"]):
        resolver(answer)
        job = ingest(store, f"http://{NAME}", tmp_path / "spool")
        assert job.state is JobState.FAILED
        assert job.error.startswith("DATA_API_URL leads to")
        assert job.error.endswith("Nothing was sent.")
    assert set(connected) <= {"127.0.0.1"}  # where the database may be
    assert list((tmp_path / "spool").rglob("*")) == []


@pytest.mark.parametrize("literal", ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376"])
def test_an_address_in_disguise_is_seen_through(literal: str, connected: list[str]) -> None:
    # The system's own resolver reads these numbers as 169.254.169.254.
    with pytest.raises(AddressRefused, match="link-local"):
        data_api(f"http://{literal}/").restart()
    assert connected == []


def test_the_address_that_was_checked_is_the_one_that_is_asked(
    api: Receiver, resolver: Callable[..., list[str]], connected: list[str]
) -> None:
    asked = resolver(["127.0.0.1"], [METADATA])  # DNS rebinding: the second answer is another
    api.answers = [404]
    with pytest.raises(SourceRefused, match="HTTP 404"):
        data_api(f"http://{NAME}:{port(api)}", NAME).restart()
    assert asked == [NAME]
    assert connected == ["127.0.0.1"]
    ((headers, _),) = api.got
    assert headers["host"] == f"{NAME}:{port(api)}"


def test_a_public_name_leads_to_a_private_address_only_where_it_is_listed(
    api: Receiver, resolver: Callable[..., Any], connected: list[str]
) -> None:
    resolver(["127.0.0.1"])
    url = f"http://{NAME}:{port(api)}"
    with pytest.raises(AddressRefused, match=r"list data\.example in DATA_API_HOSTS"):
        data_api(url).restart()
    assert connected == []
    data_api(url, NAME).restart()
    assert len(api.got) == 1


def test_the_next_address_is_tried_where_one_does_not_answer(
    api: Receiver, resolver: Callable[..., Any], connected: list[str]
) -> None:
    resolver(["127.0.0.2", "127.0.0.1"])
    data_api(f"http://{NAME}:{port(api)}", NAME).restart()
    assert connected == ["127.0.0.2", "127.0.0.1"]


def test_a_session_speaks_to_its_destination_alone(
    api: Receiver, other: Receiver, connected: list[str]
) -> None:
    session = Session(Destination.of("DATA_API_URL", api.url, ""))
    with pytest.raises(AddressRefused, match="does not allow the host localhost"):
        session.get(f"http://localhost:{port(other)}/")
    api.answers = [(301, other.url)]
    assert session.get(api.url).status_code == 301
    assert other.got == []


def test_proxies_and_passwords_of_the_environment_are_left_alone_unless_meant(
    api: Receiver, other: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ana password geheim\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port(other)}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port(other)}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    data_api(api.url).restart()
    ((headers, _),) = api.got
    assert "authorization" not in headers
    assert other.got == []
    settings = Settings(_env_file=None, data_api_url=api.url, outbound_proxies=True)
    DataApi(api.url, 7, "", 5.0, settings.data_api_destination).restart()
    assert (len(api.got), len(other.got)) == (1, 1)


def test_a_webhook_is_held_to_the_same(
    store: Store, resolver: Callable[..., Any], connected: list[str], api: Receiver
) -> None:
    resolver([METADATA])
    uid = tell(store)
    post_due(wiring(store, "https://hooks.example/T0P-S3CRET"))
    delivery, _, failure = state(store, uid)
    assert delivery is Delivery.PENDING
    assert failure.startswith("WEBHOOK_URL leads to")
    assert "T0P-S3CRET" not in failure
    assert set(connected) <= {"127.0.0.1"}  # where the database may be
    resolver(["127.0.0.1"])
    told = Settings(_env_file=None, webhook_url=f"http://hooks.example:{port(api)}/T0P-S3CRET")
    hook = Webhook.of(told)
    assert hook
    with store.read() as work:
        notice = work.notify.get(uid)
    assert notice
    with pytest.raises(NotDelivered, match=r"list hooks\.example in WEBHOOK_HOSTS"):
        hook.post(notice)
    listed = Webhook.of(told.model_copy(update={"webhook_hosts": "hooks.example"}))
    assert listed
    listed.post(notice)
    assert len(api.got) == 1


def test_the_health_page_is_held_to_the_same(
    api: Receiver, other: Receiver, resolver: Callable[..., Any], connected: list[str]
) -> None:
    to = Destination.of("DATA_API_URL", f"http://{NAME}", "")
    resolver([METADATA])
    seen = probe(f"http://{NAME}/health", to=to)
    assert not seen.healthy
    assert "Nothing was sent" in seen.says
    assert connected == []
    api.answers = [(302, other.url)]
    assert probe(api.url, to=Destination.of("DATA_API_URL", api.url, "")).says == "HTTP 302"
    assert other.got == []


def _certificate(folder: Path, name: str) -> Path:
    """A certificate for that name, signed by itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(who)
        .issuer_name(who)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / f"{name}.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(
        made.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return file


@pytest.mark.parametrize(("name", "trusted"), [(NAME, True), ("other.example", False)])
def test_over_tls_the_certificate_must_be_the_names_though_the_address_is_pinned(
    name: str,
    trusted: bool,  # noqa: FBT001 - a parameter
    resolver: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = _certificate(tmp_path, name)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    resolver(["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with receiver(context) as api:
        url = f"https://{NAME}:{port(api)}"
        seen = probe(url, to=Destination.of("DATA_API_URL", url, NAME))
        assert seen.healthy is trusted, seen.says
        assert len(api.got) == int(trusted)
