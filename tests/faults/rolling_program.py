"""A process that rolls on and on, for a test to kill: its argument is the database's conninfo."""

from __future__ import annotations

import sys
from contextlib import suppress

import psycopg

from engine.clock import SystemClock
from engine.rollups.roller import Limits, roll

PAUSE_S = 0.02
LIMITS = Limits(500_000, 1_000_000)


def main() -> None:
    """Rolls until it is killed."""
    clock = SystemClock()
    while True:
        with (
            suppress(psycopg.OperationalError),  # the server is killed, too
            psycopg.connect(sys.argv[1], autocommit=True) as connection,
        ):
            while True:
                roll(connection, clock, LIMITS)
                clock.sleep(PAUSE_S)
        clock.sleep(PAUSE_S)


if __name__ == "__main__":
    main()
