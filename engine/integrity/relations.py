"""A rule over several rows, as SQL: a relation that shows each case and says whether it holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from engine.integrity.rules import Rule


@dataclass(frozen=True, slots=True)
class Check:
    """One way to look at a rule.

    Attributes:
        rule: which.
        problem: what is wrong with an offender, in words.
        judged: a SELECT; its column `holds` is true for a good row, and false or null for an
            offender. The other columns are what the offender is shown with, the first two tell it
            from others. Counting computes none of them, so they may be dear.
    """

    rule: Rule
    problem: str
    judged: LiteralString


def counting(check: Check) -> sql.Composed:
    """One row: how many rows were looked at, and how many of them break the rule."""
    return sql.SQL(
        "SELECT count(*), count(*) FILTER (WHERE holds IS NOT TRUE) FROM ({}) AS judged"
    ).format(sql.SQL(check.judged))


def offending(check: Check) -> sql.Composed:
    """The first rows that break the rule."""
    return sql.SQL(
        "SELECT * FROM ({}) AS judged WHERE holds IS NOT TRUE ORDER BY 1, 2 LIMIT %(offenders_max)s"
    ).format(sql.SQL(check.judged))
