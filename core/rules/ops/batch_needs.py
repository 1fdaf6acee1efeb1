"""The batches that wait for a person, as needs: one for those that wait alike. Pure.

A need says nothing of a batch that its verdict does not say.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace

from core.domain.promotions import Decision
from core.rules.drift.batch_verdict import BatchVerdict, Stand
from core.rules.drift.rolled_back import RolledBack
from core.rules.ops.batch_names import named_batches
from core.rules.ops.need import Need
from core.rules.ops.need_facts import NeedFacts

_FIRST = "Train a first model"
_LOOKS = {Stand.BROKEN: "look broken", Stand.HELD: "are held back"}


def batch_needs(facts: NeedFacts, found: Iterable[BatchVerdict]) -> Iterator[Need]:
    """The batches that wait: in the current epoch by what they wait for, else by their epoch."""
    waiting = [v for v in found if v.waits]
    others = [v for v in waiting if v.stand is not Stand.ROLLED_BACK]
    yield from _of_current_epoch(facts, [v for v in others if v.is_current])
    undone = [v for v in waiting if v.stand is Stand.ROLLED_BACK]
    for group in _grouped(undone, lambda v: (v.epoch, v.learned_by)):
        yield _rolled_back(facts, group)
    earlier = [v for v in others if not v.is_current]
    for group in _grouped(earlier, lambda v: (v.epoch, v.stand is Stand.HELD)):
        yield _of_earlier_epoch(group)


def _grouped(
    found: Iterable[BatchVerdict], key: Callable[[BatchVerdict], Hashable]
) -> list[list[BatchVerdict]]:
    """The verdicts with the same key together, in the order of the first of each."""
    groups: dict[Hashable, list[BatchVerdict]] = {}
    for v in found:
        groups.setdefault(key(v), []).append(v)
    return list(groups.values())


def _of_current_epoch(facts: NeedFacts, waiting: Sequence[BatchVerdict]) -> Iterator[Need]:
    asking = [v for v in waiting if v.stand is Stand.ASKS]
    if asking:
        need = _of_several(asking, "retraining recommended", joint=":")
        if facts.live is None:
            says = _first_model(len(asking))
            need = replace(need, detail=says, page="pipeline", query={}, act=_FIRST)
        yield need
    others = [v for v in waiting if v.stand is not Stand.ASKS]
    for group in _grouped(others, lambda v: (v.stand, v.detail)):
        yield _of_several(group, _LOOKS[group[0].stand])


def _first_model(batches: int) -> str:
    also = (
        " One training reads them all."
        if batches > 1
        else " A second batch first gives it more rows: with one it is rarely better than the "
        "baseline."
    )
    return f"No model is live yet, so training is needed.{also}"


def _of_several(group: Sequence[BatchVerdict], says: str, joint: str = "") -> Need:
    """One need for batches of which the same is to be said; the newest comes first."""
    first = group[0]
    query, act = {"batch": f"{first.epoch}/{first.number}"}, f"Review batch {first.number}"
    if len(group) == 1:
        return Need(first.title, first.detail, "drift", query, act=act)
    why = list(dict.fromkeys(v.detail.removesuffix(v.besides).strip() for v in group))
    detail = why[0] if len(why) == 1 else f"Batch {first.number}: {why[0]}"
    if first.stand is Stand.ASKS:
        detail = f"One training reads them all. {detail}"
    return Need(f"{_names(group)}{joint} {says}", detail, "drift", query, act=act)


def _rolled_back(facts: NeedFacts, group: Sequence[BatchVerdict]) -> Need:
    """One need for batches of an epoch that one version was trained on, which is live no more."""
    first, live = group[0], facts.live
    query = {"batch": f"{first.epoch}/{first.number}"}
    if len(group) == 1 or live is None or first.learned_by is None:
        return Need(first.title, first.detail, "drift", query, act=_act(group))
    by_rollback = live.decided_as is Decision.ROLLBACK
    undone = RolledBack(first.learned_by, live.version, by_rollback)
    of_epoch = "" if first.is_current else f" of epoch {first.epoch}"
    title = f"{_names(group)}{of_epoch}: {undone.title('them')}"
    return Need(title, undone.to_do, "drift", query, act=_act(group))


def _of_earlier_epoch(group: Sequence[BatchVerdict]) -> Need:
    """One need for an earlier epoch, whose rows are not trained on by default.

    A version may have been trained on a batch before it was held.
    """
    first = group[0]
    epoch = first.epoch
    if len(group) == 1:
        title, detail = first.title, first.detail
    elif first.stand is Stand.HELD:
        title = f"{len(group)} batches of epoch {epoch} are held back"
        detail = (
            f"{_names(group)}: no training reads their rows until they are released. Dismiss the "
            "batches that need no action."
        )
    else:
        title = f"{len(group)} batches of epoch {epoch} need a decision"
        detail = (
            f"{_names(group)}: no version was trained on them, and training reads their rows "
            "only if you choose that epoch. Dismiss the batches that need no action."
        )
    return Need(title, detail, "drift", {"batch": f"{epoch}/{first.number}"}, act=_act(group))


def _act(group: Sequence[BatchVerdict]) -> str:
    return "Review them" if group[1:] else "Review it"


def _names(group: Sequence[BatchVerdict]) -> str:
    return named_batches([v.number for v in group])
