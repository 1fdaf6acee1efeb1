"""Nothing that is killed, stopped, filled, cut or lied to breaks a promise.

Five minutes on both databases together; `make campaign HOURS=4` goes on for longer.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.campaign.campaign import run

MINUTES = float(os.environ.get("CAMPAIGN_MINUTES", "5"))
SEED = int(os.environ.get("CAMPAIGN_SEED", "20261128"))


@pytest.mark.parametrize("database", ["sqlite", "mariadb"])
def test_no_invariant_is_broken(tmp_path: Path, database: str) -> None:
    print("seed", SEED)
    outcome = run(tmp_path, database, SEED, MINUTES / 2)
    print(outcome.text())
    assert outcome.broken == []
    assert outcome.rounds > 0
