"""JSON in: nothing that two readers could read in two ways; and the hash that does not care."""

from __future__ import annotations

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest

from engine.payload import (
    DEPTH_MAX,
    MalformedBody,
    canonical_hash,
    decode_stored,
    encode,
    parse_object,
)


def nested(depth: int) -> bytes:
    """An object that is `depth` levels deep."""
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


def complaint(body: bytes) -> str:
    with pytest.raises(MalformedBody) as caught:
        parse_object(body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}),
        (b' \r\n\t{ "a" : [ ] } ', {"a": []}),
        (b'{"a":1,"b":-0,"c":true,"d":null}', {"a": 1, "b": 0, "c": True, "d": None}),
        (b'{"a":1.50}', {"a": Decimal("1.50")}),
        (b'{"a":1e2,"b":5E-1}', {"a": Decimal("1E+2"), "b": Decimal("0.5")}),
        (b'{"a":1e30,"b":1e-30}', {"a": Decimal("1E+30"), "b": Decimal("1E-30")}),
        (b'{"a":' + b"9" * 40 + b"}", {"a": int("9" * 40)}),
        ('{"ä":"旅🧳"}'.encode(), {"ä": "旅🧳"}),
        (b'{"a":"\\ud83e\\uddf3\\u0000\\n"}', {"a": "🧳\0\n"}),
        (b'{"__proto__":{},"":1}', {"__proto__": {}, "": 1}),
    ],
)
def test_a_json_object_is_read(body: bytes, value: dict[str, Any]) -> None:
    assert parse_object(body) == value


def test_a_fraction_never_passes_through_a_binary_float() -> None:
    (number,) = parse_object(b'{"a":0.1000000000000000055511151231257827}').values()

    assert str(number) == "0.1000000000000000055511151231257827"


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":1}',
        b'{"a":1,"\\u0061":2}',
        b'{"x":{"a":1,"b":2,"a":3}}',
        b'{"x":[[{"a":1,"a":1}]]}',
    ],
)
def test_a_key_that_comes_twice_is_refused_at_any_depth(body: bytes) -> None:
    assert complaint(body) == "The body names a key twice."


def test_the_same_key_in_two_objects_is_no_key_twice() -> None:
    assert parse_object(b'{"a":{"a":[{"a":1},{"a":2}]}}')["a"] == {"a": [{"a": 1}, {"a": 2}]}


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_what_javascript_has_and_json_has_not_is_refused(number: bytes) -> None:
    assert "NaN or Infinity" in complaint(b'{"a":[' + number + b"]}")


@pytest.mark.parametrize(
    "number",
    [
        b"9" * 41,
        b"-" + b"9" * 40,
        b"9" * 900_000,
        b"0." + b"1" * 39,
        b"1e31",
        b"-1e31",
        b"1e-31",
        b"1e999999",
        b"1e-999999",
        b"1e99999999999999999999",
        b"-1e-99999999999999999999",
        b"1e" + b"9" * 900_000,
    ],
)
def test_a_number_that_costs_more_to_read_than_to_refuse_is_refused(number: bytes) -> None:
    assert complaint(b'{"a":' + number + b"}") == "The body holds a number that is out of range."


def test_a_body_may_be_as_deep_as_it_must_and_no_deeper() -> None:
    assert isinstance(parse_object(nested(DEPTH_MAX)), dict)
    assert complaint(nested(DEPTH_MAX + 1)) == "The body is nested too deeply."


@pytest.mark.parametrize(
    "bomb",
    [
        b'{"a":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"a":' * 100_000,
        b"[" * 1_000_000,
        b'{"a":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
        nested(100_000),
    ],
    ids=["lists", "open objects", "open lists", "closed lists", "closed objects"],
)
def test_a_depth_bomb_is_refused(bomb: bytes) -> None:
    assert "deeply" in complaint(bomb)


@pytest.mark.parametrize("text", [rb"\ud800", rb"\udfff", rb"\udc00\ud800", rb"x\uD83Ex"])
@pytest.mark.parametrize("place", [b'{"%s":1}', b'{"a":"%s"}', b'{"a":[{"b":["%s"]}]}'])
def test_an_escaped_lone_surrogate_is_refused(place: bytes, text: bytes) -> None:
    assert complaint(place % text) == "The body holds text that is not valid Unicode."


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xff"}',
        b'{"a":"\xc0\xaf"}',
        b'{"a":"\xf4\x90\x80\x80"}',
        b"\xff\xfe{\0}\0",
    ],
    ids=["raw surrogate", "stray byte", "overlong", "beyond Unicode", "UTF-16"],
)
def test_bytes_that_are_no_utf_8_are_refused(body: bytes) -> None:
    assert complaint(body) == "The body is not UTF-8 text."


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\xef\xbb\xbf{}",
        b"{",
        b"{}}",
        b"{} {}",
        b"{'a':1}",
        b'{"a":1,}',
        b'{"a":01}',
        b'{"a":+1}',
        b'{"a":.5}',
        b'{"a":1.}',
        b'{"a":0x1}',
        b'{"a":"\x01"}',
        b'{"a":"\\x41"}',
        b'{"a":yes}',
        b"{a:1}",
        b'{"a":1}\0',
        b"{/**/}",
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    assert complaint(body) == "The body is not JSON."


@pytest.mark.parametrize("body", [b"[]", b'[{"a":1}]', b'"a"', b"1", b"null", b"true", b"1.5"])
def test_json_that_is_no_object_is_refused(body: bytes) -> None:
    assert complaint(body) == "The body must be a JSON object."


def test_a_complaint_repeats_nothing_of_the_body() -> None:
    assert "geheim" not in complaint(b'{"geheim":1,"geheim":geheim}')
    assert "geheim" not in complaint(b'{"geheim":1,"geheim":2}')


# The canonical hash.


def test_the_hash_is_sha_256_of_the_sorted_body() -> None:
    body = {"b": [1, Decimal("2.50")], "a": {"d": None, "c": "ä"}}

    written = '{"a":{"c":"ä","d":null},"b":[1,2.5]}'
    assert canonical_hash(body) == hashlib.sha256(written.encode()).digest()


@pytest.mark.parametrize(
    "spellings",
    [
        ["200", "200.0", "200.00", "2E2", "2e+2", "0.2e3", "2000e-1"],
        ["0", "-0", "0.0", "-0.0", "0e5", "0.000"],
        ["0.1", "0.10", "1e-1", "10E-2"],
        ["1e-7", "0.0000001", "0.10e-6"],
        ["1e20", "100000000000000000000", "100000000000000000000.0"],
        ["-1.50", "-1.5", "-15e-1"],
    ],
)
def test_the_hash_does_not_see_how_a_number_is_spelled(spellings: list[str]) -> None:
    bodies = [parse_object(f'{{"a":[{number}]}}'.encode()) for number in spellings]

    assert len(set(map(canonical_hash, bodies))) == 1


def test_the_hash_does_not_see_the_order_of_keys_or_the_spaces_between() -> None:
    one = parse_object(b'{"a":1,"b":{"c":2,"d":[{"e":3,"f":4}]}}')
    other = parse_object(b'{ "b": {"d": [{"f": 4, "e": 3}], "c": 2},\n "a": 1 }')

    assert canonical_hash(one) == canonical_hash(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"a":[1,2]}', '{"a":[2,1]}'),
        ('{"a":1}', '{"b":1}'),
        ('{"a":1}', '{"a":2}'),
        ('{"a":1}', '{"a":"1"}'),
        ('{"a":0.5}', '{"a":"0.5"}'),
        ('{"a":1}', '{"a":true}'),
        ('{"a":null}', "{}"),
        ('{"a":0}', '{"a":null}'),
        ('{"a":[]}', '{"a":{}}'),
        ('{"a":"x"}', '{"a":"x "}'),
        (r'{"a":"\u00e9"}', r'{"a":"e\u0301"}'),
        (
            '{"a":0.123456789012345678901234567890123}',
            '{"a":0.123456789012345678901234567890124}',
        ),
        (
            '{"a":1234567890123456789012345678901234567890}',
            '{"a":1234567890123456789012345678901234567891}',
        ),
    ],
)
def test_the_hash_tells_different_bodies_apart(one: str, other: str) -> None:
    assert canonical_hash(parse_object(one.encode())) != canonical_hash(
        parse_object(other.encode())
    )


def test_the_hash_leaves_the_body_as_it_was() -> None:
    body = {"a": Decimal("2.50"), "b": [{"c": Decimal("1.0")}]}

    canonical_hash(body)

    assert str(body) == "{'a': Decimal('2.50'), 'b': [{'c': Decimal('1.0')}]}"


# JSON out.


def test_amounts_are_written_as_numbers_with_their_digits() -> None:
    assert encode({"a": Decimal("100.00"), "b": Decimal(500)}) == b'{"a":100.00,"b":500}'


def test_what_is_stored_comes_back_exactly() -> None:
    stored = {"a": Decimal("100.00"), "b": Decimal("0.1"), "c": 5, "d": ["x", None, True]}

    back = decode_stored(encode(stored))

    assert back == stored
    assert str(back["a"]) == "100.00"
    assert json.loads(encode(stored))["c"] == 5
