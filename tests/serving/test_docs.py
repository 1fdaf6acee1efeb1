"""Every command and line of code in docs/serving.md does what it says there."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.domain.dataset import Dataset
from tests.pages import blocks
from tests.serving.many import Registries, fleet, versions
from tests.stacks import lacking, wait_for

HOME = "http://127.0.0.1:8000"
BLOCKS = blocks("serving.md")
COMMANDS = [command for block in BLOCKS if block.language == "sh" for command in block.commands]
(CODE,) = [block.text for block in BLOCKS if block.language == "python"]


@pytest.fixture
def url(dataset: Dataset, tmp_path: Path) -> Iterator[str]:
    """Two datasets; paths without a name are about `homes`."""
    registries = Registries()
    registries.put(dataset, "homes", 1, 1.0)
    registries.put(dataset, "rides", 1, 1.0)
    with fleet(registries, tmp_path, default_dataset="homes") as served:
        wait_for("both are not live", lambda: versions(served) == {"homes": 1, "rides": 1})
        yield served


def test_each_command_gets_an_answer(url: str) -> None:
    if not shutil.which("curl"):
        lacking("curl")
    said = []
    for command in COMMANDS:
        done = subprocess.run(
            ["bash", "-c", command.replace(HOME, url)], capture_output=True, text=True, check=True
        )
        said.append(done.stdout)
    (
        row, explained, warned, invalid, datasets, homes, model, lines, table, metadata, infer,
        scored, feedback, live, schema, metrics,
    ) = said  # fmt: skip
    assert json.loads(row)["prediction"] == 1505
    assert json.loads(homes)["prediction"] == 1503
    assert "contributions" in explained
    assert len(json.loads(warned)["warnings"]) == 2
    assert [e["pointer"] for e in json.loads(invalid)["errors"]] == ["#/bed", "#/ghost"]
    assert [d["name"] for d in json.loads(datasets)["datasets"]] == ["homes", "rides"]
    assert json.loads(model)["dataset"] == json.loads(live)["dataset"] == "homes"
    assert [json.loads(line)["prediction"] for line in lines.splitlines()] == [3, 902]
    assert table.splitlines()[1].split(",")[1] == "1503.0"
    assert json.loads(metadata)["versions"] == ["1"]
    assert json.loads(infer)["outputs"][0]["data"] == [3, 2]
    assert json.loads(scored)["predictions"] == [1503]
    assert json.loads(feedback) == {"accepted": 1}
    assert json.loads(schema)["additionalProperties"] is False
    assert "driftdesk_serving_requests_total" in metrics


def test_the_code_runs_as_it_stands(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(CODE.replace(HOME, url), "docs/serving.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[0] == "1503.0 1"
