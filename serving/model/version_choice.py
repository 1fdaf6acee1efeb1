"""Which version is to be served, by the registry's alias and by the desk's record. Pure.

The alias can be set by anyone with access to MLflow; the record says what was decided. A version is
served if the record says that it is live, or that it is approved while the alias names it. While
the record cannot be read, the version that it confirmed before stays live. See docs/adr/0025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.domain.promotions import PromotionState
from serving.model.mlflow_rest import Champion


@dataclass(frozen=True, slots=True)
class Decided:
    """What the record says about one version.

    `state` is a `PromotionState`. `digest` is the SHA-256 of the file that was decided on, in hex;
    empty if the record has none.
    """

    version: int
    state: str
    digest: str


@dataclass(frozen=True, slots=True)
class Alias:
    """What the registry's alias names; `trouble` says why that is nothing, or unknown.

    `is_known` is False while the registry is unreachable.
    """

    champion: Champion | None
    trouble: str = ""
    is_known: bool = True


@dataclass(frozen=True, slots=True)
class Record:
    """What the record says, or why it cannot be read (`decided` is None then)."""

    decided: Sequence[Decided] | None
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Choice:
    """What to do, and what to say about it; `notice` is empty if alias and record agree.

    `champion` is the version to serve, None to change nothing, or to serve nothing if `withdraws`.
    `confirmed`: the record names it. `settled`: it is live, and not only on its way, so that a
    restart may begin with it.
    """

    notice: str = ""
    champion: Champion | None = None
    confirmed: bool = False
    settled: bool = False
    withdraws: bool = False


def choose(alias: Alias, record: Record, served: Champion | None, *, confirmed: bool) -> Choice:
    """What to serve; `served` answers now, and `confirmed` says whether the record named it."""
    if record.decided is None:
        return _without_record(alias, record, served, confirmed=confirmed)
    by_version = {entry.version: entry for entry in record.decided}
    live = next((e for e in record.decided if e.state == PromotionState.LIVE), None)
    decided = _in_flight(alias, by_version, served) or live
    if decided is None:
        entry = by_version.get(served.version) if served else None
        if served and entry and entry.state in (PromotionState.APPROVED, PromotionState.FAILED):
            return Choice(
                f"The promotion of version {served.version} was taken back, and nothing is live.",
                withdraws=True,
            )
        return Choice(_undecided(alias, served))
    champion = _champion(decided, alias, served)
    if not champion.digest:
        return Choice(
            f"The record says that version {decided.version} is live and not which file that is, "
            f"and {_names(alias)}; {_stays(served)}."
        )
    return Choice(_difference(alias, champion), champion, confirmed=True, settled=decided is live)


def _in_flight(
    alias: Alias, by_version: dict[int, Decided], served: Champion | None
) -> Decided | None:
    """The approved version that the alias names; if the alias is unknown, the one that answers."""
    version = alias.champion.version if alias.champion else None
    if not alias.is_known and served:
        version = served.version
    entry = by_version.get(version) if version is not None else None
    return entry if entry and entry.state == PromotionState.APPROVED else None


def _champion(decided: Decided, alias: Alias, served: Champion | None) -> Champion:
    """The version with the digest of the record, else that of the registry or of what answers."""
    named = alias.champion
    if named and named.version == decided.version:
        digest = decided.digest or named.digest
        return Champion(decided.version, digest, named.registered_at, named.trace)
    own = served.digest if served and served.version == decided.version else ""
    return Champion(decided.version, decided.digest or own)


def _without_record(
    alias: Alias, record: Record, served: Champion | None, *, confirmed: bool
) -> Choice:
    named = alias.champion
    if named is None:
        return Choice(_undecided(alias, served))
    if served is None or not confirmed:
        notice = f"{record.trouble}, so version {named.version} is not confirmed."
        return Choice(notice, named, settled=True)
    if named == served:
        return Choice()
    return Choice(
        f"The registry names version {named.version}. {record.trouble}, so it is not confirmed; "
        f"{_stays(served)}."
    )


def _undecided(alias: Alias, served: Champion | None) -> str:
    named = alias.champion
    if named is None:
        if served:
            return f"{_names(alias)}; {_stays(served)}."
        return "" if alias.is_known else alias.trouble
    if served and named.version == served.version:
        return f"The record has no decision for version {named.version}; it stays live."
    return (
        f"The registry names version {named.version}, and the record has no decision for it; "
        f"{_stays(served)}. Decide on it in the desk."
    )


def _difference(alias: Alias, champion: Champion) -> str:
    named = alias.champion
    if named is None:
        return f"{_names(alias)}; version {champion.version} stays live by the record."
    if named.version != champion.version:
        return (
            f"The registry names version {named.version}, and the record says that version "
            f"{champion.version} is live, so that one is served."
        )
    if named.digest != champion.digest:
        return (
            f"The registry's tag names another file of version {named.version} than the one that "
            "was decided on."
        )
    return ""


def _names(alias: Alias) -> str:
    if alias.champion:
        return f"the registry names version {alias.champion.version}"
    return alias.trouble.rstrip(".") or "The registry names no champion"


def _stays(served: Champion | None) -> str:
    return f"version {served.version} stays live" if served else "nothing is served"
