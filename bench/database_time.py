"""How long the server itself worked for the application: planning and execution, by its own clock.

Read from pg_stat_statements, which counts every statement of a role. What it leaves out is the way
there and back, and the parsing of a statement's text; the client's wall time has those as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from engine.database.target import APP_ROLE

# What the server must have been started with, beside the module itself.
SETTINGS: Final = {"pg_stat_statements.track_planning": "on", "pg_stat_statements.max": "10000"}

_NAME_LENGTH: Final = 60
_SPENT: Final = """
    SELECT coalesce(sum(total_plan_time + total_exec_time), 0), coalesce(sum(calls), 0)
    FROM pg_stat_statements
    WHERE userid = %s::regrole
"""
_STATEMENTS: Final = """
    SELECT queryid, min(query), sum(total_plan_time + total_exec_time), sum(calls)
    FROM pg_stat_statements
    WHERE userid = %s::regrole
    GROUP BY queryid
"""


@dataclass(slots=True)
class Spent:
    """What the server did for the application between two moments.

    Attributes:
        milliseconds: of planning and execution.
        calls: statements, those that begin and end transactions included.
    """

    milliseconds: float = 0.0
    calls: int = 0


@dataclass(slots=True)
class SpentByStatement:
    """The same by statement: its first words → milliseconds."""

    milliseconds: dict[str, float] = field(default_factory=dict)


class DatabaseTime:
    """Reads the counters on a connection that they do not count."""

    def __init__(self, superuser: psycopg.Connection[Any]) -> None:
        """Makes the counters visible.

        Args:
            superuser: in autocommit, to the database that is measured.

        Raises:
            psycopg.Error: the server was started without the module.
        """
        self._connection = superuser
        superuser.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    @contextmanager
    def of(self) -> Iterator[Spent]:
        """Measures a block."""
        spent = Spent()
        milliseconds, calls = self.so_far()
        yield spent
        after_milliseconds, after_calls = self.so_far()
        spent.milliseconds, spent.calls = after_milliseconds - milliseconds, after_calls - calls

    @contextmanager
    def by_statement(self) -> Iterator[SpentByStatement]:
        """Measures a block, each statement by itself; slower to read than `of`."""
        spent = SpentByStatement()
        before = self._by_statement()
        yield spent
        for name, milliseconds in self._by_statement().items():
            more = milliseconds - before.get(name, 0.0)
            if more > 0:
                spent.milliseconds[name] = more

    def so_far(self) -> tuple[float, int]:
        """Milliseconds and statements since the counters were last reset."""
        row = self._connection.execute(_SPENT, [APP_ROLE]).fetchone()
        return (0.0, 0) if row is None else (float(row[0]), int(row[1]))

    def _by_statement(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for _, query, milliseconds, _ in self._connection.execute(_STATEMENTS, [APP_ROLE]):
            name = statement_name(query)
            found[name] = found.get(name, 0.0) + float(milliseconds)
        return found


def statement_name(query: str) -> str:
    """What a statement is called: its first words; the server keeps no comment before them."""
    return " ".join(query.split())[:_NAME_LENGTH]
