"""Asking the database what breaks a rule, and keeping count of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString, NamedTuple

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row, tuple_row

from engine.attempts.outcome import Outcome
from engine.integrity import ledger
from engine.integrity.relations import Judgment, Relation
from engine.integrity.rules import Rule, RuleResult
from engine.quotes.money import MINOR_DIGITS
from engine.quotes.record import QuoteRecord
from engine.quotes.shape import TRAVELERS_MAX, TRIP_DAYS_MAX


@dataclass(slots=True)
class Tally:
    """What was found of one rule so far."""

    checked: int = 0
    violations: int = 0
    offenders: list[dict[str, Any]] = field(default_factory=list)
    duration_s: float = 0.0

    def result(self, rule: Rule) -> RuleResult:
        """The same as what is known of the rule."""
        return RuleResult(
            rule, self.checked, self.violations, self.offenders, round(self.duration_s, 6)
        )


class Count(NamedTuple):
    """How many rows of a relation break one of its judgments."""

    judgment: Judgment
    rows: int
    violations: int


def parameters(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """The parameters of every rule, in the connection's open transaction.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    return {
        "committed": Outcome.COMMITTED.value,
        "replayed": Outcome.REPLAYED.value,
        "currencies": list(MINOR_DIGITS),
        "travelers_max": TRAVELERS_MAX,
        "trip_days_max": TRIP_DAYS_MAX,
        "ledger_from": row(connection, sql.SQL(ledger.LEDGER_FROM))[0],
        # A column that a later migration adds has a default in the record: old snapshots cannot
        # hold it.
        "snapshot_columns": [
            column.name for column in msgspec.structs.fields(QuoteRecord) if column.required
        ],
    }


def counts(
    connection: psycopg.Connection[Any],
    relation: Relation,
    values: Mapping[str, Any],
    within: LiteralString = "",
) -> Iterator[Count]:
    """Reads a relation once for all its judgments.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    rows, *violations = row(connection, relation.counting(within), values)
    for judgment, count in zip(relation.judgments, violations, strict=True):
        yield Count(judgment, rows, count)


def offenders(
    connection: psycopg.Connection[Any],
    relation: Relation,
    judgment: Judgment,
    values: Mapping[str, Any],
    within: LiteralString = "",
) -> list[dict[str, Any]]:
    """The first rows that break a judgment, each with the problem in words.

    Args:
        connection: to the database.
        relation: that the judgment is about.
        judgment: that is broken.
        values: the parameters, `offenders_max` among them.
        within: see `Relation.counting`.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(relation.offending(judgment, within), values, prepare=False)
        return [{"problem": judgment.problem, **each} for each in cursor]


def row(
    connection: psycopg.Connection[Any],
    query: sql.SQL | sql.Composed,
    values: Mapping[str, Any] | None = None,
) -> tuple[Any, ...]:
    """The row of a query that always has one.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    with connection.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute(query, values, prepare=False).fetchone()
    if found is None:
        raise psycopg.InternalError("a query that always returns a row returned none")
    return found
