"""Wherever text comes in it says the worst that it can; no page does what it says."""

from __future__ import annotations

import csv
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from core.adapters.mlflow.registry import digest_of
from core.adapters.store import Store
from core.adapters.store.tables import jobs, predictions
from core.domain.batches import QuarantinedRow
from core.domain.dataset import Dataset
from core.domain.dossier import Difference, Slice
from core.domain.drift import Reference
from core.domain.jobs import JobKind, JobState
from core.domain.promotions import Cause
from core.rules.data.profile import Profiler
from core.rules.drift.compare import compare
from core.rules.model.contract import Contract, describe
from core.rules.ops.notification import Event
from core.rules.ops.schedule import Task, Timing
from core.usecases import decisions
from tests import build
from tests.browser import chromium, tab
from tests.databases import migrated
from tests.models import tiny_model
from tests.serving.test_api import Champions, api, version
from tests.stacks import answers, free_port, process, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EVIL = "evil.example"
PAYLOADS = (
    '<img src=x onerror="window.pwned=1;alert(1)">',
    "<script>window.pwned=1;alert(2)</script>",
    '<a href="javascript:window.pwned=1">l</a>',
    "[l](javascript:window.pwned=1)",
    f"![i](http://{EVIL}/i.png)",
    f'<iframe src="http://{EVIL}/f"></iframe><svg onload="window.pwned=1">',
    f'=HYPERLINK("http://{EVIL}/h")',
    ":red[r] :material/warning: $x^2$ `c` <style>*{display:none}</style>",
    "\x1b[2J\u202e",
)
HOSTILE = " ".join(PAYLOADS)
SHORT = PAYLOADS[0]
IMAGE = PAYLOADS[4]

PAGES = [
    "", "pipeline", "pipeline?view=Batches&epoch=1", "pipeline?view=Schedule", "pipeline?job=2",
    "drift", "drift?batch=2", "drift?show=Live+traffic", "promotion", "promotion?version=1",
    "promotion?version=3", "promotion?evidence=Segments", "promotion?evidence=Importance",
    "promotion?tab=History", "promotion?tab=Follow-ups", "predict", "predict?ask=History",
    "predict?id={prediction}", "audit", "audit?part=Lineage&follow=version:3",
    "audit?part=Lineage&follow={prediction}", "services",
    f"pipeline?batch={IMAGE}", f"drift?show=Compare&reference={IMAGE}",
    f"audit?part=Lineage&follow={IMAGE}", f"audit?part=Lineage&follow={SHORT}",
    f"predict?id={SHORT}", f"audit?follow={SHORT}", f"pipeline?job={SHORT}", f"drift?batch={SHORT}",
]  # fmt: skip


def hostile_contract(dataset: Dataset) -> Contract:
    profiler = Profiler(dataset)
    for column in dataset.columns:
        profiler.add(
            column.name, [SHORT, HOSTILE[:200], "b"] if column.is_text else [1.0, 2.0, 3.0]
        )
    return describe(dataset, profiler.finish())


def fill(store: Store, digest: str) -> str:
    """Let every way in which text gets in bring the payloads; an id of a prediction.

    `digest` is of the model file of version 1, which is live.
    """
    bad = QuarantinedRow(1, HOSTILE[:500], HOSTILE)
    with store.begin() as work:
        epoch = work.batches.open_epoch()
        for number in range(2):
            batch = work.batches.receive(epoch.number, f"hash{number}", f"{SHORT}{number}", 100)
            work.batches.store(
                batch, epoch=1, number=number, stored=3, quarantined=[bad], gap=0, note=HOSTILE
            )
            profiles = tuple(build.profile(c.name) for c in store.dataset.compared)
            work.batches.add_profile("batch", batch.id, profiles)
            texts = {
                c.name: [SHORT, HOSTILE[:200], "x"] for c in store.dataset.columns if c.is_text
            }
            work.rows.load(1, batch.id, [build.chunk(store.dataset, 3, **texts)])
        before = work.batches.profile("batch", 1)
        moved = [build.profile(p.column, mean=50.0) for p in before]
        report = compare(before, moved, store.dataset)
        work.drift.put(work.batches.get(2), Reference.PREVIOUS, HOSTILE[:90], report)
        work.commit()
    evidence = {
        "gates": [build.gate("better", passed=False, says=HOSTILE)],
        "slices": (Slice("state", HOSTILE, 60, 9.0, 10.0, Difference(-0.15, -0.2, -0.1)),),
        "importance": {SHORT: 0.3, "bed": 0.1}, "data_digest": "d" * 64, "parity": 1e-7,
    }  # fmt: skip
    passed = [build.gate("better", says=HOSTILE)]
    build.live(store, 1, **evidence | {"gates": passed, "digest": digest})
    build.proposed(store, 2, **evidence)
    build.proposed(store, 3, champion=1, **evidence)
    with store.begin() as work:
        decisions.reject(work, 2, actor=SHORT, reason=HOSTILE)
        work.force_requests.open_follow_up("version:3", HOSTILE, SHORT, Cause.FORCED)
        work.schedules.add(Timing("0 6 * * *"), Task.INGEST, build.NOON, SHORT)
        work.schedules.ran(1, HOSTILE)
        work.notifications.add(Event.FAILED, "job:2", HOSTILE)
        for n, state in enumerate((JobState.FAILED, JobState.SUCCEEDED, JobState.RUNNING)):
            job, _ = work.jobs.request(JobKind.DRIFT, {"said": HOSTILE}, SHORT, key=f"drift:{n}")
            work.jobs.log(job.id, HOSTILE, "error")
            said = {"state": state.value, "error": HOSTILE if n == 0 else "", "stage": SHORT,
                    "result": {"note": HOSTILE, "reasons": [HOSTILE]},
                    "active_key": f"drift:{n}" if state is JobState.RUNNING else None}  # fmt: skip
            work._connection.execute(sa.update(jobs).where(jobs.c.id == job.id).values(**said))
        work.audit.add(SHORT, "<b>act", SHORT, reason=HOSTILE, details={SHORT: HOSTILE})
        work.audit.add("=1+1", "act", "job:1", reason=PAYLOADS[6])
        prediction = str(uuid.uuid4())
        pushed = {"scale": "log", "baseline": 1.0, "fields": [{"field": "city", "effect": 0.5}]}
        work._connection.execute(
            sa.insert(predictions).values(
                id=prediction, at=build.NOON, model_version=1, prediction=1.0,
                inputs={"city": HOSTILE, SHORT: HOSTILE}, answer={"contributions": pushed},
                caller=SHORT,
            )
        )  # fmt: skip
        work.commit()
    return prediction


@contextmanager
def console(folder: Path, url: str, serving: str, **more: str) -> Iterator[str]:
    port = free_port()
    command = [
        sys.executable, "-m", "streamlit", "run", "console/web/asgi.py",
        "--server.headless", "true",
        "--server.address", "127.0.0.1", "--server.port", str(port),
    ]  # fmt: skip
    nowhere = "http://127.0.0.1:1"
    env = {
        "DATABASE_URL": url, "DATA_DIR": str(folder), "SERVING_URL": serving, "ACTOR": "ana",
        "REDIS_URL": "redis://127.0.0.1:1", "MLFLOW_TRACKING_URI": nowhere,
        "DATA_API_URL": nowhere, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        **more,
    }  # fmt: skip
    with process(command, folder / "console.log", env):
        wait_for("no console", answers(f"http://127.0.0.1:{port}/_stcore/health"), 120)
        yield f"http://127.0.0.1:{port}"


class Watched:
    """A tab that notes every dialog, every request elsewhere and every error that a page shows."""

    def __init__(self, browser: Browser, own: set[str]) -> None:
        self.page = tab(browser)
        self.happened: list[str] = []
        self._own = own
        self.page.on("dialog", self._dialog)
        self.page.on("request", lambda request: self._request(request.url))
        self.page.on("popup", lambda popup: self.happened.append(f"popup {popup.url}"))

    def _dialog(self, dialog: Any) -> None:
        self.happened.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def _request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc not in self._own:
            self.happened.append(f"request {url}")

    def look_at(self, url: str) -> None:
        self.page.goto(url, wait_until="networkidle")
        self.page.locator("h1").first.wait_for()
        self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for()
        self.page.wait_for_load_state("networkidle")
        assert self.page.locator("[data-testid=stException]").all_inner_texts() == [], url
        live = self.page.evaluate(
            """() => [
                window.pwned,
                ...[...document.querySelectorAll('[onerror],[onload],iframe,svg[onload]')]
                    .map(e => e.outerHTML.slice(0, 200)),
                ...[...document.querySelectorAll('[href],[src]')]
                    .map(e => e.getAttribute('href') || e.getAttribute('src'))
                    .filter(a => /^\\s*(javascript|data:text)/i.test(a) || /evil.example/.test(a)),
                ...[...document.querySelectorAll('script')]
                    .filter(e => e.textContent.includes('pwned')).map(() => 'script'),
                ...[...document.querySelectorAll('style')]
                    .filter(e => e.textContent.includes('*{display:none}')).map(() => 'style'),
            ].filter(Boolean)"""
        )
        assert live == [], url
        assert self.happened == [], url


def test_no_page_does_what_text_from_data_says(tmp_path: Path, dataset: Dataset) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(url, dataset)
    model = tiny_model(hostile_contract(dataset))
    with closing(Store.open(url, dataset)) as store:
        prediction = fill(store, digest_of(model))
    champions = Champions()
    champions.put(1, model, digest_of(model))
    with api(champions, tmp_path / "serving", url) as serving:
        wait_for("version 1 is not live", lambda: version(serving) == 1)
        with console(tmp_path, url, serving) as desk, chromium() as browser:
            watched = Watched(browser, {urlsplit(desk).netloc})
            for path in PAGES:
                watched.look_at(f"{desk}/{path.replace('{prediction}', prediction)}")
            watched.look_at(f"{desk}/pipeline")
            assert watched.page.get_by_text("onerror").count() > 0  # it is there, as text
            tables_leave_by_our_own_buttons(watched.page, desk)


def tables_leave_by_our_own_buttons(page: Page, desk: str) -> None:
    """Streamlit's own export of a table runs formulas in a spreadsheet; ours does not."""
    page.goto(f"{desk}/predict?ask=History")
    table = page.get_by_test_id("stDataFrame").first
    table.wait_for()
    table.hover()
    page.get_by_test_id("stElementToolbar").first.get_by_role("button", name="Search").wait_for()
    theirs = page.locator("[data-testid=stElementToolbar] button[aria-label^='Download as CSV']")
    assert theirs.count() > 0  # or the name has changed, and nothing hides it
    assert not any(button.is_visible() for button in theirs.all())
    page.goto(f"{desk}/audit")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV", exact=True).click()
    with download.value.path().open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert any(SHORT in cell for cell in cells)
    assert any("=HYPERLINK" in cell for cell in cells)
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "@", "\t"))]
