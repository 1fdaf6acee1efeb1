"""The model that serving answers with, and what it takes as input."""

from __future__ import annotations

import json
from typing import Any

from console.desk import Desk
from core.rules.model.contract import Contract, describe


def served(desk: Desk) -> dict[str, Any]:
    """The model description from serving; empty if no model is loaded.

    Raises:
        ServingUnavailable: serving is unreachable.
    """
    return desk.serving.model()


def contract_of(served: dict[str, Any]) -> Contract:
    """The input contract in serving's model description."""
    return Contract.from_json(json.dumps(served["contract"]))


def recorded_contract(desk: Desk, version: int) -> Contract | None:
    """The input contract of a version, from the profile of its training rows; None without one.

    It says what is usual for the version, also when it is no longer served. It has no interval and
    no classes.
    """
    with desk.store.read() as work:
        profile = work.batches.profile("model", version)
    return describe(desk.dataset, profile) if profile else None


def on_record(desk: Desk) -> dict[str, Any] | None:
    """The live version as serving would describe it, from the record; None without one.

    Its contract is that of `recorded_contract`.
    """
    with desk.store.read() as work:
        version = work.promotions.live_version()
    contract = recorded_contract(desk, version) if version is not None else None
    return {"version": version, "contract": json.loads(contract.to_json())} if contract else None
