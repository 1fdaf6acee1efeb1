"""What goes wrong on demand, over a socket."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests

from compose.data_api.faults import Fault, Faults, Kind, turn
from compose.data_api.generator import Generator
from compose.data_api.options import Options
from compose.data_api.wire import Wire
from tests.data_api.serving import SMALL, Service, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

slept: list[float] = []


async def sleep(seconds: float) -> None:
    slept.append(seconds)


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with serving(Options(scale=SMALL, faults=True), sleep) as service:
        yield service


@pytest.fixture
def service(running: Service) -> Service:
    requests.delete(running.url + "/faults", timeout=20)
    running.restart()
    slept.clear()
    return running


def test_a_lost_answer_still_moves_the_cursor(service: Service) -> None:
    service.arm("status_500", times=2)
    assert [service.get("/data", group_number=7).status_code for _ in range(2)] == [500, 500]
    assert service.batch()["batch_number"] == 2


def test_delay_waits_and_answers(service: Service) -> None:
    service.arm("delay", seconds=12.5)
    assert service.batch()["batch_number"] == 0
    assert slept == [12.5]
    assert service.batch()["batch_number"] == 1
    assert slept == [12.5]


def test_cut_declares_the_whole_and_sends_half(service: Service) -> None:
    whole = service.get("/data", group_number=7).content
    service.restart()
    service.arm("cut")
    with requests.get(
        service.url + "/data", params={"group_number": 7}, stream=True, timeout=20
    ) as answer:
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == len(whole)
        got = b""
        with pytest.raises(requests.exceptions.RequestException):
            for chunk in answer.iter_content(1):
                got += chunk
    assert got == whole[: len(whole) // 2]
    assert service.batch()["batch_number"] == 1


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("rows", ["objects", "lists"])
def test_malformed_is_a_whole_answer_broken_in_the_middle(seed: int, rows: Any) -> None:
    options = Options(scale=SMALL, seed=seed, rows=rows)
    wire = Wire(options)
    for number in range(6):
        batch = Generator(options).batch(number)
        body = b"".join(wire.body({"group_number": 7}, number, batch, broken=True)).decode()
        with pytest.raises(json.JSONDecodeError) as broken:
            json.loads(body)
        assert 0.4 < broken.value.pos / len(body) < 0.6


def test_malformed_over_the_wire(service: Service) -> None:
    service.arm("malformed")
    answer = service.get("/data", group_number=7)
    assert answer.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()
    assert service.batch()["batch_number"] == 1


def test_html(service: Service) -> None:
    service.arm("html")
    answer = service.get("/data", group_number=7)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert service.batch()["batch_number"] == 1


def test_repeat_gives_the_same_rows_and_leaves_the_cursor(service: Service) -> None:
    first = service.batch()
    service.arm("repeat", times=2)
    assert service.batch() == first
    assert service.batch() == first
    assert service.batch()["batch_number"] == 1


def test_skip_leaves_one_number_out(service: Service) -> None:
    service.batch()
    service.arm("skip")
    assert service.batch()["batch_number"] == 2
    assert service.batch()["batch_number"] == 3


def test_other_content_gives_other_rows_under_the_same_number(service: Service) -> None:
    first = service.batch()
    service.arm("other_content")
    other = service.batch()
    assert other["batch_number"] == 0
    assert other["data"] != first["data"]
    assert service.batch()["batch_number"] == 1
    service.restart()
    assert service.batch() == first


def test_a_fault_that_cannot_be_shown_stays_armed(service: Service) -> None:
    service.arm("repeat")
    assert service.batch()["batch_number"] == 0
    assert service.batch()["batch_number"] == 0
    for _ in range(5):
        service.batch()
    service.arm("cut")
    assert service.get("/data", group_number=7).status_code == 400
    assert [fault["kind"] for fault in service.get("/faults").json()["armed"]] == ["cut"]


def test_faults_of_other_routes(service: Service) -> None:
    service.arm("status_500", on="restart")
    service.arm("html", on="health")
    service.batch()
    assert service.restart().status_code == 500
    assert service.batch()["batch_number"] == 0
    assert "html" in service.get("/health").headers["content-type"]
    assert service.get("/health").json() == {"status": "OK"}
    order = {"kind": "skip", "on": "health"}
    assert requests.post(service.url + "/faults", json=order, timeout=20).status_code == 400


@pytest.mark.parametrize(
    "order",
    [{}, {"kind": "fire"}, {"kind": "cut", "times": 0}, {"kind": "delay", "seconds": -1}],
)
def test_an_order_that_makes_no_sense_is_refused(service: Service, order: dict[str, Any]) -> None:
    assert requests.post(service.url + "/faults", json=order, timeout=20).status_code == 422
    assert service.get("/faults").json() == {"armed": []}


def test_disarm(service: Service) -> None:
    assert len(service.arm("status_500", times=3)["armed"]) == 1
    answer = requests.delete(service.url + "/faults", timeout=20)
    assert answer.json() == {"armed": []}
    assert service.batch()["batch_number"] == 0


@pytest.mark.parametrize("cursor", range(7))
@pytest.mark.parametrize("kind", [None, "status_500", "cut", "skip"])
def test_the_cursor_never_goes_back_nor_past_the_end(cursor: int, kind: Kind | None) -> None:
    number, following = turn(cursor, 6, kind)
    assert cursor <= following <= 6
    assert following > cursor or cursor == 6
    assert number is None or number == following - 1


def test_the_oldest_fault_comes_first() -> None:
    faults = Faults()
    for kind in ("repeat", "html", "cut"):
        faults.armed.append(Fault(kind))
    taken = [faults.take_for_data(cursor, 6) for cursor in (0, 1, 1, 1)]
    assert [fault and fault.kind for fault in taken] == ["html", "repeat", "cut", None]


@pytest.mark.parametrize("rows", ["objects", "lists"])
@pytest.mark.parametrize("seed", [0, 5])
def test_bad_rows_are_their_share_and_leave_the_others_alone(rows: Any, seed: int) -> None:
    with serving(Options(scale=0.01, seed=seed, rows=rows)) as service:
        good = service.batch()["data"]
    with serving(Options(scale=0.01, seed=seed, rows=rows, bad_rows=0.1)) as service:
        mixed = service.batch()["data"]
        service.restart()
        assert service.batch()["data"] == mixed
    bad = [after for before, after in zip(good, mixed, strict=True) if after != before]
    assert 0.05 < len(bad) / len(good) < 0.15
    where: Any = "price" if rows == "objects" else 2
    whole = [row for row in bad if len(row) == 12]
    assert len(whole) < len(bad)
    prices = [row[where] for row in whole]
    assert {p for p in prices if not isinstance(p, list)} == {"unknown", "NaN", None}
    assert any(isinstance(p, list) for p in prices)
