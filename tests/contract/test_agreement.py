"""What was decided, what MLflow names and what serving answers with: one thing, or it is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from console import actions, review
from console.desk import Desk
from core.dataset import Dataset
from core.errors import ReasonRequired
from core.registry import CHAMPION, DIGEST_TAG, Registry, digest_of
from core.settings import Settings
from core.store import Store
from core.store.schema import migrate
from tests.build import contract, live, proposed, somebody
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
    migrate(url, dataset)
    store = Store.open(url, dataset)
    live(store, 1, digest=digest_of(registry.fetch(1)))
    proposed(store, 2, champion=1, digest=digest_of(registry.fetch(2)))
    registry.set_champion(1)
    serving = FakeServing()
    serving.about = {"version": 1}
    settings = Settings(_env_file=None, data_dir=tmp_path, database_url=url)
    return Desk(settings, dataset, store, FakeQueue(), registry, serving)  # type: ignore[arg-type]


def test_what_agrees_is_said_to_agree(desk: Desk) -> None:
    found = review.agreement(desk)
    assert (found.live, found.alias, found.differs) == (1, 1, ())


def test_an_alias_that_somebody_moved_in_mlflow_is_noticed_and_put_back(
    desk: Desk, mlflow_uri: str
) -> None:
    behind_our_back = MlflowClient(tracking_uri=mlflow_uri, registry_uri=mlflow_uri)
    behind_our_back.set_registered_model_alias(NAME, CHAMPION, "2")
    found = review.agreement(desk)
    assert found.alias_moved
    assert "names version 2 as champion, but version 1 was decided here" in found.differs[0]
    with pytest.raises(ReasonRequired):
        actions.put_back(desk, somebody(), reason="")
    actions.put_back(desk, somebody(), reason="nobody decided that")
    assert review.agreement(desk).differs == ()
    with desk.store.read() as work:
        (event,) = work.audit.latest(1)
    assert (event.action, event.details["found"]) == ("put back", 2)


def test_a_stage_and_a_digest_that_somebody_changed_are_noticed(
    desk: Desk, mlflow_uri: str
) -> None:
    behind_our_back = MlflowClient(tracking_uri=mlflow_uri, registry_uri=mlflow_uri)
    kept = behind_our_back.get_model_version(NAME, "2").tags[DIGEST_TAG]
    behind_our_back.set_model_version_tag(NAME, "2", DIGEST_TAG, "0" * 64)
    said = " ".join(review.agreement(desk).differs)
    behind_our_back.set_model_version_tag(NAME, "2", DIGEST_TAG, kept)
    assert "Version 2 carries another digest in MLflow" in said
    assert review.agreement(desk).differs == ()


def test_serving_that_lags_behind_is_named(desk: Desk) -> None:
    desk.serving.about = {"version": 2}  # type: ignore[attr-defined]
    (said,) = review.agreement(desk).differs
    assert "answers with version 2" in said
