"""The main job from end to end: real processes, started as `make run` starts them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import chromium
from tests.house import House
from tests.stacks import REAL_ROWS, wait_for

ROW = ["bed=3", "bath=2", "acre_lot=0.3", "house_size=1500", "state=Connecticut", "status=for_sale"]


def whole_job(house: House) -> None:
    first = house.json("ingest", "--wait")
    assert first["result"]["batch"] == 0
    assert house.json("drift", "--show")[0]["report"]["retrain"] is True
    trained = house.json("train", "--wait")
    assert trained["result"]["version"] == 1
    assert house.json("dossier", "1")["gates"][0]["passed"]
    # The first batch alone teaches hardly more than its median: approve says so, force serves it.
    refused = house.cli("approve", "1", code=1)
    assert "better than the median" in refused
    assert "driftdesk force 1 --reason" in refused
    house.json("force", "1", "--reason", "the first one", "--wait")
    assert house.json("predict", *ROW)["model_version"] == 1
    assert "feature contributions, from " in house.cli("predict", *ROW, "--explain")

    assert house.json("ingest", "--wait", "--train")["result"]["batch"] == 1
    wait_for("no second candidate", lambda: house.proposed() == [2, 1], 90)
    assert [c["version"] for c in house.json("candidates")] == [2, 1]
    assert "Say why" in house.cli("reject", "2", code=1)
    house.cli("reject", "2", "--reason", "only two batches")
    assert "Say why" in house.cli("force", "2", code=1)
    house.json("force", "2", "--reason", "to try it", "--wait")
    assert house.json("predict", *ROW)["model_version"] == 2
    house.json("rollback", "--reason", "tried it", "--wait")
    answer = house.json("predict", *ROW)
    assert answer["model_version"] == 1
    assert "price: this model takes no such field" in house.cli("predict", "price=1", code=1)

    actions = [event["action"] for event in house.json("audit")]
    assert actions.count("live") == 3
    assert {"reject", "force", "rollback", "propose", "request ingest"} <= set(actions)


@pytest.mark.parametrize(
    "source", ["stand-in", pytest.param("real rows", marks=pytest.mark.real_rows)]
)
def test_the_whole_job_by_command_line(tmp_path: Path, source: str) -> None:
    options = "--scale 0.02"
    if source == "real rows":
        options = f"--folder {REAL_ROWS / 'api'}"
    house = House(tmp_path / "data", options)
    with house.running() as said:
        for name in ("Console", "Serving", "MLflow", "Data API"):
            assert name in said
        whole_job(house)
        before = house.status()["status"]
    if source == "real rows":
        return
    with house.running():  # a second start goes on where the first one ended
        after = house.status()["status"]
        assert after["live"] == before["live"]
        assert after["last_batch"] == before["last_batch"]
        assert house.json("predict", *ROW)["model_version"] == 1
        assert house.json("ingest", "--wait")["result"]["batch"] == 2
        in_browser(house)


def in_browser(house: House) -> None:
    """Every page in Chromium, and a job from click to its end."""
    from playwright.sync_api import expect

    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(30_000)
        page.goto(f"{house.console}/pipeline")
        page.get_by_role("button", name="Ingest next batch").click()
        expect(page.get_by_text("Batch 3 of epoch 1", exact=False).first).to_be_visible(
            timeout=60_000
        )
        for path, sign in {
            "drift": "Recommendation",
            "promotion": "Version 1 is live, and serving answers with it.",
            "services": "MLflow",
        }.items():
            page.goto(f"{house.console}/{path}")
            expect(page.get_by_text(sign).first).to_be_visible()
            expect(page.locator("[data-testid=stException]")).to_have_count(0)
        page.goto(f"{house.console}/predict")
        page.get_by_role("button", name="Predict", exact=True).click()
        expect(page.get_by_text("Version 1 · just now")).to_be_visible()


def test_a_wiped_queue_loses_no_job(tmp_path: Path) -> None:
    house = House(tmp_path / "data", "--scale 0.02")
    with house.running():
        house.cli("ingest", "--wait")
        port = house.env["REDIS_PORT"]
        import redis

        client = redis.Redis(port=int(port))
        job = house.json("train", "--reason", "to be lost")
        client.flushall()
        wait_for("the job was lost", lambda: house.proposed() != [], 90)
        assert house.json("log", str(job["id"]))
