"""How the transactions of a migration are bounded, and how a revision gets several of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from alembic import op

Run = Callable[..., "psycopg.Cursor[Any]"]

# Saves queue behind a change that waits for its table. They wait for 2 s themselves, so the change
# must have given up before that; it lets them through, and tries again.
LOCK_WAIT = "1s"

# For the transaction only, since a pooler may hand the session to somebody else after it. Names
# that this server does not have (transaction_timeout came with 17) are left out.
_BOUND: Final = """
    SELECT set_config(bound.name, bound.setting, true)
    FROM (VALUES
        ('lock_timeout', %(lock_wait)s),
        ('statement_timeout', '0'),
        ('transaction_timeout', '0'),
        ('idle_in_transaction_session_timeout', '0'),
        ('timezone', 'UTC'),
        ('search_path', 'public')
    ) AS bound (name, setting)
    JOIN pg_settings known ON lower(known.name) = bound.name
"""


def bound(connection: psycopg.Connection[Any]) -> None:
    """Bounds the open transaction's waits for locks, and nothing else; sets zone and schema.

    A snapshot of a quote spells its instants in the session's zone; the application's is UTC.
    """
    connection.execute(_BOUND, {"lock_wait": LOCK_WAIT})


@contextmanager
def short_transactions() -> Iterator[Run]:
    """Leaves a revision's transaction; what is yielded runs one statement in one of its own.

    A lock is then held no longer than its statement takes. The revision may be interrupted between
    two statements, so each of them has to be repeatable.
    """
    with op.get_context().autocommit_block():
        connection = op.get_bind().connection.driver_connection
        if not isinstance(connection, psycopg.Connection):
            raise TypeError("migrations run on psycopg")

        def run(statement: str, values: dict[str, Any] | None = None) -> psycopg.Cursor[Any]:
            with connection.transaction():
                bound(connection)
                return connection.execute(statement.encode(), values)

        yield run


def run_alone(statement: str) -> None:
    """Runs a statement that may be in no transaction, within `short_transactions`.

    It has to name the schema. It may wait for old transactions as long as it takes: such
    statements keep nobody else waiting.
    """
    connection = op.get_bind().connection.driver_connection
    if not isinstance(connection, psycopg.Connection) or not connection.autocommit:
        raise TypeError("only within short_transactions")
    for setting in _PATIENT:
        connection.execute(f"SET {setting} = 0".encode())
    try:
        connection.execute(statement.encode())
    finally:
        if not connection.closed:
            for setting in _PATIENT:
                connection.execute(f"RESET {setting}".encode())


_PATIENT: Final = ("lock_timeout", "statement_timeout")
