"""The rule of what is served, over everything that registry and record may say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serving.model.mlflow_rest import Champion
from serving.model.version_choice import Alias, Decided, Record, choose
from tests.record import APPROVED, FAILED, LIVE

VERSIONS, DIGESTS = st.integers(1, 4), st.sampled_from(["a", "b"])
CHAMPIONS = st.builds(Champion, VERSIONS, DIGESTS)
ALIASES = st.one_of(
    st.builds(Alias, CHAMPIONS),
    st.just(Alias(None)),
    st.just(Alias(None, "MLflow did not answer.", is_known=False)),
)
SERVED = st.one_of(st.none(), CHAMPIONS)


@st.composite
def decided(draw: st.DrawFn) -> tuple[Decided, ...]:
    """One entry a version, and at most one of them live."""
    states = st.sampled_from([APPROVED, FAILED, "PROPOSED", "RETIRED", "REJECTED"])
    versions = draw(st.lists(VERSIONS, unique=True))
    live = draw(st.sampled_from([0, *versions]))
    return tuple(
        Decided(v, LIVE if v == live else draw(states), draw(st.sampled_from(["", "a", "b"])))
        for v in versions
    )


@given(alias=ALIASES, entries=decided(), served=SERVED, confirmed=st.booleans())
def test_with_a_record_nothing_is_served_that_it_does_not_name(
    alias: Alias, entries: tuple[Decided, ...], served: Champion | None, *, confirmed: bool
) -> None:
    choice = choose(alias, Record(entries), served, confirmed=confirmed)
    by_version = {entry.version: entry for entry in entries}
    live = next((entry.version for entry in entries if entry.state == LIVE), None)
    if choice.champion:
        assert not choice.withdraws
        assert choice.confirmed
        entry = by_version[choice.champion.version]
        assert entry.state in (LIVE, APPROVED)
        assert choice.settled is (entry.state == LIVE)
        assert choice.champion.digest == (entry.digest or choice.champion.digest) != ""
        if entry.state == APPROVED:
            named = alias.champion.version if alias.champion else None
            answers = served.version if served and not alias.is_known else None
            assert entry.version in (named, answers)
    if choice.withdraws:
        assert served
        assert live is None
        assert by_version[served.version].state in (APPROVED, FAILED)
    agree = alias.champion and choice.champion and alias.champion == choice.champion
    assert bool(choice.notice) is not bool(agree) or (alias.champion is None and served is None)


@given(alias=ALIASES, served=SERVED, confirmed=st.booleans())
def test_without_a_record_what_was_confirmed_goes_on(
    alias: Alias, served: Champion | None, *, confirmed: bool
) -> None:
    choice = choose(alias, Record(None, "The record cannot be read"), served, confirmed=confirmed)
    assert not choice.withdraws
    if served and confirmed:
        assert choice.champion is None
    if choice.champion:
        assert choice.champion == alias.champion
        assert not choice.confirmed
        assert choice.notice
