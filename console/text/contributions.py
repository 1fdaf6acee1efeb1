"""How much each feature raised or lowered a prediction, as text and as steps of a chart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from console.text.prediction import Answer, amount, probability_words, value_words
from core.domain.number_format import figure, signed_percent

_FACTOR_FROM = 2.0

TYPICAL = "To the model this row is typical: no feature changes the prediction."
"""What is said instead of contributions that are all zero."""


def effect_words(effect: float, scale: str) -> str:
    """An effect as text: per cent or a factor on a log scale, an amount otherwise."""
    if scale == "value":
        return f"{'+' if effect > 0 else ''}{figure(effect)}"
    factor = math.exp(effect)
    if 1 / _FACTOR_FROM < factor < _FACTOR_FROM:
        return signed_percent(factor - 1)
    return f"x {figure(factor)}" if factor > 1 else f"÷ {figure(1 / factor)}"


@dataclass(frozen=True, slots=True)
class Step:
    """One feature's contribution.

    `start` and `end` are in the target's unit or in log odds; `ends` are their texts, log odds as
    probabilities. `is_typical`: its value is that of the typical row; None if it is not known.
    """

    label: str
    value: str
    effect: float
    words: str
    start: float
    end: float
    ends: tuple[str, str]
    is_typical: bool | None = None

    @property
    def is_zero(self) -> bool:
        """Whether the effect rounds to zero."""
        return not set("123456789") & set(self.words)


def steps(answer: Answer, units: Mapping[str, tuple[str, str]]) -> list[Step]:
    """The contributions from the baseline to the prediction, in the order of the answer.

    For a classifier they add up to the log odds of the class that `explained_class` names.

    `units` gives the label and the unit of each field of the dataset or the contract.
    """
    contributions = answer.contributions
    if not contributions:
        return []
    scale, baseline = contributions["scale"], float(contributions["baseline"])
    on_log, of_class = scale == "log", scale == "log_odds"
    total = math.log1p(baseline) if on_log else baseline
    if of_class:
        import numpy as np  # noqa: PLC0415 - not for predicting a number

        from core.rules.model.classes import log_odds  # noqa: PLC0415

        total = float(log_odds(np.array(baseline)))
    steps = []
    for part in contributions["fields"]:
        name, effect = str(part["field"]), float(part["effect"])
        label, unit = units.get(name, (name, ""))
        start, total = total, total + effect
        ends = (math.expm1(start), math.expm1(total)) if on_log else (start, total)
        value, words = value_words(answer.inputs.get(name), unit), effect_words(effect, scale)
        end_texts = map(probability_at, ends) if of_class else map(figure, ends)
        texts = next(end_texts), next(end_texts)
        same = None if answer.as_typical is None else name in answer.as_typical
        steps.append(Step(label, value, effect, words, *ends, texts, same))
    return steps


def is_typical(parts: Sequence[Step]) -> bool:
    """Whether no feature changes the prediction, as it is written."""
    return all(step.is_zero for step in parts)


def without_effect(parts: Sequence[Step]) -> str:
    """The features that do not change the prediction, and why, in sentences; empty if all do.

    Contributions are relative to the typical row: a value that equals its value changes nothing.
    """
    sentences = {
        True: "Same value as in the typical row, so without effect here: {}.",
        False: "Another value than in the typical row, but without effect: {}.",
        None: "Without effect, as each value that equals the typical row's: {}.",
    }
    told = []
    for is_typical, sentence in sentences.items():
        names = [s.label for s in parts if s.is_zero and s.is_typical is is_typical]
        told += [sentence.format(", ".join(names))] if names else []
    return " ".join(told)


def explained_class(answer: Answer) -> str:
    """The class whose odds the contributions are about; empty for a number."""
    return str((answer.contributions or {}).get("of") or "")


def baseline_words(answer: Answer, unit: str = "") -> str:
    """The prediction for a typical row: an amount, or the probability of the explained class."""
    baseline = float((answer.contributions or {}).get("baseline", 0.0))
    return amount(baseline, unit) if answer.label is None else probability_words(baseline)


def probability_at(odds: float) -> str:
    """Log odds as a probability, in words."""
    return probability_words(0.5 * (1.0 + math.tanh(odds / 2)))
