"""Refusals before any call is made of a request: in the words of the API, with a correlation id.

Each leaves a row in the audit trail. Whoever is refused here may be anybody, and may ask a thousand
times a second: so only so many rows are written a minute, and the rest are log lines.
"""

from __future__ import annotations

import asyncio
from typing import Final

import psycopg
import structlog
from psycopg_pool import PoolTimeout
from starlette.types import Scope, Send

from engine.access import audit
from engine.access.audit import Action, Actor, Way
from engine.access.trail_budget import TrailBudget
from engine.api.edge import header_of, send_answer
from engine.api.exchange import CORRELATION_HEADER, Exchange, refusal_to_answer
from engine.clock import Clock
from engine.correlation import accepted_correlation_id, make_correlation_id
from engine.database.pool import Pool
from engine.errors import Refusal

# As whom the trail names callers of whom no account is known.
_NOBODY: Final = "unknown"
_POLICY_VIOLATION: Final = 1008
_ROWS_A_MINUTE: Final = 60
# An answer is hardly delayed by what is written down of it.
_PATIENCE_S: Final = 1.0


class Refuser:
    """Answers connections with refusals; safe to use from any thread.

    Attributes:
        clock: for ids and instants.
    """

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Takes what it needs.

        Args:
            pool: for the rows.
            clock: for ids and instants.
        """
        self.clock = clock
        self._pool = pool
        self._budget = TrailBudget(clock, _ROWS_A_MINUTE)

    async def refuse(self, scope: Scope, send: Send, refusal: Refusal) -> str:
        """Answers a connection with a refusal; its body is not read.

        Args:
            scope: of a request, or of a websocket that has not been accepted.
            send: takes the answer.
            refusal: what is answered; a websocket is only closed.

        Returns:
            The correlation id.
        """
        attempt_id, now = self.clock.uuid7(), self.clock.now()
        inbound = header_of(scope, CORRELATION_HEADER)
        correlation_id = accepted_correlation_id(inbound) or make_correlation_id(attempt_id)
        address = address_of(scope)
        await self._note(address, correlation_id, refusal)
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
            address=address,
            received=self.clock.monotonic(),
        )
        headers = {CORRELATION_HEADER: correlation_id}
        await send_answer(refusal_to_answer(exchange, refusal, now, headers), send)
        return correlation_id

    async def _note(self, address: str | None, correlation_id: str, refusal: Refusal) -> None:
        structlog.get_logger().warning(
            "request_refused",
            correlation_id=correlation_id,
            error_code=refusal.code.value,
            address=address,
        )
        if self._budget.may_write(address):
            actor = Actor(None, _NOBODY, Way.API, address, correlation_id)
            await asyncio.to_thread(self._write, actor, refusal)

    def _write(self, actor: Actor, refusal: Refusal) -> None:
        happened = audit.event(self.clock, actor, Action.CALL_REFUSED, refused=refusal.code)
        try:
            with self._pool.connection(self.clock.monotonic() + _PATIENCE_S) as connection:
                audit.write(connection, happened)
        except (psycopg.Error, PoolTimeout):
            return  # the log has it


def address_of(scope: Scope) -> str | None:
    """The network's address that a connection comes from; of trusted proxies, what they say."""
    client = scope.get("client")
    return None if client is None else str(client[0])
