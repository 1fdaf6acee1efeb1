"""Roles for all datasets and for one, from the roles file and from AUTH_ROLE_MAP."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.errors import BadInput
from core.rules.access.grants import Grants, Holders, read_grants, read_role_map
from core.rules.access.oidc_claims import Person, person_of
from core.rules.access.roles import OF_THE_DESK, Actor, Right, Role, may

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def person(groups_claim: str = "", /, **changes: Any) -> Person:
    claims = {"iss": "https://id.desk.internal", "sub": "8f2-1", "iat": int(NOW.timestamp())}
    return person_of(claims | changes, groups_claim)


ROLES = """
[viewer]
groups = ["everybody"]
[operator]
emails = ["Ben@Desk.Internal"]
users = ["ben"]
[approver]
groups = ["CN=leads,OU=ml"]
subjects = ["8f2-1"]
[admin]
emails = ["ünal@desk.internal"]
"""


def test_of_several_roles_the_highest_counts() -> None:
    grants = read_grants(ROLES)
    ben = {"sub": "other", "email": "ben@desk.internal", "groups": ["everybody"]}
    assert grants.role_of(person("groups", **ben)) is Role.OPERATOR
    leads = ben | {"groups": ["everybody", "CN=leads,OU=ml"]}
    assert grants.role_of(person("groups", **leads)) is Role.APPROVER
    assert grants.role_of(person()) is Role.APPROVER
    assert grants.role_of(person("groups", sub="x", groups=["others"])) is None


@pytest.mark.parametrize(
    ("told", "role"),
    [
        ({"email": "BEN@desk.INTERNAL"}, Role.OPERATOR),  # ASCII addresses: whatever case
        ({"email": "ünal@desk.internal"}, Role.ADMIN),
        ({"email": "Ünal@desk.internal"}, None),  # others: letter for letter
        ({"groups": ["Everybody"]}, None),
        ({"sub": "8F2-1"}, None),
        ({"preferred_username": "ben"}, None),  # a user of the machine is nobody who logs in
        ({"groups": ["ben@desk.internal"]}, None),  # nor is a group an address
    ],
)
def test_case_and_kind_are_compared_with_care(told: dict[str, Any], role: Role | None) -> None:
    assert read_grants(ROLES).role_of(person("groups", **({"sub": "x"} | told))) is role


def test_a_letter_that_lowers_to_another_one_is_not_that_one() -> None:
    """The Kelvin sign in lower case is a k: whoever registers it must not become somebody else."""
    grants = read_grants('[admin]\nemails = ["kim@desk.internal"]')
    assert grants.role_of(person(email="\u212aim@desk.internal")) is None


def test_users_of_the_machine_have_roles_of_their_own() -> None:
    assert read_grants(ROLES).role_of_user("ben") is Role.OPERATOR
    assert read_grants(ROLES).role_of_user("Ben") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[boss]\nemails=[]", "no role 'boss'; there is viewer, operator, approver, admin"),
        ("[Admin]\nemails=[]", "no role 'Admin'"),
        ("[admin]\nemail=['a@b']", "knows emails, subjects, groups, users, not email"),
        ("[admin]\nemails='a@b'", "must be a list of e-mail addresses"),
        ("[admin]\nemails=['ana']", "must be a list of e-mail addresses"),
        ("[admin]\ngroups=['']", "must be a list of texts"),
        ("[admin]\ngroups=[7]", "must be a list of texts"),
        ("admin = ['a@b']", "must be a table"),
        ("[admin", "is no TOML"),
        ("datasets = 1", "datasets in the roles file must be a table"),
        ("[datasets]\nhomes = 1", "datasets.homes in the roles file must be a table"),
        ("[datasets.homes]\nadmin = []", "datasets.homes.admin in the roles file must be a table"),
        ("[datasets.Homes.admin]", "[datasets.Homes] in the roles file: 'Homes' is no name of"),
        ("[datasets.homes.boss]", "no role 'boss' for [datasets.homes.boss] in the roles file"),
        ("[datasets.homes.admin]\nemail=[]", "[datasets.homes.admin] knows emails, subjects,"),
        ("[datasets.homes.admin]\nemails=['ana']", "emails of [datasets.homes.admin] in the"),
        ("admin = " + "9" * 5_000, "is no TOML"),
        ("admin = " + "[" * 100_000, "is no TOML"),
    ],
)
def test_a_file_with_a_mistake_is_refused_whole(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=re.escape(why)):
        read_grants(text)


def test_a_map_gives_groups_their_roles() -> None:
    found = read_role_map(" operator=ml ; approver = CN=leads,OU=ml;viewer=ml;")
    given = {"ml": Role.OPERATOR, "CN=leads,OU=ml": Role.APPROVER}
    assert (found.everywhere.groups, found.datasets) == (given, {})
    assert read_role_map("") == Grants()
    both = read_grants(ROLES).joined(read_role_map("admin=everybody"))
    assert both.everywhere.groups["everybody"] is Role.ADMIN


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ml", "'ml' is no pair; write role=group"),
        ("viewer=a;operator=", "'operator=' is no pair"),
        ("boss=ml", "no role 'boss'"),
        ("viewer=a;boss@homes=ml", "no role 'boss' in 'boss@homes=ml'"),
        ("operator@=ml", "'operator@=ml': '' is no name of a dataset"),
        ("operator@Homes=ml", "'operator@Homes=ml': 'Homes' is no name of a dataset"),
        ("operator@homes", "'operator@homes' is no pair"),
    ],
)
def test_a_wrong_pair_is_named(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=re.escape(why)):
        read_role_map(text)


# Roles for one dataset


OF_ONE = """
[viewer]
groups = ["everybody"]
[datasets.homes.operator]
groups = ["homes-team"]
users = ["pipeline"]
[datasets.homes.admin]
emails = ["ana@desk.internal"]
[datasets.rides.approver]
groups = ["rides-team"]
"""


def test_a_role_for_a_dataset_is_for_that_dataset_alone() -> None:
    grants = read_grants(OF_ONE)
    ben = person("groups", groups=["homes-team"])
    assert [grants.role_of(ben, name) for name in ("homes", "rides", "", "others")] == [
        Role.OPERATOR, None, None, None,
    ]  # fmt: skip
    assert grants.role_of_user("pipeline", "homes") is Role.OPERATOR
    assert grants.role_of_user("pipeline", "rides") is None
    assert grants.role_of_user("pipeline") is None


def test_of_a_role_for_all_and_one_for_a_dataset_the_higher_counts() -> None:
    grants = read_grants(OF_ONE).joined(read_role_map("approver@homes=everybody"))
    both = person("groups", groups=["everybody", "homes-team"])
    assert grants.role_of(both) is Role.VIEWER
    assert grants.role_of(both, "rides") is Role.VIEWER
    assert grants.role_of(both, "homes") is Role.APPROVER


KINDS = st.fixed_dictionaries(
    {
        kind: st.dictionaries(st.sampled_from("abc"), st.sampled_from(Role), max_size=3)
        for kind in ("emails", "subjects", "groups", "users")
    }
)
NAMES = ("homes", "rides", "trips")
HOLDERS = KINDS.map(lambda kinds: Holders(**kinds))
GRANTS = st.builds(Grants, HOLDERS, st.dictionaries(st.sampled_from(NAMES), HOLDERS))
PEOPLE = st.builds(
    lambda email, subject, groups: Person("x", "iss", subject, email, groups, NOW),
    st.sampled_from("abcd"), st.sampled_from("abcd"), st.frozensets(st.sampled_from("abcd")),
)  # fmt: skip


def rank(role: Role | None) -> int:
    return role.rank if role else -1


@given(GRANTS, PEOPLE, st.sampled_from("abcd"), st.sampled_from(NAMES))
def test_what_is_given_for_one_dataset_changes_nothing_elsewhere(
    grants: Grants, who: Person, user: str, name: str
) -> None:
    without = Grants(grants.everywhere, {n: h for n, h in grants.datasets.items() if n != name})
    for elsewhere in ("", "others", *(n for n in NAMES if n != name)):
        assert grants.role_of(who, elsewhere) == without.role_of(who, elsewhere)
        assert grants.role_of_user(user, elsewhere) == without.role_of_user(user, elsewhere)


@given(GRANTS, PEOPLE, st.sampled_from("abcd"), st.sampled_from((*NAMES, "others")))
def test_a_role_for_all_holds_for_each_and_the_higher_of_both_counts(
    grants: Grants, who: Person, user: str, name: str
) -> None:
    here = grants.datasets.get(name, Holders())
    only = Grants(datasets={name: here})
    assert rank(grants.role_of(who, name)) == max(
        rank(grants.role_of(who)), rank(only.role_of(who, name))
    )
    assert rank(grants.role_of_user(user, name)) == max(
        rank(grants.role_of_user(user)), rank(only.role_of_user(user, name))
    )


@given(GRANTS, GRANTS, PEOPLE, st.sampled_from(("", *NAMES)))
def test_two_sources_of_roles_give_the_higher_of_both(
    one: Grants, other: Grants, who: Person, name: str
) -> None:
    joined = one.joined(other)
    assert rank(joined.role_of(who, name)) == max(
        rank(one.role_of(who, name)), rank(other.role_of(who, name))
    )


@given(GRANTS, PEOPLE, st.sampled_from(NAMES), st.sampled_from(Right))
def test_a_right_over_the_whole_desk_needs_a_role_for_all(
    grants: Grants, who: Person, name: str, right: Right
) -> None:
    actor = Actor("x", grants.role_of(who, name), "", name, grants.role_of(who))
    here, everywhere = may(grants.role_of(who, name), right), may(grants.role_of(who), right)
    assert actor.may(right) is (everywhere if right in OF_THE_DESK else here)
    assert bool(actor.refusal(right, "")) is not actor.may(right)


def test_the_refusal_of_a_right_over_the_whole_desk_says_so() -> None:
    actor = Actor("ana", Role.ADMIN, "", "homes", Role.VIEWER)
    assert actor.refusal(Right.KEYS, "") == (
        "ana is admin here; changing API keys needs an admin of all datasets. "
        "Ask an admin of this desk."
    )
    assert actor.refusal(Right.RESTART, "") == ""
