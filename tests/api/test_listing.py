"""The list of quotes: filters, limits, and pages that neither lose nor repeat a quote."""

from __future__ import annotations

import base64
from itertools import chain
from uuid import UUID

import pytest

from engine.quotes.paging import PAGE_BYTES
from tests.api.caller import Caller, check_documented
from tests.api.refusals import fields, refusal


def ids(caller: Caller, query: str = "") -> list[str]:
    """The quotes of one page."""
    answer = caller.call("GET", query)
    assert answer.status_code == 200, answer.text
    return [quote["id"] for quote in answer.json()["quotes"]]


def walk(caller: Caller, query: str, cursor: str = "") -> list[list[str]]:
    """Every page of a list, from a cursor on."""
    pages: list[list[str]] = []
    while True:
        answer = caller.call("GET", f"{query}&cursor={cursor}")
        check_documented(answer)
        body = answer.json()
        pages.append([quote["id"] for quote in body["quotes"]])
        if body["nextCursor"] is None:
            return pages
        cursor = body["nextCursor"]


def test_an_agent_without_quotes_has_an_empty_list(caller: Caller) -> None:
    answer = caller.call("GET")

    check_documented(answer)
    assert (answer.json()["quotes"], answer.json()["nextCursor"]) == ([], None)


def test_pages_come_newest_first_and_hold_every_quote_once(caller: Caller) -> None:
    made = [caller.create() for _ in range(7)]

    assert walk(caller, "?limit=3") == [made[:3:-1], made[3:0:-1], made[:1]]
    assert walk(caller, "?limit=7") == [made[::-1]]
    assert walk(caller, "?limit=100") == [made[::-1]]
    assert list(chain(*walk(caller, "?limit=1"))) == made[::-1]


def test_a_page_holds_20_quotes_unless_asked(caller: Caller) -> None:
    made = [caller.create() for _ in range(21)]

    body = caller.call("GET").json()

    assert [quote["id"] for quote in body["quotes"]] == made[:0:-1]
    assert body["nextCursor"]


def test_a_page_of_large_quotes_is_short_enough_to_be_held(caller: Caller) -> None:
    made = [caller.create(exclusions=["x" * 9_000] * 100) for _ in range(6)]

    first = caller.call("GET", "?limit=100")

    assert len(first.content) < PAGE_BYTES
    assert walk(caller, "?limit=100") == [made[:1:-1], made[1::-1]]
    assert walk(caller, "?limit=100&status=DRAFT") == [made[:1:-1], made[1::-1]]
    assert walk(caller, "?limit=3") == [made[:2:-1], made[2::-1]]


def test_a_listed_quote_is_the_quote_that_is_read(caller: Caller) -> None:
    quote_id = caller.create(clientId=str(caller.agency.client_id))

    assert caller.call("GET").json()["quotes"] == [caller.read(quote_id)]


def test_what_is_saved_while_somebody_pages_neither_repeats_nor_hides_a_quote(
    caller: Caller,
) -> None:
    made = [caller.create() for _ in range(6)]
    first = caller.call("GET", "?limit=2").json()

    newer = caller.create()
    assert caller.call("PATCH", f"/{made[2]}", {"version": 1}).status_code == 200
    assert caller.call("DELETE", f"/{made[4]}").status_code == 200  # on the page already seen
    assert caller.call("DELETE", f"/{made[1]}").status_code == 200  # not seen yet
    rest = walk(caller, "?limit=2", first["nextCursor"])

    assert [quote["id"] for quote in first["quotes"]] == [made[5], made[4]]
    assert list(chain(*rest)) == [made[3], made[2], made[0]]
    assert ids(caller, "?limit=1") == [newer]


def test_a_cursor_still_works_when_its_quote_was_deleted(caller: Caller) -> None:
    made = [caller.create() for _ in range(3)]
    cursor = caller.call("GET", "?limit=2").json()["nextCursor"]

    assert caller.call("DELETE", f"/{made[1]}").status_code == 200

    assert ids(caller, f"?cursor={cursor}") == [made[0]]


def test_a_list_can_be_narrowed_by_status_and_client(caller: Caller) -> None:
    client = str(caller.agency.client_id)
    draft, sent = caller.create(), caller.sent(clientId=client)
    rejected, accepted = caller.sent(), caller.sent()
    mine = caller.create(clientId=client)
    deleted = caller.create(clientId=client)
    assert caller.call("POST", f"/{rejected}/reject").status_code == 200
    assert caller.call("POST", f"/{accepted}/accept").status_code == 200
    assert caller.call("DELETE", f"/{deleted}").status_code == 200

    assert ids(caller) == [mine, accepted, rejected, sent, draft]
    assert ids(caller, "?status=DRAFT") == [mine, draft]
    assert ids(caller, "?status=SENT") == [sent]
    assert ids(caller, "?status=REJECTED") == [rejected]
    assert ids(caller, "?status=ACCEPTED") == [accepted]
    assert ids(caller, "?status=EXPIRED") == []
    assert ids(caller, f"?clientId={client}") == [mine, sent]
    assert ids(caller, f"?clientId={client}&status=SENT") == [sent]
    assert ids(caller, f"?clientId={client.upper()}") == [mine, sent]
    assert ids(caller, f"?clientId={caller.agency.agent_id}") == []
    assert walk(caller, f"?clientId={client}&limit=1") == [[mine], [sent]]
    assert walk(caller, "?status=DRAFT&limit=1") == [[mine], [draft]]


def test_nobody_sees_anothers_quotes_under_any_filter(caller: Caller, stranger: Caller) -> None:
    caller.create(clientId=str(caller.agency.client_id))
    own = stranger.create()
    newest = base64.urlsafe_b64encode(UUID(int=2**128 - 1).bytes).rstrip(b"=").decode()

    assert ids(stranger) == [own]
    assert ids(stranger, f"?cursor={newest}") == [own]
    assert ids(stranger, f"?clientId={caller.agency.client_id}") == []


@pytest.mark.parametrize("limit", ["1", "100", "020", "%31%30", ""])
def test_a_limit_from_1_to_100_is_taken(caller: Caller, limit: str) -> None:
    assert ids(caller, f"?limit={limit}") == []


LONG = "9" * 40
WRONG_LIMITS = [
    "0", "101", "-1", "+5", "1.0", "1e1", "0x10", "ten", "%20", "%205", "5%20", "%D9%A3", "%C2%B2",
    "null", "NaN", "5;", "5,6", "%00", "1%00", LONG, "00201", "0099999", "00" + LONG, "0099" + LONG,
]  # fmt: skip


@pytest.mark.parametrize("limit", WRONG_LIMITS)
def test_another_limit_is_refused(caller: Caller, limit: str) -> None:
    answer = caller.call("GET", f"?limit={limit}")

    assert fields(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == {"limit"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "CANCELLED"),
        ("status", "draft"),
        ("status", "DRAFT,SENT"),
        ("status", "DRAFT%00"),
        ("status", "'%20OR%201=1--"),
        ("clientId", "x"),
        ("clientId", "00000000000070008000000000000000"),
        ("clientId", "%7B00000000-0000-7000-8000-000000000000%7D"),
        ("clientId", "00000000-0000-7000-8000-00000000000%EF%BC%90"),
        ("clientId", "urn:uuid:00000000-0000-7000-8000-000000000000"),
        ("cursor", "x"),
        ("cursor", "A" * 21),
        ("cursor", "A" * 23),
        ("cursor", "A" * 24),
        ("cursor", "A" * 20 + "=="),
        ("cursor", "A" * 22 + "=="),
        ("cursor", "%C3%A9" * 22),
        ("cursor", "%00" * 22),
        ("cursor", "A" * 60_000),
        ("page", "2"),
        ("agentId", "00000000-0000-7000-8000-000000000000"),
        ("Status", "DRAFT"),
        ("limit%00", "5"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused_by_name(
    caller: Caller, name: str, value: str
) -> None:
    answer = caller.call("GET", f"?{name}={value}")

    named = name.replace("%00", "\0")
    assert fields(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == {named}


def test_every_parameter_that_does_not_fit_is_named_at_once(caller: Caller) -> None:
    answer = caller.call("GET", "?limit=0&status=x&clientId=y&cursor=z&foo=1&limit=7")

    body = refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
    assert fields(body) == {"limit", "status", "clientId", "cursor", "foo"}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?limit=1&limit=1", "limit"),
        ("?limit=&limit=5", "limit"),
        ("?status=DRAFT&status=SENT", "status"),
        ("?cursor=&cursor=x", "cursor"),
    ],
)
def test_a_parameter_given_twice_is_refused(caller: Caller, query: str, field: str) -> None:
    answer = caller.call("GET", query)

    assert fields(refusal(answer, "QUOTE_VALIDATION_FAILED", 400)) == {field}


def test_a_refusal_shows_no_more_of_a_parameters_name_than_it_needs(caller: Caller) -> None:
    answer = caller.call("GET", f"?{'n' * 5_000}=1")

    refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
    assert len(answer.content) < 1_000
