"""The sweeper: sees every attempt into the ledger that its own save could not.

Three kinds: rows spooled while the database was away, attempts whose outcome nobody could learn in
time, and attempts of processes that died. Each gets its log line here, too, with the values of the
row that the ledger has in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg

from engine.attempts import ledger
from engine.attempts.journal import Journal, left_over_journals
from engine.attempts.ledger import AttemptRow, Provenance
from engine.attempts.line_writer import LineWriter
from engine.database.pool import Pool

# Rows to one checkout of a connection. A deadline for all of them together would never be met by
# the journal of a long outage, which would be begun again for ever.
_BATCH: Final = 100


class Swept(NamedTuple):
    """What one sweep did: rows by what they were."""

    spooled: int
    in_doubt: int
    orphaned: int


class Sweeper:
    """Looks at this process's journal and at those that nobody holds any more."""

    def __init__(self, pool: Pool, journal: Journal, lines: LineWriter) -> None:
        self._pool = pool
        self._journal = journal
        self._lines = lines
        self._known: dict[int, Provenance] = {}
        # Attempts whose line is written, by the left-over journal that still has them: it is read
        # again from its beginning when the database goes away in the middle of it.
        self._told: dict[Path, set[UUID]] = {}

    def sweep(self) -> Swept:
        """Does what can be done now.

        A row that the ledger refuses is kept, and holds up no other.

        Raises:
            psycopg.Error: the database is away, or refused a row; what is left is kept for the
                next sweep.
            PoolTimeout: the database is away.
        """
        spooled, in_doubt = self._journal.spooled(), self._journal.in_doubt()
        refused = self._close([*spooled, *in_doubt], self._end)
        orphaned = 0
        self._told = {path: told for path, told in self._told.items() if path.exists()}
        for left_over in left_over_journals(self._journal.directory):
            begun, rows = left_over.read()
            told = self._told.setdefault(left_over.path, set())
            kept = self._close([*rows, *begun], partial(self._tell_once, told))
            if not kept:
                left_over.remove()
                del self._told[left_over.path]
            refused += kept
            orphaned += len(begun) + len(rows)
        if self._lines.counts.has_news:  # nobody else may come to store them
            with self._pool.connection() as connection:
                self._lines.store_counts(connection)
        if refused:
            raise refused[0]
        return Swept(len(spooled), len(in_doubt), orphaned)

    def _end(self, row: AttemptRow) -> None:
        # In this order: a kill in between leaves two lines of it, and never none.
        self._lines.swept(row, self._known)
        self._journal.end(row.id)

    def _tell_once(self, told: set[UUID], row: AttemptRow) -> None:
        if row.id not in told:
            self._lines.swept(row, self._known)
            told.add(row.id)

    def _close(
        self, rows: Sequence[AttemptRow], closed: Callable[[AttemptRow], None]
    ) -> list[psycopg.Error]:
        """Sees rows into the ledger; returns why it refused those that it did.

        Args:
            rows: of attempts that ended with them, or the tombstones of those that did not.
            closed: told of each as the ledger has it.
        """
        refused: list[psycopg.Error] = []
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            with self._pool.connection() as connection:
                # One that has no edge may get it: a server that starts later under the same names.
                known = {number for number, names in self._known.items() if names.has_edge}
                unknown = {row.origin_id for row in batch} - known
                if unknown:
                    self._known |= ledger.provenance(connection, unknown)
                refused += _close_batch(connection, batch, closed)
        return refused


def _close_batch(
    connection: psycopg.Connection[Any],
    rows: Sequence[AttemptRow],
    closed: Callable[[AttemptRow], None],
) -> list[psycopg.Error]:
    """Closes rows in one transaction, or each in its own if the ledger refuses one of them.

    A flush for each row would let a spool fill faster than it is emptied.
    """
    try:
        with connection.transaction():
            settled = [ledger.settle(connection, row) for row in rows]
    except psycopg.Error as error:
        if connection.closed:
            raise
        if len(rows) == 1:
            return [error]
        return [why for row in rows for why in _close_batch(connection, [row], closed)]
    for row in settled:
        closed(row)
    return []
