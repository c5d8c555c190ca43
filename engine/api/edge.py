"""The outermost layer of the API: every request gets its ids here, before any other code runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.access.addresses import address_of
from engine.api.exchange import CORRELATION_HEADER, Answer, Exchange, Unread
from engine.clock import Clock
from engine.correlation import (
    accepted_correlation_id,
    accepted_traceparent,
    make_correlation_id,
)

_ARRIVAL: Final = "saveguard.arrival"
_CORRELATION: Final = CORRELATION_HEADER.encode()
_NOT_MODIFIED: Final = 304


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known of a request before it is read."""

    correlation_id: str
    attempt_id: UUID
    started_at: datetime


Arrived = Callable[[Arrival, bool], None]


class Edge:
    """ASGI middleware: makes the arrival, counts it, and puts the correlation id on the answer."""

    def __init__(self, app: ASGIApp, clock: Clock, arrived: Arrived) -> None:
        """Wraps an application.

        Args:
            app: the application.
            clock: for ids and instants.
            arrived: told of every arrival, and whether its inbound correlation id was malformed.
        """
        self._app = app
        self._clock = clock
        self._arrived = arrived

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        inbound = header_of(scope, CORRELATION_HEADER)
        accepted = accepted_correlation_id(inbound)
        attempt_id = self._clock.uuid7()
        correlation_id = accepted or make_correlation_id(attempt_id)
        arrival = Arrival(correlation_id, attempt_id, self._clock.now())
        is_malformed = inbound is not None and accepted is None
        if is_malformed:
            # Not what it was: a caller may send anything, a secret even.
            structlog.get_logger().warning("correlation_id_replaced", correlation_id=correlation_id)
        self._arrived(arrival, is_malformed)
        scope[_ARRIVAL] = arrival

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (_CORRELATION, correlation_id.encode())]
            await send(message)

        await self._app(scope, receive, send_with_id)


def arrival_of(scope: Scope) -> Arrival:
    """What the edge has made of a request."""
    arrival: Arrival = scope[_ARRIVAL]
    return arrival


class CallerLeft(Exception):  # noqa: N818  # nothing went wrong on our side
    """The caller hung up before it had sent its request."""


async def read_exchange(
    scope: Scope, receive: Receive, clock: Clock, body_limit: int, body_time: timedelta
) -> Exchange:
    """Reads a request to its end, or to the limits of its body.

    Args:
        scope: of the request, past the edge.
        receive: brings the body.
        clock: says when it has arrived.
        body_limit: most bytes of a body.
        body_time: longest time that a body may take to arrive.

    Raises:
        CallerLeft: the caller left before it had said everything.
    """
    arrival: Arrival = scope[_ARRIVAL]
    headers = _headers_of(scope)
    body: bytes | Unread
    try:
        async with asyncio.timeout(body_time.total_seconds()):
            body = await _read_body(receive, headers.get("content-length", ""), body_limit)
    except TimeoutError:
        body = Unread.TOO_SLOW
    return Exchange(
        method=scope["method"],
        path=scope["path"],
        query_string=scope["query_string"],
        headers=headers,
        body=body,
        correlation_id=arrival.correlation_id,
        traceparent=accepted_traceparent(headers.get("traceparent")),
        attempt_id=arrival.attempt_id,
        started_at=arrival.started_at,
        address=address_of((scope.get("client") or (None,))[0]),
        received=clock.monotonic(),
    )


async def send_answer(answer: Answer, send: Send) -> None:
    """Sends an answer whole."""
    headers = [(b"cache-control", b"no-store")]
    if answer.status != _NOT_MODIFIED:  # says nothing of a body (RFC 9110, 8.6)
        headers += [
            (b"content-type", answer.media_type.encode()),
            (b"content-length", b"%d" % len(answer.body)),
        ]
    headers += [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _read_body(receive: Receive, declared: str, limit: int) -> bytes | Unread:
    """The body, unless it is larger than the limit; then the rest is not read."""
    if declared.isascii() and declared.isdigit() and int(declared[:12]) > limit:
        return Unread.TOO_LARGE
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerLeft
        body += message.get("body", b"")
        if len(body) > limit:
            return Unread.TOO_LARGE
        if not message.get("more_body", False):
            return bytes(body)


def _headers_of(scope: Scope) -> dict[str, str]:
    """The headers by name; several of one name are one list (RFC 9110, 5.2)."""
    pairs: list[tuple[bytes, bytes]] = scope["headers"]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}
    if len(headers) != len(pairs):
        lists: dict[bytes, list[bytes]] = {}
        for name, value in pairs:
            lists.setdefault(name, []).append(value)
        headers = {
            name.decode("latin-1"): b", ".join(values).decode("latin-1")
            for name, values in lists.items()
        }
    return headers


def header_of(scope: Scope, name: str) -> str | None:
    """The first header with a name in lower case; None for none."""
    wanted = name.encode()
    for each, value in scope["headers"]:
        if each == wanted:
            text: str = value.decode("latin-1")
            return text
    return None
