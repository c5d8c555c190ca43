"""JSON in: any bytes end in an object or in a complaint; the hash sees the value and only it."""

from __future__ import annotations

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject, SearchStrategy

from engine.payload import (
    DEPTH_MAX,
    MalformedBody,
    canonical_hash,
    decode_stored,
    encode,
    parse_object,
)
from engine.quotes.validation import read_draft
from tests.properties.strategies import (
    TRIED,
    TRIED_OFTEN,
    bodies,
    mutated_bodies,
    odd_numbers,
    token_soup,
)

plain_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.one_of(
    st.integers(-(10**39), 10**39),
    st.decimals(-(10**20), 10**20, allow_nan=False, places=5),
    st.decimals(-1, 1, allow_nan=False, places=28),
)
values: SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, plain_texts),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(plain_texts, inner, max_size=4)
    ),
    max_leaves=6,
)
look_alikes: SearchStrategy[Any] = st.one_of(
    st.sampled_from([0, 1, 10, True, False, None, [], {}, [1], ["1"]]),
    st.sampled_from(["", "0", "1", "10", "0.5", "1.0", "null", "true", "[]"]),
    st.sampled_from(["0.5", "0.50", "1.0", "1E+1", "-0.0", "1E-7"]).map(Decimal),
)
objects = st.dictionaries(plain_texts, values, max_size=5)


def depth_of(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


def spelling(number: int | Decimal, how: int) -> str:
    """One of the many ways in which JSON can write a number."""
    exact = Decimal(number)
    sign, digits, exponent = exact.as_tuple()
    assert isinstance(exponent, int)
    whole = "".join(map(str, digits)).lstrip("0") or "0"
    minus = "-" if sign else ""
    zeros = "0" * (how % 3)
    match how % 4:
        case 0:
            return f"{minus}{whole}{zeros}e{exponent - len(zeros)}"
        case 1:
            return f"{minus}{whole}.{zeros or '0'}E{exponent:+d}"
        case 2:
            return f"{minus}{format(exact.copy_abs(), 'f')}" if exponent < 0 else f"{exact:f}.0"
        case _:
            return f"{minus}{format(exact.copy_abs(), 'f')}"


def written(value: Any, data: DataObject) -> str:
    """A value as JSON, keys in any order, numbers in any spelling, spaces anywhere."""
    match value:
        case dict():
            keys = data.draw(st.permutations(list(value)))
            inside = ", ".join(f"{json.dumps(key)} : {written(value[key], data)}" for key in keys)
            return f"{{ {inside} }}"
        case list():
            return f"[{' , '.join(written(part, data) for part in value)}]"
        case bool() | None | str():
            return json.dumps(value, ensure_ascii=data.draw(st.booleans()))
        case _:
            return spelling(value, data.draw(st.integers(0, 11)))


def essence(value: Any) -> Any:
    """What a value is, whatever it is written like: comparable, and exact."""
    match value:
        case dict():
            return ("object", sorted((key, repr(essence(part))) for key, part in value.items()))
        case list():
            return ("list", [essence(part) for part in value])
        case bool() | None | str():
            return (type(value).__name__, value)
        case _:
            return ("number", Decimal(value).as_integer_ratio())


@TRIED_OFTEN
@given(st.one_of(odd_numbers, st.one_of(st.binary(max_size=64), token_soup, mutated_bodies())))
def test_any_bytes_are_an_object_or_malformed(body: bytes) -> None:
    try:
        value = parse_object(body)
    except MalformedBody:
        return

    assert type(value) is dict
    assert depth_of(value) <= DEPTH_MAX
    assert len(canonical_hash(value)) == 32
    assert parse_object(encode(value)) == value
    read_draft(value)


@TRIED
@given(st.one_of(st.binary(max_size=64), token_soup, mutated_bodies()))
def test_what_is_taken_is_what_the_standard_library_reads(body: bytes) -> None:
    try:
        value = parse_object(body)
    except MalformedBody:
        return

    assert json.loads(body, parse_float=Decimal) == value


@TRIED
@given(bodies())
def test_a_valid_body_is_taken_as_it_was_meant(body: dict[str, Any]) -> None:
    assert parse_object(encode(body)) == body


@TRIED
@given(st.integers(1, 200), st.booleans())
def test_the_depth_is_counted_in_objects_and_lists(depth: int, as_lists: bool) -> None:  # noqa: FBT001
    opening, closing = (b"[", b"]") if as_lists else (b'{"a":', b"}")
    inside = opening * (depth - 1) + (b"" if as_lists else b"1") + closing * (depth - 1)
    body = b'{"a":' + (inside or b"1") + b"}"

    try:
        parse_object(body)
        taken = True
    except MalformedBody:
        taken = False

    assert taken is (depth <= DEPTH_MAX)


@TRIED
@given(objects, st.data())
def test_the_hash_does_not_see_order_spaces_or_spelling(
    value: dict[str, Any], data: DataObject
) -> None:
    hashes = {canonical_hash(value)}
    for _ in range(2):
        # A spelling may have more digits than we take.
        with suppress(MalformedBody):
            hashes.add(canonical_hash(parse_object(written(value, data).encode())))

    assert len(hashes) == 1


@TRIED
@given(objects, objects)
def test_the_hash_is_the_same_only_for_the_same_value(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert (canonical_hash(one) == canonical_hash(other)) is (essence(one) == essence(other))


@TRIED_OFTEN
@given(look_alikes, look_alikes)
def test_the_hash_tells_look_alikes_apart(one: Any, other: Any) -> None:
    same = canonical_hash({"a": one}) == canonical_hash({"a": other})

    assert same is (essence(one) == essence(other))


@TRIED_OFTEN
@given(st.text("0123456789", min_size=25, max_size=38), st.integers(0, 2), st.integers(0, 30))
def test_the_hash_tells_numbers_apart_by_their_last_digit(
    digits: str, step: int, exponent: int
) -> None:
    one, other = (Decimal(f"{each}E-{exponent}") for each in (int(digits), int(digits) + step))

    assert (canonical_hash({"a": one}) == canonical_hash({"a": other})) is (step == 0)


@TRIED
@given(objects)
def test_what_is_stored_comes_back_equal(value: dict[str, Any]) -> None:
    assert decode_stored(encode(value)) == value
