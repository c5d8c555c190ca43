"""How a rule is written down: a relation that is read once, and what must hold for its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from engine.integrity.rules import Rule


@dataclass(frozen=True, slots=True)
class Judgment:
    """What must hold for every row of a relation.

    Attributes:
        rule: which.
        problem: what is wrong with an offender, in words.
        holds: an expression, true for a good row; false and null are violations alike.
        shown: the columns that an offender is shown with; the first two tell it from others. They
            are computed for offenders only, so they may be dear.
    """

    rule: Rule
    problem: str
    holds: LiteralString
    shown: LiteralString


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows that are read once for all that is to be judged by them.

    Attributes:
        source: what follows FROM.
        judgments: what must hold.
        workers: processes that the server may start beside its own. Worth it where a row costs
            much; where the source is an aggregate, each would compute all of it again.
    """

    source: LiteralString
    judgments: tuple[Judgment, ...]
    workers: int = 0

    def counting(self, within: LiteralString = "") -> sql.Composed:
        """One row: how many rows there are, then how many break each judgment, in order.

        Args:
            within: a WITH clause whose relations take the place of the tables of the same names, so
                that the rule is asked of some of their rows; of all rows if empty.
        """
        return sql.SQL("{within} SELECT count(*), {counts} FROM {source}").format(
            within=sql.SQL(within),
            counts=sql.SQL(", ").join(
                sql.SQL("count(*) FILTER (WHERE ({}) IS NOT TRUE)").format(sql.SQL(each.holds))
                for each in self.judgments
            ),
            source=sql.SQL(self.source),
        )

    def offending(self, judgment: Judgment, within: LiteralString = "") -> sql.Composed:
        """The first rows that break a judgment, at most `offenders_max`; see `counting`."""
        return sql.SQL(
            "{within} SELECT {shown} FROM {source} WHERE ({holds}) IS NOT TRUE"
            " ORDER BY 1, 2 LIMIT %(offenders_max)s"
        ).format(
            within=sql.SQL(within),
            shown=sql.SQL(judgment.shown),
            source=sql.SQL(self.source),
            holds=sql.SQL(judgment.holds),
        )
