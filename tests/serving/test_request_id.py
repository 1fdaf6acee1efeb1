"""Every answer carries the request's id, and so do the lines about it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import requests

from core.adapters.serving.client import Client
from core.domain.dataset import Dataset
from core.platform.tracing import span, trace_id
from serving.http.asgi_front import read_request_id
from tests.build import contract
from tests.replica import replica

GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NAME = b"x-request-id"


def test_the_callers_id_is_kept_where_it_is_well_formed() -> None:
    assert read_request_id([(NAME, b"order-7:a/b=")]) == (b"order-7:a/b=", "")
    assert read_request_id([(NAME, b"a"), (b"traceparent", GIVEN.encode())]) == (b"a", GIVEN)
    assert read_request_id([(b"traceparent", GIVEN.encode())]) == (GIVEN[3:35].encode(), GIVEN)


@pytest.mark.parametrize(
    "amiss", [b"", b"a b", b"a\r\nset-cookie: x", "é".encode(), b"x" * 129, b'"', b"a\x00"]
)
def test_another_is_made_where_it_is_not(amiss: bytes) -> None:
    name, _ = read_request_id([(NAME, amiss), (b"traceparent", amiss)])
    assert re.fullmatch(rb"[0-9a-f]{32}", name)
    assert read_request_id([])[0] != read_request_id([])[0]


def test_every_answer_and_every_line_carries_it(dataset: Dataset, tmp_path: Path) -> None:
    with replica(
        tmp_path, contract(dataset), serving_push_secret="s3cr3t", log_format="json"
    ) as one:
        ids = {"X-Request-Id": "mine-1"}
        for path in ("/health/live", "/model", "/metrics", "/nothing", "/docs"):
            answer = requests.get(one.url + path, headers=ids, timeout=5)
            assert answer.headers["x-request-id"] == "mine-1", path
        assert one.ask(headers=ids).headers["x-request-id"] == "mine-1"
        assert one.ask({"no": 1}, headers=ids).headers["x-request-id"] == "mine-1"
        assert one.ask(headers={"X-Request-Id": "no such id"}).headers["x-request-id"] != "no such"
        with span("promote"):
            asked_in = trace_id()
            assert Client(one.url).refresh("s3cr3t")
        lines = [json.loads(line) for line in one.said().splitlines()]
    (refresh,) = [line for line in lines if line["event"] == "refresh requested"]
    assert refresh["trace"] == refresh["request"] == asked_in
    assert {line["program"] for line in lines} == {"serving"}
    assert "s3cr3t" not in json.dumps(lines)
