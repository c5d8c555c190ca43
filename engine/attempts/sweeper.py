"""The sweeper: sees every attempt into the ledger that its own save could not.

Three kinds: rows spooled while the database was away, attempts whose outcome nobody could learn in
time, and attempts of processes that died.
"""

from __future__ import annotations

from typing import NamedTuple

from engine.attempts import ledger
from engine.attempts.journal import Journal, LeftOver, left_over_journals
from engine.clock import Clock
from engine.database.pool import Pool

_SWEEP_S = 30.0


class Swept(NamedTuple):
    """What one sweep did: rows by what they were."""

    spooled: int
    in_doubt: int
    orphaned: int


class Sweeper:
    """Looks at this process's journal and at those that nobody holds any more."""

    def __init__(self, pool: Pool, journal: Journal, clock: Clock) -> None:
        self._pool = pool
        self._journal = journal
        self._clock = clock

    def sweep(self) -> Swept:
        """Does what can be done now.

        Raises:
            psycopg.Error: the database is away; what is left is kept for the next sweep.
            PoolTimeout: the same.
        """
        spooled, in_doubt = self._journal.spooled(), self._journal.in_doubt()
        if spooled or in_doubt:
            with self._pool.connection(self._clock.monotonic() + _SWEEP_S) as connection:
                for row in spooled:
                    ledger.insert(connection, row)
                    self._journal.end(row.id)
                for row in in_doubt:
                    ledger.settle(connection, row)
                    self._journal.end(row.id)
        orphaned = sum(map(self._adopt, left_over_journals(self._journal.directory)))
        return Swept(len(spooled), len(in_doubt), orphaned)

    def _adopt(self, left_over: LeftOver) -> int:
        """Closes what a dead process had begun; its journal goes only when all of it is closed."""
        begun, spooled = left_over.read()
        if begun or spooled:
            with self._pool.connection(self._clock.monotonic() + _SWEEP_S) as connection:
                for row in spooled:
                    ledger.insert(connection, row)
                for row in begun:
                    ledger.settle(connection, row)
        left_over.remove()
        return len(begun) + len(spooled)
