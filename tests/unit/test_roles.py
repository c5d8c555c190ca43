"""What each role may do, written out once more."""

from __future__ import annotations

import itertools

import pytest

from engine.access.roles import PERMISSIONS, Permission, Role, may, role_of

MAY = {
    Role.VIEWER: {"see numbers"},
    Role.ON_CALL: {"see numbers", "read the ledger", "handle alerts"},
    Role.LEAD: {
        "see numbers", "read the ledger", "handle alerts", "see personal data", "change rules",
        "sign off",
    },
    Role.ADMIN: {
        "see numbers", "read the ledger", "handle alerts", "see personal data", "change rules",
        "sign off", "manage access",
    },
}  # fmt: skip


@pytest.mark.parametrize("role", list(Role))
def test_a_role_may_do_what_it_is_for_and_nothing_else(role: Role) -> None:
    assert {each.value for each in Permission if may(role, each)} == MAY[role]


def test_each_role_may_do_what_the_one_before_it_may() -> None:
    for lower, higher in itertools.pairwise(Role):
        assert PERMISSIONS[lower] < PERMISSIONS[higher]


def test_no_role_may_do_nothing() -> None:
    assert not any(may(None, permission) for permission in Permission)


@pytest.mark.parametrize(
    ("stored", "role"), [(None, None), ("lead", Role.LEAD), ("owner", None), ("", None)]
)
def test_a_stored_word_that_is_no_role_gives_none(stored: str | None, role: Role | None) -> None:
    assert role_of(stored) is role
