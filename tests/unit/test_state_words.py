"""The words and colours of states on pages and the command line."""

from __future__ import annotations

from console.text import formatting
from core.domain.batches import BatchState
from core.domain.drift import Finding
from core.domain.jobs import JobState
from core.domain.promotions import PromotionState
from core.rules.ops.notification import Delivery


def test_each_state_has_its_own_word_and_a_skipped_batch_is_no_unsent_notification() -> None:
    states = [*JobState, *PromotionState, *BatchState, *Finding]
    assert {formatting.STATES[s][1] for s in states} == {s.value.lower() for s in states}
    assert formatting.STATES[BatchState.SKIPPED] == ("orange", "skipped")
    assert [formatting.DELIVERIES[d] for d in Delivery] == [
        "pending", "delivered", "given up", "not sent",
    ]  # fmt: skip
