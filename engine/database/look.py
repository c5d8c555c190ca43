"""A look at the database: one snapshot, read only, and found by index however small a table is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


@contextmanager
def by_index(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """One consistent look in which no table is read from end to end.

    The planner takes a scan for the better way where its statistics lag behind a day's rows; what
    looks for a few rows by their key must not depend on that. And it sees the values, which say
    what days of the ledger to leave out.

    Args:
        connection: in autocommit.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        connection.execute("SET LOCAL enable_seqscan = off", prepare=False)
        connection.execute("SET LOCAL plan_cache_mode = auto", prepare=False)
        yield
    finally:
        if not connection.closed:
            connection.execute("ROLLBACK")
