"""What each call answers when it succeeds: status, headers, members, and the bytes of amounts."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.api.caller import Caller, check_documented
from tests.api.service import QUOTES
from tests.support import quote_body

# domain.md, section 1.
QUOTE_MEMBERS = {
    "agentId", "id", "quoteNumber", "clientId", "tripName", "destination", "startDate", "endDate",
    "durationDays", "adults", "children", "infants", "travelers", "flights", "hotels",
    "activities", "transfers", "carRentals", "customItems", "insurance", "currency", "basePrice",
    "productMarkup", "subtotal", "agentMarkup", "agentMarkupPercent", "taxes", "fees", "discount",
    "total", "perPerson", "pricingPolicy", "showCommissionToClient", "commissionLabel",
    "inclusions", "exclusions", "importantInfo", "customNotes", "agentNotes", "expiresInDays",
    "status", "createdAt", "sentAt", "acceptedAt", "rejectedAt", "expiresAt", "deletedAt",
    "version", "lastModifiedBy", "lastModifiedAt",
}  # fmt: skip
SAVE_MEMBERS = {"success", "quoteId", "version", "savedAt", "correlationId", "quote"}
MOVES = [("send", "SENT"), ("accept", "ACCEPTED"), ("reject", "REJECTED")]

# domain.md, section 4, as the bytes that a caller reads.
VECTORS: list[tuple[dict[str, Any], str, str]] = [
    ({"customItems": [{"name": "a", "price": "99.99"}]}, "114.99", "57.50"),
    ({"agentMarkupPercent": 0, "customItems": [{"name": "a", "price": Decimal("0.10")},
                                               {"name": "b", "price": Decimal("0.20")}]},
     "0.30", "0.15"),
    ({"taxes": 100}, "100.00", "50.00"),
    ({"flights": [{"airline": "TAP", "date": "2026-06-01", "price": 200}]}, "252.00", "126.00"),
    ({"flights": [{"airline": "TAP", "date": "2026-06-01", "price": 5000}]}, "5950.00", "2975.00"),
    ({"adults": 3, "activities": [{"name": "a", "price": 75, "priceType": "per_person"}]},
     "258.75", "86.25"),
    ({}, "0.00", "0.00"),
    ({"currency": "JPY", "taxes": 1000}, "1000", "500"),
    ({"currency": "JPY", "taxes": Decimal("1E+3")}, "1000", "500"),
    ({"taxes": Decimal("1E+3")}, "1000.00", "500.00"),
]  # fmt: skip


def bare(**fields: Any) -> dict[str, Any]:
    """A valid quote without items and options, but for these."""
    required = ("tripName", "destination", "startDate", "endDate", "adults")
    return {name: quote_body()[name] for name in required} | fields


def spelled(answer: httpx.Response) -> dict[str, Any]:
    """The quote of an answer with its fractions as they are spelled."""
    quote: dict[str, Any] = json.loads(answer.content, parse_float=str, parse_int=str)["quote"]
    return quote


def is_instant(written: str) -> bool:
    """Whether a text is an instant in UTC."""
    return written.endswith("Z") and datetime.fromisoformat(written).tzinfo is not None


def check_saved(answer: httpx.Response, status: int, version: int) -> dict[str, Any]:
    """Asserts that an answer is a committed save of a version; returns the quote."""
    assert answer.status_code == status, answer.text
    check_documented(answer)
    body: dict[str, Any] = answer.json()
    assert set(body) == SAVE_MEMBERS
    assert body["success"] is True
    assert body["version"] == version
    assert is_instant(body["savedAt"])
    assert body["correlationId"] == answer.headers["x-correlation-id"]
    assert answer.headers["etag"] == f'"{version}"'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert "idempotent-replayed" not in answer.headers
    quote: dict[str, Any] = body["quote"]
    assert set(quote) == QUOTE_MEMBERS
    assert (quote["id"], quote["version"]) == (body["quoteId"], version)
    assert quote["lastModifiedAt"] == body["savedAt"]
    return quote


def test_a_create_answers_201_with_location_and_version_1(caller: Caller) -> None:
    answer = caller.call("POST", body=quote_body(clientId=str(caller.agency.client_id)))

    quote = check_saved(answer, 201, 1)
    assert answer.headers["location"] == f"{QUOTES}/{quote['id']}"
    assert UUID(quote["id"]).version == 7
    assert quote["agentId"] == str(caller.agency.agent_id)
    assert quote["clientId"] == str(caller.agency.client_id)
    assert quote["lastModifiedBy"] == str(caller.agency.account_id)
    assert quote["status"] == "DRAFT"
    assert quote["quoteNumber"].startswith("QT-")
    assert (quote["durationDays"], quote["travelers"]) == (6, 2)
    assert caller.http.get(answer.headers["location"]).json()["quote"] == quote


def test_a_change_answers_200_with_the_next_version(caller: Caller) -> None:
    quote_id = caller.create()

    answer = caller.call("PATCH", f"/{quote_id}", {"version": 1, "tripName": " Porto "})

    quote = check_saved(answer, 200, 2)
    assert quote["tripName"] == "Porto"
    assert "location" not in answer.headers
    assert caller.read(quote_id) == quote


def test_a_change_that_changes_nothing_counts_up_all_the_same(caller: Caller) -> None:
    quote_id = caller.create()

    answer = caller.call("PATCH", f"/{quote_id}", {"version": 1})

    check_saved(answer, 200, 2)


def test_a_read_answers_the_quote_and_its_tag(caller: Caller) -> None:
    quote_id = caller.create()

    answer = caller.call("GET", f"/{quote_id}")

    check_documented(answer)
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"1"'
    assert set(answer.json()) == {"success", "correlationId", "quote"}
    assert answer.json()["correlationId"] == answer.headers["x-correlation-id"]
    assert answer.json()["success"] is True


def test_a_list_answers_quotes_and_where_to_go_on(caller: Caller) -> None:
    first, second = caller.create(), caller.create()

    answer = caller.call("GET", "?limit=1")

    check_documented(answer)
    body = answer.json()
    assert answer.status_code == 200
    assert {"success", "quotes", "nextCursor"} <= set(body)
    assert [quote["id"] for quote in body["quotes"]] == [second]
    rest = caller.call("GET", f"?cursor={body['nextCursor']}").json()
    assert [quote["id"] for quote in rest["quotes"]] == [first]
    assert rest["nextCursor"] is None


def test_a_delete_answers_the_version_and_nothing_of_the_quote(caller: Caller) -> None:
    quote_id = caller.create()

    answer = caller.call("DELETE", f"/{quote_id}")

    check_documented(answer)
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "quoteId": quote_id,
        "version": 2,
        "correlationId": answer.headers["x-correlation-id"],
    }


@pytest.mark.parametrize(("move", "status"), MOVES)
def test_a_move_answers_the_save_shape(caller: Caller, move: str, status: str) -> None:
    is_first = move == "send"
    quote_id = caller.create() if is_first else caller.sent()

    answer = caller.call("POST", f"/{quote_id}/{move}")

    quote = check_saved(answer, 200, 2 if is_first else 3)
    assert quote["status"] == status
    assert is_instant(quote[f"{status.lower()}At"])
    assert caller.read(quote_id) == quote


@pytest.mark.parametrize(
    "body",
    [
        {"channel": "link"},
        {"channel": "whatsapp", "message": "x" * 2000},
        {"channel": "email", "to": "ines@example.org", "subject": "Your trip"},
        {"channel": "email", "to": "a.b+c@sub.example.org", "subject": "s", "message": "m"},
        {"version": 1},
        {},
    ],
)
def test_a_send_takes_every_channel(caller: Caller, body: dict[str, Any]) -> None:
    quote_id = caller.create()

    answer = caller.call("POST", f"/{quote_id}/send", body)

    check_saved(answer, 200, 2)


@pytest.mark.parametrize("body", [{"reason": "too dear"}, {"version": 2, "reason": ""}, {}])
@pytest.mark.parametrize("move", ["accept", "reject"])
def test_an_answer_of_the_client_takes_a_reason(
    caller: Caller, move: str, body: dict[str, Any]
) -> None:
    answer = caller.call("POST", f"/{caller.sent()}/{move}", body)

    check_saved(answer, 200, 3)


def test_the_history_has_every_version_newest_first(caller: Caller) -> None:
    quote_id = caller.create()
    changed = caller.call("PATCH", f"/{quote_id}", {"version": 1, "taxes": 1, "tripName": "Porto"})
    sent = caller.call("POST", f"/{quote_id}/send")

    answer = caller.call("GET", f"/{quote_id}/history")

    check_documented(answer)
    body = answer.json()
    assert answer.status_code == 200
    assert body["quoteId"] == quote_id
    revisions = body["revisions"]
    assert [(each["version"], each["operation"]) for each in revisions] == [
        (3, "SEND"),
        (2, "UPDATE"),
        (1, "CREATE"),
    ]
    assert [each["correlationId"] for each in revisions[:2]] == [
        sent.headers["x-correlation-id"],
        changed.headers["x-correlation-id"],
    ]
    assert {each["modifiedBy"] for each in revisions} == {str(caller.agency.account_id)}
    assert [each["quote"] for each in revisions[:2]] == [
        sent.json()["quote"],
        changed.json()["quote"],
    ]


@pytest.mark.parametrize(("options", "total", "per_person"), VECTORS)
def test_amounts_are_numbers_with_the_digits_of_the_currency(
    caller: Caller, options: dict[str, Any], total: str, per_person: str
) -> None:
    created = caller.call("POST", body=bare(**options))

    assert created.status_code == 201, created.text
    quote_id = created.json()["quoteId"]
    listed = caller.call("GET", "?limit=1").content
    history = caller.call("GET", f"/{quote_id}/history").content
    for content in (created.content, caller.call("GET", f"/{quote_id}").content, listed, history):
        assert f'"total":{total},"perPerson":{per_person},'.encode() in content


def test_no_amount_loses_its_digits_on_the_way(caller: Caller) -> None:
    created = caller.call("POST", body=quote_body())

    digits = {"450.00", "180.00", "80.00", "60.00", "2000.00", "98.00", "2098.00", "240.00",
              "120.50", "35.00", "50.00", "2443.50", "1221.75"}  # fmt: skip
    read = caller.call("GET", f"/{created.json()['quoteId']}")
    for answer in (created, read):
        quote = spelled(answer)
        amounts = {
            value for name, value in quote.items() if name not in QUOTE_MEMBERS - AMOUNT_MEMBERS
        } | {item["price"] for kind in ITEM_LISTS for item in quote[kind]}
        assert amounts == digits


AMOUNT_MEMBERS = {"basePrice", "productMarkup", "subtotal", "agentMarkup", "taxes", "fees",
                  "discount", "total", "perPerson"}  # fmt: skip
ITEM_LISTS = ["flights", "hotels", "activities", "transfers", "carRentals", "customItems"]


def test_a_number_is_read_as_it_was_answered(caller: Caller) -> None:
    """However a number was written, every answer spells it the same."""
    body = bare(agentMarkupPercent=Decimal("1E+1"), fees=Decimal("2E+1"))
    body["hotels"] = [
        {
            "name": "a",
            "checkIn": "2026-06-01",
            "checkOut": "2026-06-02",
            "price": Decimal("1E+2"),
            "stars": Decimal("4E+0"),
        }
    ]
    body["activities"] = [{"name": "a", "price": "007", "duration": Decimal("1.5E+2")}]

    created = caller.call("POST", body=body)

    assert created.status_code == 201, created.text
    read = caller.call("GET", f"/{created.json()['quoteId']}")
    assert spelled(created) == spelled(read)
    assert b"E" not in created.content.partition(b'"agentMarkupPercent":')[2].partition(b",")[0]


def test_texts_come_back_as_they_went_in(caller: Caller) -> None:
    strange = (
        "tab\t nl\n cr\r del\x7f bell\x07 \u2028\u2029 \ufeff\ufffe\uffff 😀 é e\u0301 <&'\"\\"
    )

    created = caller.call("POST", body=quote_body(customNotes=strange, inclusions=[strange, ""]))

    assert created.status_code == 201, created.text
    quote = caller.read(created.json()["quoteId"])
    assert (quote["customNotes"], quote["inclusions"]) == (strange, [strange, ""])


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-06-01", "2026-06-01T00:00:00Z"),
        ("20260601", "2026-06-01T00:00:00Z"),
        ("2026-W23-1", "2026-06-01T00:00:00Z"),
        ("2026-06-01T10:00:00Z", "2026-06-01T10:00:00Z"),
        ("2026-06-01t10:00z", "2026-06-01T10:00:00Z"),
        ("2026-06-01 10:00:00+02:00", "2026-06-01T08:00:00Z"),
        ("2026-06-01T00:30:00+05:45", "2026-05-31T18:45:00Z"),
        ("2026-06-01T10:00:00.123456Z", "2026-06-01T10:00:00.123456Z"),
        ("0001-01-01", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59-00:00", "9999-12-31T23:59:59Z"),
    ],
)
def test_an_instant_may_be_written_in_any_iso_form(caller: Caller, written: str, read: str) -> None:
    year = read[:4]
    day_after = {"0001": "0001-01-02", "9999": "9999-12-31T23:59:59.999999Z"}

    answer = caller.call(
        "POST", body=bare(startDate=written, endDate=day_after.get(year, "2026-06-03"))
    )

    assert answer.status_code == 201, answer.text
    assert answer.json()["quote"]["startDate"] == read


def test_a_trip_of_365_days_is_the_longest(caller: Caller) -> None:
    longest = bare(startDate="2026-01-01T12:00:00Z", endDate="2027-01-01T12:00:00Z")

    answer = caller.call("POST", body=longest)

    assert answer.status_code == 201, answer.text
    assert answer.json()["quote"]["durationDays"] == 365


def test_everything_at_its_bound_is_accepted(caller: Caller) -> None:
    body = bare(
        tripName="x" * 200,
        destination=" " + "é" * 200 + " ",
        adults=1,
        children=49,
        agentMarkupPercent=100,
        taxes="99999999.99",
        fees=0,
        discount=Decimal("0.00"),
        expiresInDays=90,
        customNotes="n" * 10_000,
        inclusions=["i"] * 100,
        customItems=[{"name": "a", "price": Decimal("99999999.99")}] * 100,
    )

    answer = caller.call("POST", body=body)

    assert answer.status_code == 201, answer.text
    assert answer.json()["quote"]["destination"] == "é" * 200
