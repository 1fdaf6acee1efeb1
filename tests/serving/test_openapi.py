"""The document tells the truth: what it allows is answered, and every answer is one it names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS

from core.domain.dataset import Dataset
from core.domain.task import Task
from tests.build import contract
from tests.models import tiny_model
from tests.serving.test_api import Champions, api, version
from tests.stacks import THOROUGH, wait_for

EXAMPLES = 300 if THOROUGH else 60
"""For each operation with a body."""

IN_PATHS = {"name": ["real_estate", "other"], "version": ["1", "2"]}
"""Names and versions that are there, and that are not."""

CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


@pytest.fixture(scope="module", params=["a number", "a class"])
def url(
    dataset: Dataset, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[str]:
    champions = Champions()
    answering = contract(dataset)
    if request.param == "a class":
        answering = replace(answering, task=Task.MULTICLASS, classes=("1", "true", "x"))
    champions.put(1, tiny_model(answering))
    folder: Path = tmp_path_factory.mktemp("openapi")
    with api(champions, folder, serving_push_secret="s") as served:
        wait_for("version 1 is not live", lambda: version(served) == 1)
        yield served


@pytest.mark.filterwarnings("default")
@pytest.mark.whole
def test_every_operation_does_what_the_document_says(url: str) -> None:
    described = requests.get(f"{url}/openapi.json", timeout=5).json()
    for path in described["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    parameter["schema"]["enum"] = IN_PATHS[parameter["name"]]
    document = schemathesis.openapi.from_dict(described)
    document.config.update(base_url=url)
    checks = [check for check in CHECKS.get_all() if check.__name__ in CHECKED]
    assert len(checks) == len(CHECKED)
    operations = [found.ok() for found in document.get_all_operations()]
    sent = 0
    for operation in operations:

        @settings(
            max_examples=EXAMPLES if operation.body else len(IN_PATHS) ** 2,
            derandomize=True,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def send(case: schemathesis.Case) -> None:
            nonlocal sent
            sent += 1
            case.call_and_validate(checks=checks)

        send()
    print(f"{sent} requests to {len(operations)} operations")
    assert len(operations) == 20
    assert sent > 7 * EXAMPLES * 0.9
