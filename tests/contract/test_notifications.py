"""Notices from the outbox to a real receiver, on both databases."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.store import Store
from core.domain.errors import SourceUnavailable
from core.domain.jobs import JobKind, JobState
from core.platform.settings import Settings
from core.rules.ops.notification import MAX_ATTEMPTS, Delivery, Event, signature
from tests import build
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.receiver import Receiver, receiver
from tests.stacks import ROOT
from tests.work import run_job
from workers.container import Container
from workers.reconciler.outbox import post_due
from workers.reconciler.reconcile import reconcile
from workers.runtime.job_run import Run
from workers.steps.drift import CheckDrift
from workers.steps.promote import Promote

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


def wiring(store: Store, url: str, now: datetime = build.NOON, **changes: Any) -> Container:
    settings = Settings(_env_file=None, webhook_url=url, webhook_secret=SECRET, **changes)
    at = Store(store.engine, store.dataset, clock=lambda: now)
    return Container(settings, store.dataset, at, FakeQueue(), FakeRegistry())  # type: ignore[arg-type]


def tell(store: Store, event: Event = Event.FAILED, text: str = "Train 12 failed.") -> str:
    with Store(store.engine, store.dataset, clock=lambda: build.NOON).begin() as work:
        uid = work.notifications.add(event, "job:12", text)
        work.commit()
    return uid


def state(store: Store, uid: str) -> tuple[Delivery, int, str]:
    with store.read() as work:
        notice = work.notifications.get(uid)
    assert notice
    return notice.state, notice.attempts, notice.failure


def test_a_notice_is_posted_signed_and_once(store: Store, hook: Receiver) -> None:
    uid = tell(store)
    for _ in range(3):
        post_due(wiring(store, hook.url))
    ((headers, content),) = hook.got
    stamp = int(headers["webhook-timestamp"])
    assert headers["webhook-id"] == uid
    assert headers["webhook-signature"] == signature(SECRET, uid, stamp, content)
    assert headers["content-type"].startswith("application/json")
    posted = json.loads(content)
    assert posted["text"].startswith("Train 12 failed.")
    assert posted["driftdesk"]["link"] == "http://127.0.0.1:8501/pipeline?job=12"
    assert state(store, uid) == (Delivery.DELIVERED, 1, "")


def test_the_documented_check_accepts_it_and_nothing_else(store: Store, hook: Receiver) -> None:
    document = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    (check,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    names: dict[str, Any] = {}
    exec(check, names)
    tell(store)
    post_due(wiring(store, hook.url))
    ((headers, content),) = hook.got
    assert names["is_genuine"](headers, content, SECRET)
    assert not names["is_genuine"](headers, content + b" ", SECRET)
    assert not names["is_genuine"](headers, content, "another")
    old = headers | {"webhook-timestamp": "1614265330"}
    assert not names["is_genuine"](old, content, SECRET)


def test_what_is_rolled_back_is_never_told(store: Store, hook: Receiver) -> None:
    with store.begin() as work:
        work.notifications.add(Event.FAILED, "job:1", "It failed.")
    post_due(wiring(store, hook.url))
    assert hook.got == []


def test_after_an_error_it_is_tried_again_later_with_the_same_id(
    store: Store, hook: Receiver
) -> None:
    uid = tell(store)
    hook.answers = [500]
    post_due(wiring(store, hook.url))
    assert state(store, uid) == (Delivery.PENDING, 1, "HTTP 500.")
    post_due(wiring(store, hook.url, build.NOON + timedelta(seconds=9)))
    assert len(hook.got) == 1
    post_due(wiring(store, hook.url, build.NOON + timedelta(seconds=10)))
    assert state(store, uid) == (Delivery.DELIVERED, 2, "")
    assert [headers["webhook-id"] for headers, _ in hook.got] == [uid, uid]


def test_the_last_failed_attempt_keeps_its_reason(store: Store, hook: Receiver) -> None:
    uid = tell(store)
    hook.answers = [503] * MAX_ATTEMPTS
    for n in range(MAX_ATTEMPTS + 2):
        post_due(wiring(store, hook.url, build.NOON + n * timedelta(hours=2)))
    assert len(hook.got) == MAX_ATTEMPTS
    assert state(store, uid) == (Delivery.GIVEN_UP, MAX_ATTEMPTS, "HTTP 503.")


def test_a_redirect_is_not_followed(store: Store, hook: Receiver) -> None:
    uid = tell(store)
    with receiver() as elsewhere:
        hook.answers = [(302, elsewhere.url), (307, elsewhere.url)]
        for n in range(2):
            post_due(wiring(store, hook.url, build.NOON + n * timedelta(hours=1)))
        assert elsewhere.got == []
    assert state(store, uid)[0] is Delivery.PENDING
    assert "not followed" in state(store, uid)[2]


def test_an_unreachable_receiver_is_reported_without_its_address(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    uid = tell(store)
    post_due(wiring(store, "http://127.0.0.1:1/hook/T0P-S3CRET"))
    assert state(store, uid) == (Delivery.PENDING, 1, "No answer (ConnectionError).")
    said = "".join(capsys.readouterr())
    assert "T0P-S3CRET" not in said
    assert SECRET not in said


def test_a_failure_ends_the_round_and_the_rest_follows_in_order(
    store: Store, hook: Receiver
) -> None:
    uids = [tell(store, text=f"notice {n}") for n in range(3)]
    hook.answers = [500]
    post_due(wiring(store, hook.url))
    assert len(hook.got) == 1
    post_due(wiring(store, hook.url, build.NOON + timedelta(minutes=1)))
    assert [e["id"] for e in hook.events] == [uids[0], *uids]


def test_racing_reconcilers_send_it_once(store: Store, hook: Receiver) -> None:
    tell(store)
    start = threading.Barrier(4)

    def race() -> None:
        made = wiring(store, hook.url)
        start.wait()
        post_due(made)

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hook.got) == 1


def test_a_poster_who_dies_while_it_posts_loses_nothing(store: Store, hook: Receiver) -> None:
    uid = tell(store)
    with wiring(store, hook.url).store.begin() as work:
        (notice,) = work.notifications.due()
        assert work.notifications.take(notice)
        work.commit()
    post_due(wiring(store, hook.url, build.NOON + timedelta(seconds=10)))
    assert state(store, uid) == (Delivery.DELIVERED, 2, "")


def test_what_nobody_wants_is_left_with_the_reason(store: Store, hook: Receiver) -> None:
    unnamed, off, test = tell(store), tell(store, Event.BREACH), tell(store, Event.TEST)
    post_due(wiring(store, hook.url, webhook_events="failed"))
    assert state(store, unnamed)[0] is Delivery.DELIVERED
    assert state(store, off) == (Delivery.SKIPPED, 0, "WEBHOOK_EVENTS does not name breach.")
    assert state(store, test)[0] is Delivery.DELIVERED
    late = tell(store)
    post_due(wiring(store, ""))
    assert state(store, late) == (Delivery.SKIPPED, 0, "WEBHOOK_URL is not set.")


def test_hostile_text_reaches_nobody_as_a_mention(store: Store, hook: Receiver) -> None:
    tell(store, text="<!channel> <http://evil|click>")
    post_due(wiring(store, hook.url))
    assert "<!channel>" not in json.loads(hook.got[0][1])["text"]


# What is told of


def told(store: Store) -> list[tuple[Event, str, str]]:
    with store.read() as work:
        return [(n.event, n.subject, n.text) for n in work.notifications.latest()]


def test_a_failed_job_is_told_and_a_cancelled_one_is_not(store: Store) -> None:
    def failing(run: Run) -> None:
        raise SourceUnavailable("The data API cannot be reached.")

    def cancelled(run: Run) -> None:
        with store.begin() as work:
            work.jobs.cancel(run.job.id)
            work.commit()
        while True:
            run.progress(0.5, "working")

    job = run_job(store, JobKind.INGEST, failing)
    said = f"Ingest {job.id} failed: The data API cannot be reached."
    assert told(store) == [(Event.FAILED, f"job:{job.id}", said)]
    run_job(store, JobKind.DRIFT, cancelled)
    assert len(told(store)) == 1


def test_a_job_that_fails_for_good_is_notified_once(store: Store, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, max_attempts=1)
    later = Store(store.engine, store.dataset, clock=lambda: store._clock() + timedelta(minutes=1))
    made = Container(settings, store.dataset, later, FakeQueue(), FakeRegistry())  # type: ignore[arg-type]
    with store.begin() as work:
        job, _ = work.jobs.request(JobKind.TRAIN, {}, "ana")
        work.jobs.claim(job.id, 1, "w", timedelta(seconds=1))
        work.commit()
    reconcile(made)
    reconcile(made)
    ((event, subject, text),) = told(store)
    assert (event, subject) == (Event.FAILED, f"job:{job.id}")
    assert "worker died" in text


def test_a_breach_is_told_with_its_batch_and_a_first_batch_is_not(store: Store) -> None:
    check = CheckDrift(store.dataset, False, lambda _job: None)
    build.stored_batch(store, 0)
    run_job(store, JobKind.DRIFT, check)
    assert told(store) == []
    rest = tuple(build.profile(c.name) for c in store.dataset.compared if c.name != "price")
    changed = build.stored_batch(store, 1, profiles=(build.profile("price", mean=50.0), *rest))
    assert run_job(store, JobKind.DRIFT, check).state is JobState.SUCCEEDED
    ((event, subject, text),) = told(store)
    assert (event, subject) == (Event.BREACH, f"batch:1/{changed.number}")
    assert "Price, mean rose 400.0 %" in text


def test_a_version_that_came_to_be_served_is_told(store: Store) -> None:

    registry, serving = FakeRegistry(), FakeServing()
    registry.publish(
        b"x", job="1", parameters={}, metrics={}, tags={}, signature=None, requirements=[]
    )
    serving.about = {"version": 1}
    build.proposed(store, 1, digest="")
    with store.begin() as work:
        job = build.approve(work, 1)
        work.commit()
    run = Run.claim(store, job.id, 1, timedelta(seconds=30))
    assert run
    Promote(registry, serving, 5)(run)  # type: ignore[arg-type]
    assert told(store) == [(Event.PROMOTED, "version:1", "Version 1 is live (approved by ana).")]
