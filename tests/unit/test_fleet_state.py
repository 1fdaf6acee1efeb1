"""Which state a dataset has, what it needs, and which dataset comes first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from core.domain.batches import BatchState
from core.domain.drift import Reason
from core.domain.fleet import (
    BatchErrors,
    FailedJob,
    FleetFacts,
    KnownDataset,
    NewestBatch,
    NewestReport,
    OpenCandidate,
    Refusal,
)
from core.domain.jobs import JobKind, JobState
from core.rules.ops.fleet_state import Line, State, line, matching, ordered, wrong
from tests.build import NOON, small_dataset

BATCH = NewestBatch(1, 1, 7, BatchState.STORED, NOON)
FAILED = FailedJob(12, JobKind.TRAIN, NOON, "It failed.")


def of(name: str = "rides", **facts: Any) -> Line:
    return line(small_dataset(name=name), FleetFacts(name, **facts))


def report(
    *,
    retrain: bool = True,
    could_be_noise: bool = False,
    recommendation: str = "",
    answered: bool = False,
) -> NewestReport:
    reasons = (Reason("It moved.", "mean", could_be_noise),)
    return NewestReport(1, 2, 7, retrain, reasons, (), NOON, recommendation, answered)


def jump(*, rows: int = 60, seen: bool = False) -> dict[str, Any]:
    """The live version's error is ten times that of its approval."""
    errors = (BatchErrors(3, rows, {"mae": 30.0}, 2.0, 1, 3, seen),)
    return {"live_version": 1, "approved": {"mae": 3.0}, "errors": errors, "newest_batch": BATCH}


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, State.EMPTY),
        ({"newest_batch": BATCH}, State.QUIET),
        ({"newest_batch": BATCH, "open_jobs": {JobState.RUNNING: 1}}, State.WORKING),
        ({"candidates": (OpenCandidate(3, True, NOON),)}, State.PENDING),
        ({"held_batches": 1}, State.PENDING),
        ({"follow_ups": 1}, State.PENDING),
        ({"force_requests": 1}, State.PENDING),
        ({"drift": report()}, State.PENDING),
        ({"drift": report(recommendation="retrain")}, State.PENDING),
        ({"drift": report(recommendation="ignore"), "newest_batch": BATCH}, State.QUIET),
        ({"drift": report(answered=True), "newest_batch": BATCH}, State.QUIET),
        ({"failed_jobs": (FAILED,)}, State.ALERT),
        (jump(), State.ALERT),
        (jump(rows=3), State.QUIET),
        (jump(seen=True), State.QUIET),
        ({"refusals": (Refusal("http://a", "no"),)}, State.ALERT),
        ({"failed_jobs": (FAILED,), "open_jobs": {JobState.RUNNING: 1}}, State.ALERT),
    ],
)
def test_the_state_is_that_of_the_most_important_need(facts: dict[str, Any], state: State) -> None:
    assert of(**facts).state is state


def test_a_need_names_the_page_for_it() -> None:
    found = of(failed_jobs=(FAILED,), candidates=(OpenCandidate(3, False, NOON),), held_batches=2)
    assert [(n.title, n.page, dict(n.query)) for n in found.needs] == [
        ("The last train job failed", "pipeline", {"job": "12"}),
        ("Version 3 awaits approval (not recommended)", "promotion", {"version": "3"}),
        ("2 held batches wait to be released", "pipeline", {"view": "Batches"}),
    ]


def test_a_recommended_version_comes_before_newer_ones_that_are_not() -> None:
    candidates = (OpenCandidate(4, False, NOON), OpenCandidate(3, True, NOON))
    assert of(candidates=candidates).needs[0].query == {"version": "3"}


def test_what_could_be_noise_needs_nobody_unless_the_rule_decides() -> None:
    noise = report(could_be_noise=True)
    assert of(drift=noise).needs == ()
    assert of(drift=noise).verdict == "no retraining needed"
    by_rule = line(small_dataset(drift={"retrain_when": "rule"}), FleetFacts("rides", drift=noise))
    assert by_rule.verdict == "retraining recommended"
    assert by_rule.needs[0].query == {"batch": "2/7"}


def test_a_disabled_dataset_needs_nobody_and_says_who_disabled_it() -> None:
    known = KnownDataset("rides", "d", NOON, datetime(2026, 11, 24, tzinfo=UTC), "ana", "It moves.")
    found = line(small_dataset(), FleetFacts("rides", failed_jobs=(FAILED,)), known)
    assert (found.state, found.needs) == (State.DISABLED, ())
    assert found.reason == "ana disabled it: It moves."


def test_alerts_come_first_then_questions_then_the_others_by_name() -> None:
    known = KnownDataset("a", "d", NOON, NOON, "ana", "no")
    disabled = line(small_dataset(name="a"), FleetFacts("a"), known)
    lines = [
        disabled,
        of("f"),
        of("e", open_jobs={JobState.RUNNING: 1}),
        of("d", held_batches=1),
        of("c", failed_jobs=(FAILED,)),
        wrong("b.toml", "It has no columns."),
    ]
    assert [found.name for found in ordered(lines)] == ["b.toml", "c", "d", "e", "f", "a"]


def test_the_errors_are_those_of_the_live_version() -> None:
    scores = (
        BatchErrors(1, 20, {"mae": 3.0}),
        BatchErrors(2, 0, {}),
        BatchErrors(3, 9, {"mae": 2}),
    )
    assert of(errors=scores).errors == (3.0, 2)


def test_the_filters_ask_for_states_and_for_every_word() -> None:
    lines = [of("bikes", failed_jobs=(FAILED,)), of("boats")]
    assert matching(lines) == lines
    assert [found.name for found in matching(lines, [State.ALERT])] == ["bikes"]
    assert [found.name for found in matching(lines, text="RIDES boa")] == ["boats"]
    assert matching(lines, [State.ALERT], "boats") == []


@pytest.mark.parametrize(
    ("answered", "could_be_noise", "says"),
    [
        (False, False, "retraining recommended"),
        (True, False, "answered"),
        (True, True, "no retraining needed"),
        (False, True, "no retraining needed"),
    ],
)
def test_only_a_batch_that_asked_is_answered(
    says: str, *, answered: bool, could_be_noise: bool
) -> None:
    assert of(drift=report(answered=answered, could_be_noise=could_be_noise)).verdict == says
