"""Which operation a quote allows in which status: the whole matrix, over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from engine.saving.expiry import expire_due
from tests.api.caller import Caller
from tests.api.refusals import refusal
from tests.api.service import CLOCK, QUOTES

# domain.md, section 5: status → operation → status afterwards, or the code that refuses.
MATRIX = {
    "DRAFT": {
        "update": "DRAFT",
        "delete": "CANCELLED",
        "send": "SENT",
        "accept": "QUOTE_STATE_INVALID",
        "reject": "QUOTE_STATE_INVALID",
    },
    "SENT": {
        "update": "QUOTE_ALREADY_SENT",
        "delete": "QUOTE_ALREADY_SENT",
        "send": "QUOTE_ALREADY_SENT",
        "accept": "ACCEPTED",
        "reject": "REJECTED",
    },
    "REJECTED": {
        "update": "REJECTED",
        "delete": "CANCELLED",
        "send": "QUOTE_STATE_INVALID",
        "accept": "QUOTE_STATE_INVALID",
        "reject": "QUOTE_STATE_INVALID",
    },
    "ACCEPTED": dict.fromkeys(
        ("update", "delete", "send", "accept", "reject"), "QUOTE_STATE_INVALID"
    ),
    "EXPIRED": dict.fromkeys(
        ("update", "delete", "send", "accept", "reject"), "QUOTE_STATE_INVALID"
    ),
    "CANCELLED": dict.fromkeys(("update", "delete", "send", "accept", "reject"), "QUOTE_NOT_FOUND"),
}
ALLOWED = {
    "update": ["DRAFT", "REJECTED"],
    "delete": ["DRAFT", "REJECTED"],
    "send": ["DRAFT"],
    "accept": ["SENT"],
    "reject": ["SENT"],
}
CELLS = [(status, op, then) for status, row in MATRIX.items() for op, then in row.items()]


def quote_in(caller: Caller, status: str) -> str:
    """A quote that has come to a status on its usual way."""
    if status == "DRAFT":
        return caller.create()
    if status == "CANCELLED":
        quote_id = caller.create()
        assert caller.call("DELETE", f"/{quote_id}").status_code == 200
        return quote_id
    quote_id = caller.sent()
    if status == "EXPIRED":
        past = CLOCK.now() - timedelta(seconds=1)
        caller.service.execute("UPDATE quote SET expires_at = %s WHERE id = %s", past, quote_id)
        runtime = caller.service.runtime
        assert expire_due(runtime.read_pool, runtime.saver, CLOCK) >= 1
    elif status != "SENT":
        move = {"ACCEPTED": "accept", "REJECTED": "reject"}[status]
        assert caller.call("POST", f"/{quote_id}/{move}").status_code == 200
    return quote_id


def attempt(caller: Caller, operation: str, quote_id: str, version: int) -> Any:
    """Tries an operation from a version."""
    body = {"version": version}
    match operation:
        case "update":
            return caller.call("PATCH", f"/{quote_id}", body | {"tripName": "Porto"})
        case "delete":
            return caller.call("DELETE", f"/{quote_id}", body)
        case move:
            return caller.call("POST", f"/{quote_id}/{move}", body)


def status_of(caller: Caller, quote_id: str) -> str:
    """The status in the quote's row, whoever may read it."""
    row = caller.service.database.execute(
        "SELECT status FROM quote WHERE id = %s", [quote_id]
    ).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize(("status", "operation", "then"), CELLS)
def test_the_matrix_holds(caller: Caller, status: str, operation: str, then: str) -> None:
    quote_id = quote_in(caller, status)
    version = caller.service.version(quote_id)

    answer = attempt(caller, operation, quote_id, version)

    if then in MATRIX:
        assert answer.status_code == 200, answer.text
        assert (status_of(caller, quote_id), caller.service.version(quote_id)) == (
            then,
            version + 1,
        )
        return
    details = refusal(answer, then, 404 if then == "QUOTE_NOT_FOUND" else 409)["details"]
    if then == "QUOTE_NOT_FOUND":
        assert details == {}
    else:
        assert details == {"currentStatus": status, "allowedStatuses": ALLOWED[operation]}
    assert (status_of(caller, quote_id), caller.service.version(quote_id)) == (status, version)


@pytest.mark.parametrize("status", [status for status in MATRIX if status != "CANCELLED"])
def test_a_quote_can_be_read_in_every_status(caller: Caller, status: str) -> None:
    quote_id = quote_in(caller, status)

    assert caller.read(quote_id)["status"] == status
    history = caller.call("GET", f"/{quote_id}/history").json()["revisions"]
    assert history[0]["quote"]["status"] == status


def test_a_deleted_quote_is_not_there_for_anyone(caller: Caller) -> None:
    quote_id = quote_in(caller, "CANCELLED")

    for answer in (
        caller.call("GET", f"/{quote_id}"),
        caller.call("GET", f"/{quote_id}/history"),
        caller.call("DELETE", f"/{quote_id}"),
        caller.call("DELETE", f"/{quote_id}?version=1"),
        caller.call("DELETE", f"/{quote_id}", If_Match='"2"'),
    ):
        refusal(answer, "QUOTE_NOT_FOUND", 404)
    assert caller.call("GET").json()["quotes"] == []


def test_sending_starts_the_days_of_the_offer_anew(caller: Caller) -> None:
    quote_id = caller.create(expiresInDays=3)
    caller.service.execute("UPDATE quote SET expires_at = created_at WHERE id = %s", quote_id)

    answer = caller.call("POST", f"/{quote_id}/send")

    quote = answer.json()["quote"]
    assert quote["expiresAt"][:10] != quote["sentAt"][:10]
    assert quote["sentAt"] == answer.json()["savedAt"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"channel": "fax"}, "channel"),
        ({"channel": 1}, "channel"),
        ({"channel": "EMAIL"}, "channel"),
        ({"channel": "email", "subject": "s"}, "to"),
        ({"channel": "email", "to": "a@b.example"}, "subject"),
        ({"channel": "email", "to": "a@b.example", "subject": "  "}, "subject"),
        ({"channel": "email", "to": "nobody", "subject": "s"}, "to"),
        ({"channel": "email", "to": "a@b", "subject": "s"}, "to"),
        ({"channel": "email", "to": "a b@c.example", "subject": "s"}, "to"),
        ({"channel": "email", "to": "a@b.example\r\nBcc: c@d.example", "subject": "s"}, "to"),
        ({"channel": "email", "to": ["a@b.example"], "subject": "s"}, "to"),
        ({"message": ""}, "message"),
        ({"message": "x" * 2001}, "message"),
        ({"message": "a\0b"}, "message"),
        ({"message": 1}, "message"),
        ({"status": "SENT"}, "status"),
        ({"agentId": "x"}, "agentId"),
        ({"quoteId": "x"}, "quoteId"),
        ({"cc": "a@b.example"}, "cc"),
        ({"__proto__": {}}, "__proto__"),
    ],
)
def test_a_send_that_makes_no_sense_leaves_the_quote_a_draft(
    caller: Caller, body: dict[str, Any], field: str
) -> None:
    quote_id = caller.create()
    before = caller.service.stock()

    answer = caller.call("POST", f"/{quote_id}/send", body)

    errors = refusal(answer, "QUOTE_VALIDATION_FAILED", 400)["details"]["errors"]
    assert [error["field"] for error in errors] == [field]
    assert caller.service.stock() == before.after_refusals(1)
    assert caller.read(quote_id)["status"] == "DRAFT"


@pytest.mark.parametrize("move", ["accept", "reject"])
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"reason": 1}, "reason"),
        ({"reason": "x" * 2001}, "reason"),
        ({"reason": "a\0b"}, "reason"),
        ({"acceptedAt": "2026-01-01"}, "acceptedAt"),
        ({"status": "ACCEPTED"}, "status"),
    ],
)
def test_an_answer_that_makes_no_sense_leaves_the_quote_sent(
    caller: Caller, move: str, body: dict[str, Any], field: str
) -> None:
    quote_id = caller.sent()

    answer = caller.call("POST", f"/{quote_id}/{move}", body)

    errors = refusal(answer, "QUOTE_VALIDATION_FAILED", 400)["details"]["errors"]
    assert [error["field"] for error in errors] == [field]
    assert caller.read(quote_id)["status"] == "SENT"


TAKEN = {
    "": "GET, POST",
    "/{id}": "GET, PATCH, DELETE",
    "/{id}/send": "POST",
    "/{id}/accept": "POST",
    "/{id}/reject": "POST",
    "/{id}/history": "GET",
}
METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND"]
NOT_TAKEN = [
    (method, address, taken)
    for address, taken in TAKEN.items()
    for method in METHODS
    if method not in taken
]


@pytest.mark.parametrize(("method", "address", "taken"), NOT_TAKEN)
def test_a_method_that_an_address_does_not_take_is_refused_with_those_it_takes(
    caller: Caller, method: str, address: str, taken: str
) -> None:
    quote_id = caller.create()
    before = caller.service.stock()

    answer = caller.http.request(method, QUOTES + address.format(id=quote_id))

    assert answer.status_code == 405
    assert answer.headers["allow"] == taken
    assert answer.headers["x-correlation-id"]
    if method != "HEAD":
        assert answer.json()["errorCode"] == "QUOTE_VALIDATION_FAILED"
        assert answer.json()["details"] == {"method": method}
    assert caller.service.stock() == before
