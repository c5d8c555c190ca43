"""Idempotency keys over HTTP: the first answer again, byte for byte, and nothing done twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from engine.payload import encode
from tests.api.caller import JSON, Caller, check_documented
from tests.api.refusals import fields, refusal
from tests.api.service import CLOCK, QUOTES
from tests.support import quote_body

KEY = "key-1"
OF_KEY = {"Idempotency_Key": KEY}

# How each call is made a first time; the quote is ready for it.
CALLS: dict[str, Callable[[Caller, str], httpx.Response]] = {
    "CREATE": lambda caller, _id: caller.call("POST", "", quote_body(), Idempotency_Key=KEY),
    "UPDATE": lambda caller, quote_id: caller.call(
        "PATCH", f"/{quote_id}", {"version": 1, "tripName": "Porto"}, Idempotency_Key=KEY
    ),
    "DELETE": lambda caller, quote_id: caller.call(
        "DELETE", f"/{quote_id}?version=1", Idempotency_Key=KEY
    ),
    "SEND": lambda caller, quote_id: caller.call("POST", f"/{quote_id}/send", Idempotency_Key=KEY),
    "ACCEPT": lambda caller, quote_id: caller.call(
        "POST", f"/{quote_id}/accept", {"reason": "yes"}, Idempotency_Key=KEY
    ),
    "REJECT": lambda caller, quote_id: caller.call(
        "POST", f"/{quote_id}/reject", {"version": 2}, Idempotency_Key=KEY
    ),
}


def ready_for(caller: Caller, operation: str) -> str:
    """A quote that allows the operation."""
    return caller.sent() if operation in {"ACCEPT", "REJECT"} else caller.create()


@pytest.mark.parametrize("operation", CALLS)
def test_the_same_request_again_gets_the_first_answer_again(caller: Caller, operation: str) -> None:
    quote_id = ready_for(caller, operation)
    first = CALLS[operation](caller, quote_id)
    before = caller.service.stock()

    again = CALLS[operation](caller, quote_id)

    check_documented(again)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    for name in ("etag", "location", "content-type"):
        assert again.headers.get(name) == first.headers.get(name)
    # One id for each request: the body tells of the save, the header of this attempt.
    assert again.headers["x-correlation-id"] != first.headers["x-correlation-id"]
    assert again.json()["correlationId"] == first.headers["x-correlation-id"]
    assert caller.service.stock() == before.after_refusals(1)
    row = caller.service.attempt(again.headers["x-correlation-id"])
    assert (row["operation"], row["outcome"], row["error_code"]) == (operation, "replayed", None)
    assert (row["idempotency_key"], row["http_status"]) == (KEY, first.status_code)
    assert str(row["quote_id"]) == first.json()["quoteId"]


@pytest.mark.parametrize(
    "same",
    [
        b'{"version":1,"taxes":200}',
        b'{ "taxes" : 200.00 , "version" : 1 }',
        b'{"taxes":2E+2,"version":1.0}',
        b'{"\\u0074axes":200,"version":1}',
    ],
)
def test_the_same_body_may_be_written_another_way(caller: Caller, same: bytes) -> None:
    quote_id = caller.create()
    first = caller.call(
        "PATCH", f"/{quote_id}", {"taxes": Decimal(200), "version": 1}, Idempotency_Key=KEY
    )

    again = caller.call("PATCH", f"/{quote_id}", body=same, Idempotency_Key=KEY)

    assert again.headers["idempotent-replayed"] == "true"
    assert again.content == first.content


OTHERS: dict[str, Callable[[Caller, str, str], httpx.Response]] = {
    "body": lambda c, q, _o: c.call("PATCH", f"/{q}", {"version": 1, "taxes": 2}, **OF_KEY),
    "version": lambda c, q, _o: c.call("PATCH", f"/{q}", {"version": 2, "taxes": 1}, **OF_KEY),
    "version in If-Match": lambda c, q, _o: c.call(
        "PATCH", f"/{q}", {"taxes": 1}, If_Match='"1"', **OF_KEY
    ),
    "quote": lambda c, _q, o: c.call("PATCH", f"/{o}", {"version": 1, "taxes": 1}, **OF_KEY),
    "operation": lambda c, q, _o: c.call("DELETE", f"/{q}", {"version": 2}, **OF_KEY),
    "create": lambda c, _q, _o: c.call("POST", "", quote_body(), **OF_KEY),
}


@pytest.mark.parametrize("what", OTHERS)
def test_the_same_key_for_another_request_is_refused(caller: Caller, what: str) -> None:
    quote_id, other = caller.create(), caller.create()
    first = caller.call("PATCH", f"/{quote_id}", {"version": 1, "taxes": 1}, **OF_KEY)
    assert first.status_code == 200
    before = caller.service.stock()

    answer = OTHERS[what](caller, quote_id, other)

    body = refusal(answer, "QUOTE_VALIDATION_FAILED", 422)
    assert body["details"] == {"reason": "idempotency_key_reused"}
    assert caller.service.stock() == before.after_refusals(1)


def test_a_key_belongs_to_one_agent(caller: Caller, stranger: Caller) -> None:
    answers = [
        each.call("POST", "", quote_body(), Idempotency_Key=KEY) for each in (caller, stranger)
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["quoteId"] != answers[1].json()["quoteId"]
    assert "idempotent-replayed" not in answers[1].headers


def test_a_key_is_forgotten_after_its_day(caller: Caller) -> None:
    first = caller.call("POST", "", quote_body(), Idempotency_Key=KEY)
    past = CLOCK.now() - timedelta(seconds=1)
    caller.service.execute(
        "UPDATE idempotency_key SET expires_at = %s WHERE agent_id = %s",
        past,
        caller.agency.agent_id,
    )

    other = caller.call("POST", "", quote_body(tripName="Porto"), Idempotency_Key=KEY)
    again = caller.call("POST", "", quote_body(tripName="Porto"), Idempotency_Key=KEY)

    assert other.status_code == 201
    assert other.json()["quoteId"] != first.json()["quoteId"]
    assert "idempotent-replayed" not in other.headers
    assert again.content == other.content


def test_a_key_lives_a_day(caller: Caller) -> None:
    caller.call("POST", "", quote_body(), Idempotency_Key=KEY)

    (row,) = caller.service.database.execute(
        "SELECT expires_at FROM idempotency_key WHERE agent_id = %s", [caller.agency.agent_id]
    ).fetchall()
    lived = CLOCK.now() + timedelta(hours=24) - row[0]
    assert timedelta(0) <= lived < timedelta(minutes=1)


def test_a_refused_save_leaves_no_key(caller: Caller) -> None:
    """It changed nothing, so the mended request may carry the same key."""
    quote_id = caller.create()
    refused = [
        caller.call("POST", "", quote_body(adults=0), Idempotency_Key=KEY),
        caller.call("POST", "", quote_body(discount=99999), Idempotency_Key=KEY),
        caller.call("POST", "", body=b"{", Idempotency_Key=KEY),
        caller.call("PATCH", f"/{quote_id}", {"version": 9, "taxes": 1}, Idempotency_Key=KEY),
        caller.call("POST", f"/{quote_id}/accept", Idempotency_Key=KEY),
    ]

    mended = caller.call("PATCH", f"/{quote_id}", {"version": 1, "taxes": 1}, Idempotency_Key=KEY)

    assert [answer.status_code for answer in refused] == [400, 400, 400, 409, 409]
    assert mended.status_code == 200
    assert "idempotent-replayed" not in mended.headers


def test_a_replay_is_answered_although_the_quote_has_moved_on(caller: Caller) -> None:
    quote_id = caller.create()
    first = caller.call("PATCH", f"/{quote_id}", {"version": 1, "taxes": 1}, Idempotency_Key=KEY)
    assert caller.call("POST", f"/{quote_id}/send").status_code == 200
    assert caller.call("POST", f"/{quote_id}/accept").status_code == 200

    again = caller.call("PATCH", f"/{quote_id}", {"version": 1, "taxes": 1}, Idempotency_Key=KEY)

    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["etag"] == '"2"'


def test_a_read_takes_no_notice_of_a_key(caller: Caller) -> None:
    quote_id = caller.create()

    answers = [caller.call("GET", f"/{quote_id}", Idempotency_Key=KEY) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert not any("idempotent-replayed" in answer.headers for answer in answers)


@pytest.mark.parametrize(
    "key", ["k", "!", "~" * 255, 'a,b;c="d"\'', "../../x", "%00", "é".encode().hex()]
)
def test_a_key_is_any_visible_text_of_up_to_255_characters(caller: Caller, key: str) -> None:
    first, again = (caller.call("POST", "", quote_body(), Idempotency_Key=key) for _ in range(2))

    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content


@pytest.mark.parametrize(
    "key",
    [b"", b"a b", b"a\tb", b"k" * 256, b"k" * 60_000, b"\xe9", "clé".encode(), b"\xff\xfe",
     b"\x80", b"a, b"],
)  # fmt: skip
def test_another_key_is_refused(caller: Caller, key: bytes) -> None:
    before = caller.service.stock()

    answer = caller.http.post(
        QUOTES,
        headers={b"Idempotency-Key": key, b"Content-Type": b"application/json"},
        content=encode(quote_body()),
    )

    body = refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
    assert fields(body) == {"Idempotency-Key"}
    assert caller.service.stock() == before.after_refusals(1)
    # What is no key may be anything, an API key put into the wrong header even.
    assert caller.service.attempt(body["correlationId"])["idempotency_key"] is None


@pytest.mark.parametrize("keys", [("a", "b"), ("a", "a"), ("a", "")])
def test_two_keys_are_refused(caller: Caller, keys: tuple[str, str]) -> None:
    headers = [*JSON.items(), *(("Idempotency-Key", key) for key in keys)]

    answer = caller.http.post(QUOTES, headers=headers, content=encode(quote_body()))

    assert fields(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == {"Idempotency-Key"}


def test_of_the_same_requests_at_once_one_saves_and_the_others_replay_it(caller: Caller) -> None:
    together = threading.Barrier(6)
    body: dict[str, Any] = quote_body()

    def post(_number: int) -> httpx.Response:
        together.wait(20)
        return caller.call("POST", "", body, Idempotency_Key=KEY)

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(post, range(6)))

    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    rows = [caller.service.attempt(answer.headers["x-correlation-id"]) for answer in answers]
    assert sorted(row["outcome"] for row in rows) == ["committed", *["replayed"] * 5]
    assert len(caller.call("GET").json()["quotes"]) == 1
