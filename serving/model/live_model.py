"""The live model of one dataset, in line with the registry and the record."""

from __future__ import annotations

import time
from dataclasses import dataclass

import structlog

from core.domain.errors import DriftdeskError, Missing
from core.platform import tracing
from serving.memory import release_memory
from serving.model.decided_versions import DeskRecord
from serving.model.loaded import LoadedModel, ModelCache, load
from serving.model.mlflow_rest import Champion, ChampionSource
from serving.model.version_choice import Alias, Choice, choose
from serving.problems import Problem

log = structlog.get_logger()

_MAX_REASON = 500
_RETRY_REFUSED = 30.0
"""Seconds after which a refused version is tried again."""

_GRACE = 10.0
"""Seconds after a start without a model in which an unreachable record is waited for."""


@dataclass(eq=False)
class LiveModel:
    """Which model answers.

    A request reads `current` once, and a swap is a single assignment, so one version answers the
    whole request. `confirmed`: the record names the file that answers. `notice`: how registry and
    record disagree, or which of them is unreachable. `refused`: the version that could not be
    loaded, with the reason. `trouble`: why the registry is unreachable. `settled`: registry and
    record were asked once. `swaps` and `refusals` are counters for the metrics.
    """

    source: ChampionSource
    record: DeskRecord
    cache: ModelCache
    dataset: str
    current: LoadedModel | None = None
    confirmed: bool = False
    notice: str = ""
    refused: dict[str, object] | None = None
    trouble: str = ""
    swaps: int = 0
    refusals: int = 0
    settled: bool = False
    _refused: tuple[Champion, float] | None = None
    _file: bytes | None = None

    def require(self) -> LoadedModel:
        """The model that answers now.

        Raises:
            Problem: no model is live.
        """
        if self.current is None:
            detail = "No model is live yet. Train one and approve it, then ask again."
            raise Problem(503, detail, retry_after=5)
        return self.current

    def warm_start(self) -> None:
        """Serve the cached model until registry and record have been queried."""
        if cached := self.cache.get():
            self.current, self.confirmed = cached
            log.info("serving the cached model", version=cached[0].version, confirmed=cached[1])

    def refresh(self) -> None:
        """Follow the registry and the record; this blocks.

        A registry or record that is unreachable, slow or wrong never stops the live model. The only
        load on the database is one small SELECT.
        """
        alias, live = self._alias(), self.current
        record = self.record.about(self.dataset, live.version if live else None)
        if not live and 0 < self.record.away_seconds < _GRACE:
            # Serve nothing unconfirmed while the record may still become reachable.
            self._set_notice(f"{record.trouble} yet.")
            return
        choice = choose(alias, record, live.champion if live else None, confirmed=self.confirmed)
        if choice.withdraws:
            self._withdraw(choice.notice)
        elif choice.champion is None:
            self.refused = self._refused = None
        elif self._serve(choice.champion, choice):
            was_confirmed, self.confirmed = self.confirmed, choice.confirmed
            if choice.settled and (self._file is not None or was_confirmed != self.confirmed):
                self._store()
        self._set_notice(choice.notice)
        self.settled = True

    def _alias(self) -> Alias:
        try:
            alias = Alias(self.source.champion())
        except Missing as error:
            # Expected before the first training.
            self._set_trouble(str(error) if self.current else "")
            return Alias(None, str(error))
        except DriftdeskError as error:
            self._set_trouble(str(error))
            return Alias(None, str(error), is_known=False)
        self._set_trouble("")
        return alias

    def _serve(self, champion: Champion, choice: Choice) -> bool:
        """Make the chosen version live, unless it is; False if it cannot be served now."""
        if self.current is None or self.current.champion != champion:
            refused, at = self._refused or (None, 0.0)
            if refused == champion and time.monotonic() - at < _RETRY_REFUSED:
                return False
            of = self.dataset
            with tracing.span("swap", parent=champion.trace, version=champion.version, dataset=of):
                if not self._swap(champion, choice):
                    return False
        self.refused = self._refused = None
        return True

    def _swap(self, champion: Champion, choice: Choice) -> bool:
        before = self.current
        try:
            model = self.source.download(champion)
            live = load(model, champion, self.dataset)
        except DriftdeskError as error:
            self._refuse(champion, error)
            names_other = before and before.digest != champion.digest
            if names_other and choice.confirmed and not (self.confirmed or error.retryable):
                # A never confirmed model must not answer when the record names another one.
                refused = self.refused
                self._withdraw(f"Version {champion.version} is decided and cannot be loaded.")
                self.refused = refused
            return False
        self.current, self._file = live, model
        release_memory()
        self.swaps += 1
        log.info(
            "model is live", version=champion.version, before=before.version if before else None
        )
        return True

    def _withdraw(self, reason: str) -> None:
        """Serve nothing."""
        if self.current:
            log.warning("no model is served any more", version=self.current.version, reason=reason)
            self.cache.clear()
        self.current = self.refused = self._refused = self._file = None
        self.confirmed = False

    def _store(self) -> None:
        """Cache the live model for the next start."""
        model, self._file = self._file, None
        if self.current:
            try:
                self.cache.put(model, self.current.champion, confirmed=self.confirmed)
            except OSError as error:
                log.warning("the model cannot be cached on disk", reason=str(error))

    def _refuse(self, champion: Champion, error: DriftdeskError) -> None:
        reason = _readable(str(error))
        tracing.fail(reason)
        if error.retryable:
            self._set_trouble(reason)
            return
        refused: dict[str, object] = {"version": champion.version, "reason": reason}
        if self.refused != refused:
            log.error("model refused", **refused)
            self.refusals += 1
        self.refused = refused
        self._refused = (champion, time.monotonic())

    def retry_failed(self) -> None:
        """Let the next refresh retry a refused version and an unreachable record."""
        self._refused = None
        self.record.retry()

    def _set_trouble(self, trouble: str) -> None:
        if trouble and trouble != self.trouble:
            log.warning("registry unreachable", reason=trouble)
        self.trouble = trouble

    def _set_notice(self, notice: str) -> None:
        if notice != self.notice:
            if notice:
                log.warning("registry and record differ", notice=notice)
            else:
                log.info("registry and record agree")
        self.notice = notice


def _readable(reason: str) -> str:
    """The reason as valid UTF-8 of bounded length: a model file may have put anything into it."""
    text = reason.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= _MAX_REASON else text[:_MAX_REASON] + "…"
