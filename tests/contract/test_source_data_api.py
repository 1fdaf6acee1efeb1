"""The source `data_api` on a service with paths, parameters and numbers of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from core.adapters.store import Store
from core.domain.batches import BatchState, EpochState
from core.domain.job_results import BatchStored, SourceEnded
from core.domain.jobs import Job, JobKind
from core.domain.sources import DataApiSource
from tests.answers import batch_body
from tests.work import run_job
from workers.sources.data_api import DataApi
from workers.sources.http_exchange import Limits
from workers.sources.port import NOTHING_KNOWN
from workers.steps.ingest import Ingest

OTHERS = DataApiSource("/next", "/again", "team", "date", "Ñada más", 1)


@contextmanager
def feed(*numbers: int) -> Iterator[tuple[str, list[str]]]:
    """Batches of one row each at /next, and what was asked."""
    waiting, asked = list(numbers), []

    class Feed(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            path = urlsplit(self.path)
            if path.path == "/again":
                waiting[:] = numbers
                return self.answer(200, b"{}")
            if path.path != "/next" or parse_qs(path.query) != {"team": ["7"], "date": ["Mon"]}:
                return self.answer(404, b"{}")
            if not waiting:
                return self.answer(400, json.dumps({"detail": "NADA MAS por hoy"}).encode())
            row = ["1", "sold", 9000.0, 3, 2, 0.1, "5", "Avon", "Ohio", "44011", 900.0, None]
            return self.answer(200, batch_body(waiting.pop(0), [row]))

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nothing: the test keeps what was asked."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Feed) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def ingest(store: Store, url: str, spool: Path, args: dict[str, Any] | None = None) -> Job:
    source = DataApi(url, 7, "Mon", Limits(silence=10), OTHERS)
    dataset = replace(store.dataset, source=OTHERS)
    step = Ingest(source, spool, dataset, False, lambda _job: None, lambda _job: False)
    return run_job(store, JobKind.INGEST, step, args)


def test_another_service_is_read_from_its_first_number_to_its_end_and_again(
    store: Store, tmp_path: Path
) -> None:
    with feed(1, 2, 4) as (url, asked):
        results = [ingest(store, url, tmp_path / "spool").result for _ in range(3)]
        assert [(r.batch, r.gap) for r in results if isinstance(r, BatchStored)] == [
            (1, 0), (2, 0), (4, 1),
        ]  # fmt: skip
        ended = ingest(store, url, tmp_path / "spool")
        assert isinstance(ended.result, SourceEnded), ended.error
        again = ingest(store, url, tmp_path / "spool", {"restart_epoch": 1}).result
    assert isinstance(again, BatchStored)
    assert (again.epoch, again.batch, again.gap) == (2, 1, 0)
    assert asked[-2:] == ["/again?team=7&date=Mon", "/next?team=7&date=Mon"]
    with store.read() as work:
        assert [e.state for e in work.batches.epochs()] == [EpochState.OPEN, EpochState.CLOSED]
        assert {b.state for b in work.batches.ledger()} == {BatchState.STORED}
        assert {(b.origin, b.format, b.watermark) for b in work.batches.ledger()} == {
            ("", "json", "")
        }


def test_a_check_says_that_it_answers_and_asks_for_no_batch() -> None:
    with feed(1) as (url, asked):
        note = DataApi(url, 7, "Mon", Limits(silence=10), OTHERS).check(NOTHING_KNOWN)
    assert f"The data API at {url} answers" in note
    assert asked == ["/health"]
