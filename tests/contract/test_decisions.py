"""Deciding with evidence: stale dossiers, forces and their second person, a trail that tells."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import sqlalchemy as sa

from core import decisions
from core.dataset import Dataset
from core.errors import (
    DecidedAlready,
    IllegalTransition,
    Missing,
    ReasonRequired,
    Refused,
    SecondPersonRequired,
    StaleDossier,
)
from core.records import ForceRequest, Job, PromotionState, Verdict
from core.store import Store
from core.store.engine import make_engine
from core.store.schema import migrate
from tests import build
from tests.build import live, proposed

FAILED = [{"name": "better", "passed": False, "says": "Worse.", "blocks": False}]


def test_an_approval_on_an_older_dossier_is_refused(store: Store) -> None:
    proposed(store, 2)
    with store.begin() as work:
        promotion = work.promotions.of_version(2)
        seen = promotion.dossier_digest
        content = build.dossier(2, held_out_rows=21)
        digest = work.dossiers.freeze(2, content)
        work.promotions.judge_anew(promotion, Verdict(True, ("Anew.",)), content, digest)
        work.commit()
    with store.begin() as work, pytest.raises(StaleDossier):
        decisions.approve(work, 2, actor="ana", champion=None, digest=seen)
    with store.begin() as work:
        assert work.promotions.of_version(2).state is PromotionState.PROPOSED
        assert decisions.approve(work, 2, actor="ana", champion=None, digest=digest)


def test_who_judges_anew_between_look_and_click_is_noticed(store: Store) -> None:
    proposed(store, 2)
    with store.begin() as work:
        seen = work.promotions.of_version(2)
        content = build.dossier(2, held_out_rows=21)
        work.promotions.judge_anew(
            seen, Verdict(True, ()), content, work.dossiers.freeze(2, content)
        )
        with pytest.raises(StaleDossier, match="judged anew"):
            work.promotions.decide(seen, PromotionState.APPROVED, actor="ana", reason="")


def test_an_approval_against_another_champion_is_refused(store: Store) -> None:
    live(store, 1)
    proposed(store, 2)  # judged when nothing was live
    with store.begin() as work, pytest.raises(StaleDossier, match="version 1 is live now"):
        build.approve(work, 2, champion=1)


def test_a_dossier_that_was_altered_is_not_shown_as_if_it_were_whole(store: Store) -> None:
    proposed(store, 2)
    with store.begin() as work:
        digest = work.promotions.of_version(2).dossier_digest
        assert work.dossiers.get(digest)["held_out_rows"] == 20
        work.dossiers._connection.execute(
            sa.text("UPDATE dossiers SET content = REPLACE(content, '20', '99')")
        )
        with pytest.raises(Refused, match="altered"):
            work.dossiers.get(digest)


def test_a_force_names_the_gates_it_passes_over_and_opens_a_follow_up(store: Store) -> None:
    proposed(store, 2, promote=False, gates=FAILED)
    with store.begin() as work:
        with pytest.raises(ReasonRequired):
            decisions.force(work, 2, actor="ana", champion=None, reason=" ")
        assert isinstance(
            decisions.force(work, 2, actor="ana", champion=None, reason="fair next week"), Job
        )
        work.commit()
    with store.begin() as work:
        (event,) = work.audit.latest(action="force")
        (open_one,) = work.oversight.follow_ups()
        assert event.details["failed_gates"] == ["better"]
        assert open_one.subject == "version:2"
        assert "against better" in open_one.text
        with pytest.raises(ReasonRequired):
            decisions.close_follow_up(work, open_one.id, actor="ben", note="")
        decisions.close_follow_up(work, open_one.id, actor="ben", note="did well")
        assert work.oversight.follow_ups() == []
        with pytest.raises(DecidedAlready, match="ben"):
            decisions.close_follow_up(work, open_one.id, actor="ana", note="late")
        with pytest.raises(Missing):
            decisions.close_follow_up(work, 99, actor="ana", note="x")


def ask(store: Store, version: int, actor: str = "ana") -> ForceRequest:
    with store.begin() as work:
        made = decisions.force(
            work, version, actor=actor, champion=None, reason="needed", reviewers=2
        )
        work.commit()
    assert isinstance(made, ForceRequest)
    return made


def test_with_two_reviewers_a_force_waits_for_another_person(store: Store) -> None:
    proposed(store, 2)
    assert ask(store, 2).asked_by == "ana"
    with store.begin() as work:
        assert work.promotions.of_version(2).state is PromotionState.PROPOSED
        with pytest.raises(DecidedAlready, match="second person"):
            decisions.force(work, 2, actor="eve", champion=None, reason="me too", reviewers=2)
        with pytest.raises(SecondPersonRequired, match="somebody else"):
            decisions.confirm_force(work, 2, actor="ana", champion=None)
        decisions.confirm_force(work, 2, actor="ben", champion=None)
        work.commit()
    with store.read() as work:
        promotion = work.promotions.of_version(2)
        (event,) = work.audit.latest(action="force")
        assert work.oversight.open_forces() == []
    assert (promotion.state, promotion.decided_by) == (PromotionState.APPROVED, "ana")
    assert event.details["confirmed_by"] == "ben"


def test_a_force_that_was_asked_for_can_be_withdrawn(store: Store) -> None:
    proposed(store, 2)
    ask(store, 2)
    with store.begin() as work:
        decisions.withdraw_force(work, 2, actor="ben", reason="no need")
        with pytest.raises(Missing):
            decisions.confirm_force(work, 2, actor="ben", champion=None)
        work.commit()
    ask(store, 2)  # and asked for again


def test_a_force_that_its_state_forbids_is_refused_at_once(store: Store) -> None:
    live(store, 1)
    with store.begin() as work, pytest.raises(IllegalTransition):
        decisions.force(work, 1, actor="ana", champion=1, reason="again", reviewers=2)


# The trail


def alter(store: Store, statement: str) -> None:
    with store.begin() as work:
        work.audit._connection.execute(sa.text(statement))
        work.commit()


def recorded(store: Store, count: int = 5) -> None:
    for n in range(count):
        with store.begin() as work:
            work.audit.add("ana", "act", f"job:{n}", reason="größer", details={"x": [1.5, None, n]})
            work.commit()


def verify(store: Store) -> Any:
    with store.read() as work:
        return work.audit.verify()


def test_the_trail_holds_as_it_was_written(store: Store) -> None:
    assert verify(store) is None
    recorded(store)
    assert verify(store) is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET actor = 'eve' WHERE id = 3",
        "UPDATE audit SET reason = '' WHERE id = 3",
        "UPDATE audit SET details = '{}' WHERE id = 3",
        "DELETE FROM audit WHERE id = 3",
        "UPDATE audit SET at = '2020-01-01 00:00:00.000000' WHERE id = 3",
    ],
)
def test_an_altered_row_is_named(store: Store, statement: str) -> None:
    recorded(store)
    alter(store, statement)
    found = verify(store)
    assert found is not None
    assert found.event_id == 3


def test_the_last_rows_cannot_be_cut_off_unseen(store: Store) -> None:
    recorded(store)
    alter(store, "DELETE FROM audit WHERE id >= 4")
    assert verify(store).event_id == 4


def test_many_who_write_at_once_make_one_chain(store: Store) -> None:
    threads = [threading.Thread(target=recorded, args=(store, 5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verify(store) is None
    with store.read() as work:
        assert work.audit.head()[0] == 20


def test_a_trail_from_before_the_chain_is_chained_by_the_migration(
    database_url: str, dataset: Dataset
) -> None:
    from alembic import command
    from alembic.config import Config

    engine = make_engine(database_url)
    config = Config()
    config.set_main_option("script_location", "core/store/migrations")
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for n in (1, 2, 5):
            connection.execute(
                sa.text(
                    "INSERT INTO audit (id, at, actor, action, subject, reason, details) VALUES "
                    f"({n}, '2026-11-01 12:00:00.000123', 'ana', 'act', 'job:{n}', '', "
                    "'{\"n\": 1.5}')"
                )
            )
        connection.commit()
    engine.dispose()
    migrate(database_url, dataset)
    store = Store.open(database_url, dataset)
    recorded(store, 2)
    assert verify(store) is None
    with store.read() as work:
        assert [e.subject for e in work.audit.latest()][-1] == "job:1"
        assert work.audit.head()[0] == 5
    store.close()
