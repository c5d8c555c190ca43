"""How many log lines of attempts a process wrote and lost, kept where coverage compares them.

Only those of requests that an edge counted are counted here, by the same rule as in the rollups
(`engine.rollups.fold`). A sweeper's lines are counted for the process that began the attempt, under
an id that is the sweeper's and that process's together.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid5

import psycopg

from engine.attempts.edge_counts import MINUTES_KEPT, EdgeCounts
from engine.attempts.minute_counts import MinuteCounts
from engine.attempts.tables import LineCount
from engine.database.sql import table_of

_FORGET: Final = "DELETE FROM line_count WHERE bucket < %s"


class Lines(NamedTuple):
    """What was counted in a minute."""

    written: int
    lost: int


class LineCounts(MinuteCounts):
    """Counts of lines by minute; safe to use from any thread."""

    def __init__(self, process_id: UUID, origin_id: int) -> None:
        """Starts at nothing.

        Args:
            process_id: of this process and no other, ever; the one of its `EdgeCounts`.
            origin_id: under which the ledger knows this process's attempts.
        """
        super().__init__(table_of(LineCount), Lines._fields)
        self._process_id = process_id
        self._origin_id = origin_id

    def count(self, started_at: datetime, origin_id: int, *, is_written: bool) -> None:
        """Counts a line that was written, or could not be."""
        self._add(started_at, origin_id, Lines(1, 0) if is_written else Lines(0, 1))

    def note(self, edge_counts: EdgeCounts) -> None:
        """Shows that this process has logs in every minute of which its edge has news.

        So a minute whose lines have all gone astray is not taken for one of a process without logs.
        """
        for minute in edge_counts.unstored():
            self._add(minute, self._origin_id, Lines(0, 0))

    def _add(self, at: datetime, origin_id: int, more: Lines) -> None:
        own = origin_id == self._origin_id
        process_id = self._process_id if own else uuid5(self._process_id, str(origin_id))
        self.add(at, process_id, origin_id, more)


def forget_old(connection: psycopg.Connection[Any], now: datetime) -> None:
    """Drops the counts of minutes that edges have only in hours; as the owner.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    connection.execute(_FORGET, [now - MINUTES_KEPT])
