"""Bytes that no well-behaved client sends: answered or hung up on, and nothing saved by half."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from engine.payload import encode
from tests.api.caller import Caller, calling
from tests.api.service import CLOCK, QUOTES, Service, served, settings_in
from tests.api.wire import Line, hear_once, line_to, request
from tests.database.databases import cloned
from tests.support import quote_body

BODY = encode(quote_body())
JSON = b"Content-Type: application/json"
CHUNKED = b"Transfer-Encoding: chunked"


def key_of(caller: Caller) -> bytes:
    return f"Authorization: Bearer {caller.agency.api_key}".encode()


def post(caller: Caller, *headers: bytes, body: bytes = b"") -> bytes:
    """A create as bytes."""
    return request("POST", QUOTES, key_of(caller), JSON, *headers, body=body)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def check_alive(caller: Caller) -> None:
    """Asserts that the service still serves others."""
    assert caller.call("GET").status_code == 200


# What the server itself refuses: it is no HTTP, so it never becomes a request.

NO_HTTP = {
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "random bytes": bytes(range(256)),
    "a NUL in the path": b"GET /api/agents/quotes/\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "eight bits in the path": b"GET /api/agents/quotes/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    "a space in the path": b"GET /api/agents/quotes/a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "an unknown method": b"EXFILTRATE /api HTTP/1.1\r\nHost: x\r\n\r\n",
    "a method in small letters": b"get /api/agents/quotes HTTP/1.1\r\nHost: x\r\n\r\n",
    "another protocol": b"GET /api/agents/quotes HTCPCP/1.0\r\nHost: x\r\n\r\n",
    "HTTP/9.9": b"GET /api/agents/quotes HTTP/9.9\r\nHost: x\r\n\r\n",
    "bare line feeds": b"GET /api/agents/quotes HTTP/1.1\nHost: x\n\n",
    "a folded header": b"GET /api/agents/quotes HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n",
    "a header without a colon": b"GET /api HTTP/1.1\r\nHost: x\r\nabc\r\n\r\n",
    "a space before the colon": b"GET /api HTTP/1.1\r\nHost: x\r\nAccept : a\r\n\r\n",
    "a NUL in a header": b"GET /api HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
    "a control character in a header": b"GET /api HTTP/1.1\r\nHost: x\r\nX: a\x01b\r\n\r\n",
    "a header's name in UTF-8": "GET /api HTTP/1.1\r\nHost: x\r\nÄ: b\r\n\r\n".encode(),
    "CONNECT": b"CONNECT evil.example:80 HTTP/1.1\r\nHost: x\r\n\r\n",
}
# Two readings of where the body ends are how one request smuggles in another.
SMUGGLED = {
    "two lengths": (b"Content-Length: 5", b"Content-Length: 6"),
    "two like lengths": (b"Content-Length: 5", b"Content-Length: 5"),
    "a length and chunks": (b"Content-Length: 5", CHUNKED),
    "a negative length": (b"Content-Length: -1",),
    "a length with a plus": (b"Content-Length: +5",),
    "a length in words": (b"Content-Length: five",),
    "a hexadecimal length": (b"Content-Length: 0x5",),
    "a list of lengths": (b"Content-Length: 5, 5",),
    "a length beyond 64 bits": (b"Content-Length: 99999999999999999999999",),
    "an unknown transfer coding": (b"Transfer-Encoding: gzip",),
    "chunked but not last": (b"Transfer-Encoding: chunked, gzip",),
    "two codings": (CHUNKED, b"Transfer-Encoding: identity"),
}


@pytest.mark.parametrize("data", NO_HTTP.values(), ids=list(NO_HTTP))
def test_what_is_no_http_is_hung_up_on_with_400(caller: Caller, data: bytes) -> None:
    before = caller.service.stock()

    with line_to(caller.service) as line:
        line.send(data)
        heard = line.hear()
        is_closed = line.is_closed()

    assert (heard.status, is_closed) == (400, True)
    assert heard.body == b"Invalid HTTP request received."
    assert caller.service.stock() == before
    check_alive(caller)


@pytest.mark.parametrize("headers", SMUGGLED.values(), ids=list(SMUGGLED))
def test_a_body_whose_end_is_in_doubt_is_hung_up_on(
    caller: Caller, headers: tuple[bytes, ...]
) -> None:
    before = caller.service.stock()

    with line_to(caller.service) as line:
        line.send(post(caller, *headers), BODY)
        heard = line.hear()
        is_closed = line.is_closed()

    assert (heard.status, is_closed) == (400, True)
    assert caller.service.stock() == before


@pytest.mark.parametrize(
    "chunks",
    [b"zz\r\n", b"-5\r\n", b"5;\0\r\n", b"5\r\nabcdefgh\r\n", b"ffffffffffffffffff\r\n", b"\r\n"],
)
def test_broken_chunks_are_hung_up_on(caller: Caller, chunks: bytes) -> None:
    before = caller.service.stock()

    with line_to(caller.service) as line:
        line.send(post(caller, CHUNKED), chunk(b'{"a":'), chunks)
        heard = line.hear()

    assert heard.status == 400
    assert caller.service.stock() == before


# What is HTTP, if only just.


@pytest.mark.parametrize("size", [1, 7, 1_000])
def test_a_body_may_come_in_chunks_of_any_size(caller: Caller, size: int) -> None:
    parts = [BODY[start : start + size] for start in range(0, len(BODY), size)]

    with line_to(caller.service) as line:
        line.send(post(caller, CHUNKED), *map(chunk, parts), b"0\r\nTrailer: x\r\n\r\n")
        heard = line.hear("POST")

    assert heard.status == 201


def test_a_body_may_come_a_byte_at_a_time(caller: Caller) -> None:
    data = post(caller, body=b'{"a":1}')

    with line_to(caller.service) as line:
        for place in range(len(data)):
            line.send(data[place : place + 1])
        heard = line.hear("POST")

    assert heard.status == 400
    assert {"field": "a", "message": "is not a known field", "code": "unknown"} in json.loads(
        heard.body
    )["details"]["errors"]


def test_an_endless_body_is_refused_while_it_comes(caller: Caller) -> None:
    """The connection serves on: what still comes of the body is passed over."""
    before = caller.service.stock()
    piece = chunk(b" " * 65_536)

    with line_to(caller.service) as line:
        line.send(post(caller, CHUNKED), *[piece] * 17)
        heard = line.hear("POST")
        line.send(*[piece] * 20, b"0\r\n\r\n")
        line.send(request("GET", QUOTES, key_of(caller)))
        after = line.hear()

    assert (heard.status, after.status) == (413, 200)
    assert caller.service.stock() == before.after_refusals(1)


def test_a_large_body_that_says_so_is_refused_before_it_comes(caller: Caller) -> None:
    with line_to(caller.service) as line:
        line.send(post(caller, b"Content-Length: %d" % 2**62))
        heard = line.hear("POST")

    assert heard.status == 413


def test_whoever_asks_first_is_told_to_go_on(caller: Caller) -> None:
    with line_to(caller.service) as line:
        line.send(post(caller, b"Expect: 100-continue", b"Content-Length: %d" % len(BODY)))
        assert line.hear_continue() == b"HTTP/1.1 100 Continue\r\n"
        line.send(BODY)
        heard = line.hear("POST")

    assert heard.status == 201


def test_whoever_asks_first_with_too_much_is_told_so_at_once(caller: Caller) -> None:
    with line_to(caller.service) as line:
        line.send(post(caller, b"Expect: 100-continue", b"Content-Length: 9999999"))
        heard = line.hear("POST")

    assert heard.status == 413


@pytest.mark.parametrize("missing", [1, len(BODY) - 1, len(BODY)])
@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("manner", ["hangs up", "stops sending"])
def test_a_caller_that_leaves_before_it_is_done_changes_nothing(
    caller: Caller,
    manner: str,
    missing: int,
    is_chunked: bool,  # noqa: FBT001 - a parameter
) -> None:
    before = caller.service.stock()
    said = BODY[: len(BODY) - missing]

    with line_to(caller.service) as line:
        if is_chunked:
            line.send(post(caller, CHUNKED), chunk(said) if said else b"")
        else:
            line.send(post(caller, b"Content-Length: %d" % len(BODY)), said)
        if manner == "stops sending":
            line.hang_up_sending()
            assert line.is_closed()

    check_alive(caller)
    assert caller.service.stock() == before


@pytest.mark.parametrize("path", ["/api/nowhere", "/api/openapi.json", QUOTES + "/x/nowhere"])
@pytest.mark.parametrize("said", [b"", b"5\r\nab"])
def test_a_caller_that_leaves_an_address_that_is_not_there_is_let_go(
    caller: Caller, path: str, said: bytes
) -> None:
    with line_to(caller.service) as line:
        line.send(request("POST", path, CHUNKED), said)
        line.hang_up_sending()
        line.hear_all()

    check_alive(caller)


def test_a_body_that_is_longer_than_it_says_is_cut_off(caller: Caller) -> None:
    """What follows it is read as another request, and is none."""
    before = caller.service.stock()

    with line_to(caller.service) as line:
        line.send(post(caller, b"Content-Length: 2"), b"{}")
        first = line.hear("POST")
        line.send(b'"tripName":"x"}')
        second = line.hear()

    assert (first.status, second.status) == (400, 400)
    assert caller.service.stock() == before.after_refusals(1)


def test_requests_sent_ahead_are_answered_in_order(caller: Caller) -> None:
    ids = [f"pipelined-{number}".encode() for number in range(8)]
    data = [post(caller, b"X-Correlation-ID: " + each, body=BODY) for each in ids]

    with line_to(caller.service) as line:
        line.send(b"".join(data))
        heard = [line.hear("POST") for _ in data]

    assert [each.status for each in heard] == [201] * 8
    assert [each.headers["X-Correlation-ID"].encode() for each in heard] == ids
    assert len({each.headers["Location"] for each in heard}) == 8


def test_a_refused_request_does_not_spoil_the_next_one_sent_ahead(caller: Caller) -> None:
    with line_to(caller.service) as line:
        line.send(post(caller, body=b"{"), post(caller, body=BODY))
        statuses = [line.hear("POST").status, line.hear("POST").status]

    assert statuses == [400, 201]


def test_http_1_0_is_served_and_hung_up_on(caller: Caller) -> None:
    with line_to(caller.service) as line:
        line.send(request("POST", QUOTES, key_of(caller), JSON, body=BODY, version="HTTP/1.0"))
        heard = line.hear("POST")
        is_closed = line.is_closed()

    assert (heard.status, is_closed) == (201, True)
    assert heard.headers["X-Correlation-ID"]


def test_a_head_is_answered_without_a_body(caller: Caller) -> None:
    with line_to(caller.service) as line:
        line.send(request("HEAD", QUOTES, key_of(caller)), request("GET", QUOTES, key_of(caller)))
        head, get = line.hear("HEAD"), line.hear()

    assert (head.status, head.body) == (405, b"")
    assert get.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [b"X-Large: " + b"a" * 500_000],
        [b"X-Many: %d" % number for number in range(5_000)],
        [b"X-Empty:"] * 100,
        [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAA"],
        [b"Connection: Upgrade", b"Upgrade: websocket"][:1],
        [b"Host: another", b"X-Forwarded-For: 127.0.0.1", b"X-Forwarded-Proto: https"],
        [b"X-HTTP-Method-Override: DELETE", b"X-Method-Override: DELETE"],
        [b"Cookie: " + b"a=b; " * 1_000],
        [b"Accept: " + b"a/b;q=0.1, " * 1_000],
        [b"Expect: 200-maybe"],
        [b"Range: bytes=0-1"],
        [b"X-Latin: \xe9\xff"],
        [b"Accept-Encoding: gzip, br"],
    ],
    ids=str,
)
def test_headers_that_do_not_matter_do_no_harm(caller: Caller, headers: list[bytes]) -> None:
    heard = hear_once(caller.service, request("GET", QUOTES, key_of(caller), *headers))

    assert heard.status == 200
    assert json.loads(heard.body)["quotes"] == []


def test_a_websocket_is_not_opened(service: Service) -> None:
    heard = hear_once(
        service,
        request(
            "GET",
            QUOTES,
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ),
    )

    assert heard.status in {400, 401, 403, 404}


def test_idle_lines_do_not_keep_others_waiting(caller: Caller) -> None:
    """Slow senders hold a connection each, and no thread."""
    with line_to(caller.service) as a, line_to(caller.service) as b, line_to(caller.service) as c:
        slow: list[Line] = [a, b, c] * 10
        for line in (a, b, c):
            line.send(post(caller, b"Content-Length: %d" % len(BODY)))
        for place, line in enumerate(slow):
            line.send(BODY[place // 3 : place // 3 + 1])
            check_alive(caller)


# Bodies that take their time.


@pytest.fixture(scope="module")
def hasty(
    server: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that waits for a body no longer than the half of a second."""
    settings = settings_in(tmp_path_factory.mktemp("hasty"), body_time=0.5)
    with cloned(server, template) as target, served(target, settings) as service:
        yield service


def beginning_of_a_create(caller: Caller, name: str) -> bytes:
    """A create whose body has yet to come."""
    length = b"Content-Length: %d" % len(BODY)
    return post(caller, length, b"X-Correlation-ID: " + name.encode())


def test_a_body_that_does_not_come_in_time_is_refused_with_its_row(hasty: Service) -> None:
    with calling(hasty) as caller, line_to(hasty) as line:
        line.send(beginning_of_a_create(caller, "too-slow"), BODY[:100])

        heard = line.hear("POST")

    assert heard.status == 408
    answer = json.loads(heard.body)
    assert answer["errorCode"] == "QUOTE_VALIDATION_FAILED"
    assert answer["details"] == {"limitSeconds": 0.5}
    row = hasty.attempt("too-slow")
    assert (row["http_status"], row["outcome"]) == (408, "rejected")
    assert row["payload_hash"] is None


def test_the_time_that_a_caller_takes_to_send_is_no_time_of_ours(hasty: Service) -> None:
    with calling(hasty) as caller, line_to(hasty) as line:
        line.send(beginning_of_a_create(caller, "slowly-sent"), BODY[:100])
        CLOCK.sleep(0.2)
        line.send(BODY[100:])

        heard = line.hear("POST")

    assert heard.status == 201
    assert hasty.attempt("slowly-sent")["duration_us"] < 200_000


@pytest.mark.parametrize("body", [b'{"tripName": ', b"x" * 1_100_000], ids=["torn", "too large"])
def test_a_body_that_was_not_understood_has_no_hash(caller: Caller, body: bytes) -> None:
    answer = caller.call("POST", body=body)

    row = caller.service.attempt(answer.headers["x-correlation-id"])
    assert row["payload_hash"] is None
