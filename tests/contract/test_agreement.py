"""What was decided, what MLflow names and what serving answers with: one thing, or it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from console.actions import decisions
from console.desk import Desk
from console.queries import promotion
from core.adapters.mlflow.registry import Registry, digest_of
from core.adapters.store import Store
from core.domain.dataset import Dataset
from core.domain.errors import ReasonRequired
from core.domain.registry_names import CHAMPION, DIGEST_TAG
from core.platform.settings import Settings
from tests.build import contract, live, proposed, somebody
from tests.databases import migrated
from tests.fakes import FakeQueue, FakeServing
from tests.models import tiny_model

pytestmark = pytest.mark.filterwarnings("default")  # MLflow's own deprecations are not ours

NAME = "agreement"


@pytest.fixture(scope="module")
def registry(mlflow_uri: str, dataset: Dataset) -> Registry:
    """Two versions in a real MLflow."""
    made = Registry(mlflow_uri, NAME)
    for n in (1, 2):
        made.publish(
            tiny_model(contract(dataset), float(n)), job=str(n), parameters={}, metrics={},
            tags={}, signature=None, requirements=["numpy"],
        )  # fmt: skip
    return made


@pytest.fixture
def desk(registry: Registry, dataset: Dataset, tmp_path: Path) -> Desk:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    migrated(url, dataset)
    store = Store.open(url, dataset)
    live(store, 1, digest=digest_of(registry.fetch(1)))
    proposed(store, 2, champion=1, digest=digest_of(registry.fetch(2)))
    registry.set_champion(1)
    serving = FakeServing()
    serving.about = {"version": 1}
    settings = Settings(_env_file=None, data_dir=tmp_path, database_url=url)
    return Desk(settings, dataset, store, FakeQueue(), registry, serving)  # type: ignore[arg-type]


def test_agreement_of_alias_record_and_serving_is_reported(desk: Desk) -> None:
    found = promotion.agreement(desk)
    assert (found.live, found.alias, found.differs) == (1, 1, ())


def test_a_serving_that_does_not_answer_is_no_disagreement(desk: Desk) -> None:
    desk.serving.away = True  # type: ignore[attr-defined]
    found = promotion.agreement(desk)
    assert found.differs == ()
    assert found.silent == ("Serving at http://127.0.0.1:1 does not answer.",)


def test_an_alias_that_somebody_moved_in_mlflow_is_noticed_and_put_back(
    desk: Desk, mlflow_uri: str
) -> None:
    behind_our_back = MlflowClient(tracking_uri=mlflow_uri, registry_uri=mlflow_uri)
    behind_our_back.set_registered_model_alias(NAME, CHAMPION, "2")
    found = promotion.agreement(desk)
    assert found.alias_moved
    assert "names version 2 as champion, but version 1 was decided here" in found.differs[0]
    with pytest.raises(ReasonRequired):
        decisions.put_back(desk, somebody(), reason="")
    decisions.put_back(desk, somebody(), reason="nobody decided that")
    assert promotion.agreement(desk).differs == ()
    with desk.store.read() as work:
        (event,) = work.audit.latest(1)
    assert (event.action, event.details["found"]) == ("put back", 2)


def test_a_live_version_that_mlflow_lost_is_said_to_be_restored_and_not_put_back(
    desk: Desk, mlflow_uri: str
) -> None:
    behind_our_back = MlflowClient(tracking_uri=mlflow_uri, registry_uri=mlflow_uri)
    behind_our_back.rename_registered_model(NAME, f"{NAME}-old")
    found = promotion.agreement(desk)
    behind_our_back.rename_registered_model(f"{NAME}-old", NAME)
    (said,) = found.differs
    assert "MLflow has no version 1 of agreement" in said
    assert "Give the registered model its old name back" in said
    assert not found.can_put_back
    assert promotion.agreement(desk).differs == ()


def test_a_stage_and_a_digest_that_somebody_changed_are_noticed(
    desk: Desk, mlflow_uri: str
) -> None:
    behind_our_back = MlflowClient(tracking_uri=mlflow_uri, registry_uri=mlflow_uri)
    kept = behind_our_back.get_model_version(NAME, "2").tags[DIGEST_TAG]
    behind_our_back.set_model_version_tag(NAME, "2", DIGEST_TAG, "0" * 64)
    said = " ".join(promotion.agreement(desk).differs)
    behind_our_back.set_model_version_tag(NAME, "2", DIGEST_TAG, kept)
    assert "The digest of version 2 in MLflow differs from" in said
    assert promotion.agreement(desk).differs == ()


def test_serving_that_lags_behind_is_named(desk: Desk) -> None:
    desk.serving.about = {"version": 2}  # type: ignore[attr-defined]
    (said,) = promotion.agreement(desk).differs
    assert "answers with version 2" in said
