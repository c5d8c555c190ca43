"""Bodies that are not the JSON object that we take: each refused, none a failure of ours."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.api.caller import Caller, check_documented
from tests.api.refusals import fields, marks, refusal
from tests.api.service import QUOTES
from tests.support import quote_body

LIMIT = 1024 * 1024
GOOD = json.dumps(quote_body(taxes=1)).encode()

# What is wrong with the body as such, whatever the call.
NO_OBJECT = {
    "nothing": b"",
    "white space": b" \r\n\t ",
    "a word": b"hello",
    "an open brace": b"{",
    "a list": b"[]",
    "a list of the object": b"[" + GOOD + b"]",
    "a text": b'"text"',
    "a number": b"1",
    "true": b"true",
    "null": b"null",
    "NaN": b"NaN",
    "trailing garbage": GOOD + b"x",
    "two objects": GOOD + GOOD,
    "a trailing NUL": GOOD + b"\0",
    "a leading NUL": b"\0" + GOOD,
    "a trailing comma": b'{"version":1,}',
    "a comment": b'{"version":1/**/}',
    "single quotes": b"{'version':1}",
    "a bare key": b"{version:1}",
    "a raw control character": b'{"tripName":"a\x01b"}',
    "a raw line break in a text": b'{"tripName":"a\nb"}',
    "a bad escape": b'{"tripName":"\\x41"}',
    "half an escape": b'{"tripName":"\\u12"}',
    "a form": b"tripName=Lisbon&adults=2",
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-16 without a mark": GOOD.decode().encode("utf-16-le"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "Latin-1": '{"tripName":"é"}'.encode("latin-1"),
    "an overlong slash": b'{"tripName":"\xc0\xaf"}',
    "a surrogate in UTF-8": b'{"tripName":"\xed\xa0\x80"}',
    "a cut character": b'{"tripName":"\xe2\x82"}',
    "a lone surrogate": b'{"tripName":"\\ud800"}',
    "a lone low surrogate": b'{"tripName":"\\udc00x"}',
    "a lone surrogate in a key": b'{"\\ud800":1}',
    "a lone surrogate deep down": b'{"hotels":[{"amenities":["\\uDBFF"]}]}',
    "the value NaN": b'{"taxes":NaN}',
    "the value Infinity": b'{"taxes":Infinity}',
    "the value -Infinity": b'{"taxes":-Infinity}',
    "NaN deep down": b'{"hotels":[{"price":NaN}]}',
    "a key twice": b'{"version":1,"version":1}',
    "a key twice, spelled differently": b'{"version":1,"\\u0076ersion":1}',
    "a key twice deep down": b'{"hotels":[{"price":1,"price":2}]}',
    "the empty key twice": b'{"":1,"":1}',
    "a leading zero": b'{"adults":02}',
    "a plus": b'{"adults":+2}',
    "a hexadecimal number": b'{"adults":0x2}',
    "a bare point": b'{"taxes":.5}',
    "a trailing point": b'{"taxes":5.}',
    "digits of another script": '{"adults":٢}'.encode(),
    "an underscore in a number": b'{"adults":1_0}',
    "5,000 digits": b'{"adults":' + b"9" * 5_000 + b"}",
    "500,000 digits": b'{"adults":' + b"9" * 500_000 + b"}",
    "500,000 digits after the point": b'{"taxes":0.' + b"9" * 500_000 + b"}",
    "1e400": b'{"taxes":1e400}',
    "1e999999999": b'{"taxes":1e999999999}',
    "1e-400": b'{"taxes":1e-400}',
    "an exponent of thirty digits": b'{"taxes":1e' + b"9" * 30 + b"}",
    "-1E+31": b'{"taxes":-1E+31}',
    "a nesting of 33": b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
    "a nesting of 33 objects": b'{"a":' * 33 + b"1" + b"}" * 33,
    "a nesting of 1,000": b'{"a":' + b"[" * 1_000 + b"]" * 1_000 + b"}",
    "a nesting of 500,000": b'{"a":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
    "a nesting without an end": b"[" * LIMIT,
    "objects without an end": b'{"a":' * (LIMIT // 5),
    "a text without an end": b'{"a":"' + b"x" * 1_000,
}

Send = Callable[[Caller, bytes], httpx.Response]


@pytest.fixture
def caller(shared_caller: Caller) -> Caller:
    """Nothing here is saved that another test would notice."""
    return shared_caller


def create(caller: Caller, content: bytes, **headers: str) -> httpx.Response:
    return caller.call("POST", body=content, **headers)


def change(caller: Caller, content: bytes, **headers: str) -> httpx.Response:
    return caller.call("PATCH", f"/{caller.create()}", body=content, **headers)


@pytest.mark.parametrize("send", [create, change])
@pytest.mark.parametrize("content", NO_OBJECT.values(), ids=list(NO_OBJECT))
def test_a_body_that_is_no_json_object_is_refused(
    caller: Caller, send: Send, content: bytes
) -> None:
    if send is change:
        caller.create()
    quotes = caller.service.stock()

    answer = send(caller, content)

    body = refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
    assert body["details"] == {"reason": "body"}
    made = 1 if send is change else 0
    now = caller.service.stock()
    assert now.quotes == quotes.quotes + made
    assert now.attempts == quotes.attempts + 1 + made
    assert caller.service.attempt(body["correlationId"])["http_status"] == 400


@pytest.mark.parametrize("path", ["", "/send"])
@pytest.mark.parametrize("content", [b"[]", b"{", b" ", GOOD + b"x", b'{"version":NaN}'])
def test_a_body_that_might_have_been_left_out_is_no_better(
    caller: Caller, path: str, content: bytes
) -> None:
    quote_id = caller.create()

    answer = caller.call("POST" if path else "DELETE", f"/{quote_id}{path}", body=content)

    refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
    assert caller.service.version(quote_id) == 1


def test_a_body_nested_as_deeply_as_allowed_is_read_and_its_fields_refused(caller: Caller) -> None:
    content = b'{"a":' + b"[" * 31 + b"]" * 31 + b"}"

    answer = caller.call("POST", body=content)

    assert ("a", "unknown") in marks(refusal(answer, "QUOTE_VALIDATION_FAILED", 400))


# Size.


@pytest.mark.parametrize("size", [LIMIT + 1, 2 * LIMIT])
def test_a_body_larger_than_a_mebibyte_is_refused(caller: Caller, size: int) -> None:
    before = caller.service.stock()

    answer = caller.call("POST", body=b" " * size)

    body = refusal(answer, "QUOTE_VALIDATION_FAILED", 413)
    assert body["details"] == {"limitBytes": LIMIT}
    assert caller.service.stock() == before.after_refusals(1)


@pytest.mark.parametrize("size", [LIMIT + 1, 2 * LIMIT])
def test_a_body_that_does_not_say_how_large_it_is_is_refused_too(caller: Caller, size: int) -> None:
    def chunks() -> Any:
        for _ in range(size // 4096):
            yield b" " * 4096
        yield b" " * (size % 4096 or 1)

    before = caller.service.stock()

    answer = caller.http.post(
        QUOTES, content=chunks(), headers={"Content-Type": "application/json"}
    )

    refusal(answer, "QUOTE_VALIDATION_FAILED", 413)
    assert caller.service.stock() == before.after_refusals(1)


def test_a_body_of_a_mebibyte_is_read(caller: Caller) -> None:
    content = GOOD + b" " * (LIMIT - len(GOOD))

    assert caller.call("POST", body=content).status_code == 201


def test_a_hundred_thousand_mistakes_are_counted_and_a_hundred_named(caller: Caller) -> None:
    content = json.dumps({f"field{number}": 1 for number in range(60_000)}).encode()

    answer = caller.call("POST", body=content)

    details = refusal(answer, "QUOTE_VALIDATION_FAILED", 400)["details"]
    assert len(details["errors"]) == 100
    assert details["errorCount"] == 60_000 + 5
    assert len(answer.content) < 20_000


def test_a_field_with_a_name_as_long_as_the_body_is_named_in_part(caller: Caller) -> None:
    answer = caller.call("POST", body=b'{"' + b"n" * (LIMIT - 10) + b'":1}')

    refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
    assert len(answer.content) < 2_000


def test_a_body_is_not_read_for_a_call_that_needs_none(caller: Caller) -> None:
    quote_id = caller.create()

    answer = caller.http.request("GET", f"{QUOTES}/{quote_id}", content=b"x" * (2 * LIMIT))

    assert answer.status_code == 200


# Media type and encoding.


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "APPLICATION/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json ; charset=utf8",
        "application/json; charset=us-ascii",
        "application/json; profile=x",
    ],
)
def test_json_by_any_of_its_names_is_taken(caller: Caller, media_type: str) -> None:
    answer = caller.call("POST", body=GOOD, Content_Type=media_type)

    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "text/plain",
        "text/json",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/problem+json",
        "application/merge-patch+json",
        "application/json-patch+json",
        "application/jsonx",
        "application/*",
        "*/*",
        "json",
        "application/json, application/json",
        "text/plain; application/json",
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "application/json; charset=",
        "application/json; charset=utf-8; charset=utf-16",
    ],
)
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_another_media_type_is_refused(caller: Caller, method: str, media_type: str) -> None:
    path = "" if method == "POST" else f"/{caller.create()}"
    before = caller.service.stock()

    answer = caller.call(method, path, body=GOOD, Content_Type=media_type)

    body = refusal(answer, "QUOTE_VALIDATION_FAILED", 415)
    assert body["details"]["supported"] == ["application/json"]
    assert caller.service.stock() == before.after_refusals(1)


def test_a_body_without_a_media_type_is_refused(caller: Caller) -> None:
    refusal(caller.http.post(QUOTES, content=GOOD), "QUOTE_VALIDATION_FAILED", 415)


@pytest.mark.parametrize("move", ["DELETE", "send"])
def test_without_a_body_the_media_type_does_not_matter(caller: Caller, move: str) -> None:
    quote_id = caller.create()
    method, path = ("DELETE", "") if move == "DELETE" else ("POST", "/send")

    answer = caller.http.request(
        method, f"{QUOTES}/{quote_id}{path}", headers={"Content-Type": "text/plain"}
    )

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gzip", gzip.compress(GOOD)),
        ("gzip", GOOD),
        ("deflate", zlib.compress(GOOD)),
        ("br", GOOD),
        ("identity, gzip", gzip.compress(GOOD)),
        ("GZIP", gzip.compress(b"\0" * 50_000_000)),
        ("x", GOOD),
    ],
)
def test_an_encoded_body_is_refused_and_never_unpacked(
    caller: Caller, encoding: str, content: bytes
) -> None:
    before = caller.service.stock()

    answer = caller.call("POST", body=content, Content_Encoding=encoding)

    refusal(answer, "QUOTE_VALIDATION_FAILED", 415)
    assert answer.headers["accept-encoding"] == "identity"
    assert caller.service.stock() == before.after_refusals(1)


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_the_identity_encoding_is_none(caller: Caller, encoding: str) -> None:
    answer = caller.call("POST", body=GOOD, Content_Encoding=encoding)

    assert answer.status_code == 201


# Problem documents.


@pytest.mark.parametrize(
    ("accept", "is_problem"),
    [
        ("application/problem+json", True),
        ("application/problem+json, application/json", True),
        ("application/json, application/problem+json;q=0.1", True),
        ("Application/Problem+JSON", True),
        ('application/problem+json; profile="a,b"', True),
        ("application/json", False),
        ("*/*", False),
        ("", False),
        ("application/problem+xml", False),
        ("application/problem+jsonx", False),
        ("application/json, application/problem+json;q=0", False),
        ("application/json, application/problem+json; q=0.000", False),
    ],
)
def test_a_problem_document_comes_when_it_is_accepted(
    caller: Caller,
    accept: str,
    is_problem: bool,  # noqa: FBT001 - a column of the table
) -> None:
    answer = caller.call("POST", body={}, Accept=accept)

    kind = "application/problem+json" if is_problem else "application/json"
    assert answer.headers["content-type"] == kind
    assert answer.status_code == 400
    assert ("title" in answer.json()) is is_problem


def test_a_problem_document_has_the_members_of_rfc_9457_beside_ours(caller: Caller) -> None:
    plain = caller.call("GET", "/no%20such%C3%A9")
    problem = caller.call("GET", "/no%20such%C3%A9", Accept="application/problem+json")

    check_documented(problem)
    ours, more = plain.json(), problem.json()
    for body in (ours, more):
        for name in ("correlationId", "timestamp"):
            del body[name]
    assert more == ours | {
        "type": "urn:saveguard:error:QUOTE_NOT_FOUND",
        "title": "Quote not found",
        "status": 404,
        "instance": f"{QUOTES}/no%20such%C3%A9",
    }


def test_a_success_is_no_problem(caller: Caller) -> None:
    answer = caller.call("GET", Accept="application/problem+json")

    assert answer.headers["content-type"] == "application/json"


# Fields that are not the caller's to set.


@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize(
    "name",
    ["id", "quoteId", "agentId", "quoteNumber", "status", "durationDays", "travelers", "basePrice",
     "productMarkup", "agentMarkup", "perPerson", "pricingPolicy", "lastModifiedBy",
     "lastModifiedAt", "createdAt", "sentAt", "acceptedAt", "rejectedAt", "expiresAt",
     "deletedAt"],
)  # fmt: skip
def test_what_the_server_sets_is_refused_by_name(caller: Caller, method: str, name: str) -> None:
    body = quote_body(taxes=1) if method == "POST" else {"version": 1}
    path = "" if method == "POST" else f"/{caller.create()}"

    answer = caller.http.request(method, QUOTES + path, json=body | {name: 1})

    assert marks(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == [(name, "server_owned")]


def test_a_new_quote_does_not_choose_its_version(caller: Caller) -> None:
    answer = caller.call("POST", body=quote_body(version=1))

    assert marks(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == [("version", "server_owned")]


@pytest.mark.parametrize(
    "name",
    ["__proto__", "constructor", "prototype", "__class__", "toString", "trip_name", "TripName",
     "tripname", "", " ", "tripName ", "$where", "a.b", "hotels[0].price", "../x", "😀", "a\0b",
     "n" * 79, "n" * 80],
)  # fmt: skip
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_an_unknown_field_is_refused_by_name(caller: Caller, method: str, name: str) -> None:
    body = quote_body(taxes=1) if method == "POST" else {"version": 1}
    path = "" if method == "POST" else f"/{caller.create()}"
    before = caller.service.stock()

    answer = caller.http.request(method, QUOTES + path, json=body | {name: {"price": 1}})

    assert marks(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == [(name, "unknown")]
    assert caller.service.stock() == before.after_refusals(1)


@pytest.mark.parametrize(
    "kind",
    ["flights", "hotels", "activities", "transfers", "carRentals", "customItems", "insurance"],
)
def test_an_unknown_field_of_an_item_is_refused_by_its_path(caller: Caller, kind: str) -> None:
    item = {"price": 1, "__proto__": 1, "id": "x"}
    value = item if kind == "insurance" else [item]
    place = kind if kind == "insurance" else f"{kind}[0]"

    answer = caller.http.post(QUOTES, json=quote_body(taxes=1) | {kind: value})

    named = fields(refusal(answer, "QUOTE_VALIDATION_FAILED", 400))
    assert {f"{place}.__proto__", f"{place}.id"} <= named


def test_everything_that_is_wrong_is_said_at_once(caller: Caller) -> None:
    body = {
        "tripName": "",
        "endDate": "tomorrow",
        "adults": 0,
        "children": -1,
        "currency": "XXX",
        "taxes": -1,
        "hotels": [{"price": "free"}, 7],
        "status": "SENT",
        "nonsense": None,
    }

    answer = caller.http.post(QUOTES, json=body)

    assert set(marks(refusal(answer, "QUOTE_VALIDATION_FAILED", 400))) == {
        ("tripName", "empty"),
        ("endDate", "format"),
        ("adults", "range"),
        ("children", "range"),
        ("currency", "currency"),
        ("taxes", "range"),
        ("hotels[0].price", "type"),
        ("hotels[0].name", "required"),
        ("hotels[0].checkIn", "required"),
        ("hotels[0].checkOut", "required"),
        ("hotels[1]", "type"),
        ("status", "server_owned"),
        ("nonsense", "unknown"),
        ("destination", "required"),
        ("startDate", "required"),
    }
