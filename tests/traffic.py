"""Live traffic for tests: a version with known training rows, and requests to it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from core.adapters.store import Store
from core.adapters.store.tables import feedback, predictions
from core.domain.dataset import Dataset
from core.domain.profiles import ColumnProfile
from core.rules.data.profile import Profiler
from tests import build

SEED = 12
STATES = ["Ohio", "Texas", "Maine"]


def house(dice: random.Random, **changes: Any) -> dict[str, Any]:
    """A row of the real-estate dataset, as a client sends it."""
    size = round(dice.gauss(1800, 400), 1)
    return {
        "status": "for_sale",
        "bed": dice.randint(1, 5),
        "bath": dice.randint(1, 3),
        "acre_lot": round(dice.uniform(0.1, 0.9), 3),
        "city": f"Town {dice.randint(1, 20)}",
        "state": dice.choice(STATES),
        "zip_code": f"{dice.randint(1, 99999):05}",
        "house_size": max(size, 300.0),
    } | changes


def training_profiles(
    dataset: Dataset, rows: Sequence[dict[str, Any]]
) -> tuple[ColumnProfile, ...]:
    """The profile that training keeps: of the features and the target."""
    profiler = Profiler(dataset)
    taken = (*dataset.features, dataset.target)
    for column in taken:
        values = [row.get(column.name) for row in rows]
        if column.is_text:
            profiler.add(column.name, values)
        else:
            numbers = [float(v) if isinstance(v, int | float) else np.nan for v in values]
            profiler.add(column.name, np.array(numbers, dtype=np.float64))
    return tuple(p for p in profiler.finish() if p.count + p.nulls)


def trained(store: Store, version: int = 1, rows: int = 2_000) -> tuple[ColumnProfile, ...]:
    """A live version that was trained on ordinary houses."""
    dice = random.Random(SEED)
    houses = [house(dice) | {"price": 250_000.0 + n} for n in range(rows)]
    profiles = training_profiles(store.dataset, houses)
    with store.begin() as work:
        work.batches.add_profile("model", version, profiles)
        work.commit()
    build.live(store, version)
    return profiles


def record(
    store: Store,
    inputs: Sequence[Any],
    start: datetime = build.NOON,
    *,
    every: timedelta = timedelta(milliseconds=200),
    version: int = 1,
    prediction: float = 250_000.0,
    seed: int = SEED,
) -> list[str]:
    """Answers on record, as serving writes them, three at each moment; their ids in order."""
    dice = random.Random(f"{seed} {start}")
    rows = [
        {
            "id": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
            "at": start + every * (n // 3 * 3),
            "model_version": version,
            "inputs": asked,
            "prediction": prediction,
        }
        for n, asked in enumerate(inputs)
    ]
    with store.engine.begin() as connection:
        connection.execute(sa.insert(predictions), rows)
    return [r["id"] for r in sorted(rows, key=lambda r: (r["at"], r["id"]))]


def write_raw(store: Store, prediction_id: str, text: str) -> None:
    """Put something that is no request in the place of a recorded one."""
    with store.engine.begin() as connection:
        connection.execute(
            sa.text("UPDATE predictions SET inputs = :text WHERE id = :id"),
            {"text": text, "id": prediction_id},
        )


def say(
    store: Store,
    prediction_id: str,
    actual: float | None,
    at: datetime = build.NOON,
    id_: str = "",
    *,
    label: str | None = None,
) -> None:
    """Tell what an answer should have been, as serving writes it."""
    with store.engine.begin() as connection:
        connection.execute(
            sa.insert(feedback),
            {
                "id": id_ or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{prediction_id} {actual} {at}")),
                "prediction_id": prediction_id, "actual": actual, "at": at, "source": "",
                "label": label,
            },
        )  # fmt: skip
