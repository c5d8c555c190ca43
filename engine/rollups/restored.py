"""A ledger that was restored into another server, whose transactions have other numbers.

The rollups know the rows that they hold by the number of the transaction that wrote each. A server
that a dump was restored into counts its own transactions, mostly from further down: what is saved
there would look as if it had been rolled up long ago. So it is noticed, nothing is told or rolled,
and `saveguard rollup rebuild` moves the numbers of all later transactions above those that are in
the ledger. No row is written anew for it.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import sql

# Saves queue behind it, and give up after 2 s themselves.
_LOCK_WAIT: Final = "1s"
# Of a server's own rows none is seen that a transaction from beyond its snapshot wrote.
_HAS_FOREIGN_ROWS: Final = """
    SELECT EXISTS (
        SELECT FROM attempt
        WHERE txid >= {next}
    )
"""


class RestoredError(psycopg.InternalError):
    """The rollups' snapshot or the ledger's rows are of another server's transactions."""

    def __init__(self) -> None:
        super().__init__(
            "the ledger was restored from another server; run: saveguard rollup rebuild"
        )


def moved(snapshot: str, offset: int) -> str:
    """A snapshot with each of its transactions' numbers moved by an offset."""
    oldest, following, running = snapshot.split(":")
    return ":".join(
        (
            str(int(oldest) + offset),
            str(int(following) + offset),
            ",".join(str(int(each) + offset) for each in running.split(",") if each),
        )
    )


def is_beyond(snapshot: str | None, present: str) -> bool:
    """Whether a stored snapshot is of transactions that are yet to come here.

    Args:
        snapshot: as it was stored, moved; None when nothing was rolled.
        present: the snapshot of now, moved alike.
    """
    return snapshot is not None and _following(snapshot) > _following(present)


def has_foreign_rows(connection: psycopg.Connection[Any], present: str) -> bool:
    """Whether the ledger holds rows of transactions that are yet to come here.

    Args:
        connection: in the transaction that `present` is the snapshot of.
        present: moved as the ledger's rows are.
    """
    statement = sql.SQL(_HAS_FOREIGN_ROWS).format(next=sql.Literal(_following(present)))
    row = connection.execute(statement).fetchone()
    return row is not None and row[0]


def move_numbers(connection: psycopg.Connection[Any]) -> int:
    """Moves the numbers of all later transactions above those in the ledger, and asks for a build.

    What was written between the restoration and now has numbers that cannot be told from older
    ones; only the build finds it.

    Args:
        connection: of the owner, in autocommit.

    Returns:
        By how much they are moved.

    Raises:
        psycopg.errors.LockNotAvailable: other work on the ledger is in the way; nothing was done.
        psycopg.Error: the role may not, or the database could not be asked.
    """
    # What is saved meanwhile has this server's own low numbers.
    row = connection.execute("SELECT max(txid) FROM attempt").fetchone()
    highest = 0 if row is None or row[0] is None else int(row[0])
    with connection.transaction():
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(_LOCK_WAIT)))
        state = connection.execute(
            "SELECT snapshot, txid_current() FROM rollup_state FOR UPDATE"
        ).fetchone()
        snapshot, current = (None, 0) if state is None else state
        offset = max(highest, _following(snapshot) if snapshot else 0, current) + 1
        # Whoever is writing rows ends first, so that the build finds them.
        connection.execute(
            sql.SQL(
                "ALTER TABLE attempt ALTER COLUMN txid SET DEFAULT txid_current() + {offset}"
            ).format(offset=sql.Literal(offset))
        )
        connection.execute("UPDATE rollup_state SET txid_offset = %s, is_stale = true", [offset])
    return offset


def _following(snapshot: str) -> int:
    """The number of the first transaction that had not begun yet."""
    return int(snapshot.split(":")[1])
