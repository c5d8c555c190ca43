"""Refusals before any call is made of a request: in the words of the API, with a correlation id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog
from starlette.types import Receive, Scope, Send

from engine.api.edge import header_of, send_answer
from engine.api.exchange import CORRELATION_HEADER, Exchange, refusal_to_answer
from engine.clock import Clock
from engine.correlation import accepted_correlation_id, make_correlation_id
from engine.errors import Refusal

_POLICY_VIOLATION: Final = 1008


async def refuse(
    scope: Scope,
    _receive: Receive,
    send: Send,
    refusal: Refusal,
    clock: Clock,
    extra: Mapping[str, str] | None = None,
) -> str:
    """Answers a connection with a refusal; its body is not read.

    Args:
        scope: of a request or of a websocket that has not been accepted.
        send: takes the answer.
        refusal: what is answered; a websocket is only closed.
        clock: for the id and the instant.
        extra: headers of the answer.

    Returns:
        The correlation id.
    """
    attempt_id, now = clock.uuid7(), clock.now()
    inbound = header_of(scope, CORRELATION_HEADER)
    correlation_id = accepted_correlation_id(inbound) or make_correlation_id(attempt_id)
    structlog.get_logger().warning(
        "request_refused",
        correlation_id=correlation_id,
        code=refusal.code.value,
        address=address_of(scope),
    )
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        return correlation_id
    exchange = Exchange(
        method=scope["method"],
        path=scope["path"],
        query_string=b"",
        headers={"accept": header_of(scope, "accept") or ""},
        body=b"",
        correlation_id=correlation_id,
        traceparent=None,
        attempt_id=attempt_id,
        started_at=now,
        received=clock.monotonic(),
    )
    headers = {**(extra or {}), CORRELATION_HEADER: correlation_id}
    await send_answer(refusal_to_answer(exchange, refusal, now, headers), send)
    return correlation_id


def address_of(scope: Scope) -> str | None:
    """The network's address that a connection comes from; of trusted proxies, what they say."""
    client = scope.get("client")
    return None if client is None else str(client[0])
