"""Expiring sent quotes whose offer has lapsed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from sqlalchemy import BigInteger, bindparam, select

from engine.access.canaries import is_canary
from engine.attempts.outcome import Source
from engine.clock import Clock
from engine.correlation import make_correlation_id
from engine.database.pool import Pool
from engine.database.sql import Statement, parameter, table_of, word
from engine.quotes.lifecycle import Operation, Status
from engine.quotes.tables import Quote
from engine.saving.answer import Saved
from engine.saving.request import SaveRequest
from engine.saving.save import Saver

MODIFIER: Final = "system:expiry"
# Few enough that a batch is over well before the lock's idle transaction is.
_BATCH: Final = 50
_LOCK: Final = "SELECT pg_try_advisory_xact_lock(hashtext('saveguard.expiry'))"

_quote = table_of(Quote)
_DUE: Final = Statement(
    select(_quote.c.agent_id, _quote.c.id, _quote.c.version)
    .where(
        _quote.c.status == word(Status.SENT),
        _quote.c.expires_at <= parameter(_quote, "expires_at"),
    )
    .order_by(_quote.c.expires_at)
    .limit(bindparam("most", type_=BigInteger()))
)


def expire_due(pool: Pool, saver: Saver, clock: Clock) -> int:
    """Expires what is due, a batch at a time; returns how many quotes it expired.

    Raises:
        psycopg.Error: the database could not be asked.
        PoolTimeout: the same.
    """
    total = 0
    while True:
        expired, is_last = _expire_batch(pool, saver, clock)
        total += expired
        if is_last:
            return total


def _expire_batch(pool: Pool, saver: Saver, clock: Clock) -> tuple[int, bool]:
    with pool.connection() as connection, connection.transaction():
        locked = connection.execute(_LOCK).fetchone()
        if locked is None or not locked[0]:
            return 0, True  # another process is at it
        due = _due(connection, clock.now())
        expired = sum(_expire(saver, clock, *each) for each in due)
    # A batch in which nothing could be expired would come back the same.
    return expired, len(due) < _BATCH or expired == 0


def _due(connection: psycopg.Connection[Any], now: datetime) -> list[tuple[UUID, UUID, int]]:
    return _DUE.run(connection, {"expires_at": now, "most": _BATCH}).fetchall()


def _expire(saver: Saver, clock: Clock, agent_id: UUID, quote_id: UUID, version: int) -> bool:
    attempt_id = clock.uuid7()
    result = saver.save(
        SaveRequest(
            operation=Operation.EXPIRE,
            agent_id=agent_id,
            modified_by=MODIFIER,
            correlation_id=make_correlation_id(attempt_id),
            attempt_id=attempt_id,
            started_at=clock.now(),
            received=clock.monotonic(),
            quote_id=quote_id,
            body={"version": version},
            source=Source.SYNTHETIC if is_canary(agent_id) else Source.LIVE,
        )
    )
    return isinstance(result, Saved)
