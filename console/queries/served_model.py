"""The model that serving answers with, and what it takes as input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from console.desk import Desk
from core.domain.errors import Missing
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


class Recorded(NamedTuple):
    """A version's input contract from the record, without interval and classes.

    `has_typical_row`: its defaults are the typical row, as in the model file. The dossiers of older
    versions do not have it; the defaults are medians and the most common texts then.
    """

    contract: Contract
    has_typical_row: bool


def recorded_contract(desk: Desk, version: int) -> Recorded | None:
    """The input contract of a version, from the profile of its training rows; None without one.

    It says what is usual for the version, also when it is no longer served.
    """
    with desk.store.read() as work:
        profile = work.batches.profile("model", version)
        typical: Mapping[str, float | str | None] = {}
        with suppress(Missing):  # a version that was never proposed here
            dossier = work.promotions.of_version(version).dossier
            typical = dossier.typical if dossier else {}
    if not profile:
        return None
    return Recorded(describe(desk.dataset, profile, row=typical), bool(typical))


def on_record(desk: Desk) -> dict[str, Any] | None:
    """The live version as serving would describe it, from the record; None without one.

    Its contract is that of `recorded_contract`; `no_typical_row` is set if that lacks it.
    """
    with desk.store.read() as work:
        version = work.promotions.live_version()
    found = recorded_contract(desk, version) if version is not None else None
    if found is None:
        return None
    about = {"version": version, "contract": json.loads(found.contract.to_json())}
    return about if found.has_typical_row else about | {"no_typical_row": True}
