"""Fakes that keep the same promises as the real adapters; `tests/contract` holds them to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import Missing, ModelRefused, RegistryUnavailable
from core.registry import RegisteredVersion, digest_of


class FakeRegistry:
    """A registry in memory."""

    def __init__(self) -> None:
        self._models: dict[int, bytes] = {}
        self._digests: dict[int, str] = {}
        self._jobs: dict[int, str] = {}
        self._champion: int | None = None
        self._stages: dict[int, str] = {}
        self.away = False

    def _check(self) -> None:
        if self.away:
            raise RegistryUnavailable("MLflow at nowhere did not answer.")

    def publish(
        self,
        model: bytes,
        *,
        job: str,
        parameters: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        signature: Any,
        requirements: Sequence[str],
    ) -> int:
        self._check()
        for version, digest in self._digests.items():
            if digest == digest_of(model) and self._jobs[version] == job:
                return version
        version = len(self._models) + 1
        self._models[version] = model
        self._digests[version] = digest_of(model)
        self._jobs[version] = job
        return version

    def versions(self) -> list[RegisteredVersion]:
        self._check()
        return [
            RegisteredVersion(
                v, self._stages.get(v, "None"), "run", self._digests[v], v == self._champion
            )
            for v in sorted(self._models, reverse=True)
        ]

    def champion(self) -> int | None:
        self._check()
        return self._champion

    def set_champion(self, version: int | None) -> None:
        self._check()
        if version is not None and version not in self._models:
            raise Missing(f"no version {version}")
        for v, stage in self._stages.items():
            if stage == "Production":
                self._stages[v] = "Archived"
        if version is not None:
            self._stages[version] = "Production"
        self._champion = version

    def fetch(self, version: int) -> bytes:
        self._check()
        if version not in self._models:
            raise Missing(f"no version {version}")
        if digest_of(self._models[version]) != self._digests[version]:
            raise ModelRefused("changed")
        return self._models[version]

    def tamper(self, version: int) -> None:
        self._models[version] += b"x"
