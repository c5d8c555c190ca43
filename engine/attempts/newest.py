"""The newest attempts of a span of the ledger, one row each."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql

from engine.attempts.outcome import UNKNOWN_AGENT, Outcome
from engine.quotes.lifecycle import Operation

NEWEST_SQL: Final = """
    SELECT
        started_at,
        correlation_id,
        operation,
        outcome,
        error_code,
        duration_us,
        retries,
        quote_id,
        agent_id <> {unknown_agent} AS is_agent_known
    FROM attempt
    WHERE {condition}
    ORDER BY started_at DESC, id DESC
    LIMIT {limit}
"""


class RecentAttempt(msgspec.Struct, frozen=True):
    """An attempt as tables of the newest show it.

    Attributes:
        started_at: when it was received.
        correlation_id: of its request; may be anything that a caller sent.
        operation: what was attempted.
        outcome: how it ended.
        error_code: the number of its code; None of a success.
        duration_us: in microseconds; 0 where its process died before it could tell.
        retries: how often it was tried again.
        quote_id: None where it did not come to a quote.
        is_agent_known: whether it was made by somebody known.
    """

    started_at: datetime
    correlation_id: str
    operation: Operation
    outcome: Outcome
    error_code: int | None
    duration_us: int
    retries: int
    quote_id: UUID | None
    is_agent_known: bool


def newest(
    connection: psycopg.Connection[Any], condition: sql.Composable, limit: int
) -> tuple[RecentAttempt, ...]:
    """The newest attempts that a condition holds for, newest first.

    Args:
        connection: of the application.
        condition: on the columns of `attempt`; it bounds `started_at`, or every day is read.
        limit: how many at most.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    statement = sql.SQL(NEWEST_SQL).format(
        unknown_agent=sql.Literal(UNKNOWN_AGENT), condition=condition, limit=sql.Literal(limit)
    )
    # Its literals differ each time: there is nothing to be prepared.
    rows = connection.execute(statement, prepare=False).fetchall()
    return tuple(
        RecentAttempt(
            started_at,
            correlation_id,
            Operation(operation),
            Outcome(outcome),
            error_code,
            duration_us,
            retries,
            quote_id,
            is_agent_known,
        )
        for (
            started_at,
            correlation_id,
            operation,
            outcome,
            error_code,
            duration_us,
            retries,
            quote_id,
            is_agent_known,
        ) in rows
    )
