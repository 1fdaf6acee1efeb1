"""A signed `POST /events/batch-ready` queues an ingest: once, bounded, and on record."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from pydantic import SecretStr, ValidationError
from starlette.applications import Starlette

from console.actions import events, pipeline
from console.desk import Desk
from console.web import events as endpoint
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.errors import DeliveredAlready, NotGenuine, TooManyDeliveries
from core.domain.jobs import Job, JobKind
from core.platform.settings import Settings
from core.rules.ops.notification import signature
from core.rules.ops.signed_delivery import WINDOW_SECONDS, require_genuine
from tests.build import somebody
from tests.fakes import FakeQueue, FakeRegistry, FakeServing

SECRET = "whsec_" + "c2VjcmV0" * 5
NOW = 1_800_000_000


def signed(
    body: bytes = b"{}", *, uid: str = "evt_1", at: int = NOW, secret: str = SECRET
) -> dict[str, str]:
    return {
        "webhook-id": uid,
        "webhook-timestamp": str(at),
        "webhook-signature": signature(secret, uid, at, body),
    }


@pytest.fixture
def desk(store: Store, dataset: Dataset, tmp_path: Path, monkeypatch: Any) -> Iterator[Desk]:
    settings = Settings(_env_file=None, data_dir=tmp_path, events_secret=SecretStr(SECRET))
    made = Desk(settings, dataset, store, FakeQueue(), FakeRegistry(), FakeServing())  # type: ignore[arg-type]
    monkeypatch.setattr("console.web.session.Desk.make", lambda *_: made)
    monkeypatch.setattr("console.web.session.read_settings", lambda: settings)
    st.cache_resource.clear()
    yield made
    st.cache_resource.clear()


def deliver(desk: Desk, uid: str) -> Job:
    actor, delivery = events.sender(desk.settings, signed(uid=uid), b"{}", NOW)
    return events.batch_ready(desk, actor, delivery)


# The signature


def test_what_our_own_webhooks_sign_is_genuine() -> None:
    assert require_genuine(SECRET, signed(), b"{}", NOW + WINDOW_SECONDS) == "evt_1"
    several = signed() | {"webhook-signature": f"v1,old {signed()['webhook-signature']}"}
    assert require_genuine(SECRET, several, b"{}", NOW) == "evt_1"


@pytest.mark.parametrize(
    ("headers", "body", "now"),
    [
        ({}, b"{}", NOW),
        (signed(secret="another secret of 32 letters...."), b"{}", NOW),
        (signed(), b'{"other": 1}', NOW),
        (signed() | {"webhook-id": "evt_2"}, b"{}", NOW),
        (signed() | {"webhook-timestamp": str(NOW + 1)}, b"{}", NOW),
        (signed() | {"webhook-signature": ""}, b"{}", NOW),
        (signed() | {"webhook-signature": "v1,é"}, b"{}", NOW),
        (signed(), b"{}", NOW + WINDOW_SECONDS + 1),
        (signed(), b"{}", NOW - WINDOW_SECONDS - 1),
        (signed(uid="a.b"), b"{}", NOW),
        (signed(uid="x" * 201), b"{}", NOW),
        (signed() | {"webhook-timestamp": "\uff118"}, b"{}", NOW),
    ],
)
def test_anything_else_is_not(headers: dict[str, str], body: bytes, now: int) -> None:
    with pytest.raises(NotGenuine):
        require_genuine(SECRET, headers, body, now)


def test_what_was_signed_cannot_be_divided_in_another_way() -> None:
    """The id, the time and the body are joined by points."""
    body = f"{NOW}.rest".encode()
    taken = signed(body, uid="evt", at=NOW - 1)
    moved = taken | {"webhook-id": f"evt.{NOW - 1}", "webhook-timestamp": str(NOW)}
    with pytest.raises(NotGenuine):
        require_genuine(SECRET, moved, b"rest", NOW)


@pytest.mark.parametrize("secret", ["short", "whsec_", "whsec_c2VjcmV0"])
def test_a_secret_that_can_be_guessed_is_refused(secret: str) -> None:
    with pytest.raises(ValidationError, match="fewer than 24 bytes"):
        Settings(_env_file=None, events_secret=SecretStr(secret))


# What it does


def test_a_delivery_queues_an_ingest_and_is_on_record(desk: Desk) -> None:
    job = deliver(desk, "evt_1")
    assert (job.kind, job.args, job.joined) == (JobKind.INGEST, {}, False)
    assert len(desk.queue.entries) == 1  # type: ignore[attr-defined]
    with desk.store.read() as work:
        (event,) = work.audit.latest(1)
    assert (event.actor, event.action) == ("event batch-ready", "request ingest")
    assert event.details["delivery"] == "evt_1"
    assert event.details["by"] == {
        "role": "operator", "known_by": "signature of delivery evt_1",
    }  # fmt: skip


def test_a_delivery_is_accepted_once_and_another_joins_what_is_open(desk: Desk) -> None:
    first = deliver(desk, "evt_1")
    with pytest.raises(DeliveredAlready, match="evt_1 was accepted before"):
        deliver(desk, "evt_1")
    second = deliver(desk, "evt_2")
    assert (second.id, second.joined) == (first.id, True)
    with desk.store.read() as work:
        assert [e.action for e in work.audit.latest(2)] == ["join ingest", "request ingest"]


def test_it_joins_a_run_of_all_steps(desk: Desk) -> None:
    open_job = pipeline.request_ingest(desk, somebody(), then_train=True)
    assert deliver(desk, "evt_1").id == open_job.id


def test_too_many_deliveries_are_refused_and_the_table_is_bounded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST_A_MINUTE", 2)
    for uid in ("a", "b"):
        deliver(desk, uid)
    with pytest.raises(TooManyDeliveries, match="within a minute"):
        deliver(desk, "c")
    later = desk.store._clock()
    moved = Store(desk.store.engine, desk.dataset, lambda: later + 4 * events._KEPT)
    deliver(replace(desk, store=moved), "c")
    with desk.store.engine.connect() as connection:
        from core.adapters.store.tables import deliveries

        assert len(connection.execute(deliveries.select()).all()) == 1


# Over HTTP


@pytest.fixture
def client() -> Any:
    import httpx

    transport = httpx.ASGITransport(app=Starlette(routes=list(endpoint.ROUTES)))
    return httpx.AsyncClient(transport=transport, base_url="http://console")


def post(client: Any, headers: dict[str, str], body: bytes = b"{}") -> Any:
    import asyncio

    async def run() -> Any:
        return await client.post(endpoint.PATH, headers=headers, content=body)

    return asyncio.run(run())


on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@on_sqlite
@pytest.mark.usefixtures("desk")
def test_over_http_each_outcome_has_its_status(client: Any) -> None:
    now = int(time.time())
    first = post(client, signed(at=now))
    assert (first.status_code, first.json()["joined"]) == (202, False)
    again = post(client, signed(at=now, uid="evt_2"))
    assert (again.status_code, again.json()["job"]) == (202, first.json()["job"])
    assert "is joined" in again.json()["detail"]
    for headers, status in ((signed(at=now), 409), (signed(at=now - 999), 401), ({}, 401)):
        refused = post(client, headers)
        assert refused.status_code == status
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json().keys() == {"type", "title", "status", "detail"}
    assert post(client, signed(at=now), b"x" * (endpoint.MOST_BYTES + 1)).status_code == 413


@on_sqlite
def test_while_a_restart_is_open_it_may_be_delivered_again_later(desk: Desk, client: Any) -> None:
    with desk.store.begin() as work:
        work.jobs.request(JobKind.INGEST, {"restart_epoch": 1}, "ana")
        work.commit()
    headers = signed(at=int(time.time()))
    refused = post(client, headers)
    assert (refused.status_code, refused.headers["retry-after"]) == (409, "30")
    with desk.store.begin() as work:
        work.jobs.cancel(work.jobs.open()[0].id)
        work.commit()
    assert post(client, headers).status_code == 202


@on_sqlite
def test_without_a_secret_there_is_no_such_endpoint(
    desk: Desk, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = replace(desk, settings=desk.settings.model_copy(update={"events_secret": SecretStr("")}))
    monkeypatch.setattr("console.web.session.Desk.make", lambda *_: off)
    monkeypatch.setattr("console.web.session.read_settings", lambda: off.settings)
    st.cache_resource.clear()
    assert post(client, signed(secret="", at=int(time.time()))).status_code == 404


@on_sqlite
@pytest.mark.usefixtures("desk")
def test_at_most_eight_are_under_way_and_a_silent_body_is_given_up(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "_under_way", 8)
    refused = post(client, signed())
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")


@on_sqlite
@pytest.mark.usefixtures("desk")
def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(endpoint, "_SECONDS", 0.05)
    sent: list[dict[str, Any]] = []

    async def silent() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": endpoint.PATH, "headers": [],
             "query_string": b"", "root_path": ""}  # fmt: skip
    asyncio.run(Starlette(routes=list(endpoint.ROUTES))(scope, silent, send))
    assert sent[0]["status"] == 408
    assert "within 0.05 s" in json.loads(sent[1]["body"])["detail"]
    assert endpoint._under_way == 0
