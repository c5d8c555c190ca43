"""The sweeper: sees every attempt into the ledger that its own save could not.

Three kinds: rows spooled while the database was away, attempts whose outcome nobody could learn in
time, and attempts of processes that died.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg

from engine.attempts import ledger
from engine.attempts.journal import Journal, left_over_journals
from engine.attempts.ledger import AttemptRow
from engine.clock import Clock
from engine.database.pool import Pool

# Rows to one checkout of a connection. A deadline for all of them together would never be met by
# the journal of a long outage, which would be begun again for ever.
_BATCH: Final = 100

Close = Callable[[psycopg.Connection[Any], AttemptRow], object]


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

        A row that the ledger refuses is kept, and holds up no other.

        Raises:
            psycopg.Error: the database is away, or refused a row; what is left is kept for the
                next sweep.
            PoolTimeout: the database is away.
        """
        spooled, in_doubt = self._journal.spooled(), self._journal.in_doubt()
        refused = self._close(spooled, ledger.insert, self._journal.end)
        refused += self._close(in_doubt, ledger.settle, self._journal.end)
        orphaned = 0
        for left_over in left_over_journals(self._journal.directory):
            begun, rows = left_over.read()
            kept = self._close(rows, ledger.insert) + self._close(begun, ledger.settle)
            if not kept:
                left_over.remove()
            refused += kept
            orphaned += len(begun) + len(rows)
        if refused:
            raise refused[0]
        return Swept(len(spooled), len(in_doubt), orphaned)

    def _close(
        self,
        rows: Sequence[AttemptRow],
        close: Close,
        closed: Callable[[UUID], None] = lambda _attempt_id: None,
    ) -> list[psycopg.Error]:
        """Sees rows into the ledger; returns why it refused those that it did."""
        refused: list[psycopg.Error] = []
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            with self._pool.connection() as connection:
                refused += _close_batch(connection, batch, close, closed)
        return refused


def _close_batch(
    connection: psycopg.Connection[Any],
    rows: Sequence[AttemptRow],
    close: Close,
    closed: Callable[[UUID], None],
) -> list[psycopg.Error]:
    """Closes rows in one transaction, or each in its own if the ledger refuses one of them.

    A flush for each row would let a spool fill faster than it is emptied.
    """
    try:
        with connection.transaction():
            for row in rows:
                close(connection, row)
    except psycopg.Error as error:
        if connection.closed:
            raise
        if len(rows) == 1:
            return [error]
        return [why for row in rows for why in _close_batch(connection, [row], close, closed)]
    for row in rows:
        closed(row.id)
    return []
