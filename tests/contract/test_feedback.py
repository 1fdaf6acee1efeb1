"""What answers should have been, as it is read back: on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from core.adapters.store import Store, feedback
from core.rules.model.feedback_error import Bucket, Outcome, buckets, of_version
from tests import build
from tests.traffic import record, say

MINUTE = timedelta(minutes=1)


def told(store: Store) -> list[Outcome]:
    with store.read() as work:
        return work.feedback.told()


def test_nothing_was_said_yet(store: Store) -> None:
    record(store, [{}] * 3)
    assert told(store) == []


def test_each_answer_stands_beside_what_it_should_have_been(store: Store) -> None:
    one, two, _ = record(store, [{}] * 3, version=4, prediction=100.0)
    say(store, two, 90.0, build.NOON + MINUTE)
    say(store, one, 120.0, build.NOON + 2 * MINUTE)
    assert told(store) == [
        Outcome(build.NOON, 4, 100.0, 120.0),
        Outcome(build.NOON, 4, 100.0, 90.0),
    ]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
def test_of_several_reports_the_newest_counts(store: Store, order: tuple[int, ...]) -> None:
    (one,) = record(store, [{}], prediction=100.0)
    for minute in order:
        say(store, one, 100.0 + minute, build.NOON + minute * MINUTE)
    assert [t.actual for t in told(store)] == [103.0]


def test_the_reports_of_many_predictions_are_those_of_each(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feedback, "_IDS", 2)
    ids = record(store, [{}] * 5)
    for n, id_ in enumerate(ids[:4]):
        say(store, id_, 9.0, build.NOON + MINUTE)
        say(store, id_, float(n), build.NOON + 2 * MINUTE)
    with store.read() as work:
        alone = {id_: work.feedback.of(id_) for id_ in ids}
        assert work.feedback.of_each(ids) == {i: v for i, v in alone.items() if v is not None}
        assert work.feedback.of_each([]) == {}
    assert list(alone.values()) == [0.0, 1.0, 2.0, 3.0, None]


def test_of_two_at_the_same_moment_it_is_always_the_same_one(store: Store) -> None:
    (one,) = record(store, [{}])
    say(store, one, 1.0, id_="a" * 36)
    say(store, one, 2.0, id_="b" * 36)
    assert [t.actual for t in told(store)] == [2.0]


def test_a_report_about_an_answer_that_is_not_on_record_waits_for_it(store: Store) -> None:
    say(store, "00000000-0000-4000-8000-000000000000", 5.0)
    say(store, "'; DROP TABLE feedback; --", 5.0)
    (one,) = record(store, [{}])
    say(store, one, 6.0)
    assert [t.actual for t in told(store)] == [6.0]


def test_only_the_last_reports_are_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = record(store, [{}] * 12)
    for n, prediction_id in enumerate(ids):
        say(store, prediction_id, float(n), build.NOON + n * MINUTE)
    say(store, ids[0], 100.0, build.NOON + 60 * MINUTE)  # a correction of the oldest
    monkeypatch.setattr(feedback, "COUNTED", 5)
    assert [t.actual for t in told(store)] == [100.0, 11.0, 10.0, 9.0, 8.0]
    monkeypatch.setattr(feedback, "LOOKED_THROUGH", 3)
    assert [t.actual for t in told(store)] == [100.0, 11.0, 10.0]


def test_buckets_follow_the_time_of_the_answers_not_of_the_reports(store: Store) -> None:
    ids = record(store, [{}] * 40, prediction=100.0)
    later = record(store, [{}] * 40, build.NOON + 60 * MINUTE, version=2, prediction=100.0)
    for n, prediction_id in enumerate([*later, *ids]):
        say(store, prediction_id, 90.0 if n < 40 else 80.0, build.NOON + n * MINUTE)
    found = buckets(told(store))
    assert [b.count for b in found] == [10] * 8
    assert [b.versions for b in found] == [(1,)] * 4 + [(2,)] * 4
    assert [b.error for b in found] == pytest.approx([20.0] * 4 + [10.0] * 4)


def averaged(store: Store) -> Bucket | None:
    """The live version's error as the database averages it."""
    with store.desk() as desk:
        return desk.feedback_errors([store.dataset.name, "planes"]).get(store.dataset.name)


def assert_same(found: Bucket | None, expected: Bucket | None) -> None:
    assert found
    assert expected
    assert (found.count, found.versions) == (expected.count, expected.versions)
    assert (found.since, found.until) == (expected.since, expected.until)
    assert (found.error, found.spread) == pytest.approx((expected.error, expected.spread))


def test_the_database_averages_what_the_rule_does(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Corrections, other versions, unknown predictions and limits count alike."""
    build.live(store, 1)
    assert averaged(store) is None
    mine = record(store, [{}] * 30, prediction=100.0)
    others = record(store, [{}] * 5, build.NOON + MINUTE, version=2, prediction=1.0)
    for n, prediction_id in enumerate([*mine[:25], *others]):
        say(store, prediction_id, 90.0 - n, build.NOON + n * MINUTE)
    say(store, mine[3], 500.0, build.NOON + 99 * MINUTE)
    say(store, "00000000-0000-4000-8000-000000000000", 5.0)
    assert_same(averaged(store), of_version(told(store), 1))
    monkeypatch.setattr(feedback, "COUNTED", 12)
    monkeypatch.setattr(feedback, "LOOKED_THROUGH", 15)
    assert_same(averaged(store), of_version(told(store), 1))


def test_labels_count_by_their_letters(store: Store) -> None:
    build.live(store, 1)
    ids = record(store, [{}] * 5)
    broken = "no JSON" if store.engine.dialect.name == "sqlite" else "[1]"  # MariaDB refuses it
    answers = ['{"label": "Sold"}', '{"label": "sold"}', '{"label": "ñ"}', "{}", broken]
    with store.begin() as work:
        for id_, answer in zip(ids, answers, strict=True):
            set_answer = sa.text("UPDATE predictions SET answer = :answer WHERE id = :id")
            work._connection.execute(set_answer.bindparams(answer=answer, id=id_))
        work.commit()
    for id_, label in zip(ids, ["Sold", "Sold", "ñ", "Sold", "Sold"], strict=True):
        say(store, id_, None, label=label)
    found = averaged(store)
    assert_same(found, of_version(told(store), 1))
    assert found
    assert (found.count, found.error) == (3, pytest.approx(1 / 3))


def test_a_figure_too_large_to_average_is_left_out(store: Store) -> None:
    build.live(store, 1)
    one, two = record(store, [{}] * 2, prediction=1.0)
    say(store, one, 3.0)
    say(store, two, -1.7e308)
    found = averaged(store)
    assert found
    assert (found.count, found.error) == (1, 2.0)
