"""Many rows at once: documents, NDJSON and CSV, each row answered in its place."""

from __future__ import annotations

import csv
import io
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from core.adapters.serving.client import Answer, Client
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.errors import BadRow
from serving.http import stream_response
from tests.build import contract
from tests.models import tiny_model
from tests.record import decide
from tests.serving.test_api import ROW, SUM, Champions, api, version
from tests.stacks import wait_for

NDJSON, CSV = {"content-type": "application/x-ndjson"}, {"content-type": "text/csv; charset=utf-8"}


@pytest.fixture
def champions(dataset: Dataset) -> Champions:
    made = Champions()
    made.put(1, tiny_model(contract(dataset)))
    return made


def post(url: str, body: bytes, headers: dict[str, str]) -> requests.Response:
    return requests.post(f"{url}/predict/batch", data=body, headers=headers, timeout=30)


def test_each_line_is_answered_in_its_place_or_told_what_is_wrong(
    champions: Champions, tmp_path: Path
) -> None:
    lines = [
        json.dumps(ROW), '{"bed": "many"}', "", "nope", "[1]", '{"bed": 1}{"bed": 2}',
        '{"bed": NaN}', '{"ghost": 1}', '{"city": "' + "x" * 70_000 + '"}', '{"bed": 2}',
    ]  # fmt: skip
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        answer = post(url, "\n".join(lines).encode(), NDJSON)
    assert answer.headers["content-type"].startswith(NDJSON["content-type"])
    said = [json.loads(line) for line in answer.text.splitlines()]
    assert [line.get("row") for line in said] == [None, 1, 2, 3, 4, 5, 6, 7, None]
    assert said[0]["prediction"] == pytest.approx(SUM)
    assert said[-1]["prediction"] == 2
    wrong = [line["errors"][0] for line in said[1:-1]]
    assert [(w["pointer"], w["detail"]) for w in wrong] == [
        ("#/bed", "must be a number, not text"),
        ("#", "is not JSON"),
        ("#", "must be an object of fields"),
        ("#", "is not JSON"),
        ("#/bed", "must be finite"),
        ("#/ghost", "this model takes no such field"),
        ("#", "is longer than 65,536 bytes"),
    ]


def test_no_line_is_ever_answered_with_anothers_answer(
    champions: Champions, tmp_path: Path
) -> None:
    lines = ['{"bed": 1}', '{"bed":', "2}", '{"bed": 3} {"bed": 4}', '{"bed": 5}']
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        said = post(url, "\n".join(lines).encode(), NDJSON).text.splitlines()
    answers = [json.loads(line).get("prediction") for line in said]
    assert answers == [1, None, None, None, 5]


def test_a_csv_file_comes_back_as_one(champions: Champions, tmp_path: Path) -> None:
    body = '\ufeffbed, house_size,city\n1,100,"a, b\nc"\n\nmany,1,x\n1,2\n2,,=evil\n'.encode()
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        answer = post(url, body, CSV)
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [row["prediction"] for row in rows] == ["101.0", "", "", "2.0"]
        assert [row["error"] for row in rows] == [
            "", "bed: must be a number, not text", "row has 2 cells, but the header has 3", "",
        ]  # fmt: skip
        for bad, says in [
            (b"", "first line must name columns"),
            (b"bed,ghost\n1,2\n", "ghost"),
            (b"bed,bed\n1,2\n", "each once"),
            (b"\xff\xfe\n", "first line must name columns"),
            (b'bed,"city\n1,2\n', "CSV is invalid"),
        ]:
            refused = post(url, bad, CSV)
            assert refused.status_code == 422, bad
            assert says in refused.text
        long = b"bed\n" + b"1\n" * 200_000 + b"\xff\n3\n"
        answered = list(csv.DictReader(io.StringIO(post(url, long, CSV).text)))
        assert answered[-2]["error"].startswith("bed: must be")  # no character costs its row alone
        assert {row["prediction"] for row in answered[:-2]} == {"1.0"}
        assert answered[-1]["prediction"] == "3.0"
        cut = list(csv.DictReader(io.StringIO(post(url, b'bed\n1\n"2\n3\n', CSV).text)))
        assert [row["prediction"] for row in cut] == ["1.0", "", "3.0"]
        assert cut[1]["error"] == "row is no CSV: a quote does not close"
        long = b"bed\n1\n" + b"2" * 70_000 + b"\n3\n"
        answered = list(csv.DictReader(io.StringIO(post(url, long, CSV).text)))
        assert [row["prediction"] for row in answered] == ["1.0", "", "3.0"]
        assert answered[1]["error"] == "row has 70,000 bytes, and at most 65,536 are read"


def test_everything_that_was_streamed_is_on_record_once(
    champions: Champions, store: Store, database_url: str, tmp_path: Path
) -> None:
    body = b"".join(json.dumps({"bed": n % 7}).encode() + b"\n" for n in range(5_000))
    decide(store, 1, champions.digests[1])
    with api(champions, tmp_path, database_url) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        said = [json.loads(line) for line in post(url, body, NDJSON).text.splitlines()]
        assert [line["prediction"] for line in said] == [n % 7 for n in range(5_000)]
    with store.read() as work:
        kept = {p.id: p for p in work.predictions.latest(6_000)}
    assert set(kept) == {line["prediction_id"] for line in said}
    assert len(kept) == 5_000
    assert kept[said[3]["prediction_id"]].inputs == {"bed": 3}


def test_one_version_answers_a_stream_from_first_to_last(
    champions: Champions, dataset: Dataset, tmp_path: Path
) -> None:
    models = {v: tiny_model(contract(dataset), float(v)) for v in (1, 2)}
    body = b'{"bed": 1}\n' * 60_000
    stop = threading.Event()
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)

        def swap() -> None:
            while not stop.is_set():
                for v in (2, 1):
                    champions.put(v, models[v])
                    wait_for(f"{v} is not live", lambda v=v: version(url) == v)  # type: ignore[misc]

        swapping = threading.Thread(target=swap)
        swapping.start()
        said = [json.loads(line) for line in post(url, body, NDJSON).iter_lines()]
        stop.set()
        swapping.join()
    assert len(said) == 60_000
    assert len({(line["model_version"], line["prediction"]) for line in said}) == 1


def test_more_batches_than_may_be_are_turned_away_at_once(
    champions: Champions, tmp_path: Path
) -> None:
    with api(champions, tmp_path, serving_streams=1) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        sent, gate = threading.Event(), threading.Event()

        def slowly() -> Any:
            yield b'{"bed": 1}\n'
            sent.set()
            gate.wait(20)
            yield b'{"bed": 2}\n'

        first: list[requests.Response] = []
        thread = threading.Thread(
            target=lambda: first.append(
                requests.post(f"{url}/predict/batch", data=slowly(), headers=NDJSON, timeout=30)
            )
        )
        thread.start()
        assert sent.wait(10)

        def is_busy() -> bool:
            second = requests.post(f"{url}/predict/batch", json={"rows": [ROW]}, timeout=5)
            return second.status_code == 503 and second.headers["retry-after"] == "1"

        wait_for("the second batch is not turned away", is_busy)
        gate.set()
        thread.join()
        assert len(first[0].text.splitlines()) == 2
        assert not is_busy()


def test_a_reader_that_takes_nothing_gives_its_place_back(
    champions: Champions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_response, "_READ_SECONDS", 0.3)
    body = b'{"bed": 1}\n' * 300_000
    with api(champions, tmp_path, serving_streams=1) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        where = urlsplit(url)
        assert where.port
        with socket.create_connection(("127.0.0.1", where.port), timeout=30) as idle:
            idle.sendall(
                b"POST /predict/batch HTTP/1.1\r\nhost: x\r\n"
                b"content-type: application/x-ndjson\r\ncontent-length: %d\r\n\r\n" % len(body)
            )
            idle.sendall(body)
            assert idle.recv(100).startswith(b"HTTP/1.1 200")
            assert post(url, b'{"bed": 1}\n', NDJSON).status_code == 503
            wait_for(
                "the place is not given back",
                lambda: post(url, b'{"bed": 1}\n', NDJSON).status_code == 200,
            )


def test_a_stream_beyond_its_bound_or_broken_off_has_no_effect(
    champions: Champions, store: Store, database_url: str, tmp_path: Path
) -> None:
    decide(store, 1, champions.digests[1])
    with api(champions, tmp_path, database_url, serving_stream_mb=1, serving_streams=1) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        assert post(url, b'{"bed": 1}\n' * 100_000, NDJSON).status_code == 413

        def broken() -> Any:
            yield b'{"bed": 1}\n' * 10
            raise OSError("the line went dead")

        with pytest.raises((requests.ConnectionError, OSError)):
            requests.post(f"{url}/predict/batch", data=broken(), headers=NDJSON, timeout=5)

        def has_place() -> bool:
            return post(url, b'{"bed": 1}\n', NDJSON).status_code == 200

        wait_for("the broken stream keeps its place", has_place)
    with store.read() as work:
        assert len(work.predictions.latest(100)) == 1


def test_the_client_takes_any_number_of_rows_and_tells_the_bad_ones(
    champions: Champions, tmp_path: Path
) -> None:
    rows = [{"bed": "x"} if n == 5_001 else {"bed": n % 9} for n in range(5_004)]
    with api(champions, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        said = list(Client(url).predict_many(rows))
        assert isinstance(said[0], Answer)
        bad = said[5_001]
        assert isinstance(bad, BadRow)
        assert bad.problems == {"bed": "must be a number, not text"}
        assert sum(isinstance(answer, Answer) for answer in said) == 5_003
        assert set(Client(url).schema()["properties"]) >= {"bed", "city"}


def test_pickles_are_refused_in_this_process() -> None:
    code = (
        "import pickle, collections\n"
        "from serving.__main__ import forbid_pickle\n"
        "data = pickle.dumps(collections.OrderedDict())\n"
        "forbid_pickle()\n"
        "pickle.loads(data)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "RuntimeError: Serving loads no pickles." in done.stderr
