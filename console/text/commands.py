"""Sentences that name a command: on a desk with several datasets, the command names its own."""

from __future__ import annotations

import re

OF_A_DATASET = (
    "approve", "batch dismiss", "batch hold", "batch list", "batch release", "batch retry",
    "batch skip", "cancel", "candidates", "compare", "confirm", "continue-numbers",
    "dataset check", "dossier", "drift", "feedback", "follow-ups", "force", "ingest", "jobs",
    "judge", "limits list", "limits reset", "limits set", "log", "passport", "predict", "prune",
    "quarantine list", "quarantine retry", "reject", "retry", "rollback", "rows export",
    "rows list", "schedule add", "schedule list", "schedule pause", "schedule remove",
    "schedule resume", "seen", "source check", "train", "withdraw",
)  # fmt: skip
"""The commands that need to know their dataset."""

_COMMAND = re.compile(
    rf"\bdriftdesk (?:{'|'.join(sorted(OF_A_DATASET, reverse=True))})(?![\w-])(?! --dataset)"
)


def naming(text: str, dataset: str) -> str:
    """The text with `--dataset` in each command that needs it; unchanged without a dataset."""
    if not dataset or "driftdesk " not in text:
        return text
    return _COMMAND.sub(lambda command: f"{command[0]} --dataset {dataset}", text)
