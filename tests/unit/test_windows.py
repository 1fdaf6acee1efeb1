"""Windows as a rule: whatever clients send, each request counts once and the figures are finite."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.dataset import Dataset
from core.domain.drift import DriftReport, Finding, Reason, StatChange
from core.domain.errors import BadRow
from core.domain.profiles import ColumnProfile
from core.platform.dataset_file import parse
from core.rules.data.profile import Profiler
from core.rules.drift.live_windows import Request, Window, alarm, alarms, cut
from core.rules.model.contract import describe, read_row
from tests import build

DATASET = parse(
    {
        "name": "rides",
        "columns": [
            {"name": "rides", "type": "number", "role": "target", "nullable": False},
            {"name": "day", "type": "date", "role": "feature", "drift": False},
            {"name": "temperature", "type": "number", "role": "feature"},
            {"name": "wind", "type": "number", "role": "feature", "minimum": 0},
            {"name": "weather", "type": "category", "role": "feature", "nullable": False},
            {"name": "station", "type": "code", "role": "feature", "width": 4, "drift": False},
        ],
    },
    "rides.toml",
)


def training(dataset: Dataset = DATASET, rows: int = 300) -> tuple[ColumnProfile, ...]:
    rng = np.random.default_rng(3)
    profiler = Profiler(dataset)
    for column in dataset.columns:
        if column.is_text:
            profiler.add(column.name, [str(v) for v in rng.integers(1, 9, rows)])
        else:
            profiler.add(column.name, rng.normal(15, 4, rows))
    return profiler.finish()


def asked(*inputs: Any) -> list[Request]:
    return [Request(f"{n:04}", build.NOON + timedelta(seconds=n), i) for n, i in enumerate(inputs)]


GOOD = {"day": "2026-11-23", "temperature": 15.5, "wind": 3, "weather": "sun", "station": 17}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["2026-11-23", "sun", 17, 15.5, 0, -1, 1e308, -1e308, 1e-308, "1e309", ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)
rows = st.dictionaries(st.sampled_from([*GOOD, "rides", "garden"]), json_values, max_size=5)
requests = st.one_of(
    st.fixed_dictionaries({name: st.just(v) | json_values for name, v in GOOD.items()}),
    rows.map(lambda row: GOOD | row),
    rows,
    st.none(),
)


@settings(max_examples=60)
@given(st.lists(requests, min_size=1, max_size=30))
def test_whatever_was_sent_counts_once_and_can_be_stored(sent: list[Any]) -> None:
    reference = training()
    window, profiles = cut(asked(*sent), 1, reference, DATASET)
    contract = describe(DATASET, reference)

    def fits(inputs: Any) -> bool:
        try:
            return bool(inputs is not None and read_row(contract, inputs))
        except BadRow:
            return False

    readable = sum(map(fits, sent))
    assert (window.rows, window.unreadable) == (len(sent), len(sent) - readable)
    assert {p.count + p.nulls for p in profiles} == {readable}
    assert {p.column for p in profiles} == set(GOOD)
    assert {c.column for c in window.report.changes} == {"temperature", "wind"}
    kept = [asdict(p) for p in profiles], [asdict(c) for c in window.report.changes]
    json.dumps(kept, allow_nan=False)


def test_the_ends_are_the_first_and_the_last_request() -> None:
    sent = asked(*[GOOD] * 5)
    window, _ = cut(sent, 7, training(), DATASET)
    assert (window.version, window.started_at, window.ended_at) == (7, sent[0].at, sent[-1].at)
    assert window.last_id == "0004"


def test_a_column_that_came_after_the_training_is_no_part_of_it() -> None:
    reference = tuple(p for p in training() if p.column != "wind")
    before = {k: v for k, v in GOOD.items() if k != "wind"}
    window, profiles = cut(asked(before, GOOD), 1, reference, DATASET)
    assert window.unreadable == 1  # the version would refuse it, too
    assert "wind" not in {p.column for p in profiles}
    assert {c.column for c in window.report.changes} == {"temperature"}


def test_a_column_that_went_after_the_training_is_passed_over() -> None:
    reference = training()
    columns = tuple(c for c in DATASET.columns if c.name != "wind")
    window, _ = cut(asked(GOOD, GOOD), 1, reference, replace(DATASET, columns=columns))
    assert window.unreadable == 0


def test_the_target_is_not_missed() -> None:
    window, _ = cut(asked(*[GOOD] * 40), 1, training(), DATASET)
    assert "rides" not in {c.column for c in window.report.changes}
    assert all(c.finding is not Finding.UNDEFINED for c in window.report.changes)


def test_what_could_be_noise_is_said_last() -> None:
    odd = [GOOD | {"temperature": 40 + n, "wind": w} for n, w in enumerate([1, 12, 15, 18, 60])]
    window, _ = cut(asked(*odd), 1, training(), DATASET)
    by = {c.name: c for c in window.report.changes}
    named = [by[reason.change] for reason in window.report.reasons]
    assert {c.could_be_noise for c in named} == {False, True}
    assert [c.could_be_noise for c in named] == sorted(c.could_be_noise for c in named)
    times = [(c.ratio or 0) / c.limit for c in named if not c.could_be_noise]
    assert times == sorted(times, reverse=True)


def a_window(kind: str, version: int = 1) -> Window:
    """One that is within its limits ("calm"), or beyond them, surely or perhaps by noise."""
    ratio, band = {"calm": (0.1, 0.2), "noise": (0.3, 0.4), "sure": (0.5, 0.4)}[kind]
    finding = Finding.WITHIN if kind == "calm" else Finding.BREACH
    change = StatChange("wind", "mean", 1.0, 1.0 + ratio, ratio, 0.15, finding, band)
    report = DriftReport(kind != "calm", (Reason(f"{kind}."),), (change,))
    return replace(cut(asked(GOOD), version, (), DATASET)[0], report=report)


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        ("calm calm", []),
        ("sure sure sure", [0]),
        ("sure calm sure sure", [0, 2]),
        ("noise noise noise", [0]),
        ("noise noise sure sure noise sure", [0, 2]),
        ("sure noise sure", [0]),
        ("noise calm sure", [0, 2]),
    ],
)
def test_a_streak_of_breaches_is_told_once_and_once_more_when_it_is_sure(
    kinds: str, told: list[int]
) -> None:
    made = [a_window(kind) for kind in kinds.split()]
    assert [n for n, w in enumerate(made) if alarms(w, made[:n][::-1])] == told


def test_another_versions_breaches_are_told_anew() -> None:
    assert alarms(a_window("sure", 2), [a_window("sure", 1)])


def test_what_is_told_says_whether_it_could_be_noise() -> None:
    calm = [GOOD | {"temperature": t, "wind": 15, "weather": t // 3} for t in (11, 13, 15, 17, 19)]
    window, _ = cut(asked(*calm), 1, training(), DATASET)
    assert window.drifted
    assert window.could_be_noise
    assert alarm(window).endswith("It could be noise.")
    hot, _ = cut(
        asked(*[GOOD | {"temperature": 40 + n} for n in range(40)]), 1, training(), DATASET
    )
    assert "Temperature, mean rose" in " ".join(r.text for r in hot.report.reasons)
    assert "noise" not in alarm(hot)
