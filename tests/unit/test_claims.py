"""Claims as providers send them, and as somebody hostile might."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BadInput, DriftdeskError, LoggedOut
from core.rules.access.grants import Grants, Holders
from core.rules.access.oidc_claims import Person, person_of, require_fresh
from core.rules.access.roles import LONGEST_NAME, Role

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
ISSUER = "https://id.desk.internal"


def claims(**changes: Any) -> dict[str, Any]:
    told = {"iss": ISSUER, "sub": "8f2-1", "iat": int(NOW.timestamp())} | changes
    return {name: value for name, value in told.items() if value is not None}


def person(groups_claim: str = "", /, **changes: Any) -> Person:
    return person_of(claims(**changes), groups_claim)


# Names


def test_the_name_is_the_address_else_the_user_name_else_the_subject() -> None:
    full = {"email": "Ana@Desk.Internal", "preferred_username": "ana"}
    assert person(**full).name == "ana@desk.internal"
    assert person(preferred_username="ana").name == "ana"
    assert person().name == "8f2-1"
    assert person(**full).known_by == f"{ISSUER} sub 8f2-1"


@pytest.mark.parametrize("verified", [False, "false", "no", None, 0, [True], {}])
def test_an_address_that_nobody_checked_does_not_count(verified: Any) -> None:
    told = claims(email="ana@desk.internal")
    told["email_verified"] = verified
    found = person_of(told)
    assert (found.name, found.email) == ("8f2-1", "")
    assert Grants(Holders(emails={"ana@desk.internal": Role.ADMIN})).role_of(found) is None


@pytest.mark.parametrize("changes", [{}, {"email_verified": True}, {"email_verified": "true"}])
def test_an_email_address_counts_unless_it_is_unverified(changes: dict[str, Any]) -> None:
    assert person(email="ana@desk.internal", **changes).email == "ana@desk.internal"


@pytest.mark.parametrize(
    "username",
    ["ben@desk.internal", "auto", "driftdesk", "Auto", "schedule 3", "ana ", "\u0430na", ""],
)
def test_a_user_name_that_passes_for_somebody_else_is_passed_over(username: str) -> None:
    assert person(preferred_username=username).name == "8f2-1"


def test_nobody_is_on_record_as_the_desk_itself() -> None:
    for system in ("auto", "driftdesk", "schedule 3"):
        with pytest.raises(BadInput, match="no name that can go on record"):
            person(sub=system)


# Hostile


HOSTILE = [
    None, "", " ", "a\nb", "a\x00b", "\u202eana", "a\u200bb", ["ana@desk.internal"],
    {"a": "b"}, 7, True, "x" * 100_000, "a@b@c", "@", "a@", "@b", " ana@desk.internal",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=lambda v: repr(v)[:20])
def test_a_malformed_address_or_user_name_counts_as_absent(value: Any) -> None:
    assert person(email=value).email == ""
    username = value if value not in ("a@b@c", "@", "a@", "@b") else "@"
    assert person(email=value, preferred_username=username).name == "8f2-1"


@pytest.mark.parametrize("value", [v for v in HOSTILE if not isinstance(v, str) or "@" not in v])
@pytest.mark.parametrize("claim", ["sub", "iss"])
def test_without_issuer_and_subject_nobody_comes_in(claim: str, value: Any) -> None:
    with pytest.raises(BadInput, match="no usable iss and sub"):
        person(**{claim: value})


def test_a_name_is_refused_rather_than_cut() -> None:
    """Two that are cut alike would be one person, who could confirm what they asked for."""
    with pytest.raises(BadInput, match="no name that can go on record"):
        person(sub="s" * (LONGEST_NAME + 1))
    assert len(person(sub="s" * LONGEST_NAME).name) == LONGEST_NAME


@pytest.mark.parametrize("at", [None, "now", "1", True, [], float("nan"), float("inf"), 10**30])
def test_without_a_time_nobody_comes_in(at: Any) -> None:
    with pytest.raises(BadInput, match="no usable iat"):
        person(iat=at)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["iss", "sub", "iat", "email", "email_verified", "preferred_username", "groups",
             "realm_access"]
        ),
        json_values,
    ),
    st.sampled_from(["", "groups", "realm_access.roles", "groups.0", ".", "iss"]),
)  # fmt: skip
def test_whatever_comes_is_a_person_or_a_sentence(told: dict[str, Any], path: str) -> None:
    try:
        found = person_of(told, path)
        require_fresh(found, NOW, timedelta(hours=8))
    except DriftdeskError as error:
        assert str(error).endswith((".", "characters."))  # noqa: PT017
    else:
        assert found.name.isprintable()
        assert 0 < len(found.name) <= LONGEST_NAME


# Groups


@pytest.mark.parametrize(
    ("path", "told", "groups"),
    [
        ("groups", {"groups": ["a", "b"]}, {"a", "b"}),
        ("groups", {"groups": "a b"}, {"a b"}),
        ("groups", {"groups": {"a": "admin"}}, set()),
        ("groups", {"groups": ["a", 7, None, ["b"], "", "x" * 300, "c\n"]}, {"a"}),
        ("realm_access.roles", {"realm_access": {"roles": ["a"]}}, {"a"}),
        ("realm_access.roles", {"realm_access": ["roles"]}, set()),
        ("realm_access.roles", {"realm_access.roles": ["b"], "realm_access": {"roles": ["a"]}},
         {"b"}),
        ("https://desk.internal/roles", {"https://desk.internal/roles": ["a"]}, {"a"}),
        ("groups", {}, set()),
        ("", {"": ["a"], "groups": ["a"]}, set()),
    ],
)  # fmt: skip
def test_groups_are_found_by_name_or_path(path: str, told: Any, groups: set[str]) -> None:
    assert person_of(claims() | told, path).groups == groups


# Time


def test_a_login_ends_after_its_hours() -> None:
    ana, eight = person(), timedelta(hours=8)
    require_fresh(ana, NOW + timedelta(hours=7, minutes=59), eight)
    with pytest.raises(LoggedOut, match="it lasts 8 hours"):
        require_fresh(ana, NOW + eight, eight)


def test_a_provider_whose_clock_is_a_little_ahead_is_believed() -> None:
    require_fresh(person(), NOW - timedelta(minutes=4), timedelta(hours=8))
    with pytest.raises(LoggedOut, match="clock is ahead"):
        require_fresh(person(), NOW - timedelta(minutes=6), timedelta(hours=8))
