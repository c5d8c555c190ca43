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
_BY_ID: Final = """
    SELECT count(*)
    FROM ledger
    WHERE correlation_id = ANY (%(ids)s)
"""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Both sides of the comparison.

    Attributes:
        answered: attempts whose end was told, by how they ended.
        recorded: rows of the ledger for these, by how they ended there.
        in_doubt: attempts answered as indeterminate; the ledger may say anything of them by now.
        recorded_in_doubt: rows of the ledger for these.
        unanswered: attempts of which nothing was heard.
        recorded_unanswered: rows of the ledger for these; the rest never arrived.
    """

    answered: Counter[Ended]
    recorded: Counter[Ended]
    in_doubt: int = 0
    recorded_in_doubt: int = 0
    unanswered: int = 0
    recorded_unanswered: int = 0

    @property
    def rows(self) -> int:
        """Rows of the ledger."""
        return self.recorded.total() + self.recorded_in_doubt + self.recorded_unanswered

    @property
    def agrees(self) -> bool:
        """Whether every answered attempt has one row, and it says what the sender was told."""
        return not self.differences and self.recorded_in_doubt == self.in_doubt

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
    answered = Counter(
        {
            ended: count
            for ended, count in tally.attempts.items()
            if ended.outcome is not Outcome.INDETERMINATE
        }
    )
    unanswered = list(tally.unanswered)
    give_up = clock.monotonic() + _WAIT_S
    while True:
        settle()
        found = Reconciliation(
            answered,
            _recorded(connection, prefix, unanswered + tally.in_doubt),
            len(tally.in_doubt),
            _count(connection, tally.in_doubt),
            len(unanswered),
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
    """Rows with these correlation ids."""
    row = connection.execute(_BY_ID, {"ids": ids}).fetchone() if ids else None
    return 0 if row is None else int(row[0])
