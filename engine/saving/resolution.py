"""What became of a save whose line broke: asked of the database before anybody is told.

See `engine.attempts.ledger.settle` for how one asks.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
from psycopg_pool import PoolTimeout

from engine.attempts.ledger import AttemptRow, settle
from engine.clock import Clock

_PAUSE_S = 0.05

Connect = Callable[[float], AbstractContextManager[psycopg.Connection[Any]]]


def resolve(
    connect: Connect, tombstone: AttemptRow, clock: Clock, deadline: float
) -> AttemptRow | None:
    """Settles an attempt on fresh connections until it works or the deadline has passed.

    Args:
        connect: lends a connection that stops waiting at the monotonic second given.
        tombstone: the row to close the attempt with.
        clock: for the deadline.
        deadline: monotonic seconds.

    Returns:
        The attempt's row in the ledger, or None when nobody could be asked in time.
    """
    while clock.monotonic() < deadline:
        try:
            with connect(deadline) as connection:
                return settle(connection, tombstone)
        except (psycopg.Error, PoolTimeout):
            clock.sleep(_PAUSE_S)
    return None
