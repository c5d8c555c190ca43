"""The ledger's daily partitions: made ahead of their day, by the owner.

A row whose day has no partition lands in `attempt_default`, so no save fails for want of one. Such
a day stays there: for a partition of its own its rows would have to be written anew, in another
transaction, and it is by their transaction that the rollups know which rows they have counted.
"""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import errors, sql

from engine.database.target import APP_ROLE
from engine.errors import SetupError

DAYS_AHEAD: Final = 7
# Enough to see that something is wrong; counting so many takes some milliseconds.
STRAYS_COUNTED: Final = 100_000
# Reads of the whole ledger queue behind an attachment that waits; a save that has to look into the
# ledger waits for 2 s, so the attachment gives up before that. There are days left to try again.
_LOCK_WAIT: Final = "1s"
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('saveguard.partitions'))"


class MissingDay(NamedTuple):
    """A day without a partition of its own.

    Attributes:
        day: in UTC.
        has_rows: attempts of it are in `attempt_default`, where they stay; otherwise the next call
            of `ensure_partitions` may still make its partition.
    """

    day: date
    has_rows: bool


def partition_name(day: date) -> str:
    """The partition of one UTC day."""
    return f"attempt_{day:%Y%m%d}"


def ensure_partitions(
    connection: psycopg.Connection[Any], now: datetime, days_ahead: int = DAYS_AHEAD
) -> list[str]:
    """Makes the partitions from yesterday to `days_ahead` days from now that are missing.

    A day that has attempts in the default partition is left there, and one that other work on the
    ledger locks is left for the next call; `missing_days` tells.

    Args:
        connection: of the owner, in autocommit.
        now: the present instant.
        days_ahead: how far ahead.

    Returns:
        The names of those it made.

    Raises:
        SetupError: days are missing, and the role does not own the ledger.
        psycopg.Error: the database could not be asked.
    """
    made = []
    for missing in missing_days(connection, now, days_ahead):
        if missing.has_rows:
            continue
        # A row may have come since, and the default partition may be in use.
        with suppress(errors.CheckViolation, errors.LockNotAvailable, errors.DeadlockDetected):
            if _is_made(connection, missing.day):
                made.append(partition_name(missing.day))
    return made


def _is_made(connection: psycopg.Connection[Any], day: date) -> bool:
    try:
        return _make(connection, day)
    except errors.InsufficientPrivilege as error:
        raise SetupError(
            f"the ledger's partition of {day} cannot be made ({error.diag.message_primary}): set "
            "SAVEGUARD_OWNER_DATABASE_URL to the role that owns the tables"
        ) from None


def missing_days(
    connection: psycopg.Connection[Any], now: datetime, days_ahead: int = DAYS_AHEAD
) -> list[MissingDay]:
    """The days from yesterday to `days_ahead` days from now that have no partition.

    Args:
        connection: of the owner or of the application.
        now: the present instant.
        days_ahead: how far ahead.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    days = [yesterday + timedelta(days=number) for number in range(days_ahead + 2)]
    attached = {name for (name,) in connection.execute(_ATTACHED)}
    return [
        MissingDay(day, _has_rows(connection, day))
        for day in days
        if partition_name(day) not in attached
    ]


def days_of(connection: psycopg.Connection[Any]) -> set[date]:
    """The days of which the ledger may hold attempts, those in the default partition included.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    names = (name for (name,) in connection.execute(_ATTACHED))
    days = {day for day in map(day_of_partition, names) if day is not None}
    strays = connection.execute(
        "SELECT DISTINCT (started_at AT TIME ZONE 'UTC')::date FROM public.attempt_default"
    )
    return days | {day for (day,) in strays}


def strays(connection: psycopg.Connection[Any]) -> int:
    """How many attempts lie in the default partition, counted up to `STRAYS_COUNTED`.

    There are none unless a day had no partition, or an attempt came for a day that was dropped.
    Reads that partition alone, and never more of it than it counts.

    Args:
        connection: of the owner or of the application.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    row = connection.execute(
        "SELECT count(*) FROM (SELECT FROM public.attempt_default LIMIT %s) AS stray",
        [STRAYS_COUNTED],
    ).fetchone()
    return 0 if row is None else int(row[0])


def day_of_partition(name: str) -> date | None:
    """The UTC day of a partition; None of the default one."""
    found = _NAME.fullmatch(name)
    return None if found is None else date(*map(int, found.groups()))


def day_start(day: date) -> datetime:
    """The first instant of a UTC day."""
    return datetime.combine(day, time.min, tzinfo=UTC)


_NAME: Final = re.compile(r"attempt_([0-9]{4})([0-9]{2})([0-9]{2})", re.ASCII)
_ATTACHED: Final = """
    SELECT c.relname
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.attempt'::regclass
"""


def _has_rows(connection: psycopg.Connection[Any], day: date) -> bool:
    row = connection.execute(
        """
        SELECT EXISTS (
            SELECT FROM public.attempt_default
            WHERE started_at >= %s AND started_at < %s
        )
        """,
        _bounds(day),
    ).fetchone()
    return row is not None and row[0]


def _make(connection: psycopg.Connection[Any], day: date) -> bool:
    """Makes one day's partition, unless somebody else just did."""
    name = partition_name(day)
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(_LOCK_WAIT))
        connection.execute("SET LOCAL search_path = public")
        connection.execute(_LOCK)
        known = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone()
        if known is not None and known[0]:
            return False
        table = sql.Identifier(name)
        first, end = (sql.Literal(bound.isoformat()) for bound in _bounds(day))
        # Attaching a finished table locks the ledger less than creating it in place would.
        connection.execute(sql.SQL("CREATE TABLE {} (LIKE attempt INCLUDING ALL)").format(table))
        # The application reads and writes it through the ledger, whatever default privileges of
        # somebody else's making gave it; and the owner does not change it either.
        connection.execute(
            sql.SQL("REVOKE ALL ON {} FROM PUBLIC, {}").format(table, sql.Identifier(APP_ROLE))
        )
        connection.execute(
            sql.SQL("REVOKE UPDATE, DELETE, TRUNCATE ON {} FROM CURRENT_USER").format(table)
        )
        connection.execute(
            sql.SQL("ALTER TABLE attempt ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(
                table, first, end
            )
        )
    return True


def _bounds(day: date) -> tuple[datetime, datetime]:
    """The first instant of a day and of the next."""
    midnight = day_start(day)
    return midnight, midnight + timedelta(days=1)
