"""The ledger's daily partitions: made ahead of their day, by the owner."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import psycopg
from psycopg import sql

DAYS_AHEAD: Final = 7
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('saveguard.partitions'))"


def partition_name(day: date) -> str:
    """The partition of one UTC day."""
    return f"attempt_{day:%Y%m%d}"


def ensure_partitions(
    connection: psycopg.Connection[Any], now: datetime, days_ahead: int = DAYS_AHEAD
) -> list[str]:
    """Makes the partitions from yesterday to `days_ahead` days from now that are missing.

    Args:
        connection: of the owner, in autocommit.
        now: the present instant.
        days_ahead: how far ahead.

    Returns:
        The names of those it made.
    """
    first = now.astimezone(UTC).date() - timedelta(days=1)
    made = []
    for number in range(days_ahead + 2):
        day = first + timedelta(days=number)
        if _make(connection, day):
            made.append(partition_name(day))
    return made


def _make(connection: psycopg.Connection[Any], day: date) -> bool:
    name = partition_name(day)
    with connection.transaction():
        # Several processes may find the same day missing; and no save waits long behind this.
        connection.execute("SET LOCAL lock_timeout = '2s'")
        connection.execute(_LOCK)
        known = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone()
        if known is not None and known[0]:
            return False
        table, bounds = sql.Identifier(name), (_midnight(day), _midnight(day + timedelta(days=1)))
        # Attaching a finished table locks the ledger less than creating it in place would.
        connection.execute(sql.SQL("CREATE TABLE {} (LIKE attempt INCLUDING ALL)").format(table))
        connection.execute(
            sql.SQL("ALTER TABLE attempt ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                table, *(sql.Literal(bound.isoformat()) for bound in bounds)
            )
        )
    return True


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
