"""What helps a candidate that is not recommended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.domain.dossier import Difference, Gate, GateName
from core.domain.promotions import Promotion, PromotionState, Verdict
from core.rules.model.next_step import MORE_ROWS, next_step
from tests import build

SURE, UNSURE = Difference(5.0, 1.0, 9.0), Difference(5.0, -1.0, 9.0)


@pytest.mark.parametrize(
    ("failed", "live", "says"),
    [
        ([], 1, ""),
        ([Gate(GateName.NO_OVERLAP, False, "Restart.", blocks=True)], 1, ""),
        ([Gate(GateName.METRIC_LIMIT, False, "Too high.")], 1, ""),
        ([Gate(GateName.BASELINE, False, "Not clearly."), build.gate("better", passed=False)], 1,
         MORE_ROWS),
        ([build.gate("better", passed=False)], 1,
         "Version 1 stays live. Reject this one, or train on more batches."),
        ([build.gate("better", passed=False)], None, ""),
    ],
)  # fmt: skip
def test_what_helps_follows_from_the_gates(failed: list[Gate], live: int | None, says: str) -> None:
    made = build.dossier(2, 1, gates=failed, differences={"mae": SURE})
    verdict, state = Verdict(not failed, ("Because.",)), PromotionState.PROPOSED
    candidate = Promotion(1, 2, state, verdict, made, build.NOON, "ana")
    step = next_step(candidate, live)
    assert (step.says if step else "") == says
    assert bool(step and step.ingests) == (says == MORE_ROWS)
    unsure = replace(candidate, dossier=replace(made, differences={"mae": UNSURE}))
    later = next_step(unsure, live)
    by_chance = bool(later) and later.says.startswith(
        "On 20 held-out rows the difference could be chance. "
    )
    assert by_chance == says.startswith("Version 1 stays live")
    assert next_step(replace(candidate, state=PromotionState.REJECTED), live) is None
