"""Correlation ids: ours sort by time and betray a slip of the tongue; others are taken or not."""

from __future__ import annotations

import itertools
import re

import pytest

from engine.clock import FrozenClock, uuid7
from engine.correlation import (
    PREFIX,
    accepted_correlation_id,
    accepted_traceparent,
    has_valid_check,
    make_correlation_id,
)
from tests.unit.examples import NOW

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
SOME = [
    make_correlation_id(uuid7(milliseconds, chance * 10))
    for milliseconds, chance in [
        (0, b"\0"),
        (1_769_860_800_123, b"\x5a"),
        (2**48 - 1, b"\xff"),
    ]
]


def test_an_id_is_a_prefix_and_27_characters_of_crockfords_alphabet() -> None:
    for made in SOME:
        assert re.fullmatch(rf"REQ-[{ALPHABET}]{{27}}", made)


def test_an_id_spells_its_uuid() -> None:
    request_id = uuid7(1_769_860_800_123, bytes(range(10)))

    body = make_correlation_id(request_id).removeprefix(PREFIX)[:26]

    value = 0
    for letter in body:
        value = value * 32 + ALPHABET.index(letter)
    assert value == request_id.int


def test_the_spelling_is_the_same_for_good() -> None:
    assert SOME[1] == "REQ-01KG9YS7KVF9D9MPJTB9D5MPJTM"


def test_ids_sort_like_the_time_they_were_made_at() -> None:
    clock = FrozenClock(NOW)
    made = []
    for step in range(200):
        clock.sleep(0.001 * (step % 7))
        made.append(make_correlation_id(clock.uuid7()))

    assert made == sorted(made)


def test_our_own_ids_are_accepted_back() -> None:
    for made in SOME:
        assert has_valid_check(made)
        assert accepted_correlation_id(made) == made


@pytest.mark.parametrize("made", SOME)
def test_every_single_wrong_character_shows(made: str) -> None:
    body = made.removeprefix(PREFIX)
    wrong = [
        PREFIX + body[:place] + letter + body[place + 1 :]
        for place in range(len(body))
        for letter in ALPHABET
        if letter != body[place]
    ]

    assert len(wrong) == 27 * 31
    assert not any(map(has_valid_check, wrong))


@pytest.mark.parametrize("made", SOME)
def test_every_swap_of_two_different_characters_shows(made: str) -> None:
    body = made.removeprefix(PREFIX)
    for first, second in itertools.combinations(range(len(body)), 2):
        swapped = list(body)
        swapped[first], swapped[second] = body[second], body[first]

        assert has_valid_check(PREFIX + "".join(swapped)) is (body[first] == body[second])


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        PREFIX,
        SOME[1].removeprefix(PREFIX),
        SOME[1].lower(),
        SOME[1][:-1],
        SOME[1] + "0",
        "req-" + SOME[1].removeprefix(PREFIX),
        SOME[1].replace("0", "O"),
        SOME[1] + "\n",
        "my-own-request-id",
    ],
)
def test_an_id_of_another_form_has_no_valid_check(wrong: str) -> None:
    assert not has_valid_check(wrong)


@pytest.mark.parametrize("header", ["a" * 8, "A" * 64, "0.1_2-3.4", "........", "REQ-1234"])
def test_an_inbound_id_of_8_to_64_plain_characters_is_taken(header: str) -> None:
    assert accepted_correlation_id(header) == header


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "a" * 7,
        "a" * 65,
        "with space",
        "newline\n",
        "12345678\n",
        "quote'; DROP",
        "slash/slash",
        "ünïcödë-id",
        "1234567\u0663",
        "nul\0nul\0nul",
    ],
)
def test_another_inbound_id_is_not_taken(header: str | None) -> None:
    assert accepted_correlation_id(header) is None


TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("header", [f"00-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-00"])
def test_a_well_formed_traceparent_is_taken(header: str) -> None:
    assert accepted_traceparent(header) == header


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
    ],
)
def test_another_traceparent_is_not_taken(header: str | None) -> None:
    assert accepted_traceparent(header) is None
