"""Which state a dataset has, what it needs, and which dataset comes first."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from console.text.fleet_lines import status_lines
from core.domain.batches import BatchState
from core.domain.fleet import FailedJob, FleetFacts, KnownDataset, NewestBatch, Refusal
from core.domain.jobs import JobKind, JobState
from core.domain.promotions import ForceRequest
from core.rules.drift.batch_verdict import Stand
from core.rules.drift.recommendation import BatchScore
from core.rules.model.feedback_error import Bucket
from core.rules.ops.fleet_state import Line, State, line, matching, ordered, wrong
from core.rules.ops.need_facts import NeedFacts
from tests.build import NOON, small_dataset
from tests.unit.test_needs import LIVE, asks, batch

BATCH = NewestBatch(1, 1, 7, BatchState.STORED, NOON)
FAILED = FailedJob(12, JobKind.TRAIN, NOON, "It failed.")
FORCE = ForceRequest(1, 3, "now", NOON, "eve")


def of(
    name: str = "rides",
    known: KnownDataset | None = None,
    feedback: Bucket | None = None,
    **facts: Any,
) -> Line:
    told = {f: facts.pop(f) for f in ("newest_batch", "open_jobs") if f in facts}
    fleet = FleetFacts(name, **told)
    return line(small_dataset(name=name), fleet, NeedFacts(**facts), known, feedback)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, State.EMPTY),
        ({"newest_batch": BATCH}, State.QUIET),
        ({"newest_batch": BATCH, "open_jobs": {JobState.RUNNING: 1}}, State.WORKING),
        ({"forces": (FORCE,)}, State.PENDING),
        ({"verdicts": (asks(1),)}, State.PENDING),
        ({"failed_jobs": (FAILED,)}, State.ALERT),
        ({"refusals": (Refusal("http://a", "no"),)}, State.ALERT),
        ({"failed_jobs": (FAILED,), "open_jobs": {JobState.RUNNING: 1}}, State.ALERT),
        (
            {"live": LIVE, "approved": 3.0, "feedback": Bucket(NOON, NOON, 40, 30.0, None, (1,))},
            State.ALERT,
        ),
    ],
)
def test_the_state_is_that_of_the_most_important_need(facts: dict[str, Any], state: State) -> None:
    assert of(**facts).state is state


def test_a_disabled_dataset_needs_nobody_and_says_who_disabled_it() -> None:
    known = KnownDataset("rides", "d", NOON, datetime(2026, 11, 24, tzinfo=UTC), "ana", "It moves.")
    found = of(known=known, failed_jobs=(FAILED,))
    assert (found.state, found.needs) == (State.DISABLED, ())
    assert found.reason == "ana disabled it: It moves."


def test_alerts_come_first_then_questions_then_the_others_by_name() -> None:
    known = KnownDataset("a", "d", NOON, NOON, "ana", "no")
    disabled = of("a", known)
    lines = [
        disabled,
        of("f"),
        of("e", open_jobs={JobState.RUNNING: 1}),
        of("d", forces=(FORCE,)),
        of("c", failed_jobs=(FAILED,)),
        wrong("b.toml", "It has no columns."),
    ]
    assert [found.name for found in ordered(lines)] == ["b.toml", "c", "d", "e", "f", "a"]


def test_the_errors_are_those_of_the_live_version_without_held_batches() -> None:
    batches = (batch(3, held=True), batch(2), batch(1))
    scores = tuple(
        BatchScore(10 + n, 1, 20, metrics)
        for n, metrics in ((1, {"mae": 3.0}), (2, {}), (3, {"mae": 2.0}))
    )
    assert of(batches=batches, scores=scores).errors == (3.0,)


def test_the_filters_ask_for_states_and_for_every_word() -> None:
    lines = [of("bikes", failed_jobs=(FAILED,)), of("boats")]
    assert matching(lines) == lines
    assert [found.name for found in matching(lines, [State.ALERT])] == ["bikes"]
    assert [found.name for found in matching(lines, text="RIDES boa")] == ["boats"]
    assert matching(lines, [State.ALERT], "boats") == []


@pytest.mark.parametrize(
    ("facts", "says", "waits"),
    [
        ({}, "retraining recommended", True),
        ({"dismissed_by": "ana"}, "dismissed", False),
        ({"rule": None}, "not compared", False),
        ({"held": True}, "held", True),
    ],
)
def test_the_verdict_is_that_about_the_newest_batch(
    facts: dict[str, Any], says: str, *, waits: bool
) -> None:
    newest = replace(asks(7), **facts)
    found = of(batches=(batch(7),), verdicts=(newest, asks(6)))
    assert (found.verdict, found.judged, found.waits) == (says, "1/7", waits)
    assert of().verdict is None


@pytest.mark.parametrize("stand", Stand)
def test_the_command_line_has_the_verdict_of_the_page_in_a_word(stand: Stand) -> None:
    shown = Line("rides", "Rides", State.QUIET, facts=FleetFacts("rides"), verdict=stand.value)
    head, row = (re.split(r" {2,}", said) for said in status_lines([shown], NOON))
    word = row[head.index("verdict")]
    assert word == "retrain" if stand is Stand.ASKS else word not in ("retrain", "-")
    assert len(word) <= 10
