"""Names and texts that were chosen to do harm: refused, or kept as they are and harmless."""

from __future__ import annotations

import io
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from pydantic import ValidationError
from rq import Queue as RqQueue
from rq.serializers import JSONSerializer

from core.adapters.rq_queue import KnownJob, connect
from core.adapters.store import Store
from core.adapters.store.migrate import migrate
from core.domain.dataset import Dataset
from core.domain.drift import Reference
from core.domain.errors import BadInput, DatasetError, Refused
from core.domain.jobs import JobKind, JobState
from core.domain.safe_text import name_of, printable, printable_json, storable
from core.platform import log as logs
from core.platform.dataset_file import parse
from core.platform.settings import Settings
from core.rules.data.typed_values import LONGEST_TEXT
from core.rules.drift.compare import compare
from tests.build import chunk, profile, small_dataset, stored_batch
from tests.contract.test_queue import work_off
from tests.databases import migrated
from workers.runtime.worker import _Worker

WORDS = ["select", "order", "group", "table", "key", "desc", "limit", "rank", "index", "values",
         "default", "primary", "from", "system", "null", "a" * 48, "a_mean", "a_50"]  # fmt: skip
TEXTS = ["'; DROP TABLE epochs; --", '"; DROP TABLE epochs; --', "`x`", "\\", "\\N", "\\'", '"',
         "''", "%s %(x)s %%", ":name ?", "{0} ${x}", "a\nb", "a\r\nb", "a,b\tc", "=1+1", "<script>",
         "\x1b[31m", "\u202eevil", "\x00", "🏠 ünï", "NULL", "x" * LONGEST_TEXT]  # fmt: skip
BAD_NAMES = ["", "x; drop table y", "x`", 'x"', "x'", "../x", "x/y", "x\x00", "x\n", "X", "1x", "ä",
             "x y", "a" * 49, "x--", "\u202ex", 7, None, ["x"]]  # fmt: skip


def in_words() -> Dataset:
    """A dataset whose names are words of SQL, or as long as names may be."""
    columns: list[dict[str, Any]] = [{"name": "order", "type": "number", "role": "target"}]
    for n, word in enumerate(w for w in WORDS if w != "order"):
        kind = ("number", "category", "date")[n % 3]
        columns.append({"name": word, "type": kind, "role": "feature"})
    return small_dataset(name="r" * 48, columns=columns)


@pytest.fixture
def worded(empty_database: str) -> Iterator[Store]:
    made = in_words()
    for _ in range(2):  # preparing what is prepared changes nothing
        migrate(empty_database, made)
    with closing(Store.open(empty_database, made)) as store:
        yield store


def test_columns_may_be_called_what_sql_calls_its_own(worded: Store) -> None:
    made = worded.dataset
    first = stored_batch(worded, 0, rows=5)
    second = stored_batch(worded, 1, rows=5)
    with worded.begin() as work:
        report = compare(
            work.batches.profile("batch", first.id),
            tuple(profile(c.name, mean=99.0) for c in made.compared),
            made,
        )
        work.drift.put(second, Reference.PREVIOUS, "before", report)
        work.commit()
    with worded.read() as work:
        kept = work.rows.columns(made.names, held_out=False)
    assert {name: len(values) for name, values in kept.items()} == dict.fromkeys(made.names, 10)
    with worded.engine.connect() as connection:
        (row,) = connection.exec_driver_sql("SELECT * FROM data_comp").mappings().all()
    assert {f"{c.name}_mean" for c in made.compared} <= set(row)


def test_texts_come_back_as_they_went_in_and_do_nothing(worded: Store) -> None:
    made = worded.dataset
    text = next(c.name for c in made.columns if c.is_text)
    batch = stored_batch(worded, 0)
    with worded.begin() as work:
        work.rows.remove(batch.id, 1000)
        lot = chunk(made, len(TEXTS), **{text: TEXTS})
        work.rows.load(1, batch.id, [lot])
        for said in TEXTS:
            work.audit.add(said, "act", said, reason=said, details={"said": said})
            work.jobs.request(JobKind.DRIFT, {"said": said}, said, key=f"drift:{uuid.uuid4().hex}")
        work.commit()
    with worded.read() as work:
        kept = work.rows.columns([text], held_out=False)[text]
        assert list(kept) == TEXTS
        events = work.audit.latest(len(TEXTS))[::-1]
        assert [(e.reason, e.details["said"]) for e in events] == [(t, t) for t in TEXTS]
        assert [j.args["said"] for j in work.jobs.recent(len(TEXTS))][::-1] == TEXTS
        assert work.audit.verify() is None
        for said in ("'", "' OR '1'='1", "` OR 1=1 --", "%"):
            assert work.audit.latest(subject=said) == []
        assert work.batches.epoch() is not None  # nobody dropped it


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_that_is_none_is_refused(name: Any) -> None:
    with pytest.raises(DatasetError, match=r"no name|name is missing"):
        small_dataset(name=name)
    columns = [
        {"name": "y", "type": "number", "role": "target"},
        {"name": name, "type": "number", "role": "feature"},
    ]
    with pytest.raises(DatasetError, match=r"no name|name is missing"):
        small_dataset(columns=columns)


@pytest.mark.parametrize(
    "words",
    ["<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", ":red[x]", "a\nb", "\x1b[2J",
     "\u202eUSD", "x" * 81, "a\\b"],
)  # fmt: skip
def test_titles_labels_and_units_make_no_markup(words: str) -> None:
    good = small_dataset(title="Häuser ($, m²)").columns
    assert good
    column = {"name": "y", "type": "number", "role": "target"}
    for change in (
        {"title": words},
        {"unit": words},
        {"columns": [column | {"label": words}]},
        {"columns": [column | {"unit": words}]},
    ):
        with pytest.raises(
            DatasetError, match=r"(title|label|unit) is .*; it may have at most 80 characters"
        ):
            small_dataset(**change)


@pytest.mark.parametrize(
    "document",
    [{}, {"name": "x", "columns": 7}, {"name": "x", "columns": ["y"]}, {"name": "x", "limits": 1},
     {"name": "x", "columns": [{"name": "y", "type": "number; --", "role": "target"}]},
     {"name": "x", "columns": [{"name": "y", "type": "number", "role": "target", "width": "w"}]}],
)  # fmt: skip
def test_a_document_that_makes_no_sense_is_refused_with_a_sentence(
    document: dict[str, Any],
) -> None:
    with pytest.raises(DatasetError, match=r"evil\.toml cannot be used"):
        parse(document, "evil.toml")


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "..", "a/b", "x\x00", "X" * 99, "é", "x y", "..\\x"]
)
def test_a_dataset_is_named_or_a_toml_file_and_nothing_else(name: str) -> None:
    with pytest.raises(ValidationError, match=r"\.toml"):
        Settings(_env_file=None, dataset=name)


@pytest.mark.parametrize(
    "name", ["' OR name LIKE '%", 'x"y', "x`", "a/b", "a:b", "x\n", "../x", "x\x00", "x" * 101, " "]
)
def test_a_model_name_that_would_end_a_filter_or_a_path_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="model_name"):
        Settings(_env_file=None, model_name=name)
    assert Settings(_env_file=None, model_name="Häuser v1.2_x-y").model_name


@pytest.mark.parametrize("actor", ["x\x1b[2J", "x\ny", "\u202eana", "\ud800", "x" * 201, "a\x00"])
def test_nobody_acts_under_a_name_that_is_not_seen_whole(actor: str) -> None:
    with pytest.raises(BadInput, match="can be seen"):
        name_of(actor)
    with pytest.raises(ValidationError, match="can be seen"):
        Settings(_env_file=None, actor=actor)


def test_a_name_that_came_past_that_is_spelled_on_record(store: Store) -> None:
    with store.begin() as work:
        work.audit.add("ana\n\x1b[2Jroot", "act", "job:1", reason="half \ud83c\nof it")
        job, _ = work.jobs.request(JobKind.TRAIN, {}, "\u202ekcen")
        work.commit()
    with store.read() as work:
        (event,) = work.audit.latest(1)
        assert (event.actor, event.reason) == ("ana \\x1b[2Jroot", "half ?\nof it")
        assert work.jobs.get(job.id).actor == "\\u202ekcen"
        assert work.audit.verify() is None


def test_text_for_a_terminal_moves_nothing_and_json_stays_what_it_was() -> None:
    import json

    for said in TEXTS:
        line = printable(said)
        assert "\n" not in line
        assert not any(c < " " or "\x7f" <= c <= "\x9f" or c == "\u202e" for c in line)
        document = printable_json(
            json.dumps({"x": said, "y": "\x9b"}, ensure_ascii=False, indent=2)
        )
        assert json.loads(document) == {"x": said, "y": "\x9b"}
        assert "\x9b" not in document
        assert storable(said) == said
    assert printable("ünï 🏠 中") == "ünï 🏠 中"


@pytest.mark.parametrize("kind", ["text", "json"])
def test_text_from_data_forges_no_line_of_a_log(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    logs.configure(kind, "test")
    forged = "x\n2026-01-01 [info] approved actor=ana\x1b[2J\x9b2J"
    structlog.get_logger().warning(forged, reason=forged)
    try:
        raise ValueError(forged)
    except ValueError:
        structlog.get_logger().exception("broke")
    assert "\x1b" not in out.getvalue()
    assert "\x9b" not in out.getvalue()
    first, *rest = out.getvalue().splitlines()
    assert "approved" in first
    if kind == "json":
        assert len(rest) == 1


ENTRIES: list[tuple[Any, Any]] = [
    (("1 OR 1=1", 1), {}), (("1", "1"), {}), ((1,), {}), ((1, 1, 1), {}), ((True, 1), {}),
    (([1], {}), {}), ((1.0, 1), {}), ((), {}), ((1, 1), {"kind": "train"}),
    (({"$ne": 0}, 1), {}),
]  # fmt: skip


@pytest.mark.parametrize(("args", "kwargs"), ENTRIES)
def test_a_queue_entry_names_two_numbers_or_is_not_run(
    redis_url: str,
    args: Any,
    kwargs: Any,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ran: list[Any] = []
    monkeypatch.setattr("workers.jobs._perform", lambda *given: ran.append(given))
    connection = connect(redis_url)
    connection.flushdb()
    queue = RqQueue("work", connection=connection, serializer=JSONSerializer, job_class=KnownJob)
    entry = queue.enqueue_call("workers.jobs.train", args=args, kwargs=kwargs)
    work_off(redis_url)
    entry.refresh()
    assert entry.is_failed
    assert ran == []
    with pytest.raises(Refused, match="a job and an attempt"):
        _ = entry.numbers
    # The worker itself, told that such an entry's process died, carries on.
    settings = Settings(_env_file=None, database_url=f"sqlite:///{tmp_path / 'none.db'}")
    worker = SimpleNamespace(_settings=settings, _watch=None)
    _Worker.handle_work_horse_killed(worker, entry, 1, 9, None)  # type: ignore[arg-type]


def test_a_queue_entry_with_two_numbers_is_run(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Any] = []
    monkeypatch.setattr("workers.jobs._perform", lambda *given: ran.append(given))
    connection = connect(redis_url)
    connection.flushdb()
    queue = RqQueue("work", connection=connection, serializer=JSONSerializer, job_class=KnownJob)
    queue.enqueue_call("workers.jobs.train", args=(7, 2))
    work_off(redis_url)
    assert ran == [(JobKind.TRAIN, 7, 2)]


@pytest.mark.whole
def test_the_command_line_takes_half_a_character_for_a_reason(
    tmp_path: Path, dataset: Dataset
) -> None:
    url = f"sqlite:///{tmp_path / 'cli.db'}"
    migrated(url, dataset)
    with closing(Store.open(url, dataset)) as store:
        stored_batch(store)
        env = {
            "DATABASE_URL": url,
            "DATA_DIR": str(tmp_path),
            "REDIS_URL": "redis://127.0.0.1:1",
            "ACTOR": "ana",
            "LC_ALL": "C.UTF-8",
        }
        cli = [sys.executable, "-m", "console.cli.main"]
        train = [*cli, "train", "--reason", b"caf\xe9 \x1b[2J"]
        done = subprocess.run(train, env=env, capture_output=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        shown = subprocess.run(
            [*cli, "audit"], env=env, capture_output=True, check=True, timeout=120
        )
        assert b"caf? \\x1b[2J" in shown.stdout
        named = subprocess.run(
            [*cli, "train", "--reason", "x", "--actor", "a\x1bb"],
            env=env, capture_output=True, check=False, timeout=120,
        )  # fmt: skip
        assert named.returncode == 1
        assert b"Traceback" not in named.stderr
        with store.read() as work:
            assert [j.state for j in work.jobs.recent()] == [JobState.REQUESTED]


def test_an_error_of_the_database_quotes_no_row(store: Store) -> None:
    with pytest.raises(sa.exc.SQLAlchemyError) as broken, store.engine.begin() as connection:
        for _ in range(2):
            connection.execute(
                sa.text("INSERT INTO epochs VALUES (1, :s, '2026-01-01')"), {"s": "c4n4ry"}
            )
    assert "c4n4ry" not in str(broken.value)
