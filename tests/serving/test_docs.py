"""Every command and line of code in docs/serving.md does what it says there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.domain.dataset import Dataset
from tests.build import contract
from tests.models import tiny_model
from tests.serving.test_api import Champions, api, version
from tests.stacks import ROOT, lacking, wait_for

TEXT = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
HOME = "http://127.0.0.1:8000"
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()
]
(CODE,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def url(dataset: Dataset, tmp_path: Path) -> Iterator[str]:
    champions = Champions()
    champions.put(1, tiny_model(contract(dataset)))
    with api(champions, tmp_path) as served:
        wait_for("version 1 is not live", lambda: version(served) == 1)
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
    assert json.loads(said[0])["prediction"] == 1505
    assert "contributions" in said[1]
    assert [e["pointer"] for e in json.loads(said[2])["errors"]] == ["#/bed", "#/ghost"]
    assert [json.loads(line)["prediction"] for line in said[3].splitlines()] == [3, 902]
    assert said[4].splitlines()[1].split(",")[1] == "1503.0"
    assert json.loads(said[5]) == {"accepted": 1}
    assert json.loads(said[6])["version"] == 1
    assert json.loads(said[7])["additionalProperties"] is False
    assert "driftdesk_serving_requests_total" in said[8]


def test_the_code_runs_as_it_stands(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(CODE.replace(HOME, url), "docs/serving.md", "exec"), {})
    assert capsys.readouterr().out.splitlines()[0] == "1503.0 1"
