"""Replicas of serving report themselves, and a promotion waits for every one that is alive."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from core.adapters.mlflow.registry import digest_of
from core.adapters.serving.client import Client
from core.adapters.serving.replicas import Serving
from core.adapters.store import Store
from core.adapters.store.tables import replicas
from core.domain.jobs import JobKind, JobState
from tests import build
from tests.fakes import FakeRegistry
from tests.models import tiny_model
from tests.record import decide
from tests.serving.test_api import Champions, api, version
from tests.stacks import free_port, wait_for
from tests.work import run_job
from workers.steps.promote import Promote

SECRET = "only the desk and serving know"


class Registry(FakeRegistry):
    """A registry whose alias serving follows."""

    def __init__(self, champions: Champions) -> None:
        super().__init__()
        self._champions = champions
        self._models, self._digests = champions.models, champions.digests

    def set_champion(self, version: int | None) -> None:
        super().set_champion(version)
        self._champions.live = version


@pytest.fixture
def champions(store: Store) -> Champions:
    made = Champions()
    contract = build.contract(store.dataset)
    for number in (2, 1):
        made.put(number, tiny_model(contract, float(number)))
    decide(store, 1, made.digests[1])
    return made


def promote(store: Store, registry: Registry, urls: list[str], seconds: float = 10.0) -> Any:
    build.proposed(store, 2, champion=1, digest=digest_of(registry.fetch(2)))
    with store.begin() as work:
        job = build.approve(work, 2, champion=1)
        work.jobs.cancel(job.id)
        work.commit()
    step = Promote(registry, Serving(urls), seconds, SECRET)  # type: ignore[arg-type]
    return run_job(store, JobKind.PROMOTE, step, job.args)


def test_a_promotion_waits_for_replicas_that_nobody_named_and_tells_each_to_look(
    champions: Champions, store: Store, database_url: str, tmp_path: Path
) -> None:
    ports = [free_port(), free_port()]
    addresses = [f"http://127.0.0.1:{port}" for port in ports]
    told = {"serving_push_secret": SECRET, "serving_poll": 3600.0}
    with (
        api(champions, tmp_path / "a", database_url, port=ports[0],
            **told) as one,
        api(champions, tmp_path / "b", database_url, port=ports[1],
            **told) as other,
    ):  # fmt: skip
        for url in (one, other):
            wait_for("version 1 is not live", lambda url=url: version(url) == 1)  # type: ignore[misc]

        def alive() -> list[str]:
            with store.read() as work:
                return [r.url for r in work.replicas.alive() if r.model_version == 1]

        wait_for("both have not reported", lambda: alive() == sorted(addresses))
        registry = Registry(champions)
        registry.set_champion(1)
        job = promote(store, registry, [one])
        assert job.state is JobState.SUCCEEDED, job.error
        assert [version(url) for url in (one, other)] == [2, 2]
        wait_for("the reports are old", lambda: alive() == [])
    with store.read() as work:
        assert work.replicas.alive() == []  # who stops says so


def test_one_that_is_not_heard_any_more_holds_nothing_up(
    champions: Champions, store: Store, database_url: str, tmp_path: Path
) -> None:
    with store.begin() as work:
        for age in (1, 60, 3 * 86_400):
            work.replicas._connection.execute(
                sa.insert(replicas).values(
                    id=f"r{age}", url=f"http://127.0.0.1:{age}", model_version=1, digest="",
                    refused="", started_at=work.now, heard_at=work.now - timedelta(seconds=age),
                )
            )  # fmt: skip
        assert [r.id for r in work.replicas.alive()] == ["r1"]
        work.replicas._connection.execute(sa.delete(replicas).where(replicas.c.id == "r1"))
        work.commit()
    with api(champions, tmp_path, database_url) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        registry = Registry(champions)
        registry.set_champion(1)
        job = promote(store, registry, [url])
        assert job.state is JobState.SUCCEEDED, job.error
    with store.begin() as work:
        ids = work.replicas._connection.execute(sa.select(replicas.c.id)).scalars().all()
    assert "r60" in ids
    assert f"r{3 * 86_400}" not in ids


def test_a_replica_that_is_alive_and_does_not_follow_fails_the_promotion(
    champions: Champions, store: Store, database_url: str, tmp_path: Path
) -> None:
    with api(champions, tmp_path, database_url) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        with store.begin() as work:
            work.replicas._connection.execute(
                sa.insert(replicas).values(
                    id="stuck", url="http://127.0.0.1:9", model_version=1, digest="", refused="",
                    started_at=work.now, heard_at=work.now,
                )
            )  # fmt: skip
            work.commit()
        registry = Registry(champions)
        registry.set_champion(1)
        job = promote(store, registry, [url], seconds=0.5)
        assert job.state is JobState.FAILED
        assert "http://127.0.0.1:9" in job.error
        wait_for("version 1 is not back", lambda: version(url) == 1)


@pytest.mark.parametrize("secret", [SECRET, "another"])
def test_only_who_shares_the_secret_makes_it_look(
    champions: Champions, store: Store, tmp_path: Path, secret: str
) -> None:
    with api(champions, tmp_path, serving_push_secret=SECRET, serving_poll=3600.0) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        champions.live = 2
        assert Client(url).refresh(secret) is (secret == SECRET)
        if secret == SECRET:
            wait_for("version 2 is not live", lambda: version(url) == 2, 5)
        else:
            assert version(url) == 1
        assert requests.post(f"{url}/model/look", data=b"{}", timeout=5).status_code == 401
    with api(champions, tmp_path / "none") as url:
        assert not Client(url).refresh(SECRET)
