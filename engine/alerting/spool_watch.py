"""Whether this process's spool stands still: attempts wait, and none of them leaves.

A long spool that is being emptied is none of anybody's business; one whose oldest row stays where
it is has a sweeper that does not run, or a row that the ledger refuses.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from engine.attempts.journal import Journal, left_over_journals


class Waiting(NamedTuple):
    """What waits in a spool.

    Attributes:
        waiting: attempts of this process, and journals that dead ones left.
        still_since: since when none of it has left; None when nothing waits.
    """

    waiting: int
    still_since: datetime | None


class SpoolWatch:
    """Remembers what waited at the last look."""

    def __init__(self, journal: Journal) -> None:
        """Has not looked yet.

        Args:
            journal: of this process; those beside it may be of dead ones.
        """
        self._journal = journal
        self._seen: dict[UUID | Path, datetime] = {}

    def look(self, now: datetime) -> Waiting:
        """What waits now.

        Args:
            now: the present instant.
        """
        spooled, in_doubt = self._journal.spooled(), self._journal.in_doubt()
        left = [each.path for each in left_over_journals(self._journal.directory)]
        # What leaves a queue leaves it at its head.
        heads: list[UUID | Path] = [row.id for queue in (spooled, in_doubt) for row in queue[:1]]
        self._seen = {head: self._seen.get(head, now) for head in [*heads, *left]}
        waiting = len(spooled) + len(in_doubt) + len(left)
        return Waiting(waiting, min(self._seen.values(), default=None))

    def forget(self) -> None:
        """Begins anew: while the database is away nothing can leave."""
        self._seen = {}
