"""What is striking about a column of a batch beside its moments, in one sentence. Pure."""

from __future__ import annotations

from core.domain.number_format import percent
from core.domain.profiles import ColumnProfile
from core.rules.data.profile_bins import beyond, categories
from core.rules.data.quality import null_share

_LEAST = 0.01
"""The least share of rows that is worth a sentence."""


def striking(then: ColumnProfile, now: ColumnProfile) -> str:
    """The largest of: values outside the former range, new values, newly missing values.

    Empty if each concerns less than 1 % of the rows.
    """
    below, above = beyond(then, now)
    new, are_new = unseen(then, now)
    missing = null_share(now) - null_share(then)
    facts = [
        (below, f"{percent(below)} of the values lie below the former range."),
        (above, f"{percent(above)} of the values lie above the former range."),
        (new, f"{percent(new)} of the values {are_new}."),
        (missing, f"{percent(null_share(now))} are missing, {percent(null_share(then))} before."),
    ]
    share, sentence = max(facts, key=lambda fact: fact[0])
    return sentence if share >= _LEAST else ""


def unseen(then: ColumnProfile, now: ColumnProfile) -> tuple[float, str]:
    """The share of values that the former profile does not have, and what is true of them.

    They are new against that one reference; another one may have them.
    It keeps the most common values: one that it does not have may have been rare, if it does not
    keep them all.
    """
    share = sum(share for _, share in categories(then, now, len(now.categories)).new)
    return share, "are new" if then.is_complete else "are new or were rare"
