"""A person who is faster than the page: while it waits for a service that hangs, clicks count."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from core.adapters.mlflow.registry import Registry, digest_of
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.promotions import PromotionState
from tests.browser import chromium, tab
from tests.build import contract, proposed
from tests.databases import migrated
from tests.e2e.test_login import PATIENCE, console, sees
from tests.models import tiny_model

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours


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


def test_the_only_version_that_is_forced_stays_on_its_page(
    tmp_path: Path, dataset: Dataset, redis_url: str, mlflow_uri: str
) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(url, dataset)
    registry = Registry(mlflow_uri, "forced")
    version = registry.publish(
        tiny_model(contract(dataset), 1.0), job="1", parameters={}, metrics={}, tags={},
        signature=None, requirements=["numpy"],
    )  # fmt: skip
    with closing(Store.open(url, dataset)) as store:
        proposed(store, version, digest=digest_of(registry.fetch(version)))
    told = {
        "DATA_DIR": str(tmp_path), "DATABASE_URL": url, "MLFLOW_TRACKING_URI": mlflow_uri,
        "MODEL_NAME": "forced", "REDIS_URL": redis_url, "SERVING_URL": "http://127.0.0.1:1",
        "DATA_API_URL": "http://127.0.0.1:1",
    }  # fmt: skip
    with console(tmp_path, **told) as desk, chromium() as browser:
        page = tab(browser)
        page.set_default_timeout(PATIENCE)
        page.goto(f"{desk}/promotion?version={version}")
        page.get_by_role("button", name="Force…").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_role("button", name="Force", exact=True).wait_for()
        dialog.get_by_label("Reason").fill("The first model.")
        dialog.get_by_label(f"Type force {version}").fill(f"force {version}")
        dialog.get_by_role("button", name="Force", exact=True).click()
        dialog.wait_for(state="detached")
        page.wait_for_timeout(4_000)  # a refresh of the page's parts
        assert page.url.endswith(f"/promotion?version={version}")
        assert page.get_by_text("There is no version").count() == 0
