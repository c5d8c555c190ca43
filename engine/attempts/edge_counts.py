"""What a process's edge counts of requests to save, kept where the ledger is compared with it.

It is counted before anything is known of a request, by code that shares nothing with the ledger: if
an attempt went missing, this number would still be there.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg

from engine.attempts.minute_counts import EPOCH, MinuteCounts
from engine.attempts.tables import EdgeCount
from engine.database.sql import table_of

# Whose counts those of all processes are, once they are merged.
_ALL_PROCESSES: Final = UUID(int=0)
_MERGE: Final = """
    WITH gone AS (
        DELETE FROM edge_count
        WHERE bucket < %(limit)s AND process_id <> %(all)s
        RETURNING *
    )
    INSERT INTO edge_count AS merged (bucket, process_id, origin_id, arrivals, left_early)
    SELECT
        date_bin(%(hour)s, bucket, TIMESTAMPTZ 'epoch'), %(all)s, min(origin_id),
        sum(arrivals), sum(left_early)
    FROM gone
    GROUP BY 1
    ON CONFLICT (bucket, process_id) DO UPDATE
    SET arrivals = merged.arrivals + excluded.arrivals,
        left_early = merged.left_early + excluded.left_early
"""
_HOUR: Final = timedelta(hours=1)
# Longer than minutes are compared with those of the ledger, see `engine.slo.coverage`.
MINUTES_KEPT: Final = timedelta(days=16)


class Counted(NamedTuple):
    """What was counted in a minute."""

    arrivals: int
    left_early: int


class EdgeCounts(MinuteCounts):
    """Counts of requests by minute; safe to use from any thread."""

    def __init__(self, process_id: UUID, origin_id: int) -> None:
        """Starts at nothing.

        Args:
            process_id: of this process and no other, ever.
            origin_id: under which the ledger knows this process's attempts.
        """
        super().__init__(table_of(EdgeCount), Counted._fields)
        self._process_id = process_id
        self._origin_id = origin_id

    def arrived(self, started_at: datetime) -> None:
        """Counts a request that has arrived."""
        self._count(started_at, Counted(1, 0))

    def left_early(self, started_at: datetime) -> None:
        """Counts one of them whose caller left before it was read."""
        self._count(started_at, Counted(0, 1))

    def _count(self, started_at: datetime, more: Counted) -> None:
        self.add(started_at, self._process_id, self._origin_id, more)


def merge_minutes(connection: psycopg.Connection[Any], now: datetime) -> None:
    """Merges the minutes of long ago into hours of all processes.

    Raises:
        psycopg.Error: the database could not be asked; nothing was changed.
    """
    limit = now - MINUTES_KEPT
    limit -= (limit - EPOCH) % _HOUR
    connection.execute(_MERGE, {"limit": limit, "all": _ALL_PROCESSES, "hour": _HOUR})
