"""The drift settings of a dataset file: limits, and the finding that decides about a batch."""

from __future__ import annotations

from typing import Any

from core.domain.dataset import MEASURES, STATISTICS
from core.domain.drift import RetrainWhen
from core.platform.toml_values import known_keys, number, one_of, section, shown

DEFAULTS = dict.fromkeys(STATISTICS, 0.15) | MEASURES
"""The default limits."""


def limits(table: object, base: dict[str, float]) -> dict[str, float]:
    """The limits of a `limits` table; those it lacks are taken from `base`.

    Raises:
        ValueError: a key is unknown or a limit is not above 0; the message names the key.
    """
    if not isinstance(table, dict):
        raise ValueError(  # noqa: TRY004
            f"limits is {shown(table)}, and must be a table of statistic = relative change"
        )
    given_limits = {}
    for name, value in table.items():
        if name not in base:
            raise ValueError(
                f"limits has {shown(name)}, but the statistics are {', '.join(STATISTICS)} and the "
                f"measures {', '.join(MEASURES)}"
            )
        given_limits[name] = number(f"the limit of {name}", value)
        if given_limits[name] <= 0:
            raise ValueError(f"the limit of {name} must be a number above 0")
    return base | given_limits


def of_column(limits_of_all: dict[str, float]) -> dict[str, Any]:
    """A column's limits as arguments of `Column`: the rule's statistics, and the measures."""
    return {
        "limits": {name: limits_of_all[name] for name in STATISTICS},
        "measure_limits": {name: limits_of_all[name] for name in MEASURES},
    }


def retrain_when(table: object) -> RetrainWhen:
    """`retrain_when` of a `[drift]` table; by default the recommendation.

    Raises:
        ValueError: a key is unknown or wrong; the message names it and the remedy.
    """
    keys = section("drift", table)
    known_keys(keys, ("retrain_when",))
    default = RetrainWhen.RECOMMENDATION.value
    return RetrainWhen(
        one_of("drift.retrain_when", keys.get("retrain_when", default), tuple(RetrainWhen))
    )
