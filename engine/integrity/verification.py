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
from engine.integrity import histories, holdings, ledger, quotes, repricing
from engine.integrity.relations import Relation
from engine.integrity.rules import RULES, Rule, RuleResult
from engine.quotes.money import MINOR_DIGITS
from engine.quotes.record import QuoteRecord
from engine.quotes.shape import TRAVELERS_MAX, TRIP_DAYS_MAX

OFFENDERS_MAX: Final = 20

# Told of a rule, how many rows were looked at, and how many there are (0 while nobody knows).
Progress: TypeAlias = Callable[[Rule, int, int], None]

_REPRICED: Final = RULES["DI-6"]
_SCANNED: Final = RULES["DI-1"]
_WORKERS: Final = "SELECT set_config('max_parallel_workers_per_gather', %s, true)"
_RELATIONS: Final = (
    quotes.QUOTES,
    histories.HISTORIES,
    histories.NEWEST_REVISIONS,
    holdings.CLIENTS,
    holdings.NUMBERS,
    holdings.QUOTES_BY_STATUS,
    holdings.NUMBERS_GIVEN,
    ledger.REVISIONS_AND_ATTEMPTS,
    ledger.ANSWERS,
    ledger.REPLAYS,
    ledger.ATTEMPT_IDS,
    ledger.ATTEMPTS,
    ledger.REVISIONS_BY_ATTEMPT_ID,
)

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
    # The rules are about the rows. An index that has gone wrong, as those of texts do when the
    # system's collations change, must not be what answers for them.
    "SET LOCAL enable_indexscan = off",
    "SET LOCAL enable_indexonlyscan = off",
    "SET LOCAL enable_bitmapscan = off",
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
            values,
            offenders_max,
        )
        return verification.run()


@contextmanager
def _one_snapshot(connection: psycopg.Connection[Any]) -> Iterator[dict[str, Any]]:
    """Opens the transaction; gives the parameters of the checks."""
    with connection.transaction():
        for statement in _OPENING:
            connection.execute(statement, prepare=False)
        with connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute(ledger.LEDGER_FROM, prepare=False).fetchone()
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
        offenders_max: int,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._progress = progress
        self._values = values
        self._offenders_max = offenders_max
        self._tallies = {rule: _Tally() for rule in RULES.values()}

    def run(self) -> list[RuleResult]:
        """Looks at everything once."""
        for relation in _RELATIONS:
            self._judge(relation)
        self._reprice()
        return [
            RuleResult(
                rule, tally.checked, tally.violations, tally.offenders, round(tally.duration_s, 6)
            )
            for rule, tally in self._tallies.items()
        ]

    def _judge(self, relation: Relation) -> None:
        """Reads a relation once for all its judgments, and again only to name offenders."""
        judgments = relation.judgments
        for judgment in judgments:
            self._progress(judgment.rule, self._tallies[judgment.rule].checked, 0)
        started = self._clock.monotonic()
        rows, *violations = self._count(relation)
        shared_s = (self._clock.monotonic() - started) / len(judgments)
        for judgment, count in zip(judgments, violations, strict=True):
            started = self._clock.monotonic()
            tally = self._tallies[judgment.rule]
            tally.checked += rows
            tally.violations += count
            room = self._offenders_max - len(tally.offenders)
            if count and room > 0:
                tally.offenders += [
                    {"problem": judgment.problem, **row}
                    for row in self._rows(relation.offending(judgment), {"offenders_max": room})
                ]
            tally.duration_s += shared_s + self._clock.monotonic() - started
            self._progress(judgment.rule, tally.checked, tally.checked)

    def _reprice(self) -> None:
        quotes_in_all = self._tallies[_SCANNED].checked
        tally = self._tallies[_REPRICED]
        self._progress(_REPRICED, 0, quotes_in_all)
        started = self._clock.monotonic()
        tally.checked, tally.violations, tally.offenders = repricing.reprice(
            self._connection,
            self._offenders_max,
            lambda done: self._progress(_REPRICED, done, quotes_in_all),
        )
        tally.duration_s = self._clock.monotonic() - started

    def _count(self, relation: Relation) -> tuple[int, ...]:
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            cursor.execute(_WORKERS, [str(relation.workers)], prepare=False)
            row = cursor.execute(relation.counting(), self._values, prepare=False).fetchone()
        if row is None:
            raise psycopg.InternalError("a count that always returns a row returned none")
        return row

    def _rows(self, query: sql.Composed, more: Mapping[str, Any]) -> list[dict[str, Any]]:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, {**self._values, **more}, prepare=False).fetchall()
