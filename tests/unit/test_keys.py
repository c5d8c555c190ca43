"""API keys: their look, their hash, and the header that carries them."""

from __future__ import annotations

import hashlib
import re

import pytest

from engine.access.keys import bearer_key, hash_api_key, make_api_key
from engine.clock import FrozenClock, SystemClock
from tests.unit.examples import NOW

KEY = make_api_key(FrozenClock(NOW))


def test_a_key_is_a_prefix_and_256_bits_of_chance() -> None:
    made = [make_api_key(SystemClock()) for _ in range(500)]

    assert len(set(made)) == 500
    assert all(re.fullmatch(r"sgk_[A-Za-z0-9_-]{43}", key) for key in made)


def test_a_key_that_was_made_is_recognised_in_its_header() -> None:
    for _ in range(200):
        key = make_api_key(SystemClock())

        assert bearer_key(f"Bearer {key}") == key


@pytest.mark.parametrize("header", [f"bearer {KEY}", f"BEARER {KEY}", f"Bearer   {KEY} "])
def test_the_scheme_is_read_in_any_case_and_with_any_spaces(header: str) -> None:
    assert bearer_key(header) == KEY


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        KEY,
        "Bearer",
        "Bearer ",
        f"Basic {KEY}",
        f"Bearer{KEY}",
        f"Bearer {KEY}x",
        f"Bearer {KEY[:-1]}",
        f"Bearer sgx_{KEY[4:]}",
        f"Bearer {KEY} {KEY}",
        f"Bearer {KEY[:-1]}\u0663",
        f"Bearer {KEY[:-1]}+",
        f"Bearer {KEY},Bearer {KEY}",
    ],
)
def test_another_header_carries_no_key(header: str | None) -> None:
    assert bearer_key(header) is None


def test_only_the_hash_of_a_key_is_stored() -> None:
    assert hash_api_key(KEY) == hashlib.sha256(KEY.encode()).digest()


def test_what_is_no_text_at_all_has_a_hash_too() -> None:
    assert len(hash_api_key("sgk_\ud800")) == 32
