"""What serving answers with is what the record says, else the last good model; never nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from core.adapters.mlflow.registry import digest_of
from core.adapters.store import Store
from core.adapters.store.tables import promotions
from core.domain.dataset import Dataset
from core.domain.errors import Missing
from serving.model import live_model
from serving.model.mlflow_rest import Champion
from tests.build import contract
from tests.models import tiny_model
from tests.record import APPROVED, FAILED, LIVE, decide
from tests.serving.test_api import Champions, api, predict, version
from tests.stacks import wait_for


class Registry(Champions):
    """A registry that may have lost its model altogether."""

    forgotten = False

    def champion(self) -> Champion | None:
        if self.forgotten:
            raise Missing("MLflow knows no model real_estate.")
        return super().champion()

    def download(self, champion: Champion) -> bytes:
        if self.forgotten or champion.version not in self.models:
            raise Missing(f"MLflow has no model.onnx of version {champion.version}.")
        return super().download(champion)


@pytest.fixture
def registry(dataset: Dataset) -> Registry:
    made = Registry()
    for number in (3, 2, 1):
        made.put(number, tiny_model(contract(dataset), float(number)))
    return made


def about(url: str) -> dict[str, Any]:
    found: dict[str, Any] = requests.get(f"{url}/model", timeout=5).json()
    return found


def notice(url: str) -> str:
    return str(about(url)["notice"])


def confirmed(url: str) -> bool:
    return about(url)["confirmed"] is True


def lose_alias(registry: Registry) -> None:
    registry.live = None


def lose_version(registry: Registry) -> None:
    registry.live = None
    del registry.models[1]


def lose_model(registry: Registry) -> None:
    registry.forgotten = True


def lose_everything(registry: Registry) -> None:
    registry.away = True


LOST = {
    "the alias is gone": (lose_alias, "names no champion"),
    "the live version is deleted": (lose_version, "names no champion"),
    "the model is deleted": (lose_model, "knows no model"),
    "MLflow is away": (lose_everything, "did not answer"),
}


@pytest.mark.parametrize("kind", LOST)
def test_a_registry_that_loses_what_is_live_costs_no_answer_and_is_told(
    registry: Registry, store: Store, database_url: str, tmp_path: Path, kind: str
) -> None:
    lose, says = LOST[kind]
    decide(store, 1, registry.digests[1])
    with api(registry, tmp_path, database_url) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        lose(registry)
        wait_for("nothing is said", lambda: says in notice(url))
        assert "version 1" in notice(url)
        assert predict(url).json()["model_version"] == 1
        ready = requests.get(f"{url}/health/ready", timeout=5)
        assert (ready.status_code, ready.json()["notice"]) == (200, notice(url))
        agrees = 'driftdesk_serving_alias_agrees{dataset="real_estate"} 0.0'
        assert agrees in _metrics(url)
    # Its own restart changes nothing about that.
    with api(registry, tmp_path, database_url) as url:
        assert predict(url).json()["model_version"] == 1
        wait_for("nothing is said", lambda: says in notice(url))
        assert predict(url).json()["model_version"] == 1


def _metrics(url: str) -> str:
    return requests.get(f"{url}/metrics", timeout=5).text


def test_what_somebody_put_behind_the_alias_by_hand_is_not_served(
    registry: Registry, store: Store, database_url: str, tmp_path: Path
) -> None:
    decide(store, 1, registry.digests[1])
    with api(registry, tmp_path, database_url) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        registry.live = 2
        wait_for("nothing is said", lambda: "names version 2" in notice(url))
        assert (version(url), confirmed(url)) == (1, True)
        registry.live = 1
        wait_for("it is still said", lambda: notice(url) == "")


def test_another_file_under_the_live_version_with_an_edited_tag_is_not_served(
    registry: Registry, store: Store, database_url: str, dataset: Dataset, tmp_path: Path
) -> None:
    decide(store, 1, registry.digests[1])
    with api(registry, tmp_path / "one", database_url) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        registry.put(1, tiny_model(contract(dataset), 50.0))
        wait_for("nothing is said", lambda: "tag names another file" in notice(url))
        assert predict(url).json()["prediction"] == pytest.approx(1005.5)
        # A replica that starts now, with an empty disk, does not take it either.
        with api(registry, tmp_path / "other", database_url) as fresh:
            wait_for("it is not refused", lambda: about(fresh)["refused"] is not None)
            assert "digest" in about(fresh)["refused"]["reason"]
            assert version(fresh) is None


def test_a_replica_with_an_empty_disk_serves_what_the_record_says_whatever_the_alias_names(
    registry: Registry, store: Store, database_url: str, tmp_path: Path
) -> None:
    decide(store, 2, registry.digests[2])
    registry.live = 3
    with api(registry, tmp_path, database_url) as url:
        wait_for("nothing is said", lambda: "names version 3" in notice(url))
        assert version(url) == 2


def test_a_promotion_on_its_way_is_taken_and_taken_back_with_the_alias(
    registry: Registry, store: Store, database_url: str, tmp_path: Path
) -> None:
    decide(store, 1, registry.digests[1])
    with api(registry, tmp_path, database_url) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        decide(store, 2, registry.digests[2], APPROVED)
        registry.live = 2
        wait_for("version 2 is not taken", lambda: version(url) == 2)
        assert (notice(url), confirmed(url)) == ("", True)
        registry.live = 1
        wait_for("version 1 is not back", lambda: version(url) == 1)
        decide(store, 2, registry.digests[2], FAILED)
        # A promote job that wakes up too late moves the alias once more.
        registry.live = 2
        wait_for("nothing is said", lambda: "names version 2" in notice(url))
        assert version(url) == 1


def test_a_promotion_that_failed_is_taken_back_though_the_alias_was_left_behind(
    registry: Registry, store: Store, database_url: str, tmp_path: Path
) -> None:
    decide(store, 1, registry.digests[1])
    with api(registry, tmp_path, database_url) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        decide(store, 2, registry.digests[2], APPROVED)
        registry.live = 2
        wait_for("version 2 is not taken", lambda: version(url) == 2)
        decide(store, 2, registry.digests[2], FAILED)
        wait_for("version 1 is not back", lambda: version(url) == 1)
        wait_for("nothing is said", lambda: "names version 2" in notice(url))


def test_what_is_only_on_its_way_is_not_what_a_restart_begins_with(
    registry: Registry, store: Store, database_url: str, tmp_path: Path
) -> None:
    decide(store, 1, registry.digests[1])
    with api(registry, tmp_path, database_url) as url:
        wait_for("version 1 is not confirmed", lambda: confirmed(url))
        decide(store, 2, registry.digests[2], APPROVED)
        registry.live = 2
        wait_for("version 2 is not taken", lambda: version(url) == 2)
    registry.away = True
    with api(registry, tmp_path) as url:
        assert version(url) == 1
    registry.away = False
    with api(registry, tmp_path, database_url) as url:
        wait_for("version 2 is not taken", lambda: version(url) == 2)
        decide(store, 2, registry.digests[2], LIVE)
        kept = tmp_path / "serving" / f"{registry.digests[2]}.onnx"
        wait_for("version 2 is not kept", kept.exists)
    registry.away = True
    with api(registry, tmp_path) as url:
        assert version(url) == 2


def test_a_first_promotion_that_fails_leaves_nothing_live(
    registry: Registry, store: Store, database_url: str, tmp_path: Path
) -> None:
    decide(store, 1, registry.digests[1], APPROVED)
    with api(registry, tmp_path, database_url) as url:
        wait_for("version 1 is not taken", lambda: version(url) == 1)
        registry.live = None
        decide(store, 1, registry.digests[1], FAILED)
        wait_for("version 1 still answers", lambda: version(url) is None)
        assert predict(url).status_code == 503


def test_while_the_database_is_away_nothing_new_is_taken_and_nothing_stops(
    registry: Registry, store: Store, database_url: str, tmp_path: Path
) -> None:
    decide(store, 1, registry.digests[1])
    with api(registry, tmp_path, database_url) as url:
        wait_for("version 1 is not confirmed", lambda: confirmed(url))
    registry.live = 2
    with api(registry, tmp_path) as url:  # the database is not there
        wait_for("nothing is said", lambda: "is not confirmed" in notice(url))
        assert (version(url), confirmed(url)) == (1, True)
        assert predict(url).status_code == 200
    decide(store, 2, registry.digests[2])
    with api(registry, tmp_path, database_url) as url:
        wait_for("version 2 is not live", lambda: version(url) == 2)


def test_serving_without_a_desk_follows_the_alias_and_says_that_nobody_confirms_it(
    registry: Registry, tmp_path: Path
) -> None:
    with api(registry, tmp_path) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        registry.live = 2
        wait_for("version 2 is not live", lambda: version(url) == 2)
        assert not confirmed(url)
        wait_for("nothing is said", lambda: "no desk's record" in notice(url))
        registry.live = None
        wait_for("it is not said", lambda: "names no champion" in notice(url))
        assert predict(url).json()["model_version"] == 2


def test_a_start_with_nothing_waits_for_a_database_that_is_away_and_then_follows_the_alias(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with api(registry, tmp_path, "mysql+pymysql://root@127.0.0.1:9/desk") as url:
        wait_for("nothing is said", lambda: "cannot be read yet" in notice(url))
        assert version(url) is None
        monkeypatch.setattr(live_model, "_GRACE", 0.0)
        wait_for("version 1 is not live", lambda: version(url) == 1)
        assert not confirmed(url)
        wait_for("nothing is said", lambda: "so version 1 is not confirmed" in notice(url))


def test_what_nobody_confirmed_gives_way_to_what_the_record_says(
    registry: Registry, store: Store, database_url: str, tmp_path: Path
) -> None:
    registry.live = 3
    with api(registry, tmp_path) as url:
        wait_for("version 3 is not live", lambda: version(url) == 3)
    decide(store, 1, registry.digests[1])
    with api(registry, tmp_path, database_url) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
    with api(registry, tmp_path / "lost") as url:
        wait_for("version 3 is not live", lambda: version(url) == 3)
    del registry.models[1]
    with api(registry, tmp_path / "lost", database_url) as url:
        wait_for("version 3 still answers", lambda: version(url) is None)
        assert about(url)["refused"]["version"] == 1


@pytest.mark.parametrize("digest", ["", None])
def test_a_record_from_before_there_were_digests_names_the_version_alone(
    registry: Registry, store: Store, database_url: str, tmp_path: Path, digest: str | None
) -> None:
    decide(store, 1, registry.digests[1])
    with store.begin() as work:
        work.promotions._connection.execute(
            sa.update(promotions).values(dossier={} if digest is None else {"digest": digest})
        )
        work.commit()
    with api(registry, tmp_path, database_url) as url:
        wait_for("version 1 is not live", lambda: version(url) == 1)
        registry.live = 2
        wait_for("nothing is said", lambda: "names version 2" in notice(url))
        assert version(url) == 1


def test_a_version_registered_elsewhere_is_served_once_it_was_forced(
    registry: Registry, store: Store, database_url: str, tmp_path: Path
) -> None:
    from core.usecases import decisions, forced_promotions

    registry.live = 3
    with api(registry, tmp_path, database_url) as url:
        wait_for("nothing is said", lambda: "no decision" in notice(url))
        assert version(url) is None
        with store.begin() as work:
            decisions.adopt(work, 3, actor="ana", digest=registry.digests[3])
            forced_promotions.force(work, 3, actor="ana", champion=None, reason="it is known to us")
            work.commit()
        wait_for("version 3 is not taken", lambda: version(url) == 3)
        assert digest_of(registry.models[3]) == about(url)["digest"]
