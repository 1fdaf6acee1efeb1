"""Every line says who wrote it and what it is part of, and none tells a secret."""

from __future__ import annotations

import json
import logging
import sys
from threading import Thread
from typing import Any

import pytest
import structlog

from core.adapters.store import Store
from core.domain.job_results import SourceEnded
from core.domain.jobs import JobKind
from core.platform import tracing
from core.platform.log import configure
from core.platform.settings import Settings
from tests.work import run_job
from workers.runtime.job_run import Run

HIDDEN = ("p4ss word", "s3cr3t", "k-7-f3x", "/hook/T0P-S3", 'quo"te\\d')


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_says_what_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "worker")
    with tracing.span("x"), structlog.contextvars.bound_contextvars(job=3, kind="train"):
        structlog.get_logger().info("done", version=7)
        expected = tracing.trace_id()
    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "done", "level": "info", "program": "worker", "trace": expected, "job": 3,
        "kind": "train", "version": 7,
    }  # fmt: skip


def test_lines_of_other_threads_and_of_libraries_say_which_program(
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = logging.StreamHandler()
    logging.getLogger("stubborn").addHandler(own)
    logging.getLogger("stubborn").propagate = False
    configure("json", "run")
    configure("json", "serving")  # the last one counts, and a line comes once
    thread = Thread(target=lambda: structlog.get_logger().info("from a thread"))
    thread.start()
    thread.join()
    logging.getLogger("lib.worker").warning("horse %s died", 5)
    logging.getLogger("lib.worker").info("not told")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("lib").exception("broke")
    own.stream = sys.stderr
    logging.getLogger("stubborn").error("in its own way")
    logging.getLogger("stubborn").removeHandler(own)
    found = lines(capsys)
    assert [(line["event"], line["program"]) for line in found] == [
        ("from a thread", "serving"), ("horse 5 died", "serving"), ("broke", "serving"),
        ("in its own way", "serving"),
    ]  # fmt: skip
    assert found[1]["logger"] == "lib.worker"
    assert "ZeroDivisionError" in found[2]["exception"]


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_secret_is_told_wherever_it_stands(
    form: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(
        _env_file=None,
        database_url="mysql+pymysql://desk:p4ss%20word@db/desk",
        redis_url="redis://:s3cr3t@queue:6379/0",
        serving_key="k-7-f3x",
        webhook_url="https://hooks.example/hook/T0P-S3",
        serving_push_secret='quo"te\\d',
    )
    configure(form, "worker", settings.secrets)
    log = structlog.get_logger()
    for secret in HIDDEN:
        log.info(secret, deep={"list": [secret], "bytes": secret.encode()})
        logging.getLogger("lib").warning("said %r", secret)
        try:
            raise ValueError(secret)
        except ValueError:
            log.exception("failed")
    log.info("addresses", a=settings.database_url, b="http://other:pa@ss@host/x", c="http://h:80/a")
    said = capsys.readouterr().err
    for secret in HIDDEN:
        assert secret not in said
        assert json.dumps(secret)[1:-1] not in said
    assert "p4ss%20word" not in said
    assert "pa@ss" not in said
    assert "http://other:***@host/x" in said
    assert "http://h:80/a" in said


def test_secrets_of_few_letters_leave_lines_readable(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "worker", ["", "abc"])
    structlog.get_logger().info("abc")
    assert lines(capsys)[0]["event"] == "abc"


def test_a_jobs_lines_tell_whose_and_what_about_and_are_forgotten_after_it(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("json", "worker")

    def step(run: Run) -> None:
        run.about(epoch=1, batch=4)
        run.say("working")
        with store.begin() as work:
            run.complete(work, SourceEnded())

    with tracing.span("button"):
        asked_in = tracing.trace_id()
        run_job(store, JobKind.DRIFT, step)
    started, working, done = lines(capsys)
    assert {line["trace"] for line in (started, working, done)} == {asked_in}
    assert {line["actor"] for line in (started, working, done)} == {"ana"}
    assert "batch" not in started
    assert working["batch"] == done["batch"] == 4
    assert structlog.contextvars.get_contextvars() == {}
