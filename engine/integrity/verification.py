"""Checks all integrity rules over a whole database, in one snapshot, while saves go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec
import psycopg
from psycopg import pq, sql
from psycopg.rows import dict_row, tuple_row

from engine.attempts.outcome import Outcome
from engine.clock import Clock
from engine.integrity import histories, holdings, quote_rows, relations, repricing
from engine.integrity.rules import RULES, Rule, RuleResult
from engine.quotes.money import MINOR_DIGITS
from engine.quotes.record import QuoteRecord
from engine.quotes.shape import TRAVELERS_MAX, TRIP_DAYS_MAX

OFFENDERS_MAX: Final = 20

# Told of a rule, how many rows were looked at, and how many there are (0 while nobody knows).
Progress: TypeAlias = Callable[[Rule, int, int], None]

_REPRICED: Final = RULES["DI-6"]
_CHECKS: Final = histories.CHECKS + holdings.CHECKS

# In this order: a lock takes no snapshot, and everything after it shares the first one that is
# taken. Without the locks, a partition that retention drops or a table that a migration rewrites
# between the two would look empty in our snapshot, and every row that refers to it like a fault.
# These are the weakest locks there are: they stand in the way of no save.
_OPENING: Final = (
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    "SET LOCAL search_path = public",
    "SET LOCAL timezone = 'UTC'",
    # The limits of a save are not for a statement that reads everything. One that is left open
    # ends all the same: its snapshot keeps vacuum back.
    "SET LOCAL statement_timeout = 0",
    "SET LOCAL idle_in_transaction_session_timeout = '5min'",
    # Joins of whole tables: enough that a million quotes stay mostly in memory, and little enough
    # for a small machine. What does not fit goes to disk.
    "SET LOCAL work_mem = '64MB'",
    "SET LOCAL plan_cache_mode = auto",
    """
    LOCK TABLE quote, quote_revision, client, attempt, idempotency_key, quote_number_block
        IN ACCESS SHARE MODE
    """,
)


def verify(
    connection: psycopg.Connection[Any],
    clock: Clock,
    *,
    progress: Progress | None = None,
    offenders_max: int = OFFENDERS_MAX,
) -> list[RuleResult]:
    """Checks every rule, in one read-only transaction with one snapshot of the database.

    Args:
        connection: idle, of any role that may read; the application's may.
        clock: for the durations.
        progress: told of each rule when its turn comes, and of how far it is.
        offenders_max: how many offenders of each rule to name.

    Returns:
        One result for each rule, in their order.

    Raises:
        ValueError: a transaction is open on the connection.
        psycopg.Error: the database could not be read; nothing is known.
    """
    if connection.info.transaction_status != pq.TransactionStatus.IDLE:
        raise ValueError("a transaction is open on this connection; verify needs its own snapshot")
    with _one_snapshot(connection) as values:
        verification = _Verification(
            connection,
            clock,
            progress or (lambda _rule, _done, _total: None),
            {**values, "offenders_max": offenders_max},
        )
        return verification.run()


@contextmanager
def _one_snapshot(connection: psycopg.Connection[Any]) -> Iterator[dict[str, Any]]:
    """Opens the transaction; gives the parameters of the checks."""
    with connection.transaction():
        for statement in _OPENING:
            connection.execute(statement, prepare=False)
        with connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(histories.LEDGER_FROM, prepare=False).fetchone()
        yield {
            "committed": Outcome.COMMITTED.value,
            "replayed": Outcome.REPLAYED.value,
            "currencies": list(MINOR_DIGITS),
            "travelers_max": TRAVELERS_MAX,
            "trip_days_max": TRIP_DAYS_MAX,
            "ledger_from": "-infinity" if row is None else row[0],
            # A column that a later migration adds has a default in the record: old snapshots
            # cannot hold it.
            "snapshot_columns": [
                column.name for column in msgspec.structs.fields(QuoteRecord) if column.required
            ],
        }


@dataclass(slots=True)
class _Tally:
    """What was found of one rule so far."""

    checked: int = 0
    violations: int = 0
    offenders: list[dict[str, Any]] = field(default_factory=list)
    duration_s: float = 0.0


class _Verification:
    """One run over the database, and what it has found."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        clock: Clock,
        progress: Progress,
        values: Mapping[str, Any],
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._progress = progress
        self._values = values
        self._offenders_max: int = values["offenders_max"]
        self._tallies = {rule: _Tally() for rule in RULES.values()}

    def run(self) -> list[RuleResult]:
        """Looks at everything once."""
        quotes = self._look_at_rows()
        for check in _CHECKS:
            self._look_at(check)
        self._reprice(quotes)
        return [
            RuleResult(
                rule, tally.checked, tally.violations, tally.offenders, round(tally.duration_s, 6)
            )
            for rule, tally in self._tallies.items()
        ]

    def _look_at_rows(self) -> int:
        """The rules of single rows; returns how many quotes there are."""
        row_rules = quote_rows.ROW_RULES
        for row_rule in row_rules:
            self._progress(row_rule.rule, 0, 0)
        started = self._clock.monotonic()
        quotes, *violations = self._counts(quote_rows.counting())
        shared_s = (self._clock.monotonic() - started) / len(row_rules)
        for row_rule, count in zip(row_rules, violations, strict=True):
            started = self._clock.monotonic()
            tally = self._tallies[row_rule.rule]
            tally.checked, tally.violations = quotes, count
            if count:
                problem = f"broken: {row_rule.rule.statement}"
                self._name(tally, problem, quote_rows.offending(row_rule))
            tally.duration_s = shared_s + self._clock.monotonic() - started
            self._progress(row_rule.rule, quotes, quotes)
        return quotes

    def _look_at(self, check: relations.Check) -> None:
        tally = self._tallies[check.rule]
        self._progress(check.rule, tally.checked, 0)
        started = self._clock.monotonic()
        checked, violations = self._counts(relations.counting(check))
        tally.checked += checked
        tally.violations += violations
        if violations and len(tally.offenders) < self._offenders_max:
            self._name(tally, check.problem, relations.offending(check))
        tally.duration_s += self._clock.monotonic() - started
        self._progress(check.rule, tally.checked, tally.checked)

    def _reprice(self, quotes: int) -> None:
        tally = self._tallies[_REPRICED]
        self._progress(_REPRICED, 0, quotes)
        started = self._clock.monotonic()
        tally.checked, tally.violations, tally.offenders = repricing.reprice(
            self._connection,
            self._offenders_max,
            lambda done: self._progress(_REPRICED, done, quotes),
        )
        tally.duration_s = self._clock.monotonic() - started

    def _counts(self, query: sql.Composed) -> tuple[int, ...]:
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(query, self._values, prepare=False).fetchone()
        if row is None:
            raise psycopg.InternalError("a count that always returns a row returned none")
        return row

    def _name(self, tally: _Tally, problem: str, query: sql.Composed) -> None:
        """Fetches offenders, as many as there is room for."""
        room = self._offenders_max - len(tally.offenders)
        with self._connection.cursor(row_factory=dict_row) as cursor:
            values = {**self._values, "offenders_max": room}
            for row in cursor.execute(query, values, prepare=False):
                row.pop("holds", None)
                tally.offenders.append({"problem": problem, **row})
