"""Addresses: what is not there is refused in the same form as everything else, wherever it is."""

from __future__ import annotations

import json

import pytest

from tests.api.caller import Caller, client_of
from tests.api.refusals import MEMBERS
from tests.api.service import QUOTES, Service
from tests.api.wire import Heard, hear_once, request

ABSENT = "01900000-0000-7000-8000-000000000000"


@pytest.fixture
def caller(shared_caller: Caller) -> Caller:
    """Nothing here is saved that another test would notice."""
    return shared_caller


def ask(caller: Caller, method: str, path: str | bytes) -> Heard:
    """Asks for a path as it is spelled, which HTTP libraries would tidy up."""
    key = f"Authorization: Bearer {caller.agency.api_key}".encode()
    return hear_once(caller.service, request(method, path, key), method)


def check_absent(heard: Heard) -> None:
    """Asserts the refusal of an address, or of a quote, that does not exist."""
    assert heard.status == 404, heard.body
    assert heard.headers["Content-Type"] == "application/json"
    body = json.loads(heard.body)
    assert {name: type(value) for name, value in body.items()} == MEMBERS
    assert body["errorCode"] == "QUOTE_NOT_FOUND"
    assert body["correlationId"] == heard.headers["X-Correlation-ID"]


# What follows the quotes' address in place of an id.
NO_IDS = [
    "x", "0", "-1", "null", "undefined", "{quote_id}", "*", ".", "..", "...", "%2e%2e", "%", "%zz",
    "%00", "%00" + ABSENT, ABSENT + "%00", ABSENT + "%0A", ABSENT + "%0D%0A", "%0A", "a%0Ab",
    "%0Aabc", ABSENT + "%20", "%20" + ABSENT, ABSENT[:-1], ABSENT + "0", ABSENT.replace("-", ""),
    "%7B" + ABSENT + "%7D", "urn:uuid:" + ABSENT, "%C3%A9", "%FF%FE", "%ED%A0%80", "%F0%9F%98%80",
    "%D9%A0" + ABSENT[1:], "'%20OR%20'1'='1", "1;DROP%20TABLE%20quote", "$(id)", "%3Cscript%3E",
    "%25%32%66", "..%2F..%2Fetc%2Fpasswd", "..%5C..%5Cetc", "%2F", "%2F" + ABSENT, "a" * 60_000,
    "%E2%80%A8", ABSENT + ";version=1", ABSENT + ",", ABSENT + "%23x", "%3Fx=1",
]  # fmt: skip


@pytest.mark.parametrize("quote_id", NO_IDS)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_what_is_no_id_is_not_found(caller: Caller, method: str, quote_id: str) -> None:
    before = caller.service.stock()

    heard = ask(caller, method, f"{QUOTES}/{quote_id}")

    check_absent(heard)
    stock = caller.service.stock()
    assert stock.attempts - before.attempts <= (method == "DELETE")
    assert stock.after_refusals(0) == before._replace(attempts=stock.attempts)


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE", "PUT"])
@pytest.mark.parametrize(
    "path",
    [
        "/api",
        "/api/",
        "/api//agents/quotes",
        "/api/nowhere",
        "/api/no%0Awhere",
        "/api/%0A",
        "/api/agents",
        "/api/agents/",
        "/api/agents/quote",
        "/api/agents/quotes%0A",
        "/api/agents/quotes%0A/",
        "/api/agents/quotes%00",
        "/api/agents/quotes;x=1",
        "/api/agents/quotes/x/y/z",
        "/api/agents/quotes//history",
        "/api/agents/quotes/x/nonsense",
        "/api/agents/quotes/x/SEND",
        "/api/agents/quotes/x/send%0A",
        "/api/agents/quotes/x/send%00",
        "/api/agents/quotes/x/send/again",
        "/api/agents/../agents/quotes",
        "/api/docs",
        "/api/redoc",
        "/api/openapi.json/",
        "/api/openapi.json%0A",
        "/api/openapi.yaml",
    ],
)
def test_an_address_that_is_not_there_is_not_found_with_any_method(
    caller: Caller, method: str, path: str
) -> None:
    before = caller.service.stock()

    heard = ask(caller, method, path)

    check_absent(heard)
    assert caller.service.stock() == before


@pytest.mark.parametrize("move", ["send", "send%0A", "history%0A"])
def test_a_line_break_after_an_address_is_no_part_of_it(caller: Caller, move: str) -> None:
    quote_id = caller.create()

    heard = ask(caller, "POST", f"{QUOTES}/{quote_id}/{move}")

    assert heard.status == (200 if move == "send" else 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_document_can_only_be_read(caller: Caller, method: str) -> None:
    heard = ask(caller, method, "/api/openapi.json")

    assert heard.status == 405
    assert heard.headers["Allow"] == "GET, HEAD"
    assert heard.headers["X-Correlation-ID"]


@pytest.mark.parametrize("address", ["", "/", "/{id}/", "/{id}/history/"])
def test_a_slash_at_the_end_changes_nothing(caller: Caller, address: str) -> None:
    quote_id = caller.create()

    answer = caller.call("GET", address.format(id=quote_id))

    assert answer.status_code == 200


def test_an_id_may_be_written_in_capitals(caller: Caller) -> None:
    quote_id = caller.create()

    assert caller.read(quote_id.upper())["id"] == quote_id


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_is_sent_elsewhere(service: Service, method: str) -> None:
    """A redirect would be to wherever the Host header says."""
    paths = ["/api", "/api/openapi.json/", "/api/nowhere/", QUOTES + "/"]

    with client_of(service, None) as http:
        answers = [http.request(method, path, headers={"Host": "evil.example"}) for path in paths]

    assert not any(answer.is_redirect for answer in answers)
    assert not any("evil" in answer.text + str(answer.headers) for answer in answers)


@pytest.mark.parametrize(
    "target",
    [
        b"http://evil.example/api/agents/quotes/x",
        b"/api/agents/quotes/x#fragment",
        b"/api/agents/quotes/x?",
        b"/api/agents/quotes/x??a=b&&=&",
        b"/api/agents/quotes/x?%",
        b"/api/agents/quotes/x?a=%ff",
    ],
)
def test_the_rest_of_a_target_does_not_confuse(caller: Caller, target: bytes) -> None:
    check_absent(ask(caller, "GET", target))


def test_the_document_can_be_asked_for_without_a_key(service: Service) -> None:
    with client_of(service, None) as http:
        answer, head = http.get("/api/openapi.json"), http.head("/api/openapi.json")

    assert (answer.status_code, head.status_code) == (200, 200)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["info"]["title"] == "Saveguard"
    assert head.headers["content-length"] == answer.headers["content-length"]
