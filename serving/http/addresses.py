"""What each path of the API means: its route, its methods, its dataset, and who may ask.

The table has every path of every served dataset, so that a request costs one lookup. Paths without
a dataset are about the only or the default one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from serving.http.answers import AnswerLog
from serving.http.openapi import OF_A_DATASET
from serving.http.predict import Predict
from serving.model.fleet import Fleet, Served

PREDICT: Final = "/predict"
READ, WRITE = ("GET", "HEAD"), ("POST",)

_OF_THE_PROCESS = {
    "/metrics": READ, "/health/live": READ, "/health/ready": READ, "/ping": READ, "/version": READ,
    "/v2": READ, "/v2/health/live": READ, "/v2/health/ready": READ,
}  # fmt: skip
_KEYED = [path for path, methods in OF_A_DATASET.items() if "post" in methods]
"""Routes that require an API key, if any are configured."""

_SIGNED = "/model/look"
_READS = ("/model", "/schema", "/docs", "/openapi.json")
_INFERS = {"": READ, "/ready": READ, "/infer": WRITE}
"""The calls of the Open Inference Protocol about one model."""

_OF_A_MODEL = re.compile(r"(/v2/models/([^/]+))(?:/versions/([^/]+))?(|/ready|/infer)")
_OF_A_DATASET = re.compile(r"(/datasets/([^/]+))(?:/.*)?")


@dataclass(frozen=True, slots=True, eq=False)
class Answering:
    """What answers for one dataset."""

    served: Served
    predict: Predict
    log: AnswerLog


@dataclass(frozen=True, slots=True)
class Address:
    """One path: `route` is its fixed part, for the metrics.

    `methods` are those that it supports, empty if only FastAPI knows. `is_keyed`: it requires an
    API key; `shows`: it tells about datasets, so it requires one if keys are for named datasets.
    `wants`: it is about one dataset, `dataset` or the main one; `of` answers for that, None if it
    is not served. `root` is the part of the path that FastAPI does not see.
    """

    route: str
    methods: tuple[str, ...] = ()
    is_keyed: bool = False
    shows: bool = False
    wants: bool = False
    dataset: str = ""
    of: Answering | None = None
    root: str = ""
    is_traced: bool = False


@dataclass(eq=False)
class Addresses:
    """The table of paths; `rebuild` replaces it when datasets come or go."""

    fleet: Fleet
    answering: Callable[[Served], Answering]
    _answering: dict[str, Answering] = field(default_factory=dict)
    _table: dict[str, Address] = field(default_factory=dict)

    def find(self, path: str) -> Address:
        """What this path means."""
        return self._table.get(path) or self._other(path)

    def rebuild(self) -> None:
        """Follow the fleet."""
        known = {id(of.served): of for of in self._answering.values()}
        answering = {
            name: known.get(id(served)) or self.answering(served)
            for name, served in self.fleet.served.items()
        }
        main = self.fleet.main
        table = {path: Address(path, methods) for path, methods in _OF_THE_PROCESS.items()}
        table["/datasets"] = Address("/datasets", READ, shows=True)
        table |= _paths(main.name if main else "", answering[main.name] if main else None, "")
        for name, of in answering.items():
            table |= _paths(name, of, f"/datasets/{name}")
            table |= _model_paths(name, of)
        self._answering, self._table = answering, table

    def _other(self, path: str) -> Address:
        """A path that the table does not have: another dataset, a version, or a page's file."""
        if found := _OF_A_MODEL.fullmatch(path):
            model, name, _version, call = found.groups()
            known = self._table.get(model + call)
            return known or _of_model(name, self._answering.get(name), call)
        if found := _OF_A_DATASET.fullmatch(path):
            root, name = found.groups()
            of = self._answering.get(name)
            # A dataset that is not served has the same paths: nobody can tell it from one's answer.
            known = _paths(name, of, root).get(path)
            return known or Address("other", wants=True, shows=True, dataset=name, of=of, root=root)
        return Address("other")


def _paths(name: str, of: Answering | None, root: str) -> dict[str, Address]:
    """The paths of one dataset below `root`."""
    about = Address("", wants=True, shows=True, dataset=name, of=of, root=root)
    table = {
        route: replace(about, route=route, methods=WRITE, is_keyed=True, is_traced=True)
        for route in _KEYED
    }
    table |= {route: replace(about, route=route, methods=READ) for route in _READS}
    # It is signed, so it needs no key; without a dataset it is about all.
    look = replace(about, route=_SIGNED, methods=WRITE, is_traced=True)
    table[_SIGNED] = look if root else replace(look, wants=False, shows=False, of=None)
    return {root + route: address for route, address in table.items()}


def _model_paths(name: str, of: Answering) -> dict[str, Address]:
    return {f"/v2/models/{name}{call}": _of_model(name, of, call) for call in _INFERS}


def _of_model(name: str, of: Answering | None, call: str) -> Address:
    methods = _INFERS[call]
    return Address(
        f"/v2/models/{{name}}{call}", methods, is_keyed=methods is WRITE, shows=True, wants=True,
        dataset=name, of=of, is_traced=methods is WRITE,
    )  # fmt: skip
