"""The history of a quote: pages that neither lose nor repeat a version, however long or large."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from engine.quotes.paging import PAGE_BYTES
from tests.api.caller import Caller, check_documented
from tests.api.refusals import fields, refusal
from tests.api.service import Service

# What a page may be larger than its budget by: the names are longer on the wire.
SLACK = 1.02
LARGE_TEXTS = ["x" * 9_000] * 100


def changed(caller: Caller, quote_id: str, versions: int) -> None:
    """Saves a quote until it has so many versions."""
    for version in range(caller.read(quote_id)["version"], versions):
        answer = caller.call("PATCH", f"/{quote_id}", {"version": version, "adults": 2})
        assert answer.status_code == 200, answer.text


def retold(service: Service, quote_id: str, versions: int) -> None:
    """Gives a quote so many versions more, without a save for each."""
    service.execute(
        """
        INSERT INTO quote_revision
        SELECT (
            jsonb_populate_record(
                r,
                jsonb_build_object(
                    'version', n, 'snapshot', r.snapshot || jsonb_build_object('version', n)
                )
            )
        ).*
        FROM quote_revision r, generate_series(2, %s) n
        WHERE r.quote_id = %s AND r.version = 1
        """,
        versions + 1,
        quote_id,
    )
    service.execute("UPDATE quote SET version = %s WHERE id = %s", versions + 1, quote_id)


def page(caller: Caller, quote_id: str, query: str = "") -> dict[str, Any]:
    """One page of a quote's history."""
    answer = caller.call("GET", f"/{quote_id}/history{query}")
    assert answer.status_code == 200, answer.text
    check_documented(answer)
    body: dict[str, Any] = answer.json()
    assert body["quoteId"] == quote_id
    assert len(answer.content) < SLACK * PAGE_BYTES or len(body["revisions"]) == 1
    return body


def versions_of(body: dict[str, Any]) -> list[int]:
    """The versions on a page."""
    versions = [revision["version"] for revision in body["revisions"]]
    assert versions == [revision["quote"]["version"] for revision in body["revisions"]]
    return versions


def walk(caller: Caller, quote_id: str, query: str, cursor: str = "") -> list[list[int]]:
    """The versions on every page, from a cursor on."""
    pages = []
    while True:
        body = page(caller, quote_id, f"{query}&cursor={cursor}")
        pages.append(versions_of(body))
        if body["nextCursor"] is None:
            return pages
        cursor = body["nextCursor"]


def test_pages_come_newest_first_and_hold_every_version_once(caller: Caller) -> None:
    quote_id = caller.create()
    changed(caller, quote_id, 7)

    assert walk(caller, quote_id, "?limit=3") == [[7, 6, 5], [4, 3, 2], [1]]
    assert walk(caller, quote_id, "?limit=7") == [[7, 6, 5, 4, 3, 2, 1]]
    assert walk(caller, quote_id, "?limit=100") == [[7, 6, 5, 4, 3, 2, 1]]
    assert walk(caller, quote_id, "?limit=1") == [[7], [6], [5], [4], [3], [2], [1]]


def test_a_page_holds_20_versions_unless_asked(caller: Caller) -> None:
    quote_id = caller.create()
    changed(caller, quote_id, 21)

    body = page(caller, quote_id)

    assert versions_of(body) == list(range(21, 1, -1))
    assert versions_of(page(caller, quote_id, f"?cursor={body['nextCursor']}")) == [1]


def test_a_long_history_goes_back_to_the_first_version(caller: Caller) -> None:
    quote_id = caller.create()
    retold(caller.service, quote_id, 1_500)

    pages = walk(caller, quote_id, "?limit=100")

    assert list(chain(*pages)) == list(range(1_501, 0, -1))


def test_a_page_of_large_versions_is_short_enough_to_be_held(caller: Caller) -> None:
    quote_id = caller.create(inclusions=LARGE_TEXTS)
    retold(caller.service, quote_id, 10)

    pages = walk(caller, quote_id, "?limit=100")

    assert pages == [[11, 10, 9, 8], [7, 6, 5, 4], [3, 2, 1]]


def test_a_version_that_is_larger_than_a_page_stands_alone(caller: Caller) -> None:
    quote_id = caller.create(inclusions=LARGE_TEXTS)
    wholes = [{"exclusions": LARGE_TEXTS}, *large_items()]
    for version, whole in enumerate(wholes, 1):
        answer = caller.call("PATCH", f"/{quote_id}", {"version": version, **whole})
        assert answer.status_code == 200, answer.text

    assert walk(caller, quote_id, "?limit=100") == [[5], [4], [3], [2, 1]]


def large_items() -> list[dict[str, Any]]:
    """Changes that make a quote larger by 0.9 MB each."""
    hotel = {"name": "a", "checkIn": "2026-06-01", "checkOut": "2026-06-02", "price": 1}
    return [
        {"hotels": [hotel | {"amenities": LARGE_TEXTS}]},
        {"activities": [{"name": "a", "price": 1, "includes": LARGE_TEXTS}]},
        {"carRentals": [{"company": "a", "price": 1, "features": LARGE_TEXTS}]},
    ]


def test_what_is_saved_while_somebody_pages_neither_repeats_nor_hides_a_version(
    caller: Caller,
) -> None:
    quote_id = caller.create()
    changed(caller, quote_id, 5)
    first = page(caller, quote_id, "?limit=2")

    changed(caller, quote_id, 8)

    assert versions_of(first) == [5, 4]
    assert walk(caller, quote_id, "?limit=2", first["nextCursor"]) == [[3, 2], [1]]


@pytest.mark.parametrize("cursor", ["1", "999999999"])
def test_any_version_is_a_cursor(caller: Caller, cursor: str) -> None:
    quote_id = caller.create()

    body = page(caller, quote_id, f"?cursor={cursor}")

    assert (versions_of(body), body["nextCursor"]) == ([] if cursor == "1" else [1], None)


@pytest.mark.parametrize("query", ["", "?limit=1", "?cursor=2", "?cursor=1"])
@pytest.mark.parametrize("whose", ["deleted", "another agent's", "nobody's"])
def test_a_quote_that_is_not_there_has_no_history_at_any_cursor(
    caller: Caller, stranger: Caller, whose: str, query: str
) -> None:
    quote_id = (stranger if whose == "another agent's" else caller).create()
    if whose == "deleted":
        assert caller.call("DELETE", f"/{quote_id}").status_code == 200
    elif whose == "nobody's":
        quote_id = str(caller.agency.client_id)

    answer = caller.call("GET", f"/{quote_id}/history{query}")

    refusal(answer, "QUOTE_NOT_FOUND", 404)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "ten"),
        ("cursor", "0"),
        ("cursor", "-1"),
        ("cursor", "01"),
        ("cursor", "1.0"),
        ("cursor", "+1"),
        ("cursor", "1%0A"),
        ("cursor", "%D9%A3"),
        ("cursor", "2147483648"),
        ("cursor", "9" * 60_000),
        ("cursor", "A" * 22),
        ("status", "DRAFT"),
        ("version", "1"),
        ("Limit", "1"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused_by_name(
    shared_caller: Caller, name: str, value: str
) -> None:
    quote_id = shared_caller.create()

    answer = shared_caller.call("GET", f"/{quote_id}/history?{name}={value}")

    assert fields(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == {name}


def test_every_parameter_that_does_not_fit_is_named_at_once(shared_caller: Caller) -> None:
    quote_id = shared_caller.create()

    answer = shared_caller.call("GET", f"/{quote_id}/history?limit=0&cursor=x&page=2&limit=7")

    body = refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
    assert fields(body) == {"limit", "cursor", "page"}
