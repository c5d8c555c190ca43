"""Checks all integrity rules over a whole database, in one snapshot, while saves go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import psycopg
from psycopg import pq, sql

from engine.clock import Clock
from engine.integrity import histories, holdings, judging, ledger, quotes, repricing
from engine.integrity.judging import Tally
from engine.integrity.relations import Relation
from engine.integrity.rules import RULES, Rule, RuleResult

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
    histories.REVISIONS,
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

_READING: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_SETTINGS: Final = (
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
    "SET LOCAL enable_bitmapscan = off",
)
# Comes before the snapshot, which a lock does not take yet: a partition that retention drops, or a
# table that a migration rewrites, between the two would look empty, and every row that refers to it
# like a fault. These are the weakest locks there are and stand in the way of no save.
_LOCKS: Final = """
    LOCK TABLE quote, quote_revision, client, attempt, idempotency_key, quote_number_block
        IN ACCESS SHARE MODE
"""


def verify(
    connection: psycopg.Connection[Any],
    clock: Clock,
    *,
    beside: psycopg.Connection[Any] | None = None,
    progress: Progress | None = None,
    offenders_max: int = OFFENDERS_MAX,
) -> list[RuleResult]:
    """Checks every rule, read-only and in one snapshot of the database.

    Args:
        connection: idle, of any role that may read; the application's may.
        clock: for the durations.
        beside: another such connection to the same database. With it, DI-6 keeps this process
            busy while the other rules keep the server busy: two thirds of the time, measured.
        progress: told of each rule when its turn comes, and of how far it is; never by two threads
            at once.
        offenders_max: how many offenders of each rule to name.

    Returns:
        One result for each rule, in their order.

    Raises:
        ValueError: a transaction is open on the connection.
        psycopg.Error: the database could not be read; nothing is known.
    """
    for each in (connection, beside):
        if each is not None and each.info.transaction_status != pq.TransactionStatus.IDLE:
            raise ValueError("a transaction is open on the connection; verify needs its own")
    verification = _Verification(clock, progress, offenders_max)
    with _one_snapshot(connection) as values:
        if beside is None:
            verification.judge_all(connection, values)
            verification.reprice(connection)
        else:
            with _same_snapshot(beside, connection), ThreadPoolExecutor(1) as pool:
                repricing_beside = pool.submit(verification.reprice, beside)
                verification.judge_all(connection, values)
                repricing_beside.result()
    return verification.results()


@contextmanager
def _one_snapshot(connection: psycopg.Connection[Any]) -> Iterator[dict[str, Any]]:
    """Opens the transaction; gives the parameters of the checks."""
    with connection.transaction():
        for statement in (_READING, *_SETTINGS, _LOCKS):
            connection.execute(statement, prepare=False)
        yield judging.parameters(connection)


@contextmanager
def _same_snapshot(
    beside: psycopg.Connection[Any], connection: psycopg.Connection[Any]
) -> Iterator[None]:
    """Opens a transaction that sees what another one sees, which must stay open as long."""
    snapshot = judging.row(connection, sql.SQL("SELECT pg_export_snapshot()"))[0]
    with beside.transaction():
        beside.execute(_READING, prepare=False)
        beside.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot), prepare=False)
        for statement in _SETTINGS:
            beside.execute(statement, prepare=False)
        yield


class _Verification:
    """One run over the database, and what it has found."""

    def __init__(self, clock: Clock, progress: Progress | None, offenders_max: int) -> None:
        self._clock = clock
        self._observer = progress
        self._telling = threading.Lock()
        self._offenders_max = offenders_max
        self._tallies = {rule: Tally() for rule in RULES.values()}

    def judge_all(self, connection: psycopg.Connection[Any], values: Mapping[str, Any]) -> None:
        """Checks every rule but DI-6."""
        for relation in _RELATIONS:
            self._judge(connection, relation, values)

    def reprice(self, connection: psycopg.Connection[Any]) -> None:
        """Checks DI-6."""
        tally = self._tallies[_REPRICED]
        scanned = self._tallies[_SCANNED]
        self._tell(_REPRICED, 0, scanned.checked)
        started = self._clock.monotonic()
        tally.checked, tally.violations, tally.offenders = repricing.reprice(
            connection,
            self._offenders_max,
            lambda done: self._tell(_REPRICED, done, scanned.checked),
        )
        tally.duration_s = self._clock.monotonic() - started
        self._tell(_REPRICED, tally.checked, tally.checked)

    def results(self) -> list[RuleResult]:
        """What was found of each rule."""
        return [tally.result(rule) for rule, tally in self._tallies.items()]

    def _judge(
        self, connection: psycopg.Connection[Any], relation: Relation, values: Mapping[str, Any]
    ) -> None:
        """Reads a relation once for all its judgments, and again only to name offenders."""
        judgments = relation.judgments
        for judgment in judgments:
            self._tell(judgment.rule, self._tallies[judgment.rule].checked, 0)
        started = self._clock.monotonic()
        with connection.cursor() as cursor:
            cursor.execute(_WORKERS, [str(relation.workers)], prepare=False)
        found = list(judging.counts(connection, relation, values))
        shared_s = (self._clock.monotonic() - started) / len(judgments)
        for judgment, rows, count in found:
            started = self._clock.monotonic()
            tally = self._tallies[judgment.rule]
            tally.checked += rows
            tally.violations += count
            room = self._offenders_max - len(tally.offenders)
            if count and room > 0:
                tally.offenders += judging.offenders(
                    connection, relation, judgment, {**values, "offenders_max": room}
                )
            tally.duration_s += shared_s + self._clock.monotonic() - started
            self._tell(judgment.rule, tally.checked, tally.checked)

    def _tell(self, rule: Rule, done: int, total: int) -> None:
        if self._observer is not None:
            with self._telling:
                self._observer(rule, done, total)
