"""The sections of how-to/judging-over-time.md are taken by the dataset file of the how-to."""

from __future__ import annotations

import re
from pathlib import Path

from core.domain.evaluation import MetricLimit, SegmentLimit, SplitBy
from core.platform.dataset_file import load
from tests.pages import DOCS, titled

PAGE = DOCS / "how-to" / "judging-over-time.md"


def test_the_sections_of_the_page_are_taken(tmp_path: Path) -> None:
    split, gates = re.findall(
        r"```toml\n(\[evaluation\].*?)```", PAGE.read_text("utf-8"), re.DOTALL
    )
    rides = titled("how-to/own-dataset.md", "rides.toml")
    both = split + gates.replace("[evaluation]\n", "")
    (tmp_path / "rides.toml").write_text(rides.replace("[limits]", f"{both}\n[limits]", 1))
    found = load(tmp_path / "rides.toml").evaluation
    assert (found.split, found.time_column, found.share) == (SplitBy.TIME, "day", 0.2)
    assert found.gates == (
        MetricLimit("mdape", at_most=0.25),
        MetricLimit("r2", at_least=0.5),
        SegmentLimit("weather", 0.1),
    )
