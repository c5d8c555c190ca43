"""Comparing what was sent with what stands in the ledger, attempt by attempt kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from engine.attempts.outcome import Outcome
from engine.clock import Clock
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.replay.tally import Ended, Tally

# A server that lost its database for a while adds what it spooled every few seconds.
_WAIT_S: Final = 15.0
_PAUSE_S: Final = 0.5

# The range says "starts with" to the index on correlation ids, which LIKE with a parameter does
# not. Digits and hyphens end at ':', the character after '9'.
_IN_LEDGER: Final = """
    SELECT operation, outcome, error_code, count(*)
    FROM ledger
    WHERE correlation_id ~>=~ %(first)s
      AND correlation_id ~<~ %(end)s
      AND correlation_id <> ALL (%(without)s)
    GROUP BY operation, outcome, error_code
"""
_OF_UNANSWERED: Final = """
    SELECT count(*)
    FROM ledger
    WHERE correlation_id = ANY (%(ids)s)
"""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Both sides of the comparison.

    Attributes:
        answered: attempts that were answered, by how they ended.
        unanswered: attempts of which nothing was heard.
        recorded: rows of the ledger for those answered, by how they ended there.
        recorded_unanswered: rows of the ledger for the others; the rest never arrived.
    """

    answered: Counter[Ended]
    unanswered: int
    recorded: Counter[Ended]
    recorded_unanswered: int

    @property
    def rows(self) -> int:
        """Rows of the ledger."""
        return self.recorded.total() + self.recorded_unanswered

    @property
    def agrees(self) -> bool:
        """Whether every answered attempt has one row, and it says what the caller was told."""
        return self.differences == []

    @property
    def differences(self) -> list[tuple[Ended, int, int]]:
        """Kinds of attempts whose numbers differ: kind, answered, in the ledger."""
        kinds = sorted(
            self.answered.keys() | self.recorded.keys(),
            key=lambda kind: (kind.operation, kind.outcome, kind.code or ""),
        )
        return [
            (kind, self.answered[kind], self.recorded[kind])
            for kind in kinds
            if self.answered[kind] != self.recorded[kind]
        ]


def reconcile(
    connection: psycopg.Connection[Any],
    clock: Clock,
    prefix: str,
    tally: Tally,
    settle: Callable[[], None],
) -> Reconciliation:
    """Asks the ledger for a run's attempts, again for a while as long as they differ.

    Args:
        connection: in autocommit.
        clock: for waiting.
        prefix: how the run's correlation ids start.
        tally: what the senders counted; nobody counts any more.
        settle: sees attempts into the ledger that their own saves could not.

    Raises:
        psycopg.Error: the ledger could not be asked.
        PoolTimeout: it could not be settled.
    """
    unanswered = list(tally.unanswered)
    give_up = clock.monotonic() + _WAIT_S
    while True:
        settle()
        found = Reconciliation(
            tally.attempts,
            len(unanswered),
            _recorded(connection, prefix, unanswered),
            _count(connection, unanswered),
        )
        if found.agrees or clock.monotonic() > give_up:
            return found
        clock.sleep(_PAUSE_S)


def _recorded(
    connection: psycopg.Connection[Any], prefix: str, without: list[str]
) -> Counter[Ended]:
    values = {"first": prefix, "end": f"{prefix}:", "without": without}
    recorded: Counter[Ended] = Counter()
    for operation, outcome, code, count in connection.execute(_IN_LEDGER, values):
        kind = Ended(
            Operation[operation],
            Outcome[outcome.upper()],
            None if code is None else ErrorCode(code),
        )
        recorded[kind] = count
    return recorded


def _count(connection: psycopg.Connection[Any], ids: list[str]) -> int:
    row = connection.execute(_OF_UNANSWERED, {"ids": ids}).fetchone() if ids else None
    return 0 if row is None else int(row[0])
