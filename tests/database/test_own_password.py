"""Changing one's own password: with the present one, and not by trying."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest

from engine.access.own_password import change_own_password
from engine.access.passwords import is_right
from engine.access.tables import Account, AccountPassword
from engine.clock import FrozenClock
from engine.database.target import Target
from engine.errors import ErrorCode, Refusal
from engine.settings import Settings
from tests.dashboard.attempts import END
from tests.database.people import NOBODY, RIGHT, account, acting, trail, transaction

_NEW: Final = "another horse entirely"


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(END)


@pytest.fixture
def someone(target: Target, clock: FrozenClock) -> Account:
    return account(target, clock, has_password=True)


def change(
    target: Target, clock: FrozenClock, settings: Settings, who: Account | None, old: str
) -> Refusal | None:
    actor = NOBODY if who is None else acting(who)
    with transaction(target) as session:
        return change_own_password(session, clock, settings, actor, old=old, new=_NEW)


def test_whoever_knows_the_present_password_sets_another_one(
    target: Target, clock: FrozenClock, settings: Settings, someone: Account
) -> None:
    assert change(target, clock, settings, someone, RIGHT) is None

    with transaction(target) as session:
        assert is_right(_NEW, session.get_one(AccountPassword, someone.id).password_hash)
    assert [(row["action"], row["outcome"]) for row in trail(target)] == [("password set", "done")]


def test_wrong_ones_are_written_down_and_after_some_of_them_the_right_one_has_to_wait(
    target: Target, clock: FrozenClock, settings: Settings, someone: Account
) -> None:
    settings = settings.model_copy(update={"bad_passwords": 2})
    wrong = [change(target, clock, settings, someone, "not this one at all") for _ in range(2)]

    slowed = change(target, clock, settings, someone, RIGHT)
    clock.advance(timedelta(minutes=15))
    let_in = change(target, clock, settings, someone, RIGHT)

    assert [each.code for each in wrong if each is not None] == [
        ErrorCode.AUTHENTICATION_FAILED
    ] * 2
    assert slowed is not None
    assert slowed.code is ErrorCode.RATE_LIMIT_EXCEEDED
    assert let_in is None
    assert [row["error_code"] for row in trail(target)] == [
        "AUTHENTICATION_FAILED",
        "AUTHENTICATION_FAILED",
        "RATE_LIMIT_EXCEEDED",
        None,
    ]


def test_whoever_has_no_password_has_none_to_change(
    target: Target, clock: FrozenClock, settings: Settings
) -> None:
    for who in (None, account(target, clock)):
        refusal = change(target, clock, settings, who, RIGHT)

        assert refusal is not None
        assert refusal.code is ErrorCode.AUTHENTICATION_FAILED
