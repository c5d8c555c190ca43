"""A selection as CSV, for spreadsheets and other programs: a line for each row of the ledger."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import IO, Any, Final

import psycopg
from psycopg import sql

from engine.attempts.outcome import Outcome, Path, Source
from engine.attempts.partitions import day_start, days_of
from engine.errors import TAXONOMY, Severity
from engine.quotes.lifecycle import Operation
from engine.rollups.grid import Window
from engine.rollups.selection import Selection

# What the view `ledger` calls them. The hash of the payload and the idempotency key are left out: a
# file goes further than a screen, and the key is what a save can be repeated with.
COLUMNS: Final = (
    "id",
    "correlation_id",
    "traceparent",
    "operation",
    "outcome",
    "error_code",
    "severity",
    "retryable",
    "http_status",
    "quote_id",
    "agent_id",
    "client_id",
    "expected_version",
    "actual_version",
    "started_at",
    "duration_us",
    "database_us",
    "retries",
    "changed_fields",
    "path",
    "source",
    "environment",
    "release",
    "instance",
)
_ORIGIN: Final = ("environment", "release", "instance")
_STORED: Final = ("origin_id", *(name for name in COLUMNS if name not in _ORIGIN))
_NO_ORIGIN: Final = [None] * len(_ORIGIN)
# Rows that are in memory at once, and between two reports of progress.
_BATCH: Final = 2_000
# What a spreadsheet takes for the beginning of a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def export(
    connection: psycopg.Connection[Any],
    selection: Selection,
    out: IO[str],
    *,
    at_most: int | None = None,
    progress: Callable[[int], None] = lambda _written: None,
) -> int:
    """Writes the rows of a selection, newest first, however many there are, in bounded memory.

    The first line names the columns as the view `ledger` does, and the words in them are its own.
    Instants are in ISO 8601, in UTC. A text that a spreadsheet would run as a formula begins with
    an apostrophe.

    Args:
        connection: in no transaction; its rows come through a cursor of the server's.
        selection: of the attempts.
        out: to write to, opened with `newline=""`.
        at_most: how many rows to write; all if None.
        progress: told how many are written.

    Returns:
        How many rows were written.

    Raises:
        psycopg.Error: the database could not be asked, or stopped answering.
        OSError: it could not be written.
    """
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    written = 0
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        origins = _origins(connection)
        for window in _days(connection, selection.window):
            left = None if at_most is None else at_most - written
            for rows in _batches(connection, replace(selection, window=window), left):
                writer.writerows(_line(row, origins) for row in rows)
                written += len(rows)
                progress(written)
    return written


def _days(connection: psycopg.Connection[Any], window: Window) -> Iterator[Window]:
    """The days of a window that the ledger has, newest first: none has to sort more than a day."""
    for day in sorted(days_of(connection), reverse=True):
        start = day_start(day)
        end = min(start + timedelta(days=1), window.end)
        if max(start, window.start) < end:
            yield Window(max(start, window.start), end)


def _batches(
    connection: psycopg.Connection[Any], selection: Selection, at_most: int | None
) -> Iterator[list[tuple[Any, ...]]]:
    if at_most == 0:
        return
    query = sql.SQL(_QUERY).format(
        columns=sql.SQL(", ").join(map(sql.Identifier, _STORED)),
        condition=selection.condition(),
        limit=sql.SQL("ALL") if at_most is None else sql.Literal(at_most),
    )
    with connection.cursor("export") as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(_BATCH):
            yield rows


def _origins(connection: psycopg.Connection[Any]) -> dict[int, list[str]]:
    found = connection.execute("SELECT id, environment, release, instance FROM origin").fetchall()
    return {number: origin for number, *origin in found}


def _line(row: Sequence[Any], origins: Mapping[int, Sequence[str | None]]) -> Iterator[str]:
    """Texts of one line: what is stored of the attempt, then of the process that it was made in."""
    origin_id, *stored = row
    values = (*stored, *origins.get(origin_id, _NO_ORIGIN))
    for column, value in zip(COLUMNS, values, strict=True):
        words = _WORDS.get(column)
        yield cell_text(value if words is None or value is None else words(value))


def cell_text(value: object) -> str:
    """A value in a line; a text that a spreadsheet would run as a formula gets an apostrophe."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds")
        case str() if value.startswith(_FORMULA):
            return f"'{value}"
        case _:
            return str(value)


_CODES: Final = {meaning.number: code.value for code, meaning in TAXONOMY.items()}
# From the ledger's numbers to the words of its view.
_WORDS: Final[dict[str, Callable[[int], str]]] = {
    "operation": lambda number: Operation(number).name,
    "outcome": lambda number: Outcome(number).name.lower(),
    "error_code": lambda number: _CODES.get(number, str(number)),
    "severity": lambda number: Severity(number).name,
    "path": lambda number: Path(number).name.lower(),
    "source": lambda number: Source(number).name.lower(),
}
# Not through the view, which would have the words made by the server for every row.
_QUERY: Final = """
    SELECT {columns}
    FROM attempt
    WHERE {condition}
    ORDER BY started_at DESC, id DESC
    LIMIT {limit}
"""
