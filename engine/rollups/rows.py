"""The ledger's rows of a selection: how many there are, and the newest of them, page by page.

Every query is a text without parameters, so that it can be shown as a receipt and run by anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from engine.rollups.grid import Window
from engine.rollups.selection import Selection

PAGE: Final = 50
# How far a first look goes back, and by how much each further one is longer: a page of a long
# window must not sort the whole of it.
_FIRST_LOOK: Final = timedelta(minutes=5)
_FURTHER: Final = 8
_TICK: Final = timedelta(microseconds=1)


class Place(NamedTuple):
    """Where a row stands among the others, which are ordered by this."""

    started_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Row:
    """An attempt in the ledger's words: neither payload nor anything of a person.

    Attributes are columns of the view `ledger`.
    """

    started_at: datetime
    outcome: str
    error_code: str | None
    operation: str
    correlation_id: str
    duration_us: int
    database_us: int
    retries: int
    quote_id: UUID | None
    expected_version: int | None
    actual_version: int | None
    path: str
    source: str
    id: UUID

    @property
    def place(self) -> Place:
        """Where it stands among the others."""
        return Place(self.started_at, self.id)


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, newest first.

    Attributes:
        rows: at most `PAGE`.
        has_older: whether there are older ones.
        query: the statement that finds them; one row more was asked for, to know `has_older`.
    """

    rows: tuple[Row, ...]
    has_older: bool
    query: str


def count_query(selection: Selection) -> sql.Composed:
    """The statement that counts the rows of a selection."""
    return sql.SQL("SELECT count(*)\nFROM attempt\nWHERE {}").format(selection.condition())


def count(connection: psycopg.Connection[Any], selection: Selection) -> int:
    """How many rows there are; looks at each of them, unless an index knows them by their codes.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    found = connection.execute(count_query(selection), prepare=False).fetchone()
    return 0 if found is None else int(found[0])


def page_query(selection: Selection, before: Place | None = None, size: int = PAGE) -> sql.Composed:
    """The statement that finds the newest rows of a selection.

    Args:
        selection: of the attempts.
        before: only those that stand after this place, so are older; from the newest on if None.
        size: how many.
    """
    condition = selection.condition()
    if before is not None:
        condition += sql.SQL("\n    AND ") + sql.SQL("(started_at, id) < ({}, {})").format(
            sql.Literal(before.started_at), sql.Literal(str(before.id))
        )
    return sql.SQL(_PAGE_QUERY).format(
        condition=_indented(condition),
        start=sql.Literal(selection.window.start),
        end=sql.Literal(selection.window.end),
        size=sql.Literal(size),
    )


def newest(
    connection: psycopg.Connection[Any],
    selection: Selection,
    before: Place | None = None,
    spans: Iterable[Window] | None = None,
) -> Page:
    """The newest rows of a selection.

    Args:
        connection: to the database.
        selection: of the attempts.
        before: only those that are older than this one.
        spans: where its rows are, newest first, without overlaps; only so many are looked at as a
            page needs. If None it looks back from the end, further and further.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    window = older_than(selection.window, before)
    if spans is None:
        spans = _looks_back(window)
    found: list[Row] = []
    reached = window.start
    for span in spans:
        query = page_query(replace(selection, window=span), before, PAGE + 1 - len(found))
        with connection.cursor(row_factory=class_row(Row)) as cursor:
            found += cursor.execute(query, prepare=False).fetchall()
        if len(found) > PAGE:
            reached = span.start
            break
    shown = page_query(replace(selection, window=window._replace(start=reached)), before)
    return Page(tuple(found[:PAGE]), len(found) > PAGE, query_text(connection, shown))


def older_than(window: Window, before: Place | None) -> Window:
    """The part of a window in which rows that stand after a place can be; perhaps empty."""
    if before is None:
        return window
    end = min(window.end, before.started_at + _TICK)
    return Window(min(window.start, end), end)


def query_text(connection: psycopg.Connection[Any], query: sql.Composed) -> str:
    """A statement as one can paste it into psql."""
    return f"{query.as_string(connection)};"


def _looks_back(window: Window) -> Iterator[Window]:
    """Pieces of a window from its end on, each of them longer than the one before."""
    start, end = window
    length = _FIRST_LOOK
    while end - start > length:
        yield Window(end - length, end)
        end -= length
        length *= _FURTHER
    yield Window(start, end)


def _indented(condition: sql.Composed) -> sql.Composed:
    """The same a level deeper: its values may hold line breaks of their own, which stay."""
    deeper = [
        sql.SQL("\n        AND ") if each == sql.SQL("\n    AND ") else each for each in condition
    ]
    return sql.Composed(deeper)


# The rows are found by numbers, which have indexes, and told in words by the view. Its own bounds
# spare the planner all other days.
_PAGE_QUERY: Final = """\
SELECT
    started_at, outcome, error_code, operation, correlation_id, duration_us, database_us, retries,
    quote_id, expected_version, actual_version, path, source, id
FROM (
    SELECT agent_id, started_at, id
    FROM attempt
    WHERE {condition}
    ORDER BY started_at DESC, id DESC
    LIMIT {size}
) AS found
JOIN ledger USING (agent_id, started_at, id)
WHERE ledger.started_at >= {start}
    AND ledger.started_at < {end}
ORDER BY started_at DESC, id DESC"""
