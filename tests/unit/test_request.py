"""What a caller asks of a save: where the version may stand, which keys, which bodies."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from engine.errors import ErrorCode
from engine.quotes.draft import Draft
from engine.quotes.lifecycle import Operation
from engine.quotes.validation import Change
from engine.saving.request import (
    Creation,
    Edit,
    Move,
    fingerprint,
    payload_hash,
    read_request,
)
from tests.unit.examples import QUOTE_ID, item, marks, minimal_body, refused, request_of

MOVES = [Operation.DELETE, Operation.SEND, Operation.ACCEPT, Operation.REJECT, Operation.EXPIRE]
CHANGES = [Operation.UPDATE, *MOVES]


def read(operation: Operation, body: dict[str, Any] | None = None, **more: Any) -> Any:
    return read_request(request_of(operation, body, **more))


def version_of(operation: Operation, body: dict[str, Any] | None = None, **more: Any) -> int | None:
    intent = read(operation, body, **more)
    assert isinstance(intent, Edit | Move), intent
    return intent.expected_version


# What is wanted.


def test_a_valid_body_is_a_creation() -> None:
    intent = read(Operation.CREATE, minimal_body())

    assert isinstance(intent, Creation)
    assert isinstance(intent.draft, Draft)


def test_a_change_with_its_version_is_an_edit_of_the_other_fields() -> None:
    intent = read(Operation.UPDATE, {"version": 3, "tripName": "Porto"})

    assert intent == Edit(Change({"trip_name": "Porto"}), 3)


def test_a_change_may_name_nothing_but_its_version() -> None:
    assert read(Operation.UPDATE, {"version": 3}) == Edit(Change({}), 3)


@pytest.mark.parametrize("operation", MOVES)
def test_a_move_needs_neither_body_nor_version(operation: Operation) -> None:
    detail = {"channel": "link"} if operation is Operation.SEND else None

    assert read(operation) == Move(None, detail)


def test_reading_leaves_the_body_as_it_came() -> None:
    body = {"version": 3, "reason": "too dear"}

    read(Operation.REJECT, body)

    assert body == {"version": 3, "reason": "too dear"}


# The version.


@pytest.mark.parametrize("operation", CHANGES)
@pytest.mark.parametrize(
    ("place", "version"),
    [
        ({"body": {"version": 1}}, 1),
        ({"body": {"version": 3}}, 3),
        ({"body": {"version": Decimal("3.0")}}, 3),
        ({"body": {"version": 2_000_000_000}}, 2_000_000_000),
        ({"if_match": '"3"'}, 3),
        ({"if_match": '  "3" '}, 3),
        ({"query_version": "3"}, 3),
        ({"query_version": "2000000000"}, 2_000_000_000),
        ({"body": {"version": 3}, "if_match": '"3"'}, 3),
        ({"body": {"version": 3}, "if_match": "*"}, 3),
        ({"query_version": "3", "if_match": "*"}, 3),
        ({"body": {"version": 3}, "if_match": '"3"', "query_version": "3"}, 3),
    ],
)
def test_a_version_stands_in_the_body_the_query_or_if_match(
    operation: Operation, place: dict[str, Any], version: int
) -> None:
    assert version_of(operation, **place) == version


@pytest.mark.parametrize("operation", CHANGES)
@pytest.mark.parametrize(
    "if_match",
    ["", "3", "'3'", 'W/"3"', '"3", "4"', '"3"x', '""', '"x"', '"-3"', '"12345678901"', '"\u0663"'],
)
def test_another_if_match_is_refused(operation: Operation, if_match: str) -> None:
    body = {"version": 3}

    assert marks(read(operation, body, if_match=if_match)) == [("If-Match", "format")]


@pytest.mark.parametrize("operation", CHANGES)
def test_any_version_will_do_only_beside_one_in_the_body(operation: Operation) -> None:
    refusal = refused(read(operation, if_match="*"))

    assert ("If-Match", "format") in marks(refusal)
    assert refusal.code is ErrorCode.QUOTE_VALIDATION_FAILED
    assert refusal.http_status == 400


@pytest.mark.parametrize("operation", CHANGES)
@pytest.mark.parametrize(
    ("place", "mark"),
    [
        ({"body": {"version": 0}}, ("version", "range")),
        ({"body": {"version": -1}}, ("version", "range")),
        ({"body": {"version": 2_000_000_001}}, ("version", "range")),
        ({"body": {"version": "3"}}, ("version", "type")),
        ({"body": {"version": True}}, ("version", "type")),
        ({"body": {"version": Decimal("3.5")}}, ("version", "type")),
        ({"body": {"version": None}}, ("version", "type")),
        ({"body": {"version": [3]}}, ("version", "type")),
        ({"if_match": '"0"'}, ("If-Match", "range")),
        ({"if_match": '"9999999999"'}, ("If-Match", "range")),
        ({"query_version": "0"}, ("version", "range")),
        ({"query_version": "9999999999"}, ("version", "range")),
        ({"query_version": ""}, ("version", "type")),
        ({"query_version": "-3"}, ("version", "type")),
        ({"query_version": " 3"}, ("version", "type")),
        ({"query_version": "3\n"}, ("version", "type")),
        ({"query_version": "\u0663"}, ("version", "type")),
        ({"query_version": "12345678901"}, ("version", "type")),
    ],
)
def test_what_is_no_version_is_refused_where_it_stands(
    operation: Operation, place: dict[str, Any], mark: tuple[str, str]
) -> None:
    assert marks(read(operation, **place)) == [mark]


@pytest.mark.parametrize("operation", CHANGES)
@pytest.mark.parametrize(
    "places",
    [
        {"body": {"version": 3}, "if_match": '"4"'},
        {"body": {"version": 3}, "query_version": "4"},
        {"query_version": "3", "if_match": '"4"'},
    ],
)
def test_two_places_must_name_the_same_version(
    operation: Operation, places: dict[str, Any]
) -> None:
    assert marks(read(operation, **places)) == [("If-Match", "format")]


def test_a_change_must_name_its_version() -> None:
    assert marks(read(Operation.UPDATE, {"tripName": "Porto"})) == [("version", "missing_version")]


def test_a_new_quote_has_no_version_to_name() -> None:
    body = minimal_body(version=1)

    assert marks(read(Operation.CREATE, body)) == [("version", "server_owned")]
    assert marks(read(Operation.CREATE, minimal_body(), if_match='"1"')) == [("If-Match", "format")]
    assert marks(read(Operation.CREATE, minimal_body(), if_match="*")) == [("If-Match", "format")]


# The idempotency key.

GOOD_KEYS = ["k", "!", "~", "x" * 255, "a/b:c=d+e", '"quoted"']
BAD_KEYS = ["", "x" * 256, "two words", "tab\t", "new\n", "nul\0", "\x7f", "kéy", "\u0663", "a "]


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("key", GOOD_KEYS)
def test_an_idempotency_key_has_1_to_255_visible_characters(operation: Operation, key: str) -> None:
    body = {
        Operation.CREATE: minimal_body(),
        Operation.UPDATE: {"version": 1},
    }.get(operation, {})

    assert isinstance(read(operation, body, idempotency_key=key), Creation | Edit | Move)


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("key", BAD_KEYS)
def test_another_idempotency_key_is_refused(operation: Operation, key: str) -> None:
    body = {
        Operation.CREATE: minimal_body(),
        Operation.UPDATE: {"version": 1},
    }.get(operation, {})

    assert marks(read(operation, body, idempotency_key=key)) == [("Idempotency-Key", "format")]


# Everything at once.


def test_a_wrong_header_and_a_wrong_body_are_listed_together() -> None:
    body = minimal_body(adults=0, colour="red")

    listed = marks(read(Operation.CREATE, body, idempotency_key="", if_match='"1"'))

    assert listed == [
        ("Idempotency-Key", "format"),
        ("If-Match", "format"),
        ("adults", "range"),
        ("colour", "unknown"),
    ]


@pytest.mark.parametrize("if_match", [None, "*"])
def test_a_wrong_key_does_not_hide_that_the_version_is_missing(if_match: str | None) -> None:
    listed = marks(read(Operation.UPDATE, {"colour": 1}, idempotency_key="", if_match=if_match))

    missing = ("version", "missing_version") if if_match is None else ("If-Match", "format")
    assert listed == [("Idempotency-Key", "format"), missing, ("colour", "unknown")]


def test_a_missing_version_does_not_hide_a_wrong_shape() -> None:
    assert marks(read(Operation.UPDATE, {"colour": 1, "adults": "two"})) == [
        ("version", "missing_version"),
        ("colour", "unknown"),
        ("adults", "type"),
    ]


def test_a_lone_bad_currency_beside_a_bad_header_is_one_of_two() -> None:
    refusal = refused(read(Operation.CREATE, minimal_body(currency="BTC"), idempotency_key=""))

    assert refusal.code is ErrorCode.QUOTE_VALIDATION_FAILED
    assert [field for field, _ in marks(refusal)] == ["Idempotency-Key", "currency"]


def test_a_broken_bound_of_a_change_waits_for_status_and_version() -> None:
    intent = read(Operation.UPDATE, {"version": 1, "adults": 0})

    assert isinstance(intent, Edit)
    assert [each.field for each in intent.change.violations] == ["adults"]


# The bodies of the moves.

SENDABLE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {"channel": "link"}),
    ({"channel": None, "message": None}, {"channel": "link"}),
    ({"channel": "link"}, {"channel": "link"}),
    ({"channel": "whatsapp"}, {"channel": "whatsapp"}),
    ({"channel": "whatsapp", "to": "+351 1"}, {"channel": "whatsapp", "to": "+351 1"}),
    (
        {"channel": "email", "to": " ana@example.org ", "subject": "Your trip"},
        {"channel": "email", "to": "ana@example.org", "subject": "Your trip"},
    ),
    ({"message": "x"}, {"channel": "link", "message": "x"}),
    ({"message": "x" * 2000}, {"channel": "link", "message": "x" * 2000}),
]


@pytest.mark.parametrize(("body", "detail"), SENDABLE)
def test_a_quote_is_sent_by_email_whatsapp_or_link(
    body: dict[str, Any], detail: dict[str, Any]
) -> None:
    assert read(Operation.SEND, body | {"version": 2}) == Move(2, detail)


@pytest.mark.parametrize(
    ("body", "listed"),
    [
        ({"channel": "pigeon"}, [("channel", "choice")]),
        ({"channel": 1}, [("channel", "type")]),
        ({"channel": "email"}, [("to", "required"), ("subject", "required")]),
        ({"channel": "email", "to": "ana@example.org"}, [("subject", "required")]),
        ({"channel": "email", "to": None, "subject": "x"}, [("to", "required")]),
        ({"channel": "email", "to": " ", "subject": ""}, [("to", "empty"), ("subject", "empty")]),
        ({"channel": "email", "to": 7, "subject": "x"}, [("to", "type")]),
        ({"message": ""}, [("message", "empty")]),
        ({"message": "x" * 2001}, [("message", "too_long")]),
        ({"message": "a\0b"}, [("message", "character")]),
        ({"subject": "x" * 10_001}, [("subject", "too_long")]),
        ({"body": "x", "status": "SENT"}, [("body", "unknown"), ("status", "unknown")]),
        ({"tripName": "x"}, [("tripName", "unknown")]),
    ],
)
def test_another_way_to_send_is_refused(
    body: dict[str, Any], listed: list[tuple[str, str]]
) -> None:
    refusal = refused(read(Operation.SEND, body))

    assert refusal.code is ErrorCode.QUOTE_VALIDATION_FAILED
    assert marks(refusal) == listed


@pytest.mark.parametrize(
    "address", ["a@b.cd", "first.last+tag@mail.example.org", "ü@bücher.example", "x" * 64 + "@b.cd"]
)
def test_an_address_has_a_name_and_a_domain(address: str) -> None:
    body = {"channel": "email", "to": address, "subject": "x"}

    assert isinstance(read(Operation.SEND, body), Move)


@pytest.mark.parametrize(
    "address",
    [
        "ana",
        "@example.org",
        "ana@",
        "ana@example",
        "ana@.org",
        "ana@example..org",
        "ana@example.org.",
        "a b@example.org",
        "a@b@example.org",
        "ana@example.org\nBcc: all@example.org",
        "x" * 65 + "@b.cd",
        "ana@" + "x" * 64 + ".org",
    ],
)
def test_another_address_is_refused(address: str) -> None:
    body = {"channel": "email", "to": address, "subject": "x"}

    assert marks(read(Operation.SEND, body)) == [("to", "format")]


@pytest.mark.parametrize("operation", [Operation.ACCEPT, Operation.REJECT])
@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, None),
        ({"reason": None}, None),
        ({"reason": "x" * 2000}, {"reason": "x" * 2000}),
        ({"version": 4, "reason": "too dear"}, {"reason": "too dear"}),
    ],
)
def test_an_answer_may_give_its_reason(
    operation: Operation, body: dict[str, Any], detail: dict[str, Any] | None
) -> None:
    assert read(operation, body) == Move(body.get("version"), detail)


@pytest.mark.parametrize("operation", [Operation.ACCEPT, Operation.REJECT])
@pytest.mark.parametrize(
    ("body", "mark"),
    [
        ({"reason": 7}, ("reason", "type")),
        ({"reason": "x" * 2001}, ("reason", "too_long")),
        ({"reason": "\0"}, ("reason", "character")),
        ({"channel": "link"}, ("channel", "unknown")),
        ({"status": "ACCEPTED"}, ("status", "unknown")),
        ({"x" * 100_000: 1}, ("x" * 80, "unknown")),
    ],
)
def test_another_answer_is_refused(
    operation: Operation, body: dict[str, Any], mark: tuple[str, str]
) -> None:
    assert marks(read(operation, body)) == [mark]


@pytest.mark.parametrize("operation", [Operation.DELETE, Operation.EXPIRE])
@pytest.mark.parametrize("name", ["reason", "channel", "tripName", "status", "agentId"])
def test_a_delete_says_nothing_but_its_version(operation: Operation, name: str) -> None:
    assert marks(read(operation, {"version": 1, name: "x"})) == [(name, "unknown")]


# What an idempotency key stands for.


def print_of(operation: Operation, body: dict[str, Any], **more: Any) -> bytes:
    request = request_of(operation, body, **more)
    return fingerprint(request, payload_hash(request))


def test_the_same_request_has_the_same_fingerprint_whoever_sends_it_when() -> None:
    body = {"version": 1, "fees": Decimal("1.50")}
    same = {"fees": Decimal("1.5"), "version": 1}

    assert print_of(Operation.UPDATE, body) == print_of(
        Operation.UPDATE, same, correlation_id="REQ-another1", received=5.0, idempotency_key="k"
    )


def test_another_target_version_operation_or_body_has_another_fingerprint() -> None:
    body = {"version": 1}
    prints = [
        print_of(Operation.ACCEPT, body),
        print_of(Operation.REJECT, body),
        print_of(Operation.ACCEPT, {"version": 2}),
        print_of(Operation.ACCEPT, body, quote_id=None),
        print_of(Operation.ACCEPT, body, if_match='"1"'),
        print_of(Operation.ACCEPT, body, query_version="1"),
        print_of(Operation.ACCEPT, body, query_version='"1"'),
    ]

    assert len(set(prints)) == len(prints)
    assert all(len(each) == 32 for each in prints)
    assert request_of(Operation.ACCEPT).quote_id == QUOTE_ID


def test_the_items_of_a_body_are_part_of_its_fingerprint() -> None:
    one, other = (minimal_body(flights=[item("flights", price=price)]) for price in (1, 2))

    assert print_of(Operation.CREATE, one) != print_of(Operation.CREATE, other)
