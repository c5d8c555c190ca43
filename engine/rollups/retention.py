"""Retention: the ledger's oldest days are detached and dropped, and how many rows they had is kept.

A day goes only when every row of it stands in the rollups. Detaching and dropping are transactions
of their own, because the first one locks the ledger and must be over in a moment; a day that was
detached when its process died is dropped by whoever comes next. What came late and lies in the
default partition is deleted there. Every day of which something was taken away is written down, so
that its rollups are never again counted from what is left of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import errors, sql

from engine.attempts.ledger import FIELDS
from engine.attempts.partitions import day_of_partition, day_start, partition_name
from engine.rollups.feeds import written_since

# Reads and saves queue behind a detachment that waits; there is always another hour to try.
_LOCK_WAIT: Final = "1s"


class Day(NamedTuple):
    """A day of the ledger as it is kept.

    Attributes:
        name: of its partition.
        day: in UTC; None of the default partition.
        rows: about how many, by the server's statistics; None before it has any.
        size: bytes on disk, indexes included.
        is_due: whether it is older than what is kept.
    """

    name: str
    day: date | None
    rows: int | None
    size: int
    is_due: bool


class Dropped(NamedTuple):
    """Rows of a day that were taken away, and exactly how many; the name is its partition's."""

    name: str
    day: date
    rows: int


def days_kept(connection: psycopg.Connection[Any], now: datetime, keep: timedelta) -> list[Day]:
    """Every partition of the ledger, oldest first; the default one last.

    Args:
        connection: of the owner or of the application.
        now: the present instant.
        keep: how long rows are kept.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    limit = first_kept_day(now, keep)
    found = []
    for name, rows, size in connection.execute(_PARTITIONS).fetchall():
        day = day_of_partition(name)
        is_due = day is not None and day < limit
        found.append(Day(name, day, None if rows < 0 else int(rows), size, is_due))
    return sorted(found, key=lambda each: (each.day is None, each.day or date.max))


def first_kept_day(now: datetime, keep: timedelta) -> date:
    """The oldest day that is kept: the one in which the time to keep begins."""
    return (now - keep).astimezone(UTC).date()


def drop_due(connection: psycopg.Connection[Any], now: datetime, keep: timedelta) -> list[Dropped]:
    """Drops what is older than what is kept, and finishes what was begun.

    A day that other work on the ledger locks, or that no rollup holds yet, is left for the next
    call.

    Args:
        connection: of the owner, in autocommit.
        now: the present instant.
        keep: how long rows are kept.

    Returns:
        What was dropped.

    Raises:
        psycopg.Error: the database could not be asked, or the role may not; what was dropped until
            then is dropped.
    """
    for due in days_kept(connection, now, keep):
        if due.is_due and due.day is not None:
            with suppress(errors.LockNotAvailable, errors.DeadlockDetected):
                _detach(connection, now, due.name, due.day)
    dropped = []
    for name, day in _detached(connection):
        with suppress(errors.LockNotAvailable):
            dropped += _finish(connection, now, name, day)
    with suppress(errors.LockNotAvailable):
        dropped += _clean_default(connection, now, first_kept_day(now, keep))
    return dropped


def _detach(connection: psycopg.Connection[Any], now: datetime, name: str, day: date) -> None:
    """Takes a partition out of the ledger; what no rollup holds of it stays, in the default one."""
    table = sql.Identifier(name)
    with connection.transaction():
        # Under the lock of the state, which keeps other processes' retention out, too.
        if (snapshot := _locked_snapshot(connection)) is None or not _is_part(connection, name):
            return
        connection.execute(sql.SQL("ALTER TABLE attempt DETACH PARTITION {}").format(table))
        columns = sql.SQL(", ").join(map(sql.Identifier, FIELDS))
        # Written anew they are new to the roller, too.
        moved = connection.execute(
            sql.SQL(
                "INSERT INTO attempt ({columns}) SELECT {columns} FROM {table} WHERE {unrolled}"
            ).format(columns=columns, table=table, unrolled=written_since(snapshot))
        ).rowcount
        if moved:
            connection.execute(sql.SQL("GRANT DELETE ON {} TO CURRENT_USER").format(table))
            connection.execute(
                sql.SQL("DELETE FROM {} WHERE {}").format(table, written_since(snapshot))
            )
        connection.execute(
            "INSERT INTO dropped_partition (name, day, detached_at) VALUES (%s, %s, %s)",
            [name, day, now],
        )


def _finish(
    connection: psycopg.Connection[Any], now: datetime, name: str, day: date
) -> list[Dropped]:
    """Counts and drops a partition that was detached, unless another process just did."""
    table = sql.Identifier(name)
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(_LOCK_WAIT))
        pending = connection.execute(
            """
            SELECT FROM dropped_partition
            WHERE name = %s AND dropped_at IS NULL
            FOR UPDATE
            """,
            [name],
        ).fetchone()
        if pending is None:
            return []
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table)).fetchone()
        rows = 0 if row is None else int(row[0])
        connection.execute(sql.SQL("DROP TABLE {}").format(table))
        connection.execute(
            """
            UPDATE dropped_partition
            SET rows = %s, dropped_at = %s
            WHERE name = %s AND dropped_at IS NULL
            """,
            [rows, now, name],
        )
    return [Dropped(name, day, rows)]


def _clean_default(
    connection: psycopg.Connection[Any], now: datetime, limit: date
) -> Sequence[Dropped]:
    """Deletes what is too old from the default partition, where late rows of dropped days lie."""
    is_old = sql.SQL("started_at < {}").format(sql.Literal(day_start(limit)))
    if not _any(connection, is_old):
        return []
    with connection.transaction():
        if (snapshot := _locked_snapshot(connection)) is None:
            return []
        connection.execute("GRANT DELETE ON attempt_default TO CURRENT_USER")
        gone = connection.execute(
            sql.SQL(
                """
                WITH gone AS (
                    DELETE FROM attempt_default
                    WHERE {is_old} AND ({unrolled}) IS NOT TRUE
                    RETURNING started_at
                )
                SELECT (started_at AT TIME ZONE 'UTC')::date, count(*)
                FROM gone
                GROUP BY 1
                ORDER BY 1
                """
            ).format(is_old=is_old, unrolled=written_since(snapshot))
        ).fetchall()
        connection.execute("REVOKE DELETE ON attempt_default FROM CURRENT_USER")
        dropped = [Dropped(partition_name(day), day, rows) for day, rows in gone]
        for name, day, rows in dropped:
            # By its day: who builds the rollups anew must not count it from what comes later still.
            connection.execute(
                """
                INSERT INTO dropped_partition AS d (name, day, rows, detached_at, dropped_at)
                VALUES (%s, %s, %s, %s, %s)
                ON CONFLICT (name, detached_at)
                DO UPDATE SET rows = coalesce(d.rows, 0) + excluded.rows
                """,
                [name, day, rows, now, now],
            )
    return dropped


def _any(connection: psycopg.Connection[Any], condition: sql.Composable) -> bool:
    row = connection.execute(
        sql.SQL("SELECT EXISTS (SELECT FROM attempt_default WHERE {})").format(condition)
    ).fetchone()
    return row is not None and row[0]


def _locked_snapshot(connection: psycopg.Connection[Any]) -> str | None:
    """What the rollups hold, and will hold until the transaction ends; None of nothing."""
    connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(_LOCK_WAIT))
    # Changed, not only locked: a roller that has looked before must not go on with what it saw.
    row = connection.execute("UPDATE rollup_state SET id = id RETURNING snapshot").fetchone()
    return None if row is None else row[0]


def _is_part(connection: psycopg.Connection[Any], name: str) -> bool:
    return any(name == known for known, *_ in connection.execute(_PARTITIONS).fetchall())


def _detached(connection: psycopg.Connection[Any]) -> list[tuple[str, date]]:
    return connection.execute(
        "SELECT name, day FROM dropped_partition WHERE dropped_at IS NULL ORDER BY day"
    ).fetchall()


_PARTITIONS: Final = """
    SELECT c.relname, c.reltuples, pg_total_relation_size(c.oid)
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.attempt'::regclass
"""
