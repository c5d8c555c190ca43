"""Whether every request that reached an edge is in the ledger, by two counts that share no code.

An edge counts a request before anything is known of it; the ledger has a row of it in the end. Both
are told of the instant at which it arrived, so that they fall into the same minute. They are
compared minute by minute (or hour by hour), and only of time that is well over, because:

- an edge stores its counts each second, and a request may take its whole budget before it has its
  row: what is not a minute old yet is left out;
- a process that is killed takes the counts of its last second along. Its minute then has more rows
  than counts, which proves nothing missing; compared by the minute, that surplus cannot hide a row
  that is missing in another one;
- what a killed process had begun gets its row when its journal is found, and while the database is
  away rows wait in the spool. Until then they are missing, and said to be.

Of several processes only the sum is compared: where one of them died, its surplus may hide what
another one misses in the same minute. Rows of callers within the process and of quotes that expire
never passed an edge and are not counted, see `fold.CELLS`; nor are requests of callers who left
before they had sent them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

import psycopg

from engine.attempts.edge_counts import Counted
from engine.rollups.grid import Tier, Window, finest, floor
from engine.rollups.series import Look

# The longest that a save takes, the sweeper's turn and the edge's, with room to spare.
SETTLED_AFTER: Final = timedelta(minutes=1)


class CoverageState(Enum):
    """What the comparison says."""

    UNKNOWN = "no data"
    COMPLETE = "complete"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Coverage:
    """Requests and rows of a window.

    Attributes:
        requests: that reached an edge and were sent whole.
        missing: requests without a row.
        uncounted: rows of requests whose count died with its process.
    """

    requests: int
    missing: int
    uncounted: int

    @property
    def state(self) -> CoverageState:
        """Complete, missing, or unknown: where nothing arrived there is nothing to be complete."""
        if self.missing:
            return CoverageState.MISSING
        return CoverageState.COMPLETE if self.requests else CoverageState.UNKNOWN

    @property
    def share(self) -> float | None:
        """The share of requests that have their row; None without requests."""
        return (self.requests - self.missing) / self.requests if self.requests else None


def coverage(arrived: Mapping[datetime, Counted], rows: Mapping[datetime, int]) -> Coverage:
    """Compares what edges counted with what the ledger has, span by span.

    Args:
        arrived: start of a span → what the edges of all processes counted in it.
        rows: start of the same span → rows of requests that passed an edge.
    """
    requests = missing = uncounted = 0
    for start in arrived.keys() | rows.keys():
        arrivals, left_early = arrived.get(start, _NOBODY)
        # A count of those who left may have been stored, and that of their arrival lost.
        expected, found = max(arrivals - left_early, 0), rows.get(start, 0)
        requests += expected
        missing += max(expected - found, 0)
        uncounted += max(found - expected, 0)
    return Coverage(requests, missing, uncounted)


_NOBODY: Final = Counted(0, 0)


def compared(now: datetime, length: timedelta) -> tuple[Window, Tier]:
    """The part of a window that ends now that is over for good, and in which spans it is compared.

    Args:
        now: the present instant.
        length: of the window, at least some minutes; some weeks are compared by the hour.
    """
    start = now - length
    tier = max(finest(start, now), Tier.MINUTE)
    first = floor(start, tier)
    return Window(first, max(floor(now - SETTLED_AFTER, tier), first)), tier


def measure(
    connection: psycopg.Connection[Any], look: Look, now: datetime, length: timedelta
) -> Coverage:
    """The coverage of a window that ends now.

    Args:
        connection: that of the look, so that both counts are seen at one instant.
        look: at the rollups.
        now: the present instant.
        length: of the window.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    window, tier = compared(now, length)
    values = {"start": window.start, "end": window.end, "span": tier.length}
    rows = connection.execute(_ARRIVALS, values).fetchall()
    arrived = {bucket: Counted(int(arrivals), int(left)) for bucket, arrivals, left in rows}
    return coverage(arrived, look.at_edge(window, tier))


_ARRIVALS: Final = """
    SELECT date_bin(%(span)s, bucket, TIMESTAMPTZ 'epoch'), sum(arrivals), sum(left_early)
    FROM edge_count
    WHERE bucket >= %(start)s AND bucket < %(end)s
    GROUP BY 1
"""
