"""Every verb of the console refuses who has not the right, whoever calls it, and says so on record.

The verbs are found by looking: a new one without a check fails here.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.actions import (
    api_keys,
    batch_holds,
    batches,
    datasets,
    decisions,
    events,
    limits,
    notifications,
    pipeline,
    predictions,
    retention,
    schedules,
    uploads,
)
from console.actions.backup import create
from console.actions.backup.restore import restore
from console.desk import Desk
from core.adapters.store import Store
from core.adapters.store.tables import metadata
from core.domain.dataset import Dataset
from core.domain.errors import Missing, NotAllowed, ReasonRequired
from core.domain.jobs import JobKind
from core.platform.settings import Settings
from core.rules.access.roles import GRANTED, OF_THE_DESK, Actor, Right, Role
from tests.build import proposed, somebody, stored_batch
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.stacks import ROOT

MODULES = (
    pipeline, decisions, predictions, limits, batches, batch_holds, schedules, notifications,
    api_keys, retention, create, uploads, events, datasets,
)  # fmt: skip

# What only looks. Everything else that is public in these modules is a verb.
READS: set[object] = {
    schedules.schedules, schedules.soonest, schedules.is_overdue, schedules.schedule,
    notifications.notices, notifications.notice, api_keys.names, retention.due,
    events.sender,
}  # fmt: skip

NEEDS = {
    "predict": Right.PREDICT, "predict_rows": Right.PREDICT, "give_feedback": Right.PREDICT,
    "request_ingest": Right.RUN, "request_drift": Right.RUN, "request_train": Right.RUN,
    "dismiss_batch": Right.RUN, "dismiss_batches": Right.RUN,
    "upload": Right.RUN, "upload_path": Right.RUN,
    "request_judge": Right.RUN, "request_comparison": Right.RUN, "cancel": Right.RUN,
    "retry": Right.RUN, "batch_ready": Right.RUN,
    "batches.skip": Right.RUN, "retry_quarantine": Right.RUN, "batches.retry": Right.RUN,
    "hold_batch": Right.RUN, "release_batch": Right.RUN,
    "set_limits": Right.LIMITS,
    "approve": Right.DECIDE, "reject": Right.DECIDE, "force": Right.DECIDE,
    "confirm_force": Right.DECIDE, "withdraw_force": Right.DECIDE,
    "close_follow_up": Right.DECIDE, "put_back": Right.DECIDE, "roll_back": Right.DECIDE,
    "schedules.add": Right.SCHEDULE, "schedules.edit": Right.SCHEDULE,
    "schedules.pause": Right.SCHEDULE, "schedules.resume": Right.SCHEDULE,
    "schedules.remove": Right.SCHEDULE,
    "send_test": Right.NOTIFY, "api_keys.add": Right.KEYS, "api_keys.remove": Right.KEYS,
    "datasets.disable": Right.MANAGE, "datasets.enable": Right.MANAGE,
    "prune": Right.MANAGE, "back_up": Right.OPERATE, "continue_numbers": Right.MANAGE,
}  # fmt: skip


def verbs() -> Iterator[tuple[str, Callable[..., Any]]]:
    for module in MODULES:
        for name, found in inspect.getmembers(module, inspect.isfunction):
            if found.__module__ == module.__name__ and not name.startswith("_"):
                if found in READS:
                    continue
                full = f"{module.__name__.rpartition('.')[2]}.{name}"
                yield full if full in NEEDS else name, found


VERBS = dict(verbs())

# Each verb asks for its right in the same way on either database; both record a refusal below.
on_sqlite = pytest.mark.parametrize("backend", ["sqlite"], indirect=True)


@pytest.fixture
def desk(store: Store, dataset: Dataset, tmp_path: Path) -> Desk:
    stored_batch(store)
    proposed(store, 1)
    settings = Settings(
        _env_file=None, data_dir=tmp_path, auth_contact="ops@desk.internal",
        serving_keys=str(tmp_path / "keys"), webhook_url="http://127.0.0.1:1/",
    )  # fmt: skip
    return Desk(settings, dataset, store, FakeQueue(), FakeRegistry(), FakeServing())  # type: ignore[arg-type]


def rows(desk: Desk) -> dict[str, int]:
    with desk.store.engine.connect() as connection:
        return {
            table.name: len(connection.execute(table.select()).all())
            for table in metadata.sorted_tables
        }


def test_every_verb_is_in_the_table() -> None:
    assert set(VERBS) == set(NEEDS)
    assert set(NEEDS.values()) | {Right.SEE, Right.RESTART} == set(Right)


def test_only_verbs_change_the_store_the_registry_or_the_queue() -> None:
    """Outside of actions there is no unit of work: there is no way past the checks."""
    actions = ROOT / "console" / "actions"
    for path in (ROOT / "console").rglob("*.py"):
        called = {
            node.func.attr
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        acts = {"set_champion", "submit", "drop", "publish", "feedback"}
        changes = called & {"begin", "transaction", *acts}
        if path.name == "app.py":
            changes -= {"begin"}  # the session's
        assert actions in path.parents or not changes, path


@on_sqlite
@pytest.mark.parametrize("name", VERBS)
def test_a_verb_refuses_every_role_below_and_writes_only_that(name: str, desk: Desk) -> None:
    """Without its other arguments: the right is asked for before anything is looked at."""
    right = NEEDS[name]
    below = [None, *(role for role in Role if role.rank < GRANTED[right].rank)]
    assert Role.VIEWER in below
    for n, role in enumerate(below, 1):
        before = rows(desk)
        with pytest.raises(NotAllowed, match=r"Ask ops@desk\.internal"):
            VERBS[name](desk, somebody("vic", role))
        after = rows(desk)
        assert after.pop("audit") == before.pop("audit") + 1
        assert after == before
        with desk.store.read() as work:
            event = work.audit.latest()[0]
            assert len(work.audit.latest(action="refused")) == n
        assert (event.actor, event.action) == ("vic", "refused")
        assert event.subject == f"right:{right.name.lower()}"
        assert event.details["verb"] == VERBS[name].__name__
        assert event.details["by"] == {"role": role or "none", "known_by": "a test"}
    assert desk.queue.entries == []  # type: ignore[attr-defined]
    assert desk.serving.asked == []  # type: ignore[attr-defined]
    assert not Path(desk.settings.serving_keys).exists()


def test_restoring_is_refused_before_anything_is_looked_at(desk: Desk, tmp_path: Path) -> None:
    settings = desk.settings.model_copy(
        update={"database_url": str(desk.store.engine.url.render_as_string(hide_password=False))}
    )
    before = rows(desk)
    for role in (None, Role.VIEWER, Role.OPERATOR, Role.APPROVER):
        with pytest.raises(NotAllowed, match=r"Ask ops@desk\.internal"):
            restore(settings, somebody("vic", role), tmp_path / "none.tar.gz")
    with pytest.raises(Missing):
        restore(settings, somebody("vic"), tmp_path / "none.tar.gz")
    after = rows(desk)
    assert after.pop("audit") == before.pop("audit") + 4
    assert after == before


@on_sqlite
@pytest.mark.parametrize("name", VERBS)
def test_the_lowest_role_that_has_the_right_gets_past_the_check(name: str, desk: Desk) -> None:
    with pytest.raises(Exception, match=r"missing \d+ required") if _asks_more(name) else _quiet():
        VERBS[name](desk, somebody("vic", GRANTED[NEEDS[name]]))


@on_sqlite
@pytest.mark.parametrize("name", VERBS)
def test_a_role_for_another_dataset_gives_no_right_here(name: str, desk: Desk) -> None:
    other = Actor("tess", Role.ADMIN, "a test", dataset="trips", desk_role=Role.VIEWER)
    before = rows(desk)
    with pytest.raises(NotAllowed, match=r"^tess is (nobody|admin) here; "):
        VERBS[name](desk, other)
    after = rows(desk)
    assert after.pop("audit") == before.pop("audit") + 1
    assert after == before


@on_sqlite
@pytest.mark.parametrize("name", VERBS)
def test_a_role_for_this_dataset_gives_every_right_but_those_of_the_desk(
    name: str, desk: Desk
) -> None:
    admin = Actor("tess", Role.ADMIN, "a test", dataset=desk.dataset.name, desk_role=None)
    if NEEDS[name] in OF_THE_DESK:
        with pytest.raises(NotAllowed, match="needs an admin of all datasets"):
            VERBS[name](desk, admin)
        return
    with pytest.raises(Exception, match=r"missing \d+ required") if _asks_more(name) else _quiet():
        VERBS[name](desk, admin)


def _asks_more(name: str) -> bool:
    parameters = list(inspect.signature(VERBS[name]).parameters.values())[2:]
    return any(p.default is inspect.Parameter.empty for p in parameters)


class _quiet:  # noqa: N801 - stands where a context manager of pytest's does
    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, ReasonRequired | Missing)


def test_a_restart_needs_more_than_a_run(desk: Desk) -> None:
    """It replaces the rows: also where somebody repeats or cancels one that an admin asked for."""
    operator, admin = somebody("ben", Role.OPERATOR), somebody("ana", Role.ADMIN)
    with pytest.raises(NotAllowed, match="restarting the source needs an admin"):
        pipeline.request_ingest(desk, operator, restart=True, ends=1)
    job = pipeline.request_ingest(desk, admin, restart=True, ends=1)
    with pytest.raises(NotAllowed, match="restarting the source"):
        pipeline.cancel(desk, operator, job.id)
    pipeline.cancel(desk, admin, job.id)
    with pytest.raises(NotAllowed, match="restarting the source"):
        pipeline.retry(desk, operator, job.id)


def test_an_operator_can_neither_stop_nor_repeat_a_promotion(desk: Desk) -> None:
    approver, operator = somebody("ana", Role.APPROVER), somebody("ben", Role.OPERATOR)
    job = decisions.approve(desk, approver, 1)
    assert job.kind is JobKind.PROMOTE
    for verb in (pipeline.cancel, pipeline.retry):
        with pytest.raises(NotAllowed, match="deciding about versions needs an approver"):
            verb(desk, operator, job.id)
    pipeline.cancel(desk, approver, job.id)
    with pytest.raises(NotAllowed):
        pipeline.retry(desk, operator, job.id)
    with pytest.raises(Missing):
        pipeline.retry(desk, operator, 999)


def test_every_act_keeps_the_role_of_its_day(desk: Desk) -> None:
    pipeline.request_train(desk, somebody("ben", Role.OPERATOR), reason="a try")
    pipeline.request_drift(desk, somebody("ben", Role.APPROVER))
    with desk.store.read() as work:
        drift, train = work.audit.latest(2)
        assert work.audit.verify() is None
    assert (train.actor, train.details["by"]["role"]) == ("ben", "operator")
    assert (drift.actor, drift.details["by"]["role"]) == ("ben", "approver")
    assert drift.details["by"]["known_by"] == "a test"


def test_a_confirmed_force_keeps_who_confirmed_it_and_as_what(desk: Desk) -> None:
    changed = desk.settings.model_copy(update={"reviewers_required": 2})
    two = Desk(changed, desk.dataset, desk.store, desk.queue, desk.registry, desk.serving)
    desk.registry.publish(b"m", job="1", parameters={}, metrics={}, tags={}, signature=None,
                          requirements=[])  # fmt: skip
    decisions.force(two, somebody("ana", Role.ADMIN), 1, reason="must be")
    decisions.confirm_force(two, somebody("ben", Role.APPROVER), 1)
    with desk.store.read() as work:
        (event,) = work.audit.latest(action="force")
    assert event.actor == "ana"
    assert event.details["confirmed_by"] == "ben"
    assert event.details["by"] == {"name": "ben", "role": "approver", "known_by": "a test"}


def test_where_the_database_is_away_a_refusal_is_still_one(
    desk: Desk, dataset: Dataset, tmp_path: Path
) -> None:
    gone = Store.open("mysql+pymysql://nobody@127.0.0.1:1/none", dataset)
    away = Desk(desk.settings, dataset, gone, desk.queue, desk.registry, desk.serving)
    with pytest.raises(NotAllowed):
        decisions.approve(away, somebody("vic", Role.VIEWER), 1)
