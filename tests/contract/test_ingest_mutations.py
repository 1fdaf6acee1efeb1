"""Bodies made by mutation of a batch: each ends in the ledger, and the next good batch is stored.

`INGEST_MUTATIONS=1000` tries more of them. Each runs in a process of its own, which may die.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.adapters.store import Store
from core.adapters.store.engine import WRITE
from core.adapters.store.tables import (
    batches,
    column_profiles,
    epochs,
    job_logs,
    jobs,
    notifications,
    quarantine,
    rows_table,
)
from core.domain.batches import Batch, BatchState
from core.domain.dataset import Dataset
from core.domain.jobs import JobState
from tests import build
from tests.answers import batch_body, next_answers, whole
from tests.attempts import FORKS, to_its_end
from tests.databases import drop_databases, fresh_database, migrated
from tests.work import ingest, ingest_step
from workers.sources.http_exchange import Limits

EXAMPLES = int(os.environ.get("INGEST_MUTATIONS", "30"))
LIMITS = Limits(size=20_000_000, seconds=60, silence=1, rate=0)
GOOD = 4_711
ROW = {"rides": 97, "temperature": 9.5, "weather": "rain", "station": 12}

ENDED = set(BatchState) - {BatchState.RECEIVED}

TOKENS = [
    b"NaN", b"-Infinity", b"Infinity", b"1e999", b"-1e400", b"1" * 400, b"1" * 5_000, b"-0",
    b"1e-400", b"1e200", b"true", b"null", b'""', b'"\\ud800"', b'"\\u0000"', b'"12,5"', b"[]",
    b"{}", b"01", b'"' + b"x" * 100_000 + b'"', b'"=cmd()"', b"0x10", b"18446744073709551616",
    b'"\xff"', b"tru", b"'a'", b'"2026-W01-1"', b'"\\"', b"1_000",
]  # fmt: skip


def _row(token: bytes, name: str = "rides") -> bytes:
    rest = json.dumps({k: v for k, v in ROW.items() if k != name})[1:].encode()
    return b"{" + json.dumps(name).encode() + b":" + token + b"," + rest


def _document(number: bytes, *rows: bytes) -> bytes:
    return (
        b'{"group_number": 7, "batch_number": ' + number + b', "data": [' + b",".join(rows) + b"]}"
    )


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=12,
)

_good = st.just(batch_body(0, [ROW] * 3))
_tokens = st.sampled_from(TOKENS)


@st.composite
def _spoiled(draw: st.DrawFn) -> bytes:
    """Bytes that were flipped, cut out or put in."""
    body = bytearray(draw(_good))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(body) - 1))
        how = draw(st.sampled_from(["flip", "cut", "insert"]))
        if how == "flip":
            body[at] = draw(st.integers(0, 255))
        elif how == "insert":
            body[at:at] = draw(_tokens | st.binary(max_size=4))
        elif at:
            del body[at:]
    return bytes(body)


@st.composite
def _deep(draw: st.DrawFn) -> bytes:
    depth = draw(st.sampled_from([10, 1_000, 10_000]))
    opens, closes = draw(st.sampled_from([(b"[", b"]"), (b'{"a":', b"}")]))
    nested = opens * depth + b"1" + closes * depth
    where = draw(st.sampled_from(["row", "data", "top", "number", "cell"]))
    if where == "row":
        return _document(b"0", nested, json.dumps(ROW).encode())
    if where == "cell":
        return _document(b"0", _row(nested))
    if where == "number":
        return _document(nested)
    if where == "data":
        return b'{"batch_number": 0, "data": ' + nested + b"}"
    return nested


_structure = st.builds(
    lambda number, data: json.dumps({"batch_number": number, "data": data}).encode(),
    st.integers(-1, 3) | _json,
    st.lists(_json, max_size=5) | _json,
) | st.builds(lambda value: json.dumps(value).encode(), _json)

_sizes = st.sampled_from(
    [
        batch_body(0, [ROW] * 10_000 + [ROW | {"rides": None}] * 3),
        batch_body(0, [ROW | {"rides": None}] * 10_001),
        batch_body(0, [ROW | {f"c{n}": n for n in range(3_000)}] * 3),
        batch_body(0, []),
        batch_body(0, [ROW], note="x" * 1_000_000),
        b"",
        b" " * 100_000,
    ]
)

_bodies = st.one_of(
    st.builds(lambda t: _document(b"0", _row(t), json.dumps(ROW).encode()), _tokens),
    st.builds(lambda t: _document(b"0", _row(t, "weather"), _row(t, "station")), _tokens),
    st.builds(lambda t: _document(t, json.dumps(ROW).encode()), _tokens),
    _spoiled(),
    _deep(),
    _structure,
    _sizes,
)


def _encoded(body: bytes, how: str) -> tuple[bytes, list[str]]:
    """A body in an encoding, and the heads that go with it, or that do not."""
    text = body.decode("utf-8", "replace")
    ways: dict[str, tuple[bytes, list[str]]] = {
        "plain": (body, []),
        "bom": (b"\xef\xbb\xbf" + body, []),
        "utf-16": (text.encode("utf-16"), ["Content-Type: application/json; charset=utf-16"]),
        "latin-1": (text.encode("latin-1", "replace"), []),
        "gzip": (gzip.compress(body), ["Content-Encoding: gzip"]),
        "deflate": (zlib.compress(body), ["Content-Encoding: deflate"]),
        "no gzip": (body, ["Content-Encoding: gzip"]),
        "half a gzip": (gzip.compress(body)[:-9], ["Content-Encoding: gzip"]),
        "unknown": (body, ["Content-Encoding: sealed"]),
    }
    return ways[how]


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """One answer of a data API that nobody should run."""
    usual = draw(st.integers(0, 3)) > 0
    ways = ["bom", "utf-16", "latin-1", "gzip", "deflate", "no gzip", "half a gzip", "unknown"]
    body, heads = _encoded(draw(_bodies), "plain" if usual else draw(st.sampled_from(ways)))
    if draw(st.integers(0, 3)):
        return whole(body, *heads)
    n = len(body)
    odd = draw(
        st.sampled_from(
            [f"{n}, {n}", f"{n}, 1", "abc", "-1", "", str(n + 10), str(max(n - 5, 0)), "9" * 40]
        )
    )
    chunks = f"{n:x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    answers = [
        whole(body, *heads, length=odd),
        whole(body, *heads, f"Content-Length: {n}"),
        whole(chunks, *heads, "Transfer-Encoding: chunked", length=""),
        whole(chunks[:-9], *heads, "Transfer-Encoding: chunked", length=""),
        whole(b"zz\r\n" + body, *heads, "Transfer-Encoding: chunked", length=""),
        whole(body, *heads, *["X-Many: 1"] * 150),
        whole(body, *heads, "X-Long: " + "x" * 70_000),
        whole(body, *heads, status=draw(st.sampled_from(["204 Gone", "206 Part", "500 No"]))),
        body,
        b"",
    ]
    return draw(st.sampled_from(answers))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return build.small_dataset()


@pytest.fixture(scope="module", params=["sqlite", "mariadb"])
def kept(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, dataset: Dataset
) -> Iterator[tuple[Store, str, Path]]:
    """One store for all examples, and a folder."""
    folder = tmp_path_factory.mktemp("mutations")
    url = f"sqlite:///{folder / 'store.db'}"
    server = ""
    if request.param == "mariadb":
        server = request.getfixturevalue("mariadb")
        url = fresh_database(server)
    migrated(url, dataset)
    store = Store.open(url, dataset)
    yield store, url, folder
    store.close()
    if server:
        drop_databases(server)


def emptied(store: Store, spool: Path) -> None:
    """Forget the example before."""
    tables = [batches, column_profiles, epochs, job_logs, jobs, notifications, quarantine]
    with store.engine.connect() as opened:
        connection = opened.execution_options(**{WRITE: True})
        for table in [*tables, rows_table(store.dataset)]:
            connection.execute(sa.delete(table))
        connection.commit()
    spool.mkdir(exist_ok=True)
    for file in spool.iterdir():
        file.unlink()


def ledger(store: Store) -> list[Batch]:
    with store.read() as work:
        return work.batches.ledger()


@pytest.mark.filterwarnings(FORKS)
@settings(
    max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(answer=answers())
def test_every_body_ends_in_the_ledger_and_the_next_good_batch_is_stored(
    kept: tuple[Store, str, Path], dataset: Dataset, answer: bytes
) -> None:
    store, url, folder = kept
    spool = folder / "spool"
    emptied(store, spool)
    with next_answers(answer, whole(batch_body(GOOD, [ROW] * 3))) as api:
        step: Any = ingest_step(store, api.url, spool, limits=LIMITS)
        job, died = to_its_end(store, url, dataset, step)
        assert job.state in (JobState.SUCCEEDED, JobState.FAILED)
        assert "unexpected" not in job.error
        waiting = [b for b in ledger(store) if b.state not in ENDED]
        assert died or not waiting
        after = ingest(store, api.url, spool, limits=LIMITS)
        assert after.state is JobState.SUCCEEDED, after.error
        assert (after.result.batch, after.result.stored) == (GOOD, 3)
    found = ledger(store)
    assert all(b.state in ENDED for b in found)
    assert all(b.rows == b.stored + b.quarantined for b in found)
    for batch in found:
        if batch.state is BatchState.CLOSED:
            assert (spool / batch.spool).exists()
