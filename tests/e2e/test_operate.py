"""Every command of docs/operations.md, on a whole system and on one restored from it."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import requests

from core.platform.settings import Settings
from tests.house import House
from tests.stacks import ROOT, wait_for

TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
COMMANDS = [
    line.strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for line in block.strip().splitlines()
]
ROW = ["bed=3", "bath=2", "acre_lot=0.3", "house_size=1500", "state=Connecticut", "status=for_sale"]


def run(house: House, command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=house.cli_env | {"PATH": path},
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_what_the_handbook_says_is_what_happens(tmp_path: Path) -> None:
    assert [c for c in COMMANDS if " restore " in c], "the handbook restores nothing"
    house = House(tmp_path / "first", "--scale 0.02 --faults")
    with house.running():
        house.json("ingest", "--wait")
        # The ledger's second entry is an answer that is no batch, for the commands about one.
        api = house.cli_env["DATA_API_URL"]
        requests.post(f"{api}/faults", json={"kind": "malformed"}, timeout=20).raise_for_status()
        house.cli("ingest", "--wait", code=1)
        close_entry(house, 2)
        house.json("train", "--reason", "the first", "--wait")
        house.json("force", "1", "--reason", "the first", "--wait")
        answer = house.json("predict", *ROW)
        assert answer["model_version"] == 1
        wait_for("no report from serving", lambda: "bad" not in states(house), 60)
        for command in COMMANDS:
            if " restore " not in command:
                run(house, command, tmp_path)
        digest = house.json("dossier", "1")["digest"]

    other = House(tmp_path / "second", "--scale 0.02")
    with other.running():
        for command in COMMANDS:
            if " restore " in command:
                assert run(other, command, tmp_path).startswith("Restored ")
        wait_for("nothing is served", lambda: served(other) == 1, 60)
        assert other.json("predict", *ROW)["prediction"] == answer["prediction"]
        assert other.json("dossier", "1")["digest"] == digest
        assert "events verified" in other.cli("audit", "--verify")
        assert other.json("audit")[0]["action"] == "restore"
        wait_for("the doctor finds something bad", lambda: "bad" not in states(other), 60)
        assert other.json("ingest", "--wait")["state"] == "SUCCEEDED"


def close_entry(house: House, entry: int) -> None:
    """Let the ledger say of an entry what it says of one whose tries are used up."""
    with sqlite3.connect(house.folder / "driftdesk.db") as connection:
        connection.execute("UPDATE batches SET state = 'CLOSED' WHERE id = ?", (entry,))


def served(house: House) -> int | None:
    services = house.status()["services"]
    says = next(s["says"] for s in services if s["name"] == "Serving")
    found = re.search(r"version (\d+)", says)
    return int(found[1]) if found else None


def states(house: House) -> set[str]:
    """How the doctor's checks ended, with what was bad on the test's own record."""
    done = subprocess.run(
        [Path(sys.executable).parent / "driftdesk", "doctor", "--json"], cwd=ROOT,
        env=house.cli_env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    found = json.loads(done.stdout)
    print([f for f in found if f["state"] != "ok"])
    assert done.returncode == int(any(f["state"] == "bad" for f in found))
    return {f["state"] for f in found}


def test_every_setting_that_the_handbook_names_exists() -> None:
    named = set(re.findall(r"`(RETAIN_[A-Z_]+)`", TEXT))
    assert named == {n.upper() for n in Settings.model_fields if n.startswith("retain_")}
