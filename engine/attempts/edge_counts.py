"""What a process's edge counts of requests to save, kept where the ledger is compared with it.

It is counted before anything is known of a request, by code that shares nothing with the ledger: if
an attempt went missing, this number would still be there.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from engine.attempts.tables import EdgeCount
from engine.database.sql import Statement, parameter, table_of

MINUTE: Final = timedelta(minutes=1)
# A caller may leave long after he arrived, and a minute that was forgotten counts from nothing.
_REMEMBERED: Final = timedelta(hours=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_count = table_of(EdgeCount)
_row = insert(_count).values(
    {column.name: parameter(_count, column.name) for column in _count.columns}
)
# The counts of a process only grow, so that storing them twice does no harm.
_STORE: Final = Statement(
    _row.on_conflict_do_update(
        index_elements=["bucket", "process_id"],
        set_={
            name: func.greatest(_count.c[name], _row.excluded[name])
            for name in ("arrivals", "left_early")
        },
    )
)


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
_MINUTES_KEPT: Final = timedelta(days=16)


class Counted(NamedTuple):
    """What was counted in a minute."""

    arrivals: int
    left_early: int


class EdgeCounts:
    """Counts by minute; safe to use from any thread."""

    def __init__(self, process_id: UUID, origin_id: int) -> None:
        """Starts at nothing.

        Args:
            process_id: of this process and no other, ever.
            origin_id: under which the ledger knows this process's attempts.
        """
        self._process_id = process_id
        self._origin_id = origin_id
        self._lock = threading.Lock()
        self._minutes: dict[datetime, Counted] = {}
        self._unstored: set[datetime] = set()

    def arrived(self, started_at: datetime) -> None:
        """Counts a request that has arrived."""
        self._add(started_at, Counted(1, 0))

    def left_early(self, started_at: datetime) -> None:
        """Counts one of them whose caller left before it was read."""
        self._add(started_at, Counted(0, 1))

    def _add(self, started_at: datetime, more: Counted) -> None:
        minute = started_at - (started_at - _EPOCH) % MINUTE
        with self._lock:
            known = self._minutes.get(minute, Counted(0, 0))
            self._minutes[minute] = Counted(*map(sum, zip(known, more, strict=True)))
            self._unstored.add(minute)

    @property
    def has_news(self) -> bool:
        """Whether something was counted since it was stored."""
        return bool(self._unstored)

    def store(self, connection: psycopg.Connection[Any], now: datetime) -> int:
        """Writes down the minutes that have changed; returns how many.

        Raises:
            psycopg.Error: they could not be written; the next call tries again.
        """
        with self._lock:
            unstored = sorted(self._unstored)
            counted = [(minute, self._minutes[minute]) for minute in unstored]
        for minute, count in counted:
            _STORE.run(
                connection,
                {
                    "bucket": minute,
                    "process_id": self._process_id,
                    "origin_id": self._origin_id,
                    **count._asdict(),
                },
            )
            with self._lock:
                if self._minutes[minute] == count:
                    self._unstored.discard(minute)
        self._forget(now)
        return len(counted)

    def _forget(self, now: datetime) -> None:
        """Minutes that are long over and stored need not be kept."""
        with self._lock:
            for minute in [each for each in self._minutes if now - each > _REMEMBERED]:
                if minute not in self._unstored:
                    del self._minutes[minute]


def merge_minutes(connection: psycopg.Connection[Any], now: datetime) -> None:
    """Merges the minutes of long ago into hours of all processes.

    Raises:
        psycopg.Error: the database could not be asked; nothing was changed.
    """
    limit = now - _MINUTES_KEPT
    limit -= (limit - _EPOCH) % _HOUR
    connection.execute(_MERGE, {"limit": limit, "all": _ALL_PROCESSES, "hour": _HOUR})
