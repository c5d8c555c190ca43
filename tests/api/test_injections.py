"""Hostile text in every field, parameter, path and header of every call: taken as text, or refused.

Nothing of it fails on our side, changes another row than the one it is meant for, ends up in an
answer's headers, or breaks a line of the logs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from http.client import HTTPMessage
from io import StringIO
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest

from engine.correlation import accepted_correlation_id
from engine.logs import configure_logs
from engine.quotes.shape import ITEM_FIELDS, ITEM_NAMES, QUOTE_FIELDS
from tests.api.caller import Caller, calling
from tests.api.refusals import TABLE, fields, marks, refusal
from tests.api.service import QUOTES, Service, eventually
from tests.api.test_bad_fields import ITEMS, PLACES, body_with
from tests.api.wire import Heard, hear_once, line_to, request
from tests.canaries.planting import texts_of
from tests.injections import ALL, REFUSED
from tests.support import quote_body

JSON: Final = {"Content-Type": "application/json"}
# Every header that we read, in the forms in which text could get through.
HEADERS: Final = (
    "Accept: {}", "Accept: application/problem+json;{}", "Authorization: {}",
    "Authorization: Bearer {}", "Content-Encoding: {}", "Content-Type: {}",
    "Content-Type: application/json; charset={}", "Cookie: {}", "Idempotency-Key: {}",
    "If-Match: {}", 'If-Match: "{}"', "If-None-Match: {}", "Origin: https://{}", "Referer: {}",
    "Traceparent: {}", "User-Agent: {}", "X-Correlation-ID: {}", "X-Forwarded-For: {}",
    "X-Forwarded-Proto: {}",
)  # fmt: skip
# Texts of a quote; those that are required are trimmed.
_TEXTS: Final = texts_of(QUOTE_FIELDS, "quote")
_PARAMETERS: Final = ("status", "clientId", "limit", "cursor")
_NO_TEXT: Final = [
    (kind, name)
    for kind, name, _ in PLACES
    if name not in texts_of(QUOTE_FIELDS if kind is None else ITEM_FIELDS[ITEM_NAMES[kind]], "")
]


@pytest.fixture
def caller(shared_caller: Caller) -> Caller:
    """One agent for all texts."""
    return shared_caller


@pytest.fixture(scope="module")
def bystander(module_service: Service) -> Iterator[None]:
    """Somebody else with a quote, which nothing here is about; it is the same at the end."""
    with calling(module_service) as other:
        quote_id = other.create()
        before = other.read(quote_id)
        yield
        assert other.read(quote_id) == before


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the process logs meanwhile."""
    stream = StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logs("json")
    return stream


def laden(text: str) -> dict[str, Any]:
    """A quote with one text in every text of it and of an item of each kind."""
    body = quote_body(taxes=1) | _filled(_TEXTS, text)
    for kind, attribute in ITEM_NAMES.items():
        item = ITEMS[kind] | _filled(texts_of(ITEM_FIELDS[attribute], kind), text)
        body[kind] = item if kind == "insurance" else [item]
    return body


def _filled(texts: dict[str, Any], text: str) -> dict[str, Any]:
    return {name: [text] if isinstance(one, list) else text for name, one in texts.items()}


def stripped(body: dict[str, Any]) -> dict[str, Any]:
    """The same with what is required trimmed, as it comes back."""
    trimmed = dict(body)
    for name in _TEXTS:
        if QUOTE_FIELDS[name].is_required:
            trimmed[name] = body[name].strip()
    for kind, attribute in ITEM_NAMES.items():
        items = [body[kind]] if kind == "insurance" else body[kind]
        for item in items:
            for name, field in ITEM_FIELDS[attribute].items():
                if field.is_required and isinstance(item[name], str):
                    item[name] = item[name].strip()
    return trimmed


def sent(caller: Caller, method: str, path: str, body: dict[str, Any] | None) -> httpx.Response:
    """Sends JSON that may hold what is no text; asserts what holds of every answer."""
    content = None if body is None else json.dumps(body)
    answer = caller.http.request(method, path, content=content, headers=JSON)
    assert answer.headers["x-correlation-id"]
    if answer.status_code >= 400:
        body = answer.json()
        assert answer.status_code in TABLE[body["errorCode"]].statuses
        assert answer.headers.get_list("x-correlation-id") == [body["correlationId"]]
    assert answer.status_code < 500
    return answer


@pytest.mark.parametrize("text", [text for _, text in ALL], ids=[name for name, _ in ALL])
@pytest.mark.usefixtures("bystander")
def test_hostile_text_is_text_or_refused_and_changes_nothing_else(
    caller: Caller, text: str, said: StringIO
) -> None:
    before, lines = caller.service.stock(), len(attempt_lines(caller.service))

    check_it_comes_back(caller, text)
    check_it_is_refused(caller, text)
    check_headers(caller, text)

    now = caller.service.stock()
    assert (now.quotes, now.revisions) == (before.quotes + 1, before.revisions + 4)
    assert now.keys == before.keys
    # A request that something follows which is none may still be under way when that is told.
    assert eventually(lambda: len(attempt_lines(caller.service)) == caller.service.stock().attempts)
    logged = attempt_lines(caller.service)[lines:]
    assert len(logged) > 6
    for line in [*logged, *said.getvalue().encode().splitlines()]:
        check_line(line)


def check_it_comes_back(caller: Caller, text: str) -> None:
    """A quote of that text through its whole life."""
    body = laden(text)
    created = sent(caller, "POST", QUOTES, body)
    assert created.status_code == 201, created.text
    expected = stripped(body)
    quote_id = created.json()["quoteId"]
    address = f"{QUOTES}/{quote_id}"
    for told in (created, sent(caller, "GET", address, None)):
        stored = told.json()["quote"]
        assert {name: stored[name] for name in _TEXTS} == {name: expected[name] for name in _TEXTS}
        for kind, attribute in ITEM_NAMES.items():
            texts = texts_of(ITEM_FIELDS[attribute], kind)
            mine, wanted = (
                each[kind] if kind == "insurance" else each[kind][0] for each in (stored, expected)
            )
            assert {name: mine[name] for name in texts} == {name: wanted[name] for name in texts}
    changed = sent(caller, "PATCH", address, {"version": 1, "agentNotes": f"{text}{text}"})
    assert changed.json()["quote"]["agentNotes"] == text + text
    message = {"subject": f"s{text}", "message": f"m{text}", "channel": "email"}
    assert sent(caller, "POST", f"{address}/send", message | {"to": text}).status_code == 400
    moved = sent(caller, "POST", f"{address}/send", message | {"to": "ines@example.org"})
    assert moved.status_code == 200, moved.text
    left = sent(caller, "POST", f"{address}/reject", {"reason": f"r{text}"})
    assert left.status_code == 200
    assert sent(caller, "GET", f"{address}/history", None).status_code == 200


def check_it_is_refused(caller: Caller, text: str) -> None:
    """The text where no text belongs."""
    wrong: dict[str, Any] = {}
    paths = set()
    for kind, name in _NO_TEXT:
        one, path = body_with(kind, name, text)
        paths.add(path)
        if kind is None:
            wrong |= one
        else:
            items = wrong.setdefault(kind, {} if kind == "insurance" else [{}])
            (items if kind == "insurance" else items[0])[name] = text
    refused = sent(caller, "POST", QUOTES, quote_body(taxes=1) | wrong)
    assert refused.status_code == 400
    assert paths <= fields(refused.json()), refused.text
    unknown = sent(caller, "POST", QUOTES, quote_body(taxes=1) | {text: text})
    assert "unknown" in {code for _, code in marks(unknown.json())}
    spelled = quote(text.encode(), safe="")
    for name in _PARAMETERS:
        assert sent(caller, "GET", f"{QUOTES}?{name}={spelled}", None).status_code == 400
    assert sent(caller, "GET", f"{QUOTES}?{spelled}={spelled}", None).status_code in {200, 400}
    for path in (f"{QUOTES}/{spelled}", f"{QUOTES}/{spelled}/history", f"/api/{spelled}"):
        assert sent(caller, "GET", path, None).status_code == 404
    for method, path in (
        ("PATCH", f"{QUOTES}/{spelled}"),
        ("POST", f"{QUOTES}/{spelled}/send"),
        ("DELETE", f"{QUOTES}/{spelled}?version={spelled}"),
    ):
        assert sent(caller, method, path, {"version": 1}).status_code in {400, 404}


def check_headers(caller: Caller, text: str) -> None:
    """The text in each header of a save that is refused."""
    key = f"Authorization: Bearer {caller.agency.api_key}".encode()
    for shape in HEADERS:
        header = shape.format(text).encode("utf-8", "surrogatepass")
        more = [header] if shape.startswith("Authorization") else [key, header]
        if not shape.startswith("Content-Type"):
            more.append(b"Content-Type: application/json")
        heard = hear_once(caller.service, request("POST", QUOTES, *more, body=b"{}"), "POST")
        if heard.body == b"Invalid HTTP request received.":
            assert not text.isprintable()
            continue
        check_heard(heard, text if shape.startswith("X-Correlation-ID") else "")


def check_heard(heard: Heard, correlation_id: str) -> None:
    """Asserts that an answer is a refusal of ours, with no header of the text's making."""
    body = json.loads(heard.body)
    assert 400 <= heard.status < 500
    assert body["errorCode"] in TABLE
    assert heard.headers.get_all("x-correlation-id") == [body["correlationId"]]
    expected = accepted_correlation_id(correlation_id)
    assert expected in {None, body["correlationId"]}
    check_no_foreign_header(heard.headers)


def check_no_foreign_header(headers: HTTPMessage) -> None:
    known = {
        "accept-encoding", "cache-control", "connection", "content-length", "content-type", "date",
        "retry-after", "www-authenticate", "x-correlation-id",
    }  # fmt: skip
    unexpected = {name.lower() for name in headers} - known
    assert {name for name in unexpected if not name.startswith(("ratelimit", "x-"))} == set()
    assert not unexpected & {"x-injected", "set-cookie", "location"}


def attempt_lines(service: Service) -> list[bytes]:
    """The lines of the attempts' log, oldest first."""
    files = sorted(service.runtime.lines.file.directory.glob("attempts.*"))
    return b"".join(each.read_bytes() for each in files).splitlines()


def check_line(line: bytes) -> None:
    """Asserts that a line is one JSON object that says what we say, not what was sent."""
    told = json.loads(line)
    assert isinstance(told, dict)
    assert told["event"] in {"attempt", "correlation_id_replaced"}
    assert told["level"] in {"info", "warning", "error"}
    assert b"forged" not in line


@pytest.mark.parametrize("text", REFUSED, ids=ascii)
@pytest.mark.usefixtures("bystander", "said")
def test_what_is_no_text_is_refused_in_every_field(caller: Caller, text: str) -> None:
    before = caller.service.stock()

    answer = sent(caller, "POST", QUOTES, laden(text))

    body = refusal(answer, "QUOTE_VALIDATION_FAILED", 400)
    if "\0" in text:
        assert {name.partition("[")[0] for name in fields(body)} >= set(_TEXTS)
    else:  # then the body as a whole is no text
        assert body["details"] == {"reason": "body"}
    assert caller.service.stock() == before.after_refusals(1)


def test_lines_smuggled_into_a_path_reach_no_header_of_the_answer(caller: Caller) -> None:
    before = caller.service.stock()

    with line_to(caller.service) as line:
        line.send(b"GET /api/agents/quotes\r\nX-Injected: 1\r\n\r\n HTTP/1.1\r\nHost: x\r\n\r\n")
        heard = line.hear()

    assert heard.status in {400, 401}
    check_no_foreign_header(heard.headers)
    assert caller.service.stock() == before
