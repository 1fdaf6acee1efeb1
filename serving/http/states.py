"""What serving says about itself: its datasets, their live models, and whether it is ready."""

from __future__ import annotations

import json
from typing import Any

from core.domain.registry_names import CHAMPION
from core.rules.access.api_keys import Key
from serving.model.fleet import Fleet, Served
from serving.prediction_log.spool import Spool
from serving.prediction_log.writer import Writer


def described(served: Served, spool: Spool, writer: Writer) -> dict[str, Any]:
    """The live model of a dataset, and everything that is not as it should be."""
    live = served.live
    model = live.current
    description: dict[str, Any] = {
        "version": model.version if model else None,
        "alias": CHAMPION,
        "digest": model.digest if model else None,
        "loaded_at": model.loaded_at.isoformat() if model else None,
        "confirmed": live.confirmed,
        "notice": live.notice,
        "refused": live.refused,
        "trouble": live.trouble,
        "database": writer.away,
        "spool": {"bytes": spool.size, "trouble": spool.trouble},
        "records_dropped": spool.dropped,
    }
    if served.fleet.has_several:
        description["dataset"] = served.name
    if served.problem:
        description["problem"] = served.problem
    if model:
        description["trained"] = {"registered_at": model.registered_at} | model.runtime.about
        description["contract"] = json.loads(model.runtime.contract.to_json())
    return description


def listed(fleet: Fleet, key: Key) -> dict[str, Any]:
    """The datasets that this key may see, each with its state."""
    main = fleet.main
    datasets = [
        {
            "name": served.name,
            "title": served.dataset.title,
            "default": served is main,
            "path": f"/datasets/{served.name}",
        }
        | _state(served)
        for served in fleet.served.values()
        if key.reaches(served.name)
    ]
    return {"datasets": datasets} | _problems(fleet, key)


def readiness(fleet: Fleet, key: Key | None) -> tuple[int, dict[str, Any]]:
    """The status of the whole process, and what it says; `key` is None for whom it tells nothing.

    With one dataset it is ready with a live model. With several it is ready if some dataset
    answers, and of each of the others it is known why it does not.

    Raises:
        Problem: the only dataset has no live model.
    """
    main = fleet.main
    if main and not fleet.has_several:
        version = main.live.require().version
        document = {"status": "ok", "model_version": version, "notice": main.live.notice}
        return 200, document | ({"problem": main.problem} if main.problem else {})
    every = list(fleet.served.values())
    is_ready = any(s.live.current for s in every) and all(s.is_told for s in every)
    shown: dict[str, Any] = {"status": "ok" if is_ready else "not ready"}
    if key is not None:
        shown["datasets"] = {s.name: _state(s) for s in every if key.reaches(s.name)}
        shown |= _problems(fleet, key)
    return 200 if is_ready else 503, shown


def _state(served: Served) -> dict[str, Any]:
    live = served.live
    refused = live.refused
    return {
        "model_version": live.current.version if live.current else None,
        "notice": live.notice,
        "refused": f"version {refused['version']}: {refused['reason']}" if refused else "",
        "trouble": live.trouble,
        "problem": served.problem,
    }


def _problems(fleet: Fleet, key: Key) -> dict[str, Any]:
    """Why other files are not served, for whom may see every dataset."""
    if key.datasets or not fleet.problems:
        return {}
    return {"problems": dict(fleet.problems)}
