"""Where a caller may name the version that it starts from, and what a stale one is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.caller import Caller
from tests.api.refusals import fields, marks, refusal
from tests.api.service import QUOTES, Service
from tests.api.wire import line_to, request

MOVES = ["send", "accept", "reject"]


def ready_for(caller: Caller, move: str) -> tuple[str, int]:
    """A quote that allows a move, and its version."""
    return (caller.create(), 1) if move == "send" else (caller.sent(), 2)


# Each place where it may stand.


@pytest.mark.parametrize(
    ("body", "if_match"),
    [
        ({"version": 1}, None),
        ({}, '"1"'),
        ({"version": 1}, '"1"'),
        ({"version": 1}, "*"),
        ({"version": 1.0}, None),
        ({}, '"01"'),
    ],
)
def test_a_change_takes_its_version_from_the_body_or_if_match(
    caller: Caller, body: dict[str, Any], if_match: str | None
) -> None:
    quote_id = caller.create()
    headers = {} if if_match is None else {"If_Match": if_match}

    answer = caller.call("PATCH", f"/{quote_id}", {"tripName": "Porto", **body}, **headers)

    assert answer.status_code == 200, answer.text
    assert caller.service.version(quote_id) == 2


@pytest.mark.parametrize(
    ("query", "body", "if_match"),
    [
        ("", None, None),
        ("?version=1", None, None),
        ("?version=%31", None, None),
        ("", {"version": 1}, None),
        ("", {}, None),
        ("", None, '"1"'),
        ("?version=1", {"version": 1}, '"1"'),
        ("?version=1", None, "*"),
    ],
)
def test_a_delete_takes_its_version_from_query_body_or_if_match(
    caller: Caller, query: str, body: dict[str, Any] | None, if_match: str | None
) -> None:
    quote_id = caller.create()
    headers = {} if if_match is None else {"If_Match": if_match}

    answer = caller.call("DELETE", f"/{quote_id}{query}", body, **headers)

    assert answer.status_code == 200, answer.text
    assert caller.service.version(quote_id) == 2


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("place", ["nowhere", "body", "If-Match"])
def test_a_move_may_name_its_version(caller: Caller, move: str, place: str) -> None:
    quote_id, version = ready_for(caller, move)
    body = {"version": version} if place == "body" else None
    headers = {"If_Match": f'"{version}"'} if place == "If-Match" else {}

    answer = caller.call("POST", f"/{quote_id}/{move}", body, **headers)

    assert answer.status_code == 200, answer.text


# Versions that are none.

WRONG_TAGS = [
    "*", '""', "1", "'1'", 'W/"1"', 'w/"1"', '"1", "2"', '"1","1"', '"1"; q=1', '"x"', '"1.0"',
    '"+1"', '"-1"', '" 1"', '"\xb9"', '"99999999999"',
]  # fmt: skip


@pytest.mark.parametrize("if_match", WRONG_TAGS)
def test_an_if_match_that_is_no_version_is_refused(caller: Caller, if_match: str) -> None:
    quote_id = caller.create()
    before = caller.service.stock()

    answers = [
        caller.http.request(
            method,
            f"{QUOTES}/{quote_id}{path}",
            headers={b"If-Match": if_match.encode("latin-1")},
            json=body,
        )
        for method, path, body in (
            ("PATCH", "", {"tripName": "Porto"}),
            ("DELETE", "", None),
            ("POST", "/send", None),
        )
    ]

    for answer in answers:
        body = refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
        assert marks(body) == [("If-Match", "format")]
    assert caller.service.stock() == before.after_refusals(3)


@pytest.mark.parametrize("if_match", ['"0"', '"2000000001"', '"2147483648"', '"9999999999"'])
def test_an_if_match_out_of_range_is_refused(caller: Caller, if_match: str) -> None:
    quote_id = caller.create()

    answer = caller.call("PATCH", f"/{quote_id}", {"tripName": "Porto"}, If_Match=if_match)

    body = refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
    assert marks(body) == [("If-Match", "range")]
    assert caller.service.version(quote_id) == 1


@pytest.mark.parametrize(
    "version", [0, -1, 1.5, "1", "", None, True, [], {}, [1], 2_000_000_001, 10**18, 10**30]
)
@pytest.mark.parametrize(("method", "path"), [("PATCH", ""), ("DELETE", ""), ("POST", "/send")])
def test_a_version_in_the_body_is_a_whole_number_from_1(
    caller: Caller, method: str, path: str, version: object
) -> None:
    quote_id = caller.create()

    answer = caller.http.request(method, f"{QUOTES}/{quote_id}{path}", json={"version": version})

    body = refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
    assert fields(body) == {"version"}
    assert caller.service.version(quote_id) == 1


@pytest.mark.parametrize(
    "version",
    ["", "0", "-1", "1.0", "1e0", "%201", "1%20", "+1", "0x1", "true", "null", "%D9%A1", "1%00",
     "2000000001", "99999999999999999999"],
)  # fmt: skip
def test_a_version_in_the_query_is_a_whole_number_from_1(caller: Caller, version: str) -> None:
    quote_id = caller.create()

    answer = caller.call("DELETE", f"/{quote_id}?version={version}")

    body = refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
    assert fields(body) == {"version"}
    assert caller.service.version(quote_id) == 1


def test_a_change_without_a_version_is_refused(caller: Caller) -> None:
    quote_id = caller.create()

    answer = caller.call("PATCH", f"/{quote_id}", {"tripName": "Porto"})

    assert marks(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == [
        ("version", "missing_version")
    ]


@pytest.mark.parametrize(
    ("query", "body", "if_match"),
    [
        ("", {"version": 1}, '"2"'),
        ("", {"version": 2}, '"1"'),
        ("?version=1", {"version": 2}, None),
        ("?version=2", {"version": 1}, None),
        ("?version=2", None, '"1"'),
        ("?version=1", {"version": 1}, '"2"'),
    ],
)
def test_versions_that_disagree_are_refused(
    caller: Caller, query: str, body: dict[str, Any] | None, if_match: str | None
) -> None:
    quote_id = caller.create()
    headers = {} if if_match is None else {"If_Match": if_match}

    answer = caller.call("DELETE", f"/{quote_id}{query}", body, **headers)

    refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
    assert caller.service.version(quote_id) == 1


def test_two_if_match_headers_are_a_list_and_refused_like_one(caller: Caller) -> None:
    quote_id = caller.create()
    tags = [("If-Match", '"7"'), ("If-Match", '"1"')]

    answer = caller.http.request("DELETE", f"{QUOTES}/{quote_id}", headers=tags)

    assert marks(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == [("If-Match", "format")]
    assert caller.service.version(quote_id) == 1


def test_a_version_that_the_query_names_twice_is_refused(caller: Caller) -> None:
    quote_id = caller.create()

    answer = caller.call("DELETE", f"/{quote_id}?version=7&version=1")

    assert fields(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == {"version"}
    assert caller.service.version(quote_id) == 1


def test_a_new_quote_takes_no_version(caller: Caller) -> None:
    before = caller.service.stock()

    for extra in ({"If_Match": '"1"'}, {"If_Match": "*"}):
        answer = caller.call("POST", body={"tripName": "x"}, **extra)
        assert "If-Match" in fields(refusal(answer, "QUOTE_VALIDATION_FAILED", 400))

    assert caller.service.stock() == before.after_refusals(2)


# Stale versions.


@pytest.mark.parametrize(
    ("body", "if_match", "status"),
    [
        ({"version": 1}, None, 409),
        ({}, '"1"', 412),
        ({"version": 1}, '"1"', 412),
        ({"version": 1}, "*", 409),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("PATCH", ""), ("DELETE", ""), ("POST", "/send")])
def test_a_stale_version_is_a_conflict_that_names_the_winner(
    caller: Caller,
    method: str,
    path: str,
    body: dict[str, Any],
    if_match: str | None,
    status: int,
) -> None:
    quote_id = caller.create()
    winner = caller.call("PATCH", f"/{quote_id}", {"version": 1, "tripName": "Porto"})
    before = caller.service.stock()
    headers = {} if if_match is None else {"If_Match": if_match}

    answer = caller.call(method, f"/{quote_id}{path}", body, **headers)

    refused = refusal(answer, "QUOTE_CONFLICT_VERSION", status)
    details = refused["details"]
    assert (details["quoteId"], details["expectedVersion"], details["actualVersion"]) == (
        quote_id,
        1,
        2,
    )
    assert details["lastModifiedBy"] == str(caller.agency.account_id)
    assert details["lastModifiedAt"] == winner.json()["savedAt"]
    assert details["winnerCorrelationId"] == winner.headers["x-correlation-id"]
    assert answer.headers["etag"] == '"2"'
    assert caller.service.stock() == before.after_refusals(1)
    row = caller.service.attempt(answer.headers["x-correlation-id"])
    assert (row["outcome"], row["http_status"]) == ("conflict", status)
    assert (row["expected_version"], row["actual_version"]) == (1, 2)


@pytest.mark.parametrize("move", ["accept", "reject"])
def test_a_move_with_a_stale_version_is_a_conflict(caller: Caller, move: str) -> None:
    quote_id = caller.sent()

    answer = caller.call("POST", f"/{quote_id}/{move}", {"version": 1})

    refusal(answer, "QUOTE_CONFLICT_VERSION", 409)
    assert caller.service.version(quote_id) == 2


def test_a_version_that_was_never_reached_is_a_conflict_too(caller: Caller) -> None:
    quote_id = caller.create()

    answer = caller.call("PATCH", f"/{quote_id}", {"version": 2_000_000_000})

    details = refusal(answer, "QUOTE_CONFLICT_VERSION", 409)["details"]
    assert (details["expectedVersion"], details["actualVersion"]) == (2_000_000_000, 1)


def test_of_callers_that_start_from_one_version_one_wins(service: Service, caller: Caller) -> None:
    """Sent down one connection each before any is read, so that they meet in the engine."""
    quote_id = caller.create()
    key = f"Authorization: Bearer {caller.agency.api_key}".encode()
    body = b'{"version":1}'
    data = request(
        "PATCH", f"{QUOTES}/{quote_id}", key, b"Content-Type: application/json", body=body
    )

    with line_to(service) as a, line_to(service) as b, line_to(service) as c, line_to(service) as d:
        lines = (a, b, c, d)
        for line in lines:
            line.send(data[:-1])
        for line in lines:
            line.send(data[-1:])
        statuses = sorted(line.hear("PATCH").status for line in lines)

    assert statuses == [200, 409, 409, 409]
    assert service.version(quote_id) == 2


# Reading only what is new.


@pytest.mark.parametrize(
    "known", ['"2"', 'W/"2"', '"1", "2"', '"1",W/"2" , "3"', "*", ' "2"', '"x", "2"']
)
def test_a_known_version_is_answered_304_without_a_body(caller: Caller, known: str) -> None:
    quote_id = caller.sent()

    with line_to(caller.service) as line:
        line.send(
            request(
                "GET",
                f"{QUOTES}/{quote_id}",
                f"Authorization: Bearer {caller.agency.api_key}".encode(),
                f"If-None-Match: {known}".encode(),
            )
        )
        heard = line.hear()

    assert (heard.status, heard.body) == (304, b"")
    assert heard.headers["ETag"] == '"2"'
    assert heard.headers["X-Correlation-ID"]
    # RFC 9110, 8.6: not unless it is the length that a 200 would have.
    assert heard.headers["Content-Length"] is None
    assert heard.headers["Transfer-Encoding"] is None


@pytest.mark.parametrize("known", ['"1"', '"3"', "2", '""', "x", "", 'W/"1", "3"', '"2', "2*"])
def test_another_version_is_answered_whole(caller: Caller, known: str) -> None:
    quote_id = caller.sent()

    answer = caller.call("GET", f"/{quote_id}", If_None_Match=known)

    assert answer.status_code == 200
    assert answer.json()["quote"]["version"] == 2


def test_several_if_none_match_headers_are_one_list(caller: Caller) -> None:
    quote_id = caller.create()
    tags = [("If-None-Match", '"1"'), ("If-None-Match", '"5"')]

    answer = caller.http.get(f"{QUOTES}/{quote_id}", headers=tags)

    assert answer.status_code == 304


def test_nobody_learns_of_anothers_quote_by_asking_what_is_new(
    caller: Caller, stranger: Caller
) -> None:
    quote_id = caller.create()

    answer = stranger.call("GET", f"/{quote_id}", If_None_Match="*")

    refusal(answer, "QUOTE_NOT_FOUND", 404)
    assert "etag" not in answer.headers
