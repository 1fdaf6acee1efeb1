"""A person who is faster than the page: while it waits for a service that hangs, clicks count."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.promotions import PromotionState
from tests.browser import chromium, tab
from tests.build import proposed
from tests.databases import migrated
from tests.e2e.test_login import PATIENCE, console, sees


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a service that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_decision_that_is_made_while_the_page_still_waits_closes_its_dialog(
    tmp_path: Path, dataset: Dataset, redis_url: str, silent: str
) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(url, dataset)
    with closing(Store.open(url, dataset)) as store:
        proposed(store, 1)
        told = {
            "DATA_DIR": str(tmp_path), "DATABASE_URL": url, "MLFLOW_TRACKING_URI": silent,
            "REDIS_URL": redis_url, "SERVING_URL": silent, "DATA_API_URL": silent,
        }  # fmt: skip
        with console(tmp_path, **told) as desk, chromium() as browser:
            page = tab(browser)
            page.set_default_timeout(PATIENCE)
            page.goto(f"{desk}/promotion")
            page.get_by_role("button", name="Reject…").click()
            dialog = page.get_by_role("dialog")
            dialog.get_by_label("Reason").fill("Too few rows.")
            dialog.get_by_role("button", name="Reject", exact=True).click()
            sees(page, "Version 1 is rejected.")
            dialog.wait_for(state="detached")
        with store.read() as work:
            assert work.promotions.of_version(1).state is PromotionState.REJECTED
