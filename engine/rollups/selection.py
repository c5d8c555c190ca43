"""Which attempts a number is about, as a value and as a condition on the ledger's rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from psycopg import sql

from engine.attempts.outcome import Path
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups import parts
from engine.rollups.counts import Traffic
from engine.rollups.grid import Window
from engine.rollups.parts import Part


class Filter(NamedTuple):
    """Which attempts to look at.

    Attributes:
        operation: only this one; all if None.
        traffic: only this kind; every kind if None.
        path: only this save path; both if None.
    """

    operation: Operation | None = None
    traffic: Traffic | None = Traffic.LIVE
    path: Path | None = None


def within(spans: Sequence[Window]) -> sql.Composed:
    """Whether an attempt started in one of some spans, as SQL."""
    return sql.SQL(" OR ").join(
        sql.SQL("started_at >= {} AND started_at < {}").format(
            sql.Literal(span.start), sql.Literal(span.end)
        )
        for span in spans
    )


@dataclass(frozen=True, slots=True)
class Selection:
    """The attempts behind a number.

    Attributes:
        window: in which they started.
        wanted: which of them are looked at.
        part: which of those the number counts.
        code: only those with this code; None for any and for none.
        at_least_us: only those that took so long or longer, in microseconds.
        below_us: only those that took less, in microseconds.
        changed_fields: only those that changed just these, as the ledger has them.
    """

    window: Window
    wanted: Filter
    part: Part = parts.ALL
    code: ErrorCode | None = None
    at_least_us: int | None = None
    below_us: int | None = None
    changed_fields: str | None = None

    def condition(self) -> sql.Composed:
        """The same as SQL, its values written into it: what is shown is what is run.

        The window is compared with the bare column, so that the planner drops the other days.
        """
        return sql.SQL("\n    AND ").join(list(self._conditions()))

    def _conditions(self) -> Iterator[sql.Composable]:
        yield sql.SQL("started_at >= {}").format(sql.Literal(self.window.start))
        yield sql.SQL("started_at < {}").format(sql.Literal(self.window.end))
        operation, traffic, path = self.wanted
        if operation is not None:
            yield sql.SQL("operation = {}").format(sql.Literal(operation.value))
        if traffic is not None:
            yield sql.SQL(parts.TRAFFIC[traffic])
        if path is not None:
            yield sql.SQL("path = {}").format(sql.Literal(path.value))
        if self.part is not parts.ALL:
            yield sql.SQL(self.part.sql)
        if self.code is not None:
            yield sql.SQL("error_code = {}").format(sql.Literal(TAXONOMY[self.code].number))
        if self.at_least_us is not None:
            yield sql.SQL("duration_us >= {}").format(sql.Literal(self.at_least_us))
        if self.below_us is not None:
            yield sql.SQL("duration_us < {}").format(sql.Literal(self.below_us))
        if self.changed_fields is not None:
            yield sql.SQL("changed_fields = {}").format(sql.Literal(self.changed_fields))
