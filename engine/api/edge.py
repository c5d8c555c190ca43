"""The outermost layer of the API: every request gets its ids here, before any other code runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.api.exchange import CORRELATION_HEADER, Exchange
from engine.clock import Clock
from engine.correlation import (
    accepted_correlation_id,
    accepted_traceparent,
    make_correlation_id,
)

_SCOPE_KEY: Final = "saveguard.arrival"


@dataclass(frozen=True, slots=True)
class Arrival:
    """What is known of a request before it is read."""

    correlation_id: str
    attempt_id: UUID
    started_at: datetime
    received: float


class Edge:
    """ASGI middleware: makes the arrival, counts it, and puts the correlation id on the answer."""

    def __init__(
        self, app: ASGIApp, clock: Clock, arrived: Callable[[Arrival, str | None], None]
    ) -> None:
        """Wraps an application.

        Args:
            app: the application.
            clock: for ids and instants.
            arrived: told of every arrival, and of an inbound correlation id that was malformed.
        """
        self._app = app
        self._clock = clock
        self._arrived = arrived

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        inbound = Headers(scope=scope).get(CORRELATION_HEADER)
        attempt_id = self._clock.uuid7()
        accepted = accepted_correlation_id(inbound)
        arrival = Arrival(
            accepted or make_correlation_id(attempt_id),
            attempt_id,
            self._clock.now(),
            self._clock.monotonic(),
        )
        self._arrived(arrival, inbound if inbound and accepted is None else None)
        scope[_SCOPE_KEY] = arrival
        header = (CORRELATION_HEADER.encode(), arrival.correlation_id.encode())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], header]
            await send(message)

        await self._app(scope, receive, send_with_id)


async def read_exchange(request: Request, body_limit: int) -> Exchange:
    """Reads a request to its end, or to the limit of its body.

    Raises:
        ClientDisconnect: the caller left before it had said everything.
    """
    arrival: Arrival = request.scope[_SCOPE_KEY]
    headers = request.headers
    return Exchange(
        method=request.method,
        path=request.url.path,
        headers=dict(headers.items()),
        query=dict(request.query_params.items()),
        body=await _read_body(request, body_limit),
        correlation_id=arrival.correlation_id,
        traceparent=accepted_traceparent(headers.get("traceparent")),
        attempt_id=arrival.attempt_id,
        started_at=arrival.started_at,
        received=arrival.received,
    )


async def _read_body(request: Request, limit: int) -> bytes | None:
    """The body, or None when it is larger than the limit; then the rest is not read."""
    declared = request.headers.get("content-length", "")
    if declared.isascii() and declared.isdigit() and int(declared[:12]) > limit:
        return None
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
