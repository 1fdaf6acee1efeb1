"""A long campaign by hand: `python -m tests.campaign --hours 4 --database mariadb --seed 7`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.campaign.campaign import run


def main() -> int:
    """Run it; the exit code is 1 where an invariant is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--database", choices=["sqlite", "mariadb"], default="sqlite")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--folder", type=Path, help="where logs and counts are kept")
    told = parser.parse_args()
    folder = told.folder or Path(tempfile.mkdtemp(prefix="driftdesk-campaign-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {told.seed} on {told.database}, in {folder}", flush=True)
    outcome = run(folder, told.database, told.seed, told.hours * 60)
    print(outcome.text())
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
