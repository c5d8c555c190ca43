"""What is left of a read that was refused: a row of the audit trail, or a log line.

A refused save has its row in the ledger; a read has nothing to go there. The row is written before
the answer, on the reads' own connections and with little patience: an answer is never refused, and
hardly delayed, because of it.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from engine.access import audit
from engine.access.audit import Action, Actor, Subject, Way
from engine.access.identities import Identity
from engine.access.trail_budget import TrailBudget
from engine.api.exchange import Exchange
from engine.clock import Clock
from engine.database.pool import Pool
from engine.errors import ErrorCode, Refusal

# As whom the trail names callers of whom no account is known.
NOBODY: Final = "unknown"
_PATIENCE_S: Final = 1.0
# What the caller may not, as against what it has misspelled, or what we could not do.
_WRITTEN: Final = frozenset(
    {
        ErrorCode.AUTHENTICATION_FAILED,
        ErrorCode.AUTHORIZATION_FAILED,
        ErrorCode.AGENT_NOT_FOUND,
        ErrorCode.QUOTE_NOT_FOUND,
        ErrorCode.RATE_LIMIT_EXCEEDED,
    }
)
_MISSPELLED: Final = ErrorCode.QUOTE_VALIDATION_FAILED


class RefusedReads:
    """Writes refused reads down; safe to use from any thread."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        """Takes what it needs.

        Args:
            pool: of the reads.
            clock: for instants and ids.
        """
        self._pool = pool
        self._clock = clock
        self._budget = TrailBudget(clock)

    def note(
        self, exchange: Exchange, identity: Identity | None, refusal: Refusal, quote_id: UUID | None
    ) -> None:
        """Writes one down; raises nothing.

        Args:
            exchange: the call.
            identity: whose key was shown, if anybody's.
            refusal: why.
            quote_id: of the quote that the path names, if it does.
        """
        if refusal.code is _MISSPELLED:
            return
        if (
            refusal.code not in _WRITTEN
            or self._pool.is_unreachable
            or not self._budget.may_write(exchange.address)
        ):
            self._log(exchange, identity, refusal, quote_id)
            return
        happened = audit.event(
            self._clock,
            _actor(exchange, identity),
            Action.CALL_REFUSED,
            subject=None if quote_id is None else Subject("quote", str(quote_id)),
            refused=refusal.code,
            details=self._details(identity),
        )
        try:
            deadline = self._clock.monotonic() + _PATIENCE_S
            with self._pool.connection(deadline) as connection:
                audit.write(connection, happened)
        except (psycopg.Error, PoolTimeout):
            self._log(exchange, identity, refusal, quote_id)

    def _details(self, identity: Identity | None) -> dict[str, str]:
        if identity is None:
            return {}
        ended_by = identity.ended_by(self._clock.now())
        key = {"keyId": str(identity.key_id)}
        return key if ended_by is None else key | {"key": ended_by}

    def _log(
        self, exchange: Exchange, identity: Identity | None, refusal: Refusal, quote_id: UUID | None
    ) -> None:
        structlog.get_logger().warning(
            "read_refused",
            correlation_id=exchange.correlation_id,
            error_code=refusal.code.value,
            address=exchange.address,
            account_id=None if identity is None else str(identity.account_id),
            quote_id=None if quote_id is None else str(quote_id),
        )


def _actor(exchange: Exchange, identity: Identity | None) -> Actor:
    return Actor(
        account_id=None if identity is None else identity.account_id,
        name=NOBODY if identity is None else identity.email,
        way=Way.API,
        address=exchange.address,
        correlation_id=exchange.correlation_id,
    )
