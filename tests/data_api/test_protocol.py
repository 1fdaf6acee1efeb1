"""The protocol, over a socket."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from compose.data_api.batches import COLUMNS, TEXTS
from compose.data_api.cursors import Cursors, StateError
from compose.data_api.options import Options, parse
from tests.data_api.serving import SMALL, Service, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    with serving(Options(scale=SMALL)) as service:
        yield service


@pytest.fixture
def service(running: Service) -> Service:
    for group in (1, 7, 10):
        running.restart(group)
    return running


def test_six_batches_then_the_end(service: Service) -> None:
    numbers = [service.batch()["batch_number"] for _ in range(6)]
    assert numbers == [0, 1, 2, 3, 4, 5]
    for _ in range(2):
        answer = service.get("/data", group_number=7)
        assert answer.status_code == 400
        assert answer.json() == {"detail": "Ya se recolectó toda la información minima necesaria"}


def test_body(service: Service) -> None:
    answer = service.get("/data", group_number=7)
    assert answer.headers["content-type"] == "application/json"
    assert answer.text.startswith('{"group_number":7,"batch_number":0,"data":[{"brokered_by":')
    document = answer.json()
    assert list(document) == ["group_number", "batch_number", "data"]
    for row in document["data"]:
        assert tuple(row) == COLUMNS
        assert all(type(row[name]) is (str if name in TEXTS else float) for name in COLUMNS)


def test_restart_gives_the_same_rows_again(service: Service) -> None:
    first = [service.batch() for _ in range(6)]
    answer = service.restart()
    assert (answer.status_code, answer.json()) == (200, {"ok": True})
    assert [service.batch() for _ in range(6)] == first


def test_each_group_has_its_own_cursor(service: Service) -> None:
    service.batch(1)
    assert service.batch(10)["batch_number"] == 0
    assert service.batch(1)["batch_number"] == 1
    service.restart(1)
    assert service.batch(10)["batch_number"] == 1


@pytest.mark.parametrize("path", ["/data", "/restart_data_generation"])
@pytest.mark.parametrize("group", [0, 11, -1])
def test_wrong_group(service: Service, path: str, group: int) -> None:
    answer = service.get(path, group_number=group)
    assert answer.status_code == 400
    assert answer.json() == {"detail": "Número de grupo inválido"}


@pytest.mark.parametrize("path", ["/data", "/restart_data_generation"])
@pytest.mark.parametrize("parameters", [{}, {"group_number": "seven"}])
def test_missing_or_unreadable_group(
    service: Service, path: str, parameters: dict[str, str]
) -> None:
    answer = service.get(path, **parameters)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "group_number"]


def test_health_and_root_eat_no_batch(service: Service) -> None:
    assert service.get("/health").json() == {"status": "OK"}
    assert list(service.get("/").json()) == ["Proyecto Final"]
    assert service.batch()["batch_number"] == 0


def test_no_two_calls_at_once_get_one_batch(service: Service) -> None:
    with ThreadPoolExecutor(6) as pool:
        documents = list(pool.map(lambda _: service.batch(), range(6)))
    assert sorted(d["batch_number"] for d in documents) == [0, 1, 2, 3, 4, 5]


def test_faults_are_closed_by_default(service: Service) -> None:
    assert service.get("/faults").status_code == 404


def test_older_service() -> None:
    with serving(Options(scale=SMALL, rows="lists", spelling="mínima", nulls=True)) as service:
        old = service.batch()["data"]
        service.restart()
        for _ in range(6):
            service.batch()
        assert "mínima" in service.get("/data", group_number=7).json()["detail"]
    with serving(Options(scale=SMALL, nulls=True)) as service:
        new = service.batch()["data"]
    assert all(isinstance(value, str | None) for row in old for value in row)
    assert old == [[v if v is None else str(v) for v in row.values()] for row in new]


def test_day_is_asked_for_and_sent_back_and_moves_no_cursor_of_its_own() -> None:
    with serving(Options(scale=SMALL, day=True)) as service:
        answer = service.get("/data", group_number=7)
        assert answer.status_code == 422
        assert answer.json()["detail"][0]["loc"] == ["query", "day"]
        document = service.batch(day="Tuesday")
        assert (document["day"], document["batch_number"]) == ("Tuesday", 0)
        assert service.batch(day="Wednesday")["batch_number"] == 1


def test_stray_space() -> None:
    with serving(Options(scale=SMALL, stray_space=True)) as service:
        assert tuple(service.batch()["data"][0]) == (" brokered_by", *COLUMNS[1:])


def test_cursors_outlive_the_server(tmp_path: Path) -> None:
    options = Options(scale=SMALL, state=tmp_path / "cursors.json")
    with serving(options) as service:
        rows = service.batch()["data"]
        service.batch()
    with serving(options) as service:
        assert service.batch()["batch_number"] == 2
        service.restart()
        assert service.batch()["data"] == rows
    assert [file.name for file in tmp_path.iterdir()] == ["cursors.json"]


@pytest.mark.parametrize("text", ["", "[1]", '{"x": 1}', '{"7": -1}', '{"7": "2"}', '{"7": true}'])
def test_a_state_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "cursors.json"
    path.write_text(text)
    with pytest.raises(StateError, match=r"cursors\.json"):
        Cursors(path)


def test_a_state_file_without_its_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="does not exist"):
        Cursors(tmp_path / "missing" / "cursors.json")


def test_options_from_flags() -> None:
    options = parse(["--seed", "5", "--rows", "lists", "--bad-rows", "0.25", "--faults"])
    assert options == Options(bad_rows=0.25, faults=True, seed=5, rows="lists")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--scale", "0"],
        ["--scale", "nan"],
        ["--scale", "2"],
        ["--scale", "much"],
        ["--bad-rows", "1.5"],
        ["--seed", "-1"],
        ["--port", "70000"],
        ["--rows", "dicts"],
        ["--unknown"],
    ],
)
def test_options_out_of_range_are_refused_in_a_sentence(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as refusal:
        parse(arguments)
    assert refusal.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_imports_nothing_of_the_desk() -> None:
    code = (
        "import sys, compose.data_api.__main__\n"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    desk = {"core", "console", "workers", "serving", "sqlalchemy", "pandas", "streamlit", "rq"}
    assert not desk & set(done.stdout.split())
