"""The example of how-to/events.md, run by a shell against the console's endpoint."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import streamlit as st
from pydantic import SecretStr
from starlette.applications import Starlette

from console.actions.events import MOST_A_MINUTE
from console.desk import Desk
from console.web import events
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.platform.settings import Settings
from core.rules.ops.signed_delivery import WINDOW_SECONDS
from tests.fakes import FakeQueue, FakeRegistry, FakeServing
from tests.pages import DOCS, titled
from tests.stacks import serve

PAGE = "how-to/events.md"
SECRET = "a secret of this test alone"


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("openssl")), reason="no curl")
@pytest.mark.parametrize("backend", ["sqlite"], indirect=True)
def test_the_example_queues_an_ingest_and_a_wrong_secret_does_not(
    store: Store, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, events_secret=SecretStr(SECRET))
    desk = Desk(settings, dataset, store, FakeQueue(), FakeRegistry(), FakeServing())  # type: ignore[arg-type]
    monkeypatch.setattr("console.web.session.Desk.make", lambda *_: desk)
    monkeypatch.setattr("console.web.session.read_settings", lambda: settings)
    st.cache_resource.clear()

    def run(console: str, secret: str) -> subprocess.CompletedProcess[str]:
        names = {"CONSOLE": console, "EVENTS_SECRET": secret, "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            ["/bin/sh", "-c", titled(PAGE, "batch-ready.sh")],
            env=names, capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip

    with serve(Starlette(routes=list(events.ROUTES))) as url:
        done = run(url, SECRET)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["detail"] == "Ingest is queued."
        assert json.loads(run(url, SECRET).stdout)["joined"] is True
        refused = run(url, "another")
        assert (refused.returncode, json.loads(refused.stdout)["status"]) == (22, 401)
    st.cache_resource.clear()


def test_the_page_names_the_bounds_of_the_code() -> None:
    page = " ".join((DOCS / PAGE).read_text(encoding="utf-8").split())
    assert f"at most {events.MOST_BYTES // 1024} KiB" in page
    assert f"{WINDOW_SECONDS} s from the console's clock" in page
    assert f"{MOST_A_MINUTE} deliveries" in page
    assert f"or {events._MOST_AT_ONCE} are under way" in page
    assert f"more than {events._SECONDS:g} s" in page
