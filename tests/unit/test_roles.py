"""Who may do what: the table, the sentences, and what cancelling or repeating a job needs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.domain.errors import NotAllowed
from core.domain.jobs import Job, JobKind, JobState
from core.rules.access.roles import GRANTED, Actor, Right, Role, may, right_for
from tests.stacks import ROOT


def job(kind: JobKind, **args: Any) -> Job:
    now = datetime(2026, 11, 26, tzinfo=UTC)
    return Job(id=1, kind=kind, state=JobState.FAILED, attempt=1, args=args, actor="ana",
               requested_at=now)  # fmt: skip


def test_a_role_has_every_right_of_the_roles_below_it() -> None:
    for lower, higher in zip(list(Role), list(Role)[1:], strict=False):
        has = {right for right in Right if may(lower, right)}
        assert has < {right for right in Right if may(higher, right)}
    assert {right for right in Right if may(Role.VIEWER, right)} == {Right.SEE}
    assert all(may(Role.ADMIN, right) for right in Right)
    assert not any(may(None, right) for right in Right)


def test_a_refusal_says_who_what_and_whom_to_ask() -> None:
    ben = Actor("ben", Role.OPERATOR, "a test")
    with pytest.raises(NotAllowed) as refused:
        ben.demand(Right.DECIDE, "ops@desk.internal")
    assert str(refused.value) == (
        "ben is operator here; deciding about versions needs an approver. Ask ops@desk.internal."
    )
    assert Actor("x", None, "").refusal(Right.SEE, "") == (
        "x is nobody here; seeing the desk needs a viewer. Ask an admin of this desk."
    )
    assert ben.refusal(Right.RUN, "") == ""
    ben.demand(Right.RUN, "")


def test_a_job_is_repeated_by_who_may_ask_for_it() -> None:
    assert right_for(job(JobKind.TRAIN)) is Right.RUN
    assert right_for(job(JobKind.JUDGE, version=2)) is Right.RUN
    assert right_for(job(JobKind.PROMOTE, promotion_id=1)) is Right.DECIDE
    assert right_for(job(JobKind.INGEST)) is Right.RUN
    assert right_for(job(JobKind.INGEST, restart_epoch=1)) is Right.RESTART


def test_the_handbook_shows_the_table_as_it_is() -> None:
    text = (ROOT / "docs" / "auth.md").read_text(encoding="utf-8")
    for right, role in GRANTED.items():
        assert f"| {right.value[0].upper()}{right.value[1:]} | {role.value} |" in text
