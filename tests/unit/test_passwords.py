"""Passwords: which are refused, how they are stored, and that a miss looks like a hit."""

from __future__ import annotations

import pytest

from engine.access import passwords
from engine.access.passwords import LENGTH_MAX, hash_password, is_right, password_fault

GOOD = "correct horse battery"


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("", "at least 12"),
        ("elevenchars", "at least 12"),
        ("x" * (LENGTH_MAX + 1), "at most 1,024"),
        ("aaaaaaaaaaaaaaaa", "repeats"),
        ("abcabcabcabcabc", "repeats"),
        ("ana.moreira@agency.example", "e-mail"),
        ("ANA.MOREIRA ana.moreira", "e-mail"),
    ],
)
def test_a_password_that_is_guessed_first_is_refused_with_the_reason(
    password: str, words: str
) -> None:
    fault = password_fault(password, "ana.moreira@agency.example")

    assert fault is not None
    assert words in fault
    assert len(password) < 12 or password not in fault


@pytest.mark.parametrize("password", [GOOD, "çorreto cavalo bateria", "🐎" * 4 + "batteries"])
def test_a_long_password_of_any_characters_is_taken(password: str) -> None:
    assert password_fault(password, "ana@agency.example") is None


def test_a_password_is_stored_as_argon2id_with_a_salt_of_its_own() -> None:
    stored = {hash_password(GOOD), hash_password(GOOD)}

    assert len(stored) == 2
    assert all(each.startswith("$argon2id$v=19$m=65536,t=3,p=4$") for each in stored)
    assert all(is_right(GOOD, each) for each in stored)


@pytest.mark.parametrize("wrong", ["", GOOD + " ", GOOD.upper(), "\ud800", "x" * 10_000])
def test_another_password_is_not_right(wrong: str) -> None:
    assert not is_right(wrong, hash_password(GOOD))


def test_nothing_is_right_where_there_is_no_password_and_the_same_work_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    verified: list[str] = []

    class Counting:
        """Remembers what it was asked."""

        def verify(self, stored: str, offered: bytes) -> bool:
            verified.append(stored)
            return real.verify(stored, offered)

        def hash(self, offered: bytes) -> str:
            return real.hash(offered)

    real = passwords._HASHER
    stored = hash_password(GOOD)
    monkeypatch.setattr(passwords, "_HASHER", Counting())

    assert not is_right(GOOD, None)
    assert is_right(GOOD, stored)
    assert len(verified) == 2
    cost = [each.split("$")[1:4] for each in verified]
    assert cost[0] == cost[1]


def test_a_hash_that_is_none_is_never_right() -> None:
    assert not is_right(GOOD, "$argon2id$nonsense")


def test_a_hash_at_another_cost_is_made_anew() -> None:
    assert not passwords.is_outdated(hash_password(GOOD))
    assert passwords.is_outdated(hash_password(GOOD).replace("t=3", "t=2"))
