"""Asking the database as the engine itself does: as the application's role, within its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, LiteralString

import psycopg

from engine.readiness.probes.probe import Question
from engine.rollups.series import Look, looking

# Of things that are wrong, as many are named.
SHOWN: Final = 10


def rows(
    question: Question,
    query: LiteralString,
    values: Sequence[Any] | Mapping[str, Any] | None = None,
) -> list[tuple[Any, ...]]:
    """The rows of a query.

    Raises:
        psycopg.Error: the database could not be asked.
        PoolTimeout: the same.
    """
    with question.runtime.read_pool.connection() as connection:
        cursor: psycopg.Cursor[tuple[Any, ...]] = connection.execute(query, values)
        return cursor.fetchall()


@contextmanager
def looked(question: Question) -> Iterator[tuple[psycopg.Connection[Any], Look]]:
    """One consistent look at rollups and ledger, and the connection that it is on.

    Raises:
        psycopg.Error: the database could not be asked.
        PoolTimeout: the same.
    """
    with (
        question.runtime.read_pool.connection() as connection,
        looking(connection) as look,
    ):
        yield connection, look
