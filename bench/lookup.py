"""Finding one request among all by its correlation id, as somebody on call does."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

import psycopg

from bench.ledgers import DAYS, Ledger
from bench.measure import percentile
from engine.attempts.lookup import find
from engine.clock import uuid7
from engine.correlation import ALPHABET, make_correlation_id

# All that is known of one request. There is no time in it: nobody who has an id knows the day.
LOOKUP: Final = "SELECT * FROM attempt WHERE correlation_id = %(correlation_id)s"
_PATIENCE_S: Final = 600.0
_LEAST_PAGES: Final = 500


def measure(ledgers: Sequence[Ledger], count: int) -> dict[str, Any]:
    """Looks up ids that are spread evenly over all days; twice, each size in turn.

    The first pass is cold: before it the server and the operating system are told to forget the
    ledger, even the roots of its indexes.
    """
    chosen = {ledger.name: _ids(ledger, count) for ledger in ledgers}
    mistyped = {ledger.name: _mistyped(ledger, count) for ledger in ledgers}
    for ledger in ledgers:
        _forget(ledger)
    passes = {
        name: {ledger.name: _found(ledger, chosen[ledger.name], ask) for ledger in ledgers}
        for name, ask in (("cold", _plain), ("warm", _plain), ("in a log line", _in_a_text))
    }
    guesses = {
        "mistyped": {
            ledger.name: _found(ledger, mistyped[ledger.name], _guess) for ledger in ledgers
        }
    }
    first = {ledger.name: _first_on_a_connection(ledger, chosen) for ledger in ledgers}
    return {
        "ids": count,
        "passes": passes,
        "guesses": guesses,
        "first_on_a_connection_ms": first,
    }


# Asks a ledger for an id on a connection; whether that was answered as it should have been.
Ask = Callable[[psycopg.Connection[Any], Ledger, str], bool]


def _plain(connection: psycopg.Connection[Any], _ledger: Ledger, correlation_id: str) -> bool:
    values = {"correlation_id": correlation_id}
    return bool(connection.execute(LOOKUP, values, prepare=True).fetchall())


def _in_a_text(connection: psycopg.Connection[Any], ledger: Ledger, correlation_id: str) -> bool:
    text = f'ERROR save.done {{"correlationId": "{correlation_id}"}} in 12 ms'
    found = find(connection, text, ledger.newest)
    return bool(found.hits) and found.hits[0].matched == correlation_id


def _guess(connection: psycopg.Connection[Any], ledger: Ledger, mistyped: str) -> bool:
    """Asks for all that it may have been; a filled ledger has none of it, so nothing is skipped."""
    return not find(connection, mistyped, ledger.newest).hits


def _found(ledger: Ledger, ids: Sequence[str], ask: Ask) -> dict[str, float]:
    """Database and wall time of one look-up in milliseconds, prepared."""
    database, wall = [], []
    with ledger.pool.connection(time.monotonic() + _PATIENCE_S) as connection:
        ask(connection, ledger, "REQ-")
        for correlation_id in ids:
            with ledger.time.of() as spent:
                began = time.perf_counter()
                is_answered = ask(connection, ledger, correlation_id)
                wall.append((time.perf_counter() - began) * 1e3)
            database.append(spent.milliseconds)
            if not is_answered:
                raise SystemExit(f"{ledger.name}: {correlation_id} was not found")
    database.sort()
    wall.sort()
    return {
        "database_ms_p50": percentile(database, 0.5),
        "database_ms_p99": percentile(database, 0.99),
        "database_ms_max": database[-1],
        "wall_ms_p50": percentile(wall, 0.5),
        "wall_ms_p99": percentile(wall, 0.99),
    }


def _first_on_a_connection(ledger: Ledger, chosen: dict[str, list[str]]) -> float:
    """Database time of the first look-up on a connection, which has to be planned."""
    with ledger.pool.connection(time.monotonic() + _PATIENCE_S) as connection:
        connection.execute("DEALLOCATE ALL")
        with ledger.time.of() as spent:
            connection.execute(
                LOOKUP, {"correlation_id": chosen[ledger.name][0]}, prepare=False
            ).fetchall()
    return spent.milliseconds


def _mistyped(ledger: Ledger, count: int) -> list[str]:
    """Ids of our making from times all over the ledger, with the last character but one wrong."""
    letters = ALPHABET[1:] + ALPHABET[0]
    made = []
    for number in range(count):
        at = ledger.newest - timedelta(days=DAYS) * number / count
        right = make_correlation_id(uuid7(int(at.timestamp() * 1000), os.urandom(10)))
        made.append(right[:-2] + letters[ALPHABET.index(right[-2])] + right[-1])
    return made


def _ids(ledger: Ledger, count: int) -> list[str]:
    """Ids of random pages, a few of each day, in random order."""
    rows = ledger.superuser.execute(
        """
        SELECT correlation_id
        FROM attempt TABLESAMPLE SYSTEM (%(share)s)
        WHERE started_at < %(newest)s
        ORDER BY md5(correlation_id)
        LIMIT %(count)s
        """,
        # Whole pages are taken, some thirty rows each: many more than are kept, and some of every
        # day.
        {
            "share": min(3000.0 * max(count, _LEAST_PAGES) / ledger.rows, 100.0),
            "newest": ledger.newest,
            "count": count,
        },
    ).fetchall()
    if not rows:
        raise SystemExit(f"{ledger.name}: no attempt to look up")
    return [row[0] for row in rows]


def _forget(ledger: Ledger) -> None:
    """Takes the ledger out of the server's memory, and its files out of the system's."""
    ledger.superuser.execute("CREATE EXTENSION IF NOT EXISTS pg_buffercache")
    ledger.superuser.execute("CHECKPOINT")
    ledger.superuser.execute("SELECT pg_buffercache_evict_all()")
    for path in (ledger.cluster.data / "base").rglob("*"):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
