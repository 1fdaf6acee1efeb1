"""Deciding with evidence: stale dossiers, forces and their second person, a trail that tells."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from console.actions import decisions as verbs
from console.actions import pipeline
from console.desk import Desk
from core.adapters.store import Store
from core.adapters.store.engine import make_engine, make_file
from core.adapters.store.migrate import migrate
from core.adapters.store.tables import force_requests
from core.domain.dataset import Dataset
from core.domain.dossier import Gate, GateName
from core.domain.errors import (
    DecidedAlready,
    IllegalTransition,
    Missing,
    ReasonRequired,
    Refused,
    RegistryUnavailable,
    SecondPersonRequired,
    StaleDossier,
    StoreUnavailable,
)
from core.domain.jobs import Job, JobKind
from core.domain.promotions import Decision, ForceRequest, PromotionState, Verdict
from core.platform.settings import Settings
from core.rules.model.alias_repair import Remedy
from core.rules.model.promotion_states import Seen, decision_in_words
from core.rules.model.verdict_validity import Standing, recommend
from core.rules.ops.notification import promoted
from core.usecases import decisions, forced_promotions
from core.usecases.alias_agreement import put_right
from core.usecases.open_candidates import needs_renewal, renew
from tests import build
from tests.build import live, proposed, somebody
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from workers.container import Container
from workers.reconciler.reconcile import reconcile

FAILED = [Gate(GateName.BETTER, passed=False, says="Worse.")]


def test_an_approval_on_an_older_dossier_is_refused(store: Store) -> None:
    proposed(store, 2)
    with store.begin() as work:
        promotion = work.promotions.of_version(2)
        seen = promotion.dossier_digest
        content = build.dossier(2, held_out_rows=21)
        digest = work.dossiers.freeze(content)
        work.promotions.replace_evidence(promotion, Verdict(True, ("Anew.",)), content, digest)
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
        work.promotions.replace_evidence(
            seen, Verdict(True, ()), content, work.dossiers.freeze(content)
        )
        with pytest.raises(StaleDossier, match="re-evaluated"):
            work.promotions.decide(seen, Decision.APPROVE, actor="ana", reason="")


def test_an_approval_against_another_champion_is_refused(store: Store) -> None:
    live(store, 1)
    proposed(store, 2)  # judged when nothing was live
    with store.begin() as work, pytest.raises(StaleDossier, match="version 1 is live now"):
        build.approve(work, 2, champion=1)


def test_a_dossier_that_was_altered_is_not_shown_as_if_it_were_whole(store: Store) -> None:
    proposed(store, 2)
    with store.begin() as work:
        digest = work.promotions.of_version(2).dossier_digest
        assert work.dossiers.get(digest).held_out_rows == 20
        work.dossiers._connection.execute(
            sa.text("UPDATE dossiers SET content = REPLACE(content, '20', '99')")
        )
        with pytest.raises(Refused, match="altered"):
            work.dossiers.get(digest)


def test_a_force_names_the_gates_it_passes_over_and_opens_a_follow_up(store: Store) -> None:
    proposed(store, 2, promote=False, gates=FAILED)
    with store.begin() as work:
        with pytest.raises(ReasonRequired):
            forced_promotions.force(work, 2, actor="ana", champion=None, reason=" ")
        assert isinstance(
            forced_promotions.force(work, 2, actor="ana", champion=None, reason="fair next week"),
            Job,
        )
        work.commit()
    with store.begin() as work:
        (event,) = work.audit.latest(action="force")
        (open_one,) = work.force_requests.follow_ups()
        assert event.details["failed_gates"] == ["better"]
        assert open_one.subject == "version:2"
        assert "Gates not passed: better. Check how it performs" in open_one.text
        with pytest.raises(ReasonRequired):
            forced_promotions.close_follow_up(work, open_one.id, actor="ben", note="")
        forced_promotions.close_follow_up(work, open_one.id, actor="ben", note="did well")
        assert work.force_requests.follow_ups() == []
        with pytest.raises(DecidedAlready, match="ben"):
            forced_promotions.close_follow_up(work, open_one.id, actor="ana", note="late")
        with pytest.raises(Missing):
            forced_promotions.close_follow_up(work, 99, actor="ana", note="x")


def ask(store: Store, version: int, actor: str = "ana") -> ForceRequest:
    with store.begin() as work:
        made = forced_promotions.force(
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
            forced_promotions.force(
                work, 2, actor="eve", champion=None, reason="me too", reviewers=2
            )
        with pytest.raises(SecondPersonRequired, match="another person"):
            forced_promotions.confirm_force(work, 2, actor="ana", champion=None)
        forced_promotions.confirm_force(work, 2, actor="ben", champion=None)
        work.commit()
    with store.read() as work:
        promotion = work.promotions.of_version(2)
        (event,) = work.audit.latest(action="force")
        assert work.force_requests.open_forces() == []
    assert (promotion.state, promotion.decided_by) == (PromotionState.APPROVED, "ana")
    assert event.details["confirmed_by"] == "ben"


def test_a_force_that_was_asked_for_can_be_withdrawn(store: Store) -> None:
    proposed(store, 2)
    ask(store, 2)
    with store.begin() as work:
        forced_promotions.withdraw_force(work, 2, actor="ben", reason="no need")
        with pytest.raises(Missing):
            forced_promotions.confirm_force(work, 2, actor="ben", champion=None)
        work.commit()
    ask(store, 2)  # and asked for again


def test_a_force_that_its_state_forbids_is_refused_at_once(store: Store) -> None:
    live(store, 1)
    with store.begin() as work, pytest.raises(IllegalTransition):
        forced_promotions.force(work, 1, actor="ana", champion=1, reason="again", reviewers=2)


# Every gate, or force


def test_an_approval_over_an_open_gate_is_refused_and_says_what_can_be_done(store: Store) -> None:
    live(store, 1)
    proposed(store, 2, promote=False, champion=1, gates=FAILED)
    with store.begin() as work, pytest.raises(IllegalTransition) as refused:
        build.approve(work, 2)
    assert "better" in str(refused.value)
    assert 'driftdesk force 2 --reason "…"' in str(refused.value)
    with store.read() as work:
        assert work.promotions.of_version(2).state is PromotionState.PROPOSED
        assert work.jobs.open() == []


def test_while_nothing_is_live_an_approval_may_leave_comparisons_open_and_says_so(
    store: Store,
) -> None:
    compared = [replace(gate, compares=True) for gate in FAILED]
    proposed(store, 2, promote=False, champion=7, gates=compared)
    with store.begin() as work:
        build.approve(work, 2, champion=7, reason="go")
        work.commit()
    with store.read() as work:
        (event,) = work.audit.latest(action="approve")
        (job,) = work.jobs.open()
    assert "Nothing is live yet, so these comparisons may stay open: better." in event.reason
    assert event.details["failed_gates"] == ["better"]
    assert job.args["champion"] == 7  # what is put back should serving refuse


# What is live is read where the decision is made


class SlowRegistry(FakeRegistry):
    """A registry that answers about the champion when `meanwhile` has happened."""

    def __init__(self, versions: int = 3) -> None:
        super().__init__()
        for n in range(versions):
            self.publish(
                bytes([n]), job=str(n), parameters={}, metrics={}, tags={}, signature=None,
                requirements=[],
            )  # fmt: skip
        self.meanwhile: Callable[[], None] = lambda: None

    def champion(self) -> int | None:
        before = super().champion()
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return before


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    settings = Settings(_env_file=None, data_dir=tmp_path)
    registry = SlowRegistry()
    registry.set_champion(1)
    return Desk(settings, store.dataset, store, FakeQueue(), registry, FakeServing())  # type: ignore[arg-type]


def goes_live(store: Store, version: int) -> None:
    """Another operator's decision, from approval to live, in one go."""
    with store.begin() as work:
        job = forced_promotions.force(work, version, actor="ben", reason="now")
        assert isinstance(job, Job)
        work.promotions.make_live(work.promotions.of_version(version))
        work.audit.add("ben", "live", f"version:{version}", details={"action": "force"})
        work.jobs.cancel(job.id)
        work.commit()


DECISIONS: dict[str, Callable[[Desk], object]] = {
    "approve": lambda desk: verbs.approve(desk, somebody(), 3),
    "approve as seen": lambda desk: verbs.approve(desk, somebody(), 3, seen=Seen(1)),
    "force": lambda desk: verbs.force(desk, somebody(), 3, reason="x", seen=Seen(1)),
    "confirm": lambda desk: verbs.confirm_force(desk, somebody("ben"), 3, seen=Seen(1)),
    "rollback": lambda desk: verbs.roll_back(desk, somebody(), reason="x", seen=Seen(1)),
    "rollback to": lambda desk: verbs.roll_back(desk, somebody(), reason="x", to=1, seen=Seen(1)),
    "put back": lambda desk: verbs.put_back(desk, somebody(), reason="x", seen=Seen(1)),
}


@pytest.mark.parametrize("act", DECISIONS.values(), ids=DECISIONS)
def test_what_goes_live_while_mlflow_answers_slowly_stops_the_decision(
    store: Store, desk: Desk, act: Callable[[Desk], object]
) -> None:
    live(store, 1)
    proposed(store, 2, champion=1)
    proposed(store, 3, champion=1)
    ask(store, 3)
    registry = cast("SlowRegistry", desk.registry)
    registry.meanwhile = lambda: goes_live(store, 2)
    with pytest.raises(StaleDossier):
        act(desk)
    with store.read() as work:
        assert work.promotions.of_version(3).state is PromotionState.PROPOSED
        assert work.promotions.live_version() == 2
        assert work.jobs.open() == []
        assert [r.version for r in work.force_requests.open_forces()] == [3]


def test_two_decisions_at_once_make_one_promotion(store: Store, desk: Desk) -> None:
    live(store, 1)
    for version in (2, 3):
        proposed(store, version, champion=1)
    start = threading.Barrier(2)
    ends: dict[int, str] = {}

    def decide(version: int) -> None:
        start.wait(30)
        try:
            verbs.approve(desk, somebody(), version, seen=Seen(1))
            ends[version] = "approved"
        except (Refused, StoreUnavailable) as error:
            ends[version] = type(error).__name__

    threads = [threading.Thread(target=decide, args=(v,)) for v in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ends.values())[1] == "approved", ends
    with store.read() as work:
        states = [work.promotions.of_version(v).state for v in (2, 3)]
        assert len(work.jobs.open()) == 1
    assert states.count(PromotionState.APPROVED) == 1


def test_a_version_that_went_live_while_the_registry_was_put_back_wins(
    store: Store, desk: Desk
) -> None:
    live(store, 1)
    proposed(store, 2, champion=1)
    registry = cast("SlowRegistry", desk.registry)
    registry.set_champion(3)
    set_champion = registry.set_champion

    def slowly(version: int | None) -> None:
        registry.set_champion = set_champion  # type: ignore[method-assign]
        goes_live(store, 2)
        set_champion(version)

    registry.set_champion = slowly  # type: ignore[method-assign]
    with pytest.raises(StaleDossier, match="Version 2 went live meanwhile"):
        verbs.put_back(desk, somebody(), reason="who did that")
    assert registry.champion() == 2


def test_an_alias_is_put_back_on_record_first_and_by_the_reconciler_where_mlflow_is_away(
    store: Store, desk: Desk
) -> None:
    live(store, 1)
    registry = cast("SlowRegistry", desk.registry)
    registry.set_champion(3)
    registry.meanwhile = lambda: setattr(registry, "away", True)
    with pytest.raises(RegistryUnavailable):
        verbs.put_back(desk, somebody(), reason="nobody decided that")
    with store.read() as work:
        (event,) = work.audit.latest(action="put back")
    assert (event.actor, event.subject, event.details["found"]) == ("ana", "version:1", 3)
    registry.away = False
    assert put_right(store, registry, lambda: None, "") is Remedy.PUT_BACK  # type: ignore[arg-type]
    assert registry.champion() == 1


# A rollback is a rollback


def test_a_rollback_is_never_told_as_a_force(store: Store) -> None:
    live(store, 1)
    proposed(store, 2, champion=1)
    goes_live(store, 2)
    with store.begin() as work:
        assert work.promotions.of_version(2).forced
        decisions.roll_back(work, actor="ana", reason="worse in the field")
        work.commit()
    with store.read() as work:
        back = work.promotions.of_version(1)
    assert (back.forced, back.decided_as) == (False, Decision.ROLLBACK)
    assert decision_in_words(back) == "rolled back to by ana"
    assert promoted(back) == "Version 1 is live again (rolled back to by ana)."


def rolls_back(store: Store, to: int | None = None, *, fails: bool = False) -> int:
    """A rollback, from the decision to its end; returns the version it went to."""
    with store.begin() as work:
        job = decisions.roll_back(work, actor="ana", reason="worse", to=to)
        back = work.promotions.get(job.args["promotion_id"])
        if fails:
            work.promotions.fail(back, "Serving did not answer.")
        else:
            work.promotions.make_live(back)
            details = {"action": "rollback"}
            work.audit.add("ana", "live", f"version:{back.version}", details=details)
        work.jobs.cancel(job.id)
        work.commit()
    return back.version


def three_terms(store: Store) -> None:
    for version in (1, 2, 3):
        live(store, version)


def test_a_rollback_that_failed_is_tried_again_with_the_same_version(store: Store) -> None:
    three_terms(store)
    assert rolls_back(store, fails=True) == 2
    assert rolls_back(store) == 2


def test_a_rollback_of_a_rollback_goes_further_back_unless_the_version_is_named(
    store: Store,
) -> None:
    three_terms(store)
    assert rolls_back(store) == 2
    assert rolls_back(store) == 1
    with store.begin() as work, pytest.raises(IllegalTransition, match="no earlier version"):
        decisions.roll_back(work, actor="ana", reason="worse")
    assert rolls_back(store, to=3) == 3
    # Version 3 was taken away before; since then it was replaced in the ordinary way.
    live(store, 4)
    assert rolls_back(store) == 3


def test_a_rollback_goes_only_to_what_was_live(store: Store) -> None:
    three_terms(store)
    proposed(store, 4, champion=3)
    with store.begin() as work:
        for to, error, says in (
            (4, IllegalTransition, "was never live"),
            (3, IllegalTransition, "live already"),
            (9, Missing, "never proposed"),
        ):
            with pytest.raises(error, match=says):
                decisions.roll_back(work, actor="ana", reason="worse", to=to)


# A dossier is decided on, and stays


@pytest.mark.parametrize("end", ["live", "retired", "rejected"])
def test_a_decided_version_keeps_the_evidence_it_was_decided_on(store: Store, end: str) -> None:
    proposed(store, 1, digest="decided")
    if end == "rejected":
        with store.begin() as work:
            decisions.reject(work, 1, actor="ana", reason="no")
            work.commit()
    else:
        goes_live(store, 1)
        if end == "retired":
            live(store, 2)
    with store.begin() as work:
        before = work.promotions.of_version(1)
        content = build.dossier(1, digest="swapped")
        digest = work.dossiers.freeze(content)
        good = Verdict(True, ("Good.",))
        assert not work.promotions.replace_evidence(before, good, content, digest)
        assert work.promotions.of_version(1) == before


def test_an_approval_needs_every_gate_of_todays_rule(store: Store) -> None:
    proposed(store, 1)
    with store.begin() as work:  # as a release without the gate left it
        old = replace(build.dossier(1), gates=(build.gate("no overlap"),))
        seen = work.promotions.of_version(1)
        work.promotions.replace_evidence(seen, Verdict(True, ()), old, work.dossiers.freeze(old))
        with pytest.raises(StaleDossier, match=r"better than the median.* Re-evaluate it first"):
            build.approve(work, 1)
        found = recommend(work.promotions.of_version(1), None)
    assert (found.standing, found.approvable) == (Standing.STALE, False)
    assert "lacks a gate: better than the median." in found.says


def judged_again(store: Store, version: int) -> str:
    """Another dossier of an open version, with the digest that it has now."""
    with store.begin() as work:
        seen = work.promotions.of_version(version)
        content = build.dossier(version, held_out_rows=len(seen.dossier_digest) + 21)
        digest = work.dossiers.freeze(content)
        assert work.promotions.replace_evidence(seen, seen.verdict, content, digest)
        work.commit()
    return digest


def test_a_version_that_mlflow_lacks_is_refused_with_what_to_do(store: Store, desk: Desk) -> None:
    proposed(store, 7)

    for act in (
        lambda version: pipeline.request_judge(desk, somebody(), version),
        lambda version: verbs.force(desk, somebody(), version, reason="Because."),
    ):
        with pytest.raises(
            Missing, match=r"MLflow has no version 7 of fake.* old name .* a new one"
        ):
            act(7)
        with pytest.raises(Missing, match=r"MLflow has no version 9 of fake.*candidates"):
            act(9)


def test_a_force_holds_for_the_dossier_that_was_seen(store: Store) -> None:
    proposed(store, 2)
    with store.read() as work:
        seen = work.promotions.of_version(2).dossier_digest
    now = judged_again(store, 2)
    with store.begin() as work:
        for old in (seen, ""):
            with pytest.raises(StaleDossier, match="re-evaluated"):
                forced_promotions.force(work, 2, actor="ana", reason="x", digest=old)
        assert isinstance(
            forced_promotions.force(work, 2, actor="ana", reason="x", digest=now), Job
        )


def test_a_confirmation_holds_for_the_dossier_that_the_first_person_saw(store: Store) -> None:
    proposed(store, 2)
    asked = ask(store, 2)
    with store.begin() as work:
        assert asked.dossier_digest == work.promotions.of_version(2).dossier_digest
        with pytest.raises(StaleDossier, match="re-evaluated"):
            forced_promotions.confirm_force(work, 2, actor="ben", digest="another")
    judged_again(store, 2)
    with store.begin() as work:
        with pytest.raises(StaleDossier, match="since ana asked to force it"):
            forced_promotions.confirm_force(work, 2, actor="ben")
        forced_promotions.withdraw_force(work, 2, actor="ben")
        work.commit()
    ask(store, 2)
    with store.begin() as work:
        assert forced_promotions.confirm_force(work, 2, actor="ben")


# A force that nobody needs to confirm any more


@pytest.mark.parametrize("otherwise", ["approve", "reject", "rollback"])
def test_a_force_that_waits_is_closed_when_its_version_is_decided_otherwise(
    store: Store, otherwise: str
) -> None:
    proposed(store, 2)
    if otherwise == "rollback":
        goes_live(store, 2)
        proposed(store, 3, champion=2)
        goes_live(store, 3)
    ask(store, 2)
    with store.begin() as work:
        if otherwise == "approve":
            build.approve(work, 2, actor="ben")
        elif otherwise == "reject":
            decisions.reject(work, 2, actor="ben", reason="no")
        else:
            decisions.roll_back(work, actor="ben", reason="worse")
        work.commit()
    with store.read() as work:
        assert work.force_requests.open_forces() == []
        row = work._connection.execute(sa.select(force_requests)).one()
        (event,) = work.audit.latest(1, action=otherwise)
    assert (row.outcome, row.closed_by) == ("superseded", "ben")
    assert event.details["superseded_force_by"] == "ana"
    with store.begin() as work, pytest.raises(Missing):
        forced_promotions.confirm_force(work, 2, actor="eve")


def test_a_second_decision_names_the_first(store: Store) -> None:
    proposed(store, 3)
    with store.begin() as work:
        decisions.reject(work, 3, actor="ann", reason="no")
        work.commit()
    with store.begin() as work:
        for act in (
            lambda: decisions.reject(work, 3, actor="ben", reason="no"),
            lambda: build.approve(work, 3, actor="ben"),
        ):
            with pytest.raises(
                IllegalTransition, match=r"already rejected by ann on 20.* force it"
            ):
                act()


# Candidates follow the champion


def test_open_candidates_are_judged_again_or_superseded_when_the_champion_changes(
    store: Store,
) -> None:
    live(store, 1)
    for version in range(2, 11):
        proposed(store, version, champion=1)
    goes_live(store, 10)
    with store.begin() as work:
        renew(work)
        work.commit()
    with store.read() as work:
        queued = {j.args["version"] for j in work.jobs.open() if j.kind is JobKind.JUDGE}
        states = {v: work.promotions.of_version(v).state for v in range(2, 10)}
        (event,) = work.audit.latest(action="supersede", subject="version:4")
        assert not needs_renewal(work, 500)
    assert queued == {9, 8, 7, 6, 5}
    assert {v for v, s in states.items() if s is PromotionState.SUPERSEDED} == {2, 3, 4}
    assert "version 10 is live now. 5 newer candidates" in event.reason
    assert event.actor == "driftdesk"
    with store.begin() as work:  # asked for again, by the reconciler, nothing happens
        assert renew(work) == []
        for job in work.jobs.open():
            work.jobs.cancel(job.id)
        assert renew(work) == []  # nor when the jobs have ended without a dossier
        work.commit()


def test_a_candidate_that_somebody_decides_on_at_that_moment_is_left_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(store, 1)
    for version in range(2, 10):
        proposed(store, version, champion=None)
    with store.begin() as work:
        seen = work.promotions.waiting()
        decisions.reject(work, 2, actor="ben", reason="no")
        work.commit()
    judged_again(store, 3)
    with store.begin() as work:  # READ COMMITTED: what was read is older than what is there
        monkeypatch.setattr(work.promotions, "waiting", lambda _limit: seen)
        assert set(renew(work)) == {9, 8, 7, 6, 5, 4}
        assert work.promotions.of_version(2).state is PromotionState.REJECTED
        assert work.promotions.of_version(3).state is PromotionState.PROPOSED


def test_what_was_proposed_while_another_version_went_live_is_found_by_the_reconciler(
    store: Store, tmp_path: Path
) -> None:
    live(store, 1)
    proposed(store, 2, champion=None)  # its training began before version 1 was live
    queue = FakeQueue()
    settings = Settings(_env_file=None, data_dir=tmp_path)
    wiring = Container(settings, store.dataset, store, queue, FakeRegistry())  # type: ignore[arg-type]
    for _ in range(2):
        reconcile(wiring)
    with store.read() as work:
        (job,) = work.jobs.open()
    assert (job.kind, job.args, job.actor) == (JobKind.JUDGE, {"version": 2}, "driftdesk")
    assert [entry[0] for entry in queue.entries] == [JobKind.JUDGE]


def test_a_superseded_version_that_is_judged_again_waits_for_a_decision_again(
    store: Store,
) -> None:
    live(store, 1)
    proposed(store, 2, champion=None)
    with store.begin() as work:
        seen = work.promotions.of_version(2)
        work.promotions.decide(seen, Decision.SUPERSEDE, actor="driftdesk", reason="old")
        seen = work.promotions.of_version(2)
        content = build.dossier(2, 1)
        digest = work.dossiers.freeze(content)
        assert work.promotions.replace_evidence(seen, Verdict(True, ("Good.",)), content, digest)
        again = work.promotions.of_version(2)
        assert (again.state, again.decided_by) == (PromotionState.PROPOSED, "")
        build.approve(work, 2)


def test_evidence_that_comes_after_the_decision_changes_nothing(store: Store) -> None:
    proposed(store, 2)
    with store.begin() as work:
        seen = work.promotions.of_version(2)
        build.approve(work, 2)
        content = build.dossier(2, held_out_rows=21)
        digest = work.dossiers.freeze(content)
        bad = Verdict(False, ("Bad.",))
        assert not work.promotions.replace_evidence(seen, bad, content, digest)
        assert work.promotions.of_version(2).dossier_digest == seen.dossier_digest


def test_which_versions_are_known_does_not_depend_on_how_many_there_are(store: Store) -> None:
    for version in (1, 1500):
        proposed(store, version, digest=f"d{version}")
    with store.read() as work:
        assert work.promotions.known(range(1, 2000)) == {1: "d1", 1500: "d1500"}
        assert work.promotions.known([]) == {}


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
    empty_database: str, dataset: Dataset
) -> None:
    from alembic import command
    from alembic.config import Config

    make_file(empty_database)
    engine = make_engine(empty_database)
    config = Config()
    config.set_main_option("script_location", "core/adapters/store/migrations")
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
    migrate(empty_database, dataset)
    store = Store.open(empty_database, dataset)
    recorded(store, 2)
    assert verify(store) is None
    with store.read() as work:
        assert [e.subject for e in work.audit.latest()][-1] == "job:1"
        assert work.audit.head()[0] == 5
    store.close()
